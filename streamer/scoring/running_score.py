"""Sensitivity and positive predictivity while the record plays, against its reference beats."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from classifier.labels import Label
from streamer.scoring.ec57 import LABELS, TOLERANCE_MS, BeatAnnotations
from streamer.scoring.matching import tolerance_samples

SCORED_LABELS: Final[tuple[Label, ...]] = (Label.V, Label.S)
"""Classes that EC57 asks to be scored beat by beat."""

_NOT_FALSE: Final[dict[Label, frozenset[Label]]] = {
    Label.V: frozenset({Label.V, Label.F, Label.Q}),
    Label.S: frozenset({Label.S, Label.Q}),
}
"""Reference classes whose beats don't count as false when called V or S (EC57)."""


@dataclass(slots=True)
class MatchCounts:
    """True positives, false negatives and false positives, and the two ratios of them."""

    tp: int = 0
    fn: int = 0
    fp: int = 0

    @property
    def sensitivity(self) -> float | None:
        """Se, 0 to 1; None while no reference beat was counted."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def ppv(self) -> float | None:
        """+P, 0 to 1; None while no detection was counted."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None


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

    Attributes
    ----------
    qrs : MatchCounts
        Detection of any beat.
    classes : dict of Label to MatchCounts
        Classification of V and S beats.

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
        self._truths = [LABELS[code] for code in beats.codes[played]]
        self._flutter = beats.vf
        self._next = 0
        self._pending: deque[_Detection] = deque()
        self.qrs = MatchCounts()
        self.classes = {label: MatchCounts() for label in SCORED_LABELS}

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
        """Count one beat of either side; False if that would be too early."""
        reference = self._reference[self._next] if self._next < len(self._reference) else None
        if not self._pending:
            if reference is None or reference + self._tolerance >= certain:
                return False
            self._count_missed()
            return True
        detection = self._pending[0].sample
        if reference is not None and reference < detection - self._tolerance:
            self._count_missed()
            return True
        # The newest beat waits for the next one, which may match better and brings its
        # confirmed label.
        if len(self._pending) == 1 and detection + self._tolerance >= certain:
            return False
        if reference is None or detection < reference - self._tolerance:
            self._count_false()
        else:
            self._pair(detection, reference)
        return True

    def _pair(self, detection: int, reference: int) -> None:
        """Decide on two beats within the tolerance of each other."""
        distance = abs(detection - reference)
        if detection < reference:
            after = self._pending[1].sample if len(self._pending) > 1 else None
            if after is not None and abs(after - reference) <= distance:
                self._count_false()
                return
        elif self._next + 1 < len(self._reference):
            following = self._reference[self._next + 1]
            if abs(following - detection) <= distance:
                self._count_missed()
                return
        self._count_match()

    def _count_match(self) -> None:
        label = self._pending.popleft().label
        truth = self._truths[self._next]
        self._next += 1
        self.qrs.tp += 1
        for scored, counts in self.classes.items():
            if truth is scored:
                counts.tp += label is scored
                counts.fn += label is not scored
            elif label is scored and truth not in _NOT_FALSE[scored]:
                counts.fp += 1

    def _count_missed(self) -> None:
        truth = self._truths[self._next]
        self._next += 1
        self.qrs.fn += 1
        if truth in self.classes:
            self.classes[truth].fn += 1

    def _count_false(self) -> None:
        detection = self._pending.popleft()
        if any(start <= detection.sample <= stop for start, stop in self._flutter):
            return
        label = detection.label
        self.qrs.fp += 1
        if label in self.classes:
            self.classes[label].fp += 1
