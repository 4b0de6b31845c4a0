"""What the rules of the rhythm tracker are told: the last beats, the silence, the signal."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median
from typing import Final

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, GapReason, LabeledBeat, Rhythm
from streamer.core.heart_rate import heart_rate_bpm
from streamer.rhythm.atria.measures import HEART, Atria
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.runs import PastBeat, Runs
from streamer.rhythm.waveform.measures import Measurement

_NEAR: Final = CHAIN_FS // 4
"""Samples about a beat in which it moves the signal."""
_LOUDEST: Final = 2.0
"""Times the beats' deflection: what is beyond is an artefact and counts no more."""


@dataclass(slots=True)
class Facts:
    """All that the rules may look at; the tracker keeps it up to date."""

    config: RhythmConfig
    beats: deque[PastBeat] = field(default_factory=deque)
    """Confirmed beats, oldest first."""
    seen: deque[int] = field(default_factory=deque)
    """R peaks, oldest first, whether confirmed or not; none from before a gap."""
    last_peak: int | None = None
    """Newest R peak; it outlives a gap without a signal, so that a silence goes on through it."""
    first: int | None = None
    """First sample of the silence if no beat has been seen yet."""
    now: int = -1
    measured: deque[Measurement] = field(default_factory=deque)
    levels: deque[tuple[float, ...]] = field(default_factory=deque)
    """Deflection of each lead at the last good beats, mV; an artefact is larger than a beat."""
    level: tuple[float, ...] = ()
    """Their medians; empty as long as there are few."""
    rests: deque[float] = field(default_factory=deque)
    """Least loudness between each two of the last good beats: the noise of the source."""
    rest: float = inf
    """The same since the last beat."""
    gap: GapReason | None = None
    """Why there is no signal now."""
    gap_start: int = 0
    forgotten_before: int = 0
    """Beats before this sample no longer count."""
    flat_is_natural: bool = False
    """Whether the source is as flat between beats as it is when a lead is off."""
    fast_since: int | None = None
    """R peak from which on all intervals were as short as in a tachycardia."""
    wave_evidence: float = 0.0
    """Log-odds of flutter or fibrillation, summed up since they last spoke against it."""
    calm_hops: int = 0
    """Measurements in a row without evidence of either."""
    interval: tuple[int, int] | None = None
    """The newest two R peaks."""
    seen_quality: deque[float] = field(default_factory=deque)
    """Signal quality at each of `seen`."""
    rate_before_gap: float | None = None
    """Heart rate when the gap began."""
    background: Rhythm = Rhythm.UNKNOWN
    episode: Rhythm | None = None
    """The tracker's state on these layers."""
    rate_bpm: float | None = None
    """Heart rate: a mean of the recent intervals without their extremes."""
    runs: Runs = field(init=False)
    """Ectopic beats in a row."""
    atria: Atria = field(init=False)
    """What the N and S beats tell of the atria."""

    def __post_init__(self) -> None:
        self.runs = Runs(self.config)
        self.atria = Atria(self.config.atria)
        self.bound()

    def bound(self) -> None:
        """Give the histories their longest lengths."""
        self.beats = deque(self.beats, maxlen=self.config.history_beats)
        self.levels = deque(self.levels, maxlen=self.config.rate.most)
        self.rests = deque(self.rests, maxlen=self.config.rate.most)
        self.measured = deque(self.measured, maxlen=self.config.history_hops)
        self.seen = deque(self.seen, maxlen=self.config.extreme_tachycardia_beats + 1)
        self.seen_quality = deque(self.seen_quality, maxlen=self.seen.maxlen)

    # Beats

    def see(self, sample: int, quality: float) -> None:
        """Take note of an R peak."""
        c = self.config
        self.seen_quality.append(quality)
        self.interval = None if self.last_peak is None else (self.last_peak, sample)
        fastest = c.flutter_rr_s * CHAIN_FS
        if self.last_peak is None or sample - self.last_peak > fastest:
            self.fast_since = sample
        self.seen.append(sample)
        self.last_peak = sample
        self.rate_bpm = self._rate()
        if self.measured and quality >= c.run_quality:
            self.levels.append(self._deflection_at(sample))
            if len(self.levels) >= c.min_beats:
                self.level = tuple(median(values) for values in zip(*self.levels, strict=True))
            if self.rest < inf and self.wave_evidence <= 0.0:
                self.rests.append(self.rest)
        self.rest = inf

    def forget_beats(self) -> None:
        """Forget the beats, those before the gap; the memory of the signal stays."""
        self.beats.clear()
        self.atria.forget()
        self.seen.clear()
        self.seen_quality.clear()
        self.runs.forget()
        self.rate_bpm = self.fast_since = None
        self.forgotten_before = self.gap_start

    def confirm(self, item: LabeledBeat) -> None:
        """Add a confirmed beat."""
        sample = item.beat.rpeak.sample
        rr = sample - self.beats[-1].sample if self.beats else None
        if rr is not None and rr >= self.config.pause_s * CHAIN_FS:
            rr = None
        label = item.label or Label.Q
        quality = item.beat.rpeak.quality
        beat = PastBeat(sample, label, rr, quality, self.runs.may_be_ventricular(item))
        if label in HEART:
            after_heart = bool(self.beats) and self.beats[-1].label in HEART
            self.atria.add(item.beat, rr if after_heart else None)
        self.runs.follow(beat, self.beats)
        self.beats.append(beat)

    def _rate(self) -> float | None:
        intervals = [after - before for before, after in pairwise(self.seen)]
        if len(intervals) < self.config.rate.least:
            return None
        return heart_rate_bpm(intervals, CHAIN_FS, self.config.rate)

    def newest_rates_bpm(self) -> tuple[float, float]:
        """Return the rate of the newest three intervals, and of the middle one of them.

        One early beat or one pause is no rate, nor is what two of three alternating intervals
        show: the middle one in time counts twice, as its kind alternates with that of the others.
        There must be enough beats for `rate_bpm`.
        """
        a, b, c, d = list(self.seen)[-4:]
        mean = ((b - a) + 2 * (c - b) + (d - c)) / 4
        middle = median((b - a, c - b, d - c))
        return 60 * CHAIN_FS / mean, 60 * CHAIN_FS / middle

    def is_rate_good(self) -> bool:
        """Whether the newest beats can be trusted to be beats."""
        recent = list(self.seen_quality)[-self.config.rate.least - 1 :]
        return bool(recent) and median(recent) >= self.config.run_quality

    def rate_of(self, beats: Sequence[PastBeat]) -> float | None:
        """Beats a minute from the first to the last of these beats."""
        if len(beats) < 2:
            return None
        return 60 * CHAIN_FS * (len(beats) - 1) / (beats[-1].sample - beats[0].sample)

    # Silence and signal

    def measure(self, measurement: Measurement) -> None:
        """Take what the signal says now."""
        c = self.config
        self.measured.append(measurement)
        low, high = c.vf_band_hz
        in_band = self.gap is None and low <= measurement.frequency_hz <= high
        waves = measurement.vf_log_odds if in_band and measurement.span_mv >= c.vf_span_mv else -inf
        self.rest = min(self.rest, self.loudness(measurement))
        self.wave_evidence = self._evidence(waves)
        self.calm_hops = 0 if self.wave_evidence > 0.0 else self.calm_hops + 1

    def _evidence(self, waves: float) -> float:
        """Add up the evidence of waves, as a CUSUM does; clear beats refute all of it."""
        c = self.config
        if waves > c.vf_fast_least and self._is_fast():
            waves += c.vf_fast_odds
        grown = self.wave_evidence + min(waves, c.vf_most_odds) - c.vf_usual_odds
        if grown <= 0.0 or self.is_clearly_beating() or self.is_organised():
            return 0.0
        return min(grown, c.vf_evidence)

    def _is_fast(self) -> bool:
        """Whether all intervals have been as short as those of flutter for a while."""
        if self.last_peak is None or self.fast_since is None:
            return False
        return self.last_peak - self.fast_since >= self.config.vf_fast_s * CHAIN_FS

    def _deflection_at(self, sample: int) -> tuple[float, ...]:
        """Largest deflection of each lead in the hops about a beat."""
        near = [measurement.deflection_mv for measurement in self._near(sample)]
        return tuple(map(max, zip(*near, strict=True))) if near else self.measured[-1].deflection_mv

    def _near(self, sample: int) -> list[Measurement]:
        """Return the measurements that a beat at `sample` moves, newest first."""
        near = []
        for measurement in reversed(self.measured):
            if measurement.sample < sample - _NEAR:
                break
            if measurement.sample <= sample + _NEAR:
                near.append(measurement)
        return near

    def loudness(self, measurement: Measurement) -> float:
        """Deflection of a hop as a part of that of the beats, over all leads that move.

        Leads in which the beats are large count more: a small lead is mostly noise.
        """
        c = self.config
        values = measurement.deflection_mv
        total = usual = 0.0
        for value, level in zip(values, self.level or (c.usual_mv,) * len(values), strict=False):
            if value > c.smooth_mv:
                floor = level if level > c.quiet_floor_mv else c.quiet_floor_mv
                total += min(value, _LOUDEST * floor)
                usual += floor
        return total / usual if usual else 0.0

    @property
    def quiet_part(self) -> float:
        """Loudness up to which the signal is quiet: more where there is noise between beats."""
        c = self.config
        if len(self.rests) < c.min_beats:
            return c.quiet_part
        return min(max(c.quiet_part, c.quiet_rests * median(self.rests)), c.quiet_most)

    def is_faint(self, sample: int, quality: float) -> bool:
        """Whether what was found after a silence is no more than the noise in it."""
        c = self.config
        if quality >= c.faint_quality or self.silence_s() < c.pause_s:
            return False
        near = self._near(sample)
        return bool(near) and max(map(self.loudness, near)) <= self.quiet_part

    def quiet_s(self) -> float:
        """For how long up to now the signal has shown nothing like a beat."""
        hops, limit = 0, self.quiet_part
        for measurement in reversed(self.measured):
            if self.loudness(measurement) > limit:
                break
            hops += 1
        return hops * self.config.signal.hop_s

    def silence_s(self) -> float:
        """For how long there has been no beat, in seconds."""
        since = self.first if self.last_peak is None else self.last_peak
        return 0.0 if since is None else (self.now - since) / CHAIN_FS

    def silence_onset(self) -> int:
        """Where the silence began."""
        return self.last_peak if self.last_peak is not None else (self.first or 0)

    def is_clearly_beating(self) -> bool:
        """Whether good N beats were confirmed in the last seconds, which fibrillation excludes."""
        since, least = self.now - self.config.vf_veto_s * CHAIN_FS, self.config.vf_veto_quality
        recent = (beat for beat in self.beats if beat.sample >= since)
        good = sum(beat.label is Label.N and beat.quality >= least for beat in recent)
        return good >= self.config.vf_veto_beats

    def is_organised(self) -> bool:
        """Whether the last beats are clear ventricular ones: a tachycardia, no fibrillation."""
        config = self.config
        recent = list(self.beats)[-config.vf_organised_beats :]
        if len(recent) < config.vf_organised_beats:
            return False
        limit = config.vf_organised_quality
        # One of them may be taken for another class; those that aren't judged say nothing.
        judged = [b.label for b in recent if b.label is not Label.Q]
        ventricular = 2 * len(judged) > len(recent) and judged.count(Label.V) >= len(judged) - 1
        clear = ventricular and all(b.quality >= limit for b in recent)
        rate = self.rate_of(recent)
        return clear and rate is not None and rate <= config.vf_organised_bpm

    def note_flatness(self) -> None:
        """Remember whether the source is flat between its beats, before a gap begins."""
        before = [m.roughness_mv for m in self.measured if m.sample < self.gap_start]
        self.flat_is_natural = bool(before) and min(before) < self.config.smooth_mv
