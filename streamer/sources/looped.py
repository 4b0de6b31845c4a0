"""Records played over and over, from a different place for each patient."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.record import Record
from streamer.core.events import CHAIN_FS, StreamInfo
from streamer.sources.source import Block, Host, Turn

_SPREAD: Final = 7919
"""A prime: consecutive patients of one record begin far apart."""
_BLOCK: Final = 65_536


class LoopedRecords:
    """Signals of many patients, made of a few records at the chain's rate.

    Patient i plays record ``i % len(records)`` from a place of its own; the sample index goes on
    at the record's end, where the signal jumps back to its beginning.

    Parameters
    ----------
    records : sequence of Record
        At 360 Hz, with at least `n_leads` leads.
    n_leads : int

    Raises
    ------
    ValueError
        If a record doesn't fit, or there is none.

    Attributes
    ----------
    names : tuple of str
        Of the records.
    leads : tuple of tuple of str
        Names of each record's leads.
    """

    def __init__(self, records: Sequence[Record], n_leads: int = 2) -> None:
        if not records:
            raise ValueError("a ward needs at least one record to loop")
        for record in records:
            if record.fs != CHAIN_FS or len(record.leads) < n_leads:
                raise ValueError(
                    f"record {record.name} has {len(record.leads)} leads at {record.fs:g} Hz; "
                    f"a looped one needs {n_leads} at {CHAIN_FS:g} Hz"
                )
        self.names = tuple(record.name for record in records)
        self.leads = tuple(tuple(record.leads[:n_leads]) for record in records)
        self._signals = [_read(record, n_leads) for record in records]
        self._n_leads = n_leads

    def read(
        self, starts: NDArray[np.int64], n: int, patients: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return n samples of each patient from its own index on, shape (patients, leads, n).

        Those of patients that aren't among `patients` are undefined.
        """
        block = np.empty((len(starts), self._n_leads, n), np.float32)
        steps = np.arange(n)
        numbers = np.arange(len(starts))[patients]
        for k, signal in enumerate(self._signals):
            those = numbers[numbers % len(self._signals) == k]
            begins = starts[those] + those * _SPREAD
            columns = (begins[:, None] + steps) % signal.shape[1]
            block[those] = signal[:, columns].transpose(1, 0, 2)
        return block


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnConfig:
    """When a ward's patients have their turns.

    Attributes
    ----------
    tick_s : float
        From one look at a patient's samples to the next; half of it is added to the latency on
        average.
    groups : int
        Groups of patients that are served one after another within a tick: no patient waits for
        the work on all.
    is_paced : bool
        Whether looped records are played at real time, else as fast as possible.
    """

    tick_s: float = 0.05
    groups: int = 2
    is_paced: bool = True

    @property
    def turn_s(self) -> float:
        """From one group's turn to the next one's."""
        return self.tick_s / self.groups


class LoopedSource:
    """Many patients who play looped records.

    Parameters
    ----------
    records : LoopedRecords
    names : sequence of str
        One a patient.
    seconds : float, optional
        Signal of each patient; for ever if None.
    config : TurnConfig, optional

    Attributes
    ----------
    late_turns : int
        Turns that began after the next was due.
    """

    def __init__(
        self,
        records: LoopedRecords,
        names: Sequence[str],
        *,
        seconds: float | None = None,
        config: TurnConfig | None = None,
    ) -> None:
        self.late_turns = 0
        self._config = config or TurnConfig()
        self.is_paced = self._config.is_paced
        self._records = records
        self._names = tuple(names)
        self._total = None if seconds is None else round(seconds * CHAIN_FS)
        self._next = np.zeros(len(self._names), np.int64)

    def begin(self, host: Host) -> None:
        """Open all patients; those with a snapshot go on where it was taken."""
        for number, name in enumerate(self._names):
            info = StreamInfo(
                source=name,
                fs=CHAIN_FS,
                leads=self._records.leads[number % len(self._records.leads)],
                first_sample=0,
                n_samples=None,
                training_record=False,
                started_at=time.time(),
            )
            following = host.open(info)
            self._next[number] = 0 if following is None else following

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield the samples of one group of patients after the other."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for group, due in turns_of(self._config, self._total):
            due_s = began_s + (due.stop - 1) / CHAIN_FS if self.is_paced else None
            if due_s is not None:
                remaining_s = due_s - loop.time()
                self.late_turns += remaining_s <= 0.0
                await asyncio.sleep(max(remaining_s, 0.0))
            counts = np.zeros(len(self._names), np.int64)
            counts[group] = n = len(due)
            samples = self._records.read(self._next, n, group)
            self._next += counts
            yield Turn(
                block=Block(
                    sources=self._names[group], samples=samples, counts=counts, n=n, due_s=due_s
                )
            )


def turns_of(config: TurnConfig, total: int | None) -> Iterator[tuple[slice, range]]:
    """Yield whose turn it is, and which samples of the chain's rate they take.

    A turn is due with its last sample. With `total`, each group gets as many, then it ends.
    """
    done = [0] * config.groups
    for turn in count(1):
        group = (turn - 1) % config.groups
        due = round(turn * config.turn_s * CHAIN_FS)
        due = due if total is None else min(due, total)
        if due > done[group]:
            yield slice(group, None, config.groups), range(done[group], due)
        done[group] = due
        if total is not None and min(done) >= total:
            return


def patient_names(records: Sequence[str], n: int) -> list[str]:
    """Name n patients after the records they play: `208`, `208.2`, ..."""
    names = []
    for number in range(n):
        lap, record = divmod(number, len(records))
        names.append(records[record] if lap == 0 else f"{records[record]}.{lap + 1}")
    return names


def _read(record: Record, n_leads: int) -> NDArray[np.float32]:
    chunks = [chunk.samples[:n_leads] for chunk in record.chunks(size=_BLOCK)]
    return np.concatenate(chunks, axis=1)
