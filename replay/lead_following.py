"""The two best of a record's many leads, followed: one that goes bad for long is replaced."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.formats.options import FileOptions
from replay.lead_choice import LeadChoiceConfig, choose, lead_quality, replacement
from replay.record import LeadView, Record, read_samples
from replay.records import open_record

Rows = tuple[int, ...]
USED: Final = 2
"""Leads that detector and classifier take."""


@dataclass(frozen=True, slots=True)
class FollowedLeads(LeadView):
    """Two leads of a record that may be replaced as it is read; satisfies `Record`.

    Each `check_s`, at fixed samples, the leads' quality in the last `follow_s` is looked at. A lead
    that was clearly worse than one that isn't used, `patience` times in a row, is replaced by it.
    Nothing later than the sample itself decides, and a choice once made is kept, so that a part
    that is read again has the same leads. Chunks carry the names of their leads, and end where
    these change.
    """

    config: LeadChoiceConfig = field(default_factory=LeadChoiceConfig)
    is_primary_fixed: bool = False
    """Whether the primary lead was asked for, and stays."""
    chosen: dict[int, Rows] = field(default_factory=dict)
    """Rows from each check on, as far as the record was read."""

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield the samples of the leads that are used; see `Record.chunks`."""
        every = max(round(self.config.check_s * self.fs), 1)
        recent = _Recent(round(self.config.follow_s * self.fs))
        known = [check for check in self.chosen if check * every <= start]
        rows = self.chosen[max(known)] if known else self.rows
        bad = [0] * len(rows)
        for chunk in self.record.chunks(start, stop, size):
            checks = range(-(-chunk.start // every) * every, chunk.stop, every)
            begun = chunk.start
            for first, last in pairwise(sorted({chunk.start, *checks, chunk.stop})):
                if first in checks and first > start:
                    before, rows = rows, self._check(first // every, recent, rows, bad)
                    if rows != before and first > begun:
                        yield self._part(chunk, begun, first, before)
                        begun = first
                recent.add(chunk.samples[:, first - chunk.start : last - chunk.start])
            yield self._part(chunk, begun, chunk.stop, rows)

    def _part(self, chunk: Chunk, start: int, stop: int, rows: Rows) -> Chunk:
        samples = chunk.samples[list(rows), start - chunk.start : stop - chunk.start]
        names = tuple(self.record.leads[row] for row in rows)
        return Chunk(start=start, samples=np.ascontiguousarray(samples), leads=names)

    def _check(self, check: int, recent: "_Recent", rows: Rows, bad: list[int]) -> Rows:
        """Return the rows from a check on, as they were chosen before or as they are now."""
        if check not in self.chosen:
            self.chosen[check] = self._followed(recent, rows, bad)
        return self.chosen[check]

    def _followed(self, recent: "_Recent", rows: Rows, bad: list[int]) -> Rows:
        """Count how often each lead was bad in a row; replace the first one that was for long."""
        if not recent.is_full:
            return rows
        quality = lead_quality(recent.samples(), self.fs, self.config)
        for place, row in enumerate(rows):
            if place == 0 and self.is_primary_fixed:
                continue
            other = replacement(self.record.leads, quality, rows, place, self.config)
            is_bad = quality[row] < self.config.bad * quality[other]
            bad[place] = bad[place] + 1 if is_bad and quality[other] >= self.config.clear else 0
            if bad[place] >= self.config.patience:
                bad[place] = 0
                return (*rows[:place], other, *rows[place + 1 :])
        return rows


class _Recent:
    """The latest samples of all leads, in the pieces in which they came."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._held = 0
        self._pieces: deque[NDArray[np.float32]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether it holds as many as it is to."""
        return self._held >= self._n

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take samples, shape (leads, n), and forget those that are too old."""
        self._pieces.append(samples)
        self._held += samples.shape[1]
        while self._held - self._pieces[0].shape[1] >= self._n:
            self._held -= self._pieces.popleft().shape[1]

    def samples(self) -> NDArray[np.float32]:
        """Return the latest `n`, shape (leads, n)."""
        return np.concatenate(self._pieces, axis=1)[:, -self._n :]


def open_two_leads(
    name: str, *, lead: str | None = None, options: FileOptions | None = None
) -> Record:
    """Open a record as `replay.records.open_record` does; of many leads, those that are best.

    Leads that the options name are taken as they are.
    """
    record = open_record(name, lead=lead, options=options)
    return record if options is not None and options.leads else with_best_leads(record, lead)


def with_best_leads(record: Record, lead: str | None = None) -> Record:
    """Return a record with its two best leads, followed as it is read.

    Parameters
    ----------
    record : Record
        One of up to two leads is returned as it is.
    lead : str, optional
        Primary lead that was asked for.
    """
    if len(record.leads) <= USED:
        return record
    config = LeadChoiceConfig()
    stop = min(round(config.look_s * record.fs), record.n_samples)
    quality = lead_quality(read_samples(record, 0, stop), record.fs, config)
    rows = choose(record.leads, quality, lead, config)
    return FollowedLeads(record, rows, config, is_primary_fixed=lead is not None)
