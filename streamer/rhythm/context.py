"""What the rules of the rhythm tracker look at: the last beats, the silence, the signal."""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median
from typing import Any, Final

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, GapReason, LabeledBeat, Rhythm
from streamer.core.heart_rate import heart_rate_bpm
from streamer.rhythm.atria.measures import HEART, Atria
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.runs import PastBeat, Runs, past_beat, rate_of
from streamer.rhythm.serialize import plain_fields, restore_fields
from streamer.rhythm.waveform.measures import Measurement

_NEAR: Final = CHAIN_FS // 4
"""Samples about a beat in which it moves the signal."""
_ARTEFACT: Final = 2.0
"""Times the beats' deflection: what is beyond is an artefact and counts no more."""


@dataclass(slots=True)
class RhythmContext:
    """Everything that a rule may look at; the tracker keeps it up to date."""

    config: RhythmConfig
    beats: deque[PastBeat] = field(default_factory=deque)
    """Confirmed beats, oldest first."""
    peaks: deque[int] = field(default_factory=deque)
    """R peaks, oldest first, whether confirmed or not; none from before a gap."""
    peak_qualities: deque[float] = field(default_factory=deque)
    """Signal quality at each of `peaks`."""
    last_peak: int | None = None
    """Newest R peak; it outlives a gap without a signal, so that a silence goes on through it."""
    last_interval: tuple[int, int] | None = None
    """The newest two R peaks."""
    first_sample: int | None = None
    """First sample of the silence before the first beat."""
    now: int = -1
    measurements: deque[Measurement] = field(default_factory=deque)
    deflections: deque[tuple[float, ...]] = field(default_factory=deque)
    """Deflection of each lead at the last good beats, mV."""
    typical_deflection: tuple[float, ...] = ()
    """Their medians, as an artefact is larger than a beat; empty as long as there are few."""
    noise_levels: deque[float] = field(default_factory=deque)
    """Least relative deflection between each two of the last good beats: the source's noise."""
    noise_since_beat: float = inf
    """The same since the last beat."""
    gap: GapReason | None = None
    """Why there is no signal now."""
    gap_start: int = 0
    rate_before_gap: float | None = None
    """Heart rate when the gap began."""
    source_is_flat: bool = False
    """Whether the source is as flat between beats as it is when a lead is off."""
    ignored_before: int = 0
    """Beats before this sample no longer count."""
    fast_since: int | None = None
    """R peak from which on all intervals were as short as those of flutter."""
    last_artefact: int | None = None
    """When the signal last moved more than a heart can move it."""
    unexplained: deque[bool] = field(default_factory=deque)
    """Of the last hops, oldest first, whether each moved as a beat does and no good beat is why."""
    is_unusable: bool = False
    """Whether the technical alarm of such a signal stands."""
    vf_evidence: float = 0.0
    """Log-odds of flutter or fibrillation, summed up since they last spoke against it."""
    hops_without_vf: int = 0
    """Measurements in a row without such evidence."""
    background: Rhythm = Rhythm.UNKNOWN
    episode: Rhythm | None = None
    """The tracker's state on these layers."""
    rate_bpm: float | None = None
    """Heart rate: a mean of the recent intervals without their extremes."""
    runs: Runs = field(init=False)
    """Ectopic beats in a row."""
    atria: Atria = field(init=False)
    """What the N and S beats say about the atria."""

    def __post_init__(self) -> None:
        self.runs = Runs(self.config)
        self.atria = Atria(self.config.atria)
        self.beats = deque(maxlen=self.config.history_beats)
        self.peaks = deque(maxlen=self.config.extreme_tachycardia_beats + 1)
        self.peak_qualities = deque(maxlen=self.peaks.maxlen)
        self.measurements = deque(maxlen=self.config.history_hops)
        self.deflections = deque(maxlen=self.config.rate.most)
        self.noise_levels = deque(maxlen=self.config.rate.most)

    def state(self) -> dict[str, Any]:
        """Copy everything but the configuration as plain values."""
        parts = {"runs": plain_fields(self.runs), "atria": self.atria.state()}
        return {**plain_fields(self), **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        restore_fields(self, state)
        restore_fields(self.runs, state["runs"])
        self.atria.restore(state["atria"])

    # Beats

    def add_peak(self, sample: int, quality: float) -> None:
        """Add an R peak, of which neither label nor confirmation is known yet."""
        before, self.last_peak = self.last_peak, sample
        self.last_interval = None if before is None else (before, sample)
        if before is None or sample - before > self.config.flutter_rr_s * CHAIN_FS:
            self.fast_since = sample
        self.peaks.append(sample)
        self.peak_qualities.append(quality)
        self.rate_bpm = self._rate()
        if self.measurements and quality >= self.config.run_quality:
            self._learn_deflection(sample)
        self.noise_since_beat = inf

    def clear_beats(self, before: int) -> None:
        """Forget the beats, also those before a sample that come later; the signal stays."""
        self.beats.clear()
        self.atria.clear()
        self.peaks.clear()
        self.peak_qualities.clear()
        self.runs.clear()
        self.rate_bpm = self.fast_since = None
        self.ignored_before = before

    def add_beat(self, item: LabeledBeat) -> None:
        """Add a confirmed beat."""
        sample = item.beat.rpeak.sample
        rr = sample - self.beats[-1].sample if self.beats else None
        beat = past_beat(item, sample, rr, self.config, self.runs.look_at(item))
        if beat.label in HEART:
            after_heart = bool(self.beats) and self.beats[-1].label in HEART
            rr_samples = beat.rr_samples if after_heart else None
            self.atria.add(item.beat, rr_samples, item.fibrillation_log_odds)
        self.runs.add(beat, self.beats)
        self.beats.append(beat)

    def _rate(self) -> float | None:
        intervals = [after - before for before, after in pairwise(self.peaks)]
        if len(intervals) < self.config.rate.least:
            return None
        return heart_rate_bpm(intervals, CHAIN_FS, self.config.rate)

    def is_rate_good(self) -> bool:
        """Whether the newest beats can be trusted to be beats."""
        recent = list(self.peak_qualities)[-self.config.rate.least - 1 :]
        return bool(recent) and median(recent) >= self.config.run_quality

    def is_clearly_beating(self) -> bool:
        """Whether beats were confirmed in the last seconds that fibrillation excludes."""
        c = self.config
        recent = [b for b in self.beats if b.sample >= self.now - c.vf_veto_s * CHAIN_FS]
        good = sum(b.label is Label.N and b.quality >= c.vf_veto_quality for b in recent)
        return good >= c.vf_veto_beats or self._are_conducted(recent)

    def _are_conducted(self, recent: list[PastBeat]) -> bool:
        """Whether all of many beats are fairly clear, and unlikely to be ventricular."""
        c = self.config
        return len(recent) >= c.vf_conducted_beats and all(
            b.quality >= c.run_quality and b.looks and b.looks.p_ventricular < c.vf_conducted_max
            for b in recent
        )

    def is_organised(self) -> bool:
        """Whether the last beats are clear ventricular ones: a tachycardia, no fibrillation."""
        config = self.config
        recent = list(self.beats)[-config.vf_organised_beats :]
        if len(recent) < config.vf_organised_beats:
            return False
        # One of them may be taken for another class; those that aren't judged say nothing.
        judged = [b.label for b in recent if b.label is not Label.Q]
        ventricular = 2 * len(judged) > len(recent) and judged.count(Label.V) >= len(judged) - 1
        clear = ventricular and all(b.quality >= config.vf_organised_quality for b in recent)
        rate = rate_of(recent)
        return clear and rate is not None and rate <= config.vf_organised_bpm

    # Signal

    def add_measurement(self, measurement: Measurement) -> None:
        """Add the newest measurement of the signal, and sum up its evidence of fibrillation."""
        c = self.config
        self.measurements.append(measurement)
        if max(measurement.deflection_mv) > c.most_beat_mv:
            self.last_artefact = measurement.sample
        low, high = c.vf_band_hz
        in_band = self.gap is None and low <= measurement.frequency_hz <= high
        is_large = measurement.span_mv >= c.vf_span_mv
        log_odds = measurement.vf_log_odds if in_band and is_large else -inf
        self.noise_since_beat = min(self.noise_since_beat, self.relative_deflection(measurement))
        self.vf_evidence = self._vf_evidence_with(log_odds)
        self.hops_without_vf = 0 if self.vf_evidence > 0.0 else self.hops_without_vf + 1

    def _vf_evidence_with(self, log_odds: float) -> float:
        """Add log-odds to the evidence, as a CUSUM does; clear beats refute all of it."""
        c = self.config
        if log_odds > c.vf_fast_min_odds and self._is_fast():
            log_odds += c.vf_fast_bonus_odds
        total = self.vf_evidence + min(log_odds, c.vf_max_odds) - c.vf_reference_odds
        if total <= 0.0 or self.is_clearly_beating() or self.is_organised():
            return 0.0
        return min(total, c.vf_alarm_evidence)

    def _is_fast(self) -> bool:
        """Whether all intervals have been as short as those of flutter for a while."""
        if self.last_peak is None or self.fast_since is None:
            return False
        return self.last_peak - self.fast_since >= self.config.vf_fast_s * CHAIN_FS

    def _learn_deflection(self, sample: int) -> None:
        """Learn how large the patient's beats are, and the noise between them."""
        near = [measurement.deflection_mv for measurement in self._measurements_near(sample)]
        largest = tuple(map(max, zip(*near, strict=True)))
        self.deflections.append(largest or self.measurements[-1].deflection_mv)
        if len(self.deflections) >= self.config.min_beats:
            by_lead = zip(*self.deflections, strict=True)
            self.typical_deflection = tuple(median(values) for values in by_lead)
        if self.noise_since_beat < inf and self.vf_evidence <= 0.0:
            self.noise_levels.append(self.noise_since_beat)

    def _measurements_near(self, sample: int) -> list[Measurement]:
        """Return the measurements that a beat at `sample` moves, newest first."""
        near = []
        for measurement in reversed(self.measurements):
            if measurement.sample < sample - _NEAR:
                break
            if measurement.sample <= sample + _NEAR:
                near.append(measurement)
        return near

    def relative_deflection(self, measurement: Measurement) -> float:
        """Deflection of a hop as a part of that of the beats, over all leads that move.

        Leads in which the beats are large count more: a small lead is mostly noise.
        """
        c = self.config
        values = measurement.deflection_mv
        typical = self.typical_deflection or (c.default_deflection_mv,) * len(values)
        total = reference = 0.0
        for value, of_beats in zip(values, typical, strict=False):
            if value > c.flat_source_mv:
                beat = max(of_beats, c.min_deflection_mv)
                total += min(value, _ARTEFACT * beat)
                reference += beat
        return total / reference if reference else 0.0

    @property
    def quiet_limit(self) -> float:
        """Relative deflection up to which the signal is quiet: more where beats lie in noise."""
        c = self.config
        if len(self.noise_levels) < c.min_beats:
            return c.quiet_part
        noise = c.quiet_noise_factor * median(self.noise_levels)
        return min(max(c.quiet_part, noise), c.max_quiet_part)

    def is_noise(self, sample: int, quality: float) -> bool:
        """Whether what was found is too small for a beat, or no more than noise after a silence."""
        c = self.config
        near = self._measurements_near(sample)
        if near and max(max(m.deflection_mv) for m in near) < c.least_beat_mv:
            return True
        if quality >= c.noise_quality or self.silence_s() < c.pause_s:
            return False
        return bool(near) and max(map(self.relative_deflection, near)) <= self.quiet_limit

    # Silence

    def quiet_s(self) -> float:
        """For how long up to now the signal has shown nothing like a beat."""
        hops, limit = 0, self.quiet_limit
        for measurement in reversed(self.measurements):
            if self.relative_deflection(measurement) > limit:
                break
            hops += 1
        return hops * self.config.signal.hop_s

    def silence_s(self) -> float:
        """For how long there has been no beat, in seconds."""
        since = self.first_sample if self.last_peak is None else self.last_peak
        return 0.0 if since is None else (self.now - since) / CHAIN_FS

    def silence_onset(self) -> int:
        """Where the silence began."""
        return (self.first_sample or 0) if self.last_peak is None else self.last_peak

    def is_disturbed(self) -> bool:
        """Whether an artefact began the silence: its electrodes may have come off."""
        if self.last_artefact is None:
            return False
        before = self.config.artefact_before_s * CHAIN_FS
        lasts = self.now - self.last_artefact < self.config.artefact_hold_s * CHAIN_FS
        return lasts and self.last_artefact >= self.silence_onset() - before

    def learn_flatness(self) -> None:
        """Remember whether the source is flat between its beats, before a gap begins."""
        before = [m.roughness_mv for m in self.measurements if m.sample < self.gap_start]
        self.source_is_flat = bool(before) and min(before) < self.config.flat_source_mv
