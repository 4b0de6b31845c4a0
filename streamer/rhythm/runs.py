"""Ectopic beats in a row, for the rules of the rhythm tracker."""

from collections.abc import Collection
from dataclasses import dataclass, field
from statistics import median

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import CHAIN_FS, LabeledBeat
from streamer.rhythm.atria.measures import HEART
from streamer.rhythm.config import RhythmConfig


@dataclass(frozen=True, slots=True)
class PastBeat:
    """One confirmed beat."""

    sample: int
    label: Label
    rr_samples: int | None
    """Interval from the beat before; None after a gap or a pause."""
    quality: float = 1.0
    may_be_ventricular: bool = False
    """Labelled V, or Q where V would be next."""


@dataclass(slots=True)
class Runs:
    """Ventricular and supraventricular beats in a row."""

    config: RhythmConfig
    streak: list[PastBeat] = field(default_factory=list)
    """Ventricular beats in a row, the newest last."""
    ended: list[PastBeat] = field(default_factory=list)
    """The streak that the newest beat has ended."""
    steady: list[PastBeat] = field(default_factory=list)
    """Beats in a row, the newest last, that may be ventricular, are fast and keep their pace."""
    s_streak: list[PastBeat] = field(default_factory=list)
    s_ended: list[PastBeat] = field(default_factory=list)
    """As `streak` and `ended`, for supraventricular ectopic beats."""
    usual_rr: float | None = None
    """Median interval in samples of the beats before the streak."""

    def forget(self) -> None:
        """Begin anew after a gap."""
        self.streak, self.ended, self.steady, self.s_streak, self.s_ended = [], [], [], [], []

    def end(self) -> None:
        """End the streaks: nothing follows them."""
        self.ended, self.streak = self.streak, []
        self.s_ended, self.s_streak = self.s_streak, []

    def follow(self, beat: PastBeat, before: Collection[PastBeat]) -> None:
        """Take a beat; `before` are those before it, oldest first."""
        self._follow_streak(beat, before)
        self._follow_steady(beat)
        self._follow_s_streak(beat)

    def may_be_ventricular(self, item: LabeledBeat) -> bool:
        """Tell whether a beat is labelled V, or Q where V would be next."""
        if item.label is not Label.Q or not item.probabilities:
            return item.label is Label.V
        c = self.config
        odds = dict(zip(MODEL_LABELS, item.probabilities, strict=True))
        return odds[Label.V] >= max(c.doubtful_share * (1.0 - odds[Label.Q]), c.doubtful_least)

    def _follow_streak(self, beat: PastBeat, before: Collection[PastBeat]) -> None:
        self.ended = []
        if self._goes_on(beat):
            # The first beats of a streak are its evidence, the last ones say how fast it is.
            self.streak = self._shortened([*self.streak, beat])
            return
        self.ended, self.streak = self.streak, []
        if beat.label is Label.V and beat.quality >= self.config.run_quality:
            self.streak = [beat]
            self.usual_rr = self._usual_rr(before)

    def _goes_on(self, beat: PastBeat) -> bool:
        """Whether the beat belongs to the ventricular streak before it."""
        if not self.streak or beat.rr_samples is None:
            return False
        if beat.quality < self.config.run_quality:
            return False
        if beat.label is Label.V:
            return True
        if beat.rr_samples > self.config.run_rr_s * CHAIN_FS:
            return False
        # In a fast run one beat in a few is taken for fusion, or for supraventricular.
        run = len(self.streak) >= self.config.run_beats
        return beat.label is Label.F or (
            beat.label is Label.S
            and run
            and _keeps_pace(beat, self.streak[-1], self.config.run_pace)
        )

    def _follow_steady(self, beat: PastBeat) -> None:
        """Noise is taken for beats too, but keeps no pace."""
        c = self.config
        if not beat.may_be_ventricular or beat.quality < c.steady_quality:
            self.steady = []
            return
        # The interval that leads to the first beat belongs to what was before.
        before = self.steady[-1] if len(self.steady) > 1 else beat
        goes_on = (
            bool(self.steady)
            and _keeps_pace(beat, before, c.steady_pace)
            and (beat.rr_samples or 0) <= c.run_rr_s * CHAIN_FS
        )
        self.steady = self._shortened([*self.steady, beat]) if goes_on else [beat]

    def _follow_s_streak(self, beat: PastBeat) -> None:
        self.s_ended = []
        if beat.label is Label.S and (not self.s_streak or beat.rr_samples is not None):
            self.s_streak = [*self.s_streak, beat][-4 * self.config.run_beats :]
            return
        self.s_ended, self.s_streak = self.s_streak, []

    def _shortened(self, run: list[PastBeat]) -> list[PastBeat]:
        keep = self.config.run_beats
        return run if len(run) <= 4 * keep else run[:keep] + run[-2 * keep :]

    def _usual_rr(self, beats: Collection[PastBeat]) -> float | None:
        known = [b.rr_samples for b in beats if b.rr_samples and b.label in HEART]
        return median(known) if len(known) >= self.config.min_beats else None


def _keeps_pace(beat: PastBeat, before: PastBeat, part: float) -> bool:
    """Whether two intervals differ by no more than a part of the earlier one."""
    if before.rr_samples is None or beat.rr_samples is None:
        return False
    return abs(beat.rr_samples - before.rr_samples) <= part * before.rr_samples
