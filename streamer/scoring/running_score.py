"""Sensitivity and positive predictivity while the record plays, against its reference beats."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from classifier.labels import Label
from streamer.scoring.ec57 import LABELS, NO_BEAT, ROWS, TOLERANCE_MS, BeatAnnotations, RecordScore
from streamer.scoring.matching import Verdict, judge_beats, tolerance_samples, two_from

SCORED_LABELS: Final[tuple[Label, ...]] = (Label.V, Label.S)
"""Classes that EC57 asks to be scored beat by beat."""


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """True positives, false negatives and false positives, and the two ratios of them."""

    tp: int
    fn: int
    fp: int
    sensitivity: float | None
    """Se, 0 to 1; None while no reference beat was counted."""
    ppv: float | None
    """+P, 0 to 1; None while no detection was counted."""


@dataclass(slots=True)
class _Detection:
    sample: int
    label: Label | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningScoreConfig:
    """Matching window and patience."""

    tolerance_ms: float = TOLERANCE_MS
    """Match window of ANSI/AAMI EC57:2012."""
    settle_s: float = 5.0
    """A silence longer than this is final: search-back doesn't reach further back."""


class RunningScore:
    """Matches beats one to one with a record's reference annotations as they come.

    A reference beat is counted once nothing that the detector may still decide can change its
    match; so the score runs about one beat behind the display.

    Parameters
    ----------
    samples : array of int, shape (n,)
        Ascending samples of the reference annotations, in the source's own index.
    symbols : sequence of str
        WFDB symbol of each; those that are no beats count only as the ends of flutter waves.
    fs : float
        Sampling frequency of the source in Hz.
    first_sample : int
        Where the replay starts; earlier reference beats don't count.
    config : RunningScoreConfig, optional
        Matching window and patience.

    Notes
    -----
    Pairs as `streamer.scoring.matching` and counts as `streamer.scoring.ec57` do, once everything
    is known. Deviations: a detection older than the detector's patience comes too late for its
    reference beat, and shutdowns of the reference aren't left out.
    """

    def __init__(
        self,
        samples: ArrayLike,
        symbols: Sequence[str],
        *,
        fs: float,
        first_sample: int = 0,
        config: RunningScoreConfig | None = None,
    ) -> None:
        config = config or RunningScoreConfig()
        self._tolerance = tolerance_samples(config.tolerance_ms, fs)
        self._settle = round(config.settle_s * fs)
        beats = BeatAnnotations.from_symbols(samples, symbols)
        played = beats.samples >= first_sample
        self._reference: list[int] = beats.samples[played].tolist()
        self._codes: list[int] = beats.codes[played].tolist()
        self._flutter = beats.vf
        self._next = 0
        self._pending: deque[_Detection] = deque()
        self._score = RecordScore(name="", matrix=np.zeros((len(ROWS), len(ROWS)), np.int64))

    @property
    def qrs(self) -> MatchCounts:
        """Detection of any beat."""
        return self._counts("qrs")

    @property
    def classes(self) -> dict[Label, MatchCounts]:
        """Classification of V and S beats."""
        return {label: self._counts(label.value.lower()) for label in SCORED_LABELS}

    def _counts(self, name: str) -> MatchCounts:
        se, ppv = (self._score.ratio(f"{name}_{kind}") for kind in ("se", "ppv"))
        tp = se.numerator
        return MatchCounts(tp, se.denominator - tp, ppv.denominator - tp, se.value, ppv.value)

    def beat(self, sample: int, label: Label | None) -> None:
        """Take a new beat, or a later label of one; new beats ascend in `sample`."""
        for detection in reversed(self._pending):
            if detection.sample == sample:
                detection.label = label
                return
        if self._pending and sample < self._pending[-1].sample:
            return
        self._pending.append(_Detection(sample, label))

    def advance(self, now: int) -> None:
        """Count whatever is final once every sample before `now` has been played."""
        self._settle_until(now - self._settle)

    def finish(self, stop: int) -> None:
        """Count all that is left when the stream ended at `stop` (exclusive)."""
        self._reference = [sample for sample in self._reference if sample < stop]
        self._settle_until(stop + self._tolerance + 1)

    def _settle_until(self, certain: int) -> None:
        """Pair as far as the detector's silence up to `certain` and its latest beat allow."""
        while self._pending or self._next < len(self._reference):
            if not self._step(certain):
                return

    def _step(self, certain: int) -> bool:
        """Count one beat of either side, or a pair; False if that would be too early."""
        reference = two_from(self._reference, self._next)
        detected = two_from([detection.sample for detection in islice(self._pending, 2)], 0)
        newest = detected[0] if self._pending else reference[0]
        # The newest beat waits for the next one, which may match better and brings its
        # confirmed label.
        may_change = len(self._pending) < 2 and reference[0] >= newest - self._tolerance
        if may_change and newest + self._tolerance >= certain:
            return False
        verdict = judge_beats(reference, detected, self._tolerance)
        row, column = NO_BEAT, NO_BEAT
        if verdict is not Verdict.EXTRA:
            row = self._codes[self._next]
            self._next += 1
        if verdict is not Verdict.MISSED:
            column = LABELS.index(self._pending.popleft().label or Label.Q)
        in_flutter = any(start <= detected[0] <= stop for start, stop in self._flutter)
        if verdict is not Verdict.EXTRA or not in_flutter:
            self._score.matrix[row, column] += 1
        return True
