"""Ectopic beats in a row: the one definition of couplets and of runs, and of each run's name."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import CHAIN_FS, LabeledBeat, Rhythm
from streamer.rhythm.atria.measures import HEART
from streamer.rhythm.beat_shape import qrs_slopes, roughness, similarity
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.run_evidence import RUN, Looks, run_log_odds

COUPLET: Final = 2
"""Ectopic beats in a row that are a couplet (AAMI EC57)."""


class PastBeat(NamedTuple):
    """A labelled beat that the rules look back on."""

    sample: int
    label: Label
    rr_samples: int | None
    """Interval from the beat before, at the chain's rate; None after a gap or a pause."""
    quality: float = 1.0
    may_be_ventricular: bool = False
    """Labelled V, or Q where V would be next."""
    looks: Looks | None = None
    """What it adds to the evidence of a run; None where that is unknown."""


def known_rr(rr_samples: int | None, config: RhythmConfig) -> int | None:
    """Return an interval at the chain's rate, unless it is as long as a pause."""
    is_pause = rr_samples is not None and rr_samples >= config.pause_s * CHAIN_FS
    return None if is_pause else rr_samples


def past_beat(
    item: LabeledBeat,
    sample: int,
    rr_samples: int | None,
    config: RhythmConfig,
    looks: Looks | None = None,
) -> PastBeat:
    """Keep what the rules need of a beat; `sample` and `rr_samples` count at the chain's rate."""
    return PastBeat(
        sample=sample,
        label=item.label or Label.Q,
        rr_samples=known_rr(rr_samples, config),
        quality=item.beat.rpeak.quality,
        may_be_ventricular=_may_be_ventricular(item, config),
        looks=looks,
    )


def _may_be_ventricular(item: LabeledBeat, config: RhythmConfig) -> bool:
    if item.label is not Label.Q or not item.probabilities:
        return item.label is Label.V
    p = dict(zip(MODEL_LABELS, item.probabilities, strict=True))
    limit = max(config.doubtful_share * (1.0 - p[Label.Q]), config.doubtful_min)
    return p[Label.V] >= limit


def rate_of(beats: Sequence[PastBeat]) -> float | None:
    """Return the beats a minute from the first to the last of these."""
    if len(beats) < 2:
        return None
    return 60 * CHAIN_FS * (len(beats) - 1) / (beats[-1].sample - beats[0].sample)


@dataclass(slots=True)
class Runs:
    """Ventricular and supraventricular beats in a row."""

    config: RhythmConfig
    v_streak: list[PastBeat] = field(default_factory=list)
    """Ventricular beats in a row, the newest last."""
    v_ended: list[PastBeat] = field(default_factory=list)
    """The streak that the newest beat has ended."""
    s_streak: list[PastBeat] = field(default_factory=list)
    s_ended: list[PastBeat] = field(default_factory=list)
    """As `v_streak` and `v_ended`, for supraventricular ectopic beats."""
    steady: list[PastBeat] = field(default_factory=list)
    """Beats in a row, the newest last, that may be ventricular, are fast and keep their pace."""
    sequence: list[PastBeat] = field(default_factory=list)
    """Beats in a row, the newest last, that may be a fast run by their intervals."""
    run_odds: float = -inf
    """Log-odds that these are ventricular; minus infinity where they are few or slow."""
    slopes: tuple[tuple[float, ...], ...] = ()
    """Of the newest beat's QRS complex, lead by lead; empty before there is one."""
    rr_before: float | None = None
    """Median interval in samples of the beats before the ventricular streak."""

    def clear(self) -> None:
        """Begin anew after a gap."""
        self.v_streak, self.v_ended, self.s_streak, self.s_ended = [], [], [], []
        self.steady, self.sequence, self.run_odds, self.slopes = [], [], -inf, ()

    def end(self) -> None:
        """End the streaks: nothing follows them."""
        self.v_ended, self.v_streak = self.v_streak, []
        self.s_ended, self.s_streak = self.s_streak, []

    def look_at(self, item: LabeledBeat) -> Looks | None:
        """Return what the next beat adds to the evidence; None without a label or a complex."""
        slopes = qrs_slopes(item.beat.window)
        before = np.array(self.slopes) if self.slopes else np.zeros_like(slopes)
        self.slopes = tuple(map(tuple, slopes.tolist()))
        if not item.probabilities or not slopes.any():
            return None
        p = dict(zip(MODEL_LABELS, item.probabilities, strict=True))
        return Looks(
            p_normal=p[Label.N],
            p_ventricular=p[Label.V],
            similarity=similarity(before, slopes),
            roughness=roughness(item.beat.window),
        )

    def add(self, beat: PastBeat, before: Collection[PastBeat]) -> None:
        """Add a beat; `before` are those before it, oldest first."""
        self._add_to_v_streak(beat, before)
        self._add_to_s_streak(beat)
        self._add_to_steady(beat)
        self._add_to_sequence(beat)

    def ventricular_rhythm(self) -> Rhythm | None:
        """Name the ventricular streak; None if it is short, unclear, or another shape of beats."""
        streak = self.v_streak
        if len(streak) < self.config.run_beats:
            return None
        if self._is_tachycardia(streak):
            return Rhythm.VENTRICULAR_TACHYCARDIA if self._is_clear() else None
        return Rhythm.IDIOVENTRICULAR if self._is_other_pacemaker() else None

    def supraventricular_rhythm(self) -> Rhythm | None:
        """Name the supraventricular streak; None if it is short."""
        if len(self.s_streak) < self.config.run_beats:
            return None
        is_fast = self._is_tachycardia(self.s_streak)
        return Rhythm.SUPRAVENTRICULAR_TACHYCARDIA if is_fast else Rhythm.S_RUN

    def is_steady_tachycardia(self) -> bool:
        """Whether doubtful beats are a tachycardia by their steady pace."""
        return self.is_steady() and self._is_tachycardia(self.steady)

    def is_steady(self) -> bool:
        """Whether enough doubtful beats in a row have kept their pace."""
        return len(self.steady) >= self.config.steady_beats

    def is_likely_tachycardia(self) -> bool:
        """Whether the last beats together are a ventricular tachycardia, whatever each is."""
        return self.run_odds >= self.config.run_alarm_odds

    def is_likely_run(self) -> bool:
        """Whether a run that was found goes on by the same measures."""
        return self.run_odds >= self.config.run_hold_odds

    def v_couplet(self) -> list[PastBeat]:
        """Return the clear ventricular couplet that the newest beat has ended; empty if none."""
        if len(self.v_ended) != COUPLET:
            return []
        quality = median(beat.quality for beat in self.v_ended)
        return self.v_ended if quality >= self.config.couplet_quality else []

    def s_couplet(self) -> list[PastBeat]:
        """Return the supraventricular couplet that the newest beat has ended; empty if none."""
        return self.s_ended if len(self.s_ended) == COUPLET else []

    def _is_tachycardia(self, streak: Sequence[PastBeat], n_beats: int | None = None) -> bool:
        rate = rate_of(streak[-(n_beats or self.config.run_beats) :])
        return rate is not None and rate >= 60.0 / self.config.run_rr_s

    def _is_clear(self) -> bool:
        """Whether ventricular beats in a row are beats, not artefact."""
        config, streak = self.config, self.v_streak
        is_long = len(streak) >= config.long_run_beats
        limit = config.long_run_quality if is_long else config.run_median_quality
        return median(beat.quality for beat in streak) >= limit

    def _is_other_pacemaker(self) -> bool:
        """Whether a slow run is clear and of another pace than the beats before it."""
        config, streak = self.config, self.v_streak
        if min(beat.quality for beat in streak) < config.escape_quality:
            return False
        rate = rate_of(streak)
        if self.rr_before is None or rate is None:
            return True
        rr = 60 * CHAIN_FS / rate
        return abs(rr - self.rr_before) > config.escape_pace * self.rr_before

    def _add_to_v_streak(self, beat: PastBeat, before: Collection[PastBeat]) -> None:
        self.v_ended = []
        if self._continues_v_streak(beat):
            # The first beats of a streak are its evidence, the last ones say how fast it is.
            self.v_streak = self._shortened([*self.v_streak, beat])
            return
        self.v_ended, self.v_streak = self.v_streak, []
        if beat.label is Label.V and beat.quality >= self.config.run_quality:
            self.v_streak = [beat]
            self.rr_before = self._median_rr(before)

    def _continues_v_streak(self, beat: PastBeat) -> bool:
        if not self.v_streak or beat.rr_samples is None:
            return False
        if beat.quality < self.config.run_quality:
            return False
        if beat.label is Label.V:
            return True
        if beat.rr_samples > self.config.run_rr_s * CHAIN_FS:
            return False
        # In a fast run one beat in a few is taken for fusion, or for supraventricular.
        is_run = len(self.v_streak) >= self.config.run_beats
        return beat.label is Label.F or (
            beat.label is Label.S
            and is_run
            and _keeps_pace(beat, self.v_streak[-1], self.config.run_pace)
        )

    def _add_to_s_streak(self, beat: PastBeat) -> None:
        self.s_ended = []
        if beat.label is Label.S and (not self.s_streak or beat.rr_samples is not None):
            self.s_streak = self._shortened([*self.s_streak, beat])
            return
        self.s_ended, self.s_streak = self.s_streak, []

    def _add_to_steady(self, beat: PastBeat) -> None:
        """Noise is taken for beats too, but keeps no pace."""
        c = self.config
        if not beat.may_be_ventricular or beat.quality < c.steady_quality:
            self.steady = []
            return
        # The interval that leads to the first beat belongs to what was before.
        before = self.steady[-1] if len(self.steady) > 1 else beat
        continues = (
            bool(self.steady)
            and _keeps_pace(beat, before, c.steady_pace)
            and (beat.rr_samples or 0) <= c.run_rr_s * CHAIN_FS
        )
        self.steady = self._shortened([*self.steady, beat]) if continues else [beat]

    def _add_to_sequence(self, beat: PastBeat) -> None:
        """Weigh the last beats together, if they are fast."""
        longest = self.config.run_longest_rr_s * CHAIN_FS
        continues = beat.rr_samples is not None and beat.rr_samples <= longest
        self.sequence = [*self.sequence, beat][-RUN:] if continues else [beat]
        looks = [one.looks for one in self.sequence if one.looks is not None]
        is_fast = len(looks) == RUN and self._is_tachycardia(self.sequence, RUN)
        self.run_odds = run_log_odds(looks) if is_fast else -inf

    def _shortened(self, run: list[PastBeat]) -> list[PastBeat]:
        keep = self.config.run_beats
        return run if len(run) <= 4 * keep else run[:keep] + run[-2 * keep :]

    def _median_rr(self, beats: Collection[PastBeat]) -> float | None:
        known = [b.rr_samples for b in beats if b.rr_samples and b.label in HEART]
        return median(known) if len(known) >= self.config.min_beats else None


def _keeps_pace(beat: PastBeat, before: PastBeat, part: float) -> bool:
    """Whether two intervals differ by no more than a part of the earlier one."""
    if before.rr_samples is None or beat.rr_samples is None:
        return False
    return abs(beat.rr_samples - before.rr_samples) <= part * before.rr_samples


def streaks(
    beats: Iterable[PastBeat], label: Label, config: RhythmConfig | None = None
) -> Iterator[tuple[int, int]]:
    """Yield the first and the last sample of each streak of V or S beats, single ones included.

    Parameters
    ----------
    beats : iterable of PastBeat
        In order of time; `sample` may count at any rate.
    label : Label
        V or S.
    config : RhythmConfig, optional
        Limits.
    """
    runs = Runs(RhythmConfig() if config is None else config)
    for beat in beats:
        runs.add(beat, ())
        yield from _span(runs.v_ended if label is Label.V else runs.s_ended)
    yield from _span(runs.v_streak if label is Label.V else runs.s_streak)


def _span(streak: Sequence[PastBeat]) -> list[tuple[int, int]]:
    return [(streak[0].sample, streak[-1].sample)] if streak else []
