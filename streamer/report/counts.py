"""What a Holter report counts: heart rates, pauses, and ectopic beats, by how many together."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, Rhythm
from streamer.report import hrv
from streamer.report.data import BeatRow, ReportData
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.runs import COUPLET, PastBeat, known_rr, streaks

RATE_WINDOW_S: Final = 10.0
"""Slowest and fastest heart rates are means of so long."""
LEAST_RR: Final = 3
"""Intervals that a rate needs."""
_KNOWN_SHARE: Final = 0.7
"""Of a window, so that it counts as whole."""
_RULES: Final = RhythmConfig()
PAUSE_S: Final = _RULES.pause_s
"""RR interval from which on it is a pause, for the rules too."""
_MINUTE_S: Final = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """RR intervals without those that a lost signal, or ventricular fibrillation, lies in.

    Attributes
    ----------
    ends_s : ndarray of float64, shape (n,)
        When each ended, ascending, from the record's sample 0.
    lengths_s : ndarray of float64, shape (n,)
    """

    ends_s: Floats
    lengths_s: Floats

    def between(self, start_s: float, stop_s: float) -> "Intervals":
        """Return those that ended at `start_s` or later, and before `stop_s`."""
        first, last = np.searchsorted(self.ends_s, (start_s, stop_s))
        return Intervals(ends_s=self.ends_s[first:last], lengths_s=self.lengths_s[first:last])


def rr_intervals(data: ReportData) -> Intervals:
    """Return the intervals between successive beats."""
    samples = np.array([beat.sample for beat in data.beats], np.float64)
    starts, ends = samples[:-1], samples[1:]
    whole = np.ones(starts.size, np.bool_)
    lost = [(begin, stop) for begin, stop, _ in data.gaps]
    for begin, stop in (*lost, *data.spans(Rhythm.VENTRICULAR_FIBRILLATION)):
        whole &= (ends <= begin) | (starts >= stop)
    return Intervals(ends_s=ends[whole] / data.fs, lengths_s=(ends - starts)[whole] / data.fs)


def window_starts(data: ReportData, window_s: float) -> Floats:
    """Return where the windows of a recording begin, in s."""
    return np.arange(data.first / data.fs, data.stop / data.fs, window_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Heart rate of a window."""

    start_s: float
    slow_bpm: float
    mean_bpm: float
    """Of all beats; a median would count the short intervals of bigeminy alone, or the long."""
    fast_bpm: float
    """Slow and fast: one interval in twenty is beyond."""
    known_s: float
    """Sum of its intervals."""


def rates(data: ReportData, intervals: Intervals, window_s: float) -> list[Rate]:
    """Return the heart rate of each window that has intervals enough."""
    found = []
    for start in window_starts(data, window_s).tolist():
        lengths = intervals.between(start, start + window_s).lengths_s
        if lengths.size >= LEAST_RR:
            fast, slow = _MINUTE_S / np.quantile(lengths, (0.05, 0.95))
            found.append(
                Rate(
                    start_s=start,
                    slow_bpm=float(slow),
                    mean_bpm=_MINUTE_S / float(lengths.mean()),
                    fast_bpm=float(fast),
                    known_s=float(lengths.sum()),
                )
            )
    return found


def whole_rates(data: ReportData, intervals: Intervals) -> list[Rate]:
    """Return the heart rate of each window of `RATE_WINDOW_S` that is known throughout.

    The rest at the end of a recording, and what is left of a window with a lost signal, are no
    ten seconds. An interval belongs to the window in which it ends, so that one that a long one
    begins in holds less than its length.
    """
    return [
        rate
        for rate in rates(data, intervals, RATE_WINDOW_S)
        if rate.start_s + RATE_WINDOW_S <= data.stop / data.fs
        and rate.known_s >= _KNOWN_SHARE * RATE_WINDOW_S
    ]


def sinus_intervals(data: ReportData) -> tuple[Floats, Floats]:
    """Return the NN intervals outside of fibrillation and when each ended, in s."""
    samples, labels = [beat.sample for beat in data.beats], [beat.label for beat in data.beats]
    left_out = (Rhythm.ATRIAL_FIBRILLATION, Rhythm.VENTRICULAR_FIBRILLATION)
    spans = [span for rhythm in left_out for span in data.spans(rhythm)]
    return hrv.nn_intervals(samples, labels, data.fs, spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Two or more ectopic beats in a row, by the rule of the rhythm tracker."""

    first: int
    """Sample of the first."""
    n: int
    rate_bpm: float | None
    """Of the intervals within; None where they have no length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ectopy:
    """The beats of one class, by how many stand together."""

    total: int
    alone: int
    """Beats by themselves."""
    groups: tuple[Group, ...]

    @property
    def couplets(self) -> int:
        """Pairs."""
        return sum(group.n == COUPLET for group in self.groups)

    @property
    def runs(self) -> tuple[Group, ...]:
        """Three and more in a row, in order of time."""
        return tuple(group for group in self.groups if group.n >= _RULES.run_beats)


def ectopy(beats: Sequence[BeatRow], label: Label, fs: float) -> Ectopy:
    """Count the V or S beats by how many follow each other; `beats` are ascending."""
    samples = [beat.sample for beat in beats]
    groups, grouped = [], 0
    for first, last in streaks(_past_beats(beats, fs), label):
        members = beats[bisect_left(samples, first) : bisect_right(samples, last)]
        if len(members) >= COUPLET:
            groups.append(_group(members, fs))
            grouped += sum(beat.label == label for beat in members)
    total = sum(beat.label == label for beat in beats)
    return Ectopy(total=total, alone=total - grouped, groups=tuple(groups))


def _past_beats(beats: Sequence[BeatRow], fs: float) -> Iterator[PastBeat]:
    """Yield the beats as the rules see them; what has no label is Q."""
    before: int | None = None
    for beat in beats:
        rr = None if before is None else round((beat.sample - before) * CHAIN_FS / fs)
        label = Label(beat.label or Label.Q)
        yield PastBeat(beat.sample, label, known_rr(rr, _RULES), beat.quality)
        before = beat.sample


def _group(members: Sequence[BeatRow], fs: float) -> Group:
    lasted_s = (members[-1].sample - members[0].sample) / fs
    rate = _MINUTE_S * (len(members) - 1) / lasted_s if lasted_s > 0 else None
    return Group(first=members[0].sample, n=len(members), rate_bpm=rate)
