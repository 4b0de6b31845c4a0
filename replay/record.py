"""What every record offers, wherever its samples come from."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.errors import LeadNotFoundError, NoReferenceError

BLOCK_SAMPLES: Final = 8192
"""What is read at a time where nothing keeps real time: some ten seconds."""
FILE_BLOCK_SAMPLES: Final = 2**15
"""Samples that are read from a file at a time: a minute and a half at 360 Hz, two milliseconds to
decode."""
PREFERRED_LEAD = "MLII"
"""Modified limb lead II: upright QRS, and the primary lead of most ambulatory databases."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Annotations that experts (or a simulator) made, in order of time.

    Attributes
    ----------
    samples : ndarray of int64, shape (n,)
        Absolute sample index of each annotation, in the record's own sampling frequency.
    symbols : tuple of str
        WFDB symbol of each annotation: beats (N, V, A ...), rhythm changes (+), signal quality (~).
    aux : tuple of str
        Auxiliary text of each annotation, "" for most; "(AFIB" and the like for rhythm changes.
    """

    samples: NDArray[np.int64]
    symbols: tuple[str, ...]
    aux: tuple[str, ...]


class Record(Protocol):
    """One recording of one patient, read in pieces."""

    @property
    def name(self) -> str:
        """Record name without folder: letters, digits, '.', '_' and '-'."""
        ...

    @property
    def database(self) -> str | None:
        """Name of the database it belongs to; None for a simulated one."""
        ...

    @property
    def fs(self) -> float:
        """Sampling frequency in Hz."""
        ...

    @property
    def leads(self) -> tuple[str, ...]:
        """Lead names in the order of the rows of `Chunk.samples`, primary first."""
        ...

    @property
    def n_samples(self) -> int:
        """Length of every lead."""
        ...

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield samples `start` to `stop` (exclusive) in chunks of `size`, the last maybe shorter.

        Every chunk owns its array, of shape (leads, n), C-contiguous.

        Raises
        ------
        ValueError
            If the range is not inside the record, or `size` is less than 1.
        """
        ...

    def reference(self) -> Reference | None:
        """Return the reference annotations, or None if the record has none."""
        ...


def recorded_at(record: Record) -> tuple[time | None, date | None]:
    """Return time of day and date of a record's first sample, as far as its files state them."""
    return getattr(record, "base_time", None), getattr(record, "base_date", None)


def offered_leads(record: Record) -> tuple[str, ...]:
    """Return all leads that a record has, those that aren't used included."""
    offered: tuple[str, ...] = getattr(record, "offered", record.leads)
    return offered


def read_samples(record: Record, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
    """Return a record's samples from `start` until before `stop` in mV, shape (leads, n)."""
    blocks = [chunk.samples for chunk in record.chunks(start, stop, BLOCK_SAMPLES)]
    return np.concatenate([np.empty((len(record.leads), 0), np.float32), *blocks], axis=1)


def require_reference(record: Record, stop: int | None = None) -> Reference:
    """Return a record's reference annotations, or those before sample `stop`.

    Raises
    ------
    NoReferenceError
        If it has none.
    """
    reference = record.reference()
    if reference is None:
        raise NoReferenceError(
            f"record {record.name} has no reference annotations; choose records that have some"
        )
    n = len(reference.symbols) if stop is None else int((reference.samples < stop).sum())
    return Reference(
        samples=reference.samples[:n], symbols=reference.symbols[:n], aux=reference.aux[:n]
    )


def cut_chunks(
    read: Callable[[int, int], NDArray[np.float32]], start: int, stop: int, size: int
) -> Iterator[Chunk]:
    """Yield the samples of a file in chunks, each of which owns its array.

    Parameters
    ----------
    read : callable
        Returns samples `start` to `stop` in mV, shape (leads, n). It is asked for a large block at
        a time.
    start, stop, size : int
        As for `Record.chunks`, checked.
    """
    block_samples = size * math.ceil(FILE_BLOCK_SAMPLES / size)
    for block_start in range(start, stop, block_samples):
        block = read(block_start, min(block_start + block_samples, stop))
        for first in range(0, block.shape[1], size):
            yield Chunk(start=block_start + first, samples=block[:, first : first + size].copy())


def check_range(start: int, stop: int | None, size: int, n_samples: int) -> int:
    """Return `stop` with its default filled in, or raise ValueError for an impossible range."""
    stop = n_samples if stop is None else stop
    if not 0 <= start <= stop <= n_samples:
        raise ValueError(
            f"samples {start} to {stop} are not inside the record; choose from 0 to {n_samples}"
        )
    if size < 1:
        raise ValueError(f"chunk size is {size}; it must be 1 or more")
    return stop


def lead_order(leads: tuple[str, ...], lead: str | None, record: str) -> tuple[int, ...]:
    """Return the row order that puts the primary lead first and keeps the others as they are.

    Parameters
    ----------
    leads : tuple of str
        Lead names as the record lists them.
    lead : str or None
        Wanted primary lead, in any case; None takes MLII where there is one, else the first.
    record : str
        Name of the record, for the error message.

    Raises
    ------
    LeadNotFoundError
        If the record has no such lead.
    """
    folded = [name.casefold() for name in leads]
    wanted = (PREFERRED_LEAD if lead is None else lead).strip().casefold()
    if wanted in folded:
        first = folded.index(wanted)
    elif lead is None:
        first = 0
    else:
        raise LeadNotFoundError(
            f"record {record} has no lead {lead!r}; choose one of {', '.join(leads)}"
        )
    return (first, *(row for row in range(len(leads)) if row != first))


def select_leads(leads: tuple[str, ...], wanted: tuple[str, ...], record: str) -> tuple[int, ...]:
    """Return the rows of the leads that are asked for, in the order in which they are.

    Parameters
    ----------
    leads : tuple of str
        Lead names as the record lists them.
    wanted : tuple of str
        Names in any case, or positions from 1 where no lead has such a name.
    record : str
        Name of the record, for the error message.

    Raises
    ------
    LeadNotFoundError
        If the record has no such lead, or one is asked for twice.
    """
    folded = [name.casefold() for name in leads]
    rows = []
    for name in (word.strip() for word in wanted):
        if name.casefold() in folded:
            row = folded.index(name.casefold())
        elif name.isdecimal() and 1 <= int(name) <= len(leads):
            row = int(name) - 1
        else:
            raise LeadNotFoundError(
                f"record {record} has no lead {name!r}; choose from {', '.join(leads)}"
            )
        if row in rows:
            raise LeadNotFoundError(f"lead {name!r} is asked for twice; name each lead once")
        rows.append(row)
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class LeadView:
    """Some leads of another record, in another order; satisfies `Record`."""

    record: Record
    rows: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the record."""
        return self.record.name

    @property
    def database(self) -> str | None:
        """Its database."""
        return self.record.database

    @property
    def fs(self) -> float:
        """Hz."""
        return self.record.fs

    @property
    def leads(self) -> tuple[str, ...]:
        """The leads that are in view."""
        return tuple(self.record.leads[row] for row in self.rows)

    @property
    def offered(self) -> tuple[str, ...]:
        """All leads of the record."""
        return offered_leads(self.record)

    @property
    def n_samples(self) -> int:
        """Length of every lead."""
        return self.record.n_samples

    @property
    def base_time(self) -> time | None:
        """Time of day of the first sample, where it is known."""
        return recorded_at(self.record)[0]

    @property
    def base_date(self) -> date | None:
        """Its date, where it is known."""
        return recorded_at(self.record)[1]

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield the samples of these leads; see `Record.chunks`."""
        for chunk in self.record.chunks(start, stop, size):
            yield Chunk(start=chunk.start, samples=chunk.samples[list(self.rows)])

    def reference(self) -> Reference | None:
        """Return the record's reference annotations."""
        return self.record.reference()
