"""Runs of ectopic beats, and how two annotations agree on them, run by run.

ANSI/AAMI EC57:2012, with WFDB's `rxr` as its reference implementation: each run of one side defines
a window from 150 ms before its first beat to 150 ms after its last, and the longest run of the
other side inside that window is its partner. Fusion beats belong to runs of V, and
ventricular flutter is a long run. What differs from `rxr`, and why: atrial fibrillation isn't a
long run of S here but left out on both sides, because beat labels don't name it (`bench rhythm`
scores it); a run at the end of a record counts; flutter that begins within a run makes it long;
each window is looked at by itself, where `rxr` never looks back.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from streamer.scoring.ec57 import LABELS, BeatAnnotations, Matrix, Ratio

Span = tuple[int, int]
"""First and last sample."""

LONGEST: Final = 6
"""Runs of more than five beats count alike."""
LENGTHS: Final[dict[str, tuple[int, int]]] = {
    "couplets": (2, 2),
    "runs of 3-5": (3, 5),
    "runs of 6 or more": (LONGEST, LONGEST),
}
"""Shortest and longest of each kind that EC57 reports."""


@dataclass(frozen=True, slots=True)
class Run:
    """Beats of one kind without another in between."""

    beats: tuple[int, ...]
    """Samples, ascending."""
    episodes: tuple[Span, ...] = ()
    """Segments that count as a long run by themselves."""

    @property
    def first(self) -> int:
        """Sample at which it begins."""
        return min((*self.beats[:1], *(start for start, _ in self.episodes[:1])))

    @property
    def last(self) -> int:
        """Sample of its last beat, or of the end of its last episode."""
        return max((*self.beats[-1:], *(stop for _, stop in self.episodes[-1:])))

    def length(self, start: int | None = None, stop: int | None = None) -> int:
        """Return how many of its beats lie from `start` to `stop`, at most `LONGEST`."""
        low = self.first if start is None else start
        high = self.last if stop is None else stop
        if any(a <= high and low <= b for a, b in self.episodes):
            return LONGEST
        return min(bisect_right(self.beats, high) - bisect_left(self.beats, low), LONGEST)


def runs_of(
    beats: BeatAnnotations,
    members: Iterable[Label],
    *,
    episodes: Sequence[Span] = (),
    left_out: Sequence[Span] = (),
) -> list[Run]:
    """Find the runs of beats whose label is one of `members`.

    Parameters
    ----------
    episodes : sequence of (int, int)
        Segments that count as a long run, such as ventricular flutter.
    left_out : sequence of (int, int)
        Segments whose beats are passed over; they end a run.
    """
    codes = {LABELS.index(label) for label in members}
    marks: list[tuple[int, int, Span | None]] = [
        (sample, 1 if code in codes else 0, None)
        for sample, code in zip(beats.samples.tolist(), beats.codes.tolist(), strict=True)
        if not any(a <= sample <= b for a, b in left_out)
    ]
    marks += [(span[0], 0, None) for span in left_out]
    marks += [(span[0], LONGEST, span) for span in episodes]
    return _joined(sorted(marks, key=lambda mark: mark[0]))


def _joined(marks: Sequence[tuple[int, int, Span | None]]) -> list[Run]:
    """Join neighbouring marks of a length into runs; marks without a length end them."""
    runs: list[Run] = []
    found: list[int] = []
    spans: list[Span] = []
    for sample, length, span in (*marks, (0, 0, None)):
        if span is not None:
            spans.append(span)
        elif length:
            found.append(sample)
        elif found or spans:
            runs.append(Run(tuple(found), tuple(spans)))
            found, spans = [], []
    return runs


def _empty() -> Matrix:
    return np.zeros((LONGEST + 1, LONGEST + 1), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunCounts:
    """EC57's two run matrices; rows are reference lengths, columns predicted ones, 0 to 6."""

    by_reference: Matrix = field(default_factory=_empty)
    """Each reference run with the longest predicted one in its window: for Se."""
    by_predicted: Matrix = field(default_factory=_empty)
    """Each predicted run with the longest reference one in its window: for +P."""

    def __add__(self, other: "RunCounts") -> "RunCounts":
        return RunCounts(
            by_reference=self.by_reference + other.by_reference,
            by_predicted=self.by_predicted + other.by_predicted,
        )

    def se(self, kind: str) -> Ratio:
        """Return the share of the reference runs of a kind that were found at least as such."""
        low, high = LENGTHS[kind]
        rows = self.by_reference[low : high + 1]
        return Ratio(int(rows[:, low:].sum()), int(rows.sum()))

    def ppv(self, kind: str) -> Ratio:
        """Return the share of the predicted runs of a kind that are at least such."""
        low, high = LENGTHS[kind]
        columns = self.by_predicted[:, low : high + 1]
        return Ratio(int(columns[low:].sum()), int(columns.sum()))


def count_runs(reference: Sequence[Run], predicted: Sequence[Run], tolerance: int) -> RunCounts:
    """Compare run by run.

    Parameters
    ----------
    reference, predicted : sequence of Run
        In order of time.
    tolerance : int
        Samples by which a window is wider than its run, on either side.
    """
    counts = RunCounts()
    for run, longest in zip(reference, _partners(reference, predicted, tolerance), strict=True):
        counts.by_reference[run.length(), longest] += 1
    for run, longest in zip(predicted, _partners(predicted, reference, tolerance), strict=True):
        counts.by_predicted[longest, run.length()] += 1
    return counts


def _partners(runs: Sequence[Run], others: Sequence[Run], tolerance: int) -> NDArray[np.int64]:
    """Return the length of the longest of the others in each run's window."""
    firsts = [other.first for other in others]
    lasts = [other.last for other in others]
    longest = np.zeros(len(runs), np.int64)
    for k, run in enumerate(runs):
        start, stop = run.first - tolerance, run.last + tolerance
        near = others[bisect_left(lasts, start) : bisect_right(firsts, stop)]
        longest[k] = max((other.length(start, stop) for other in near), default=0)
    return longest
