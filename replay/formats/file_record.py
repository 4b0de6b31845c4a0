"""What records in single files share: leads chosen, samples cut into chunks, a reference beside."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, time
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.errors import LeadNotFoundError
from replay.formats.options import FileOptions
from replay.formats.units import require_plausible
from replay.record import (
    FILE_BLOCK_SAMPLES,
    Reference,
    check_range,
    cut_chunks,
    lead_order,
    select_leads,
)
from replay.wfdb_record import read_reference

LONGEST_DAYS: Final = 60
"""Holes included; what spans more has damaged time stamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A signal of a file that may be a lead."""

    number: int
    """As a person counts, from 1."""
    name: str | None
    """None if the file doesn't name it."""

    @property
    def lead(self) -> str:
        """What the lead is called."""
        return f"lead {self.number}" if self.name is None else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Where a file is, and what was said of it."""

    path: Path
    """With extension."""
    database: str | None = None
    lead: str | None = None
    """Primary lead."""
    options: FileOptions = field(default_factory=FileOptions)
    annotator: str = "atr"
    """Extension of a WFDB annotation file of the same name beside it."""


class FileRecord(ABC):
    """A record in one file; satisfies `replay.record.Record`.

    Attributes
    ----------
    base_time : time or None
        Time of day of the first sample, where the file states it.
    base_date : date or None
    offered : tuple of str
        All leads of the file, those that aren't read included.
    """

    base_time: time | None = None
    base_date: date | None = None

    def __init__(self, source: FileSource, *, fs: float, n_samples: int) -> None:
        self.path = source.path
        self.name = source.path.stem
        self.database = source.database
        self.fs = fs
        self.n_samples = n_samples
        self.leads: tuple[str, ...] = ()
        self.offered: tuple[str, ...] = ()
        self._annotator = source.annotator

    @abstractmethod
    def _read(self, start: int, stop: int) -> NDArray[np.floating]:
        """Return samples in mV, shape (n, leads), NaN where there are none."""

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield the samples in chunks; see `replay.record.Record.chunks`.

        Raises
        ------
        RecordFormatError
            While iterating, if a part of the file can't be read.
        """
        return cut_chunks(self._block, start, check_range(start, stop, size, self.n_samples), size)

    def _block(self, start: int, stop: int) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # Too large for float32 is infinite, thus invalid.
            return self._read(start, stop).T.astype(np.float32)

    def _check_units(self) -> None:
        """Raise if the first samples can't be an ECG in the units that were given."""
        stop = min(self.n_samples, FILE_BLOCK_SAMPLES)
        require_plausible(self._read(0, stop), self.path.name)

    def reference(self) -> Reference | None:
        """Return the annotations of a WFDB file of the same name beside it, or None.

        Raises
        ------
        RecordFormatError
            If that file is damaged or has annotations outside the record.
        """
        return self._beside

    @cached_property
    def _beside(self) -> Reference | None:
        return read_reference(self.path.with_suffix(f".{self._annotator}"), self.n_samples)


def choose_columns(columns: list[Column], source: FileSource) -> tuple[list[Column], list[str]]:
    """Return the columns to read, primary lead first, and the names of their leads.

    Raises
    ------
    LeadNotFoundError
        If there is no such lead.
    """
    names = tuple(column.lead for column in columns)
    wanted = source.options.leads
    if not wanted:
        order = lead_order(names, source.lead, source.path.name)
    elif all(word.strip().isdecimal() for word in wanted):
        numbers = tuple(str(column.number) for column in columns)
        try:
            order = select_leads(numbers, wanted, source.path.name)
        except LeadNotFoundError as error:
            raise LeadNotFoundError(f"{error} ({', '.join(names)})") from None
    elif len(wanted) == len(columns) and all(column.name is None for column in columns):
        given = tuple(word.strip() for word in wanted)
        if len({name.casefold() for name in given}) < len(given):
            raise LeadNotFoundError(f"leads {', '.join(given)} are not different; name each once")
        return columns, list(given)
    else:
        order = select_leads(names, wanted, source.path.name)
    return [columns[row] for row in order], [names[row] for row in order]


def unique(names: Iterable[str]) -> list[str]:
    """Return names made different: the second "ECG" is "ECG (2)"."""
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        found.append(f"{name} ({number})" if name in found else name)
    return found
