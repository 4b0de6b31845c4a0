"""What the last beats tell of the atria: how irregular their intervals are, whether P waves remain.

Irregularity is the coefficient of sample entropy of Lake & Moorman 2011
(doi:10.1152/ajpheart.00561.2010): unlike a variance it stays low where intervals are many but of a
few kinds, as with frequent premature beats, and in sinus arrhythmia, where each resembles the last.
For unrelated intervals of a normal distribution it is about ln(3.5 SD / mean).

Deviations: more beats than the 12 of the paper, for fewer false alarms; intervals next to a beat
that isn't N or S are unknown and match nothing; P waves have a say (`AtriaConfig.p_wave_weight`).

So many beats are slow to see an end. That is seen, and dated, by the evidence of the single beats:
how much each interval differs from the one before, and how much what lies before the QRS complex
resembles what lay before the last ones. Its sum is that of a sequential test (Page 1954,
doi:10.1093/biomet/41.1-2.100) between two rhythms.
"""

from collections import deque
from dataclasses import dataclass
from math import isnan, log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.labels import Label
from streamer.events import CHAIN_FS, Beat
from streamer.p_waves import Wave, coherence, likeness, p_wave

_SAME: Final = 1e-6
"""Relative difference of two intervals that can't be told from none."""
HEART: Final = frozenset({Label.N, Label.S})
"""Beats that tell of the atria."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtriaConfig:
    """When intervals and P waves speak for fibrillation; chosen on DS1 and svdb."""

    beats: int = 48
    """N and S beats over which irregularity and P waves are measured."""
    least_templates: int = 20
    """Pairs of successive known intervals that must be among them."""
    least_waves: int = 8
    """Known stretches before the QRS complexes that must be among them."""
    look_back: int = 56
    """N and S beats among which a turn of the rhythm is looked for."""
    patience: int = 64
    """N and S beats for which fibrillation goes on where too few intervals are known to tell."""
    entropy: float = -0.9
    entropy_end: float = -1.5
    """Entropy of fibrillation, to name it and to stay with it; Lake & Moorman have -1.4."""
    p_wave_weight: float = 5.0
    p_wave_floor: float = 0.1
    """What each part by which P waves are alike beyond the floor takes off the entropy."""
    tolerance_s: float = 0.03
    tolerance_step_s: float = 0.005
    tolerance_most_s: float = 0.4
    least_matches: int = 5
    """Intervals that differ by less than the tolerance match; it grows until there are enough."""
    even: float = 0.055
    """Relative difference of two successive intervals that fibrillation and a regular rhythm show
    equally often."""
    evidence_span: tuple[float, float] = (-2.0, 1.6)
    """Most that one difference may say against and for fibrillation (natural logarithm of the
    ratio of how often either shows it)."""
    likeness_waves: int = 8
    likeness_least: int = 4
    """Stretches before the last QRS complexes whose mean the next is compared with."""
    likeness: tuple[float, ...] = (-1.0, 0.5, 0.8, 0.9, 0.97, 1.0)
    likeness_evidence: tuple[float, ...] = (1.5, 1.2, 0.3, -0.7, -2.0, -2.5)
    """What a cosine between the two says for fibrillation, which shows any, where P waves show
    little but the last."""
    balance_most: float = 5.0
    """The sum of the evidence is held within this on either side; that much against fibrillation
    ends it."""


@dataclass(frozen=True, slots=True, eq=False)
class AtrialBeat:
    """One N or S beat."""

    sample: int
    interval_s: float
    """From the beat before; NaN if that was none of these, or too far away."""
    wave: Wave
    """What lies before the QRS complex, in mV without its trend."""
    evidence: float
    """How much this beat, after the ones before it, speaks for fibrillation (natural logarithm)."""


class Atria:
    """Remembers the last N and S beats and measures them.

    Parameters
    ----------
    config : AtriaConfig, optional
        Lengths and limits.
    """

    def __init__(self, config: AtriaConfig | None = None) -> None:
        self._config = AtriaConfig() if config is None else config
        self._beats: deque[AtrialBeat] = deque(maxlen=self._config.look_back)
        self.forget()

    def forget(self) -> None:
        """Forget every beat."""
        self._beats.clear()
        self._entropy: float | None = None
        self._undecided = 0
        self._turned_at = -1
        self._balance = 0.0

    def add(self, beat: Beat, rr_samples: int | None) -> None:
        """Take an N or S beat and the interval since the beat before, if that was one as well."""
        interval_s = np.nan if rr_samples is None else rr_samples / CHAIN_FS
        wave = p_wave(beat.window)
        evidence = self._evidence_of_interval(interval_s) + self._evidence_of_wave(wave)
        most = self._config.balance_most
        self._balance = min(max(self._balance + evidence, -most), most)
        self._beats.append(AtrialBeat(beat.rpeak.sample, interval_s, wave, evidence))
        self._entropy = self._measure()
        self._undecided = self._undecided + 1 if self._entropy is None else 0

    @property
    def entropy(self) -> float | None:
        """Coefficient of sample entropy of the known intervals; None if there are too few."""
        return self._entropy

    def is_fibrillating(self, *, stays: bool) -> bool:
        """Tell whether the beats speak for fibrillation; with `stays` less is enough."""
        config = self._config
        if stays and self._balance <= -config.balance_most:
            return False
        if self._entropy is None:
            return stays and self._undecided <= config.patience
        limit = config.entropy_end if stays else config.entropy
        if self._entropy < limit:
            return False
        coherence = self.coherence()
        if coherence is None:
            return False
        alike = max(coherence - config.p_wave_floor, 0.0)
        return self._entropy - config.p_wave_weight * alike >= limit

    def coherence(self) -> float | None:
        """How much the stretches before the QRS complexes are alike, 0 to 1, in the best lead.

        The energy of their mean over the mean of their energies, less what chance gives: P waves
        that come before every beat remain in a mean, fibrillatory waves don't. None if there are
        too few beats.
        """
        waves = [beat.wave for beat in self._recent() if beat.wave.size]
        if len(waves) < self._config.least_waves:
            return None
        return max(coherence(of_lead) for of_lead in np.stack(waves, axis=1))

    def turn(self, *, irregular: bool) -> tuple[int, ...]:
        """Return the beats since the rhythm became irregular (or regular again), oldest first.

        The beginning is where the summed evidence of the beats is largest: the most probable
        place of a change among the last ones.
        """
        beats = list(self._beats)
        sign = 1.0 if irregular else -1.0
        evidence = np.array([sign * beat.evidence for beat in beats])
        evidence[[beat.sample <= self._turned_at for beat in beats]] = -np.inf
        first = int(np.argmax(np.cumsum(evidence[::-1])[::-1])) if beats else 0
        return tuple(beat.sample for beat in beats[max(first - 1, 0) :])

    def note_turn(self, sample: int) -> None:
        """Remember that the rhythm changed at that beat: the next change comes after it."""
        self._turned_at = sample

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        return {
            "beats": [
                [beat.sample, beat.interval_s, beat.wave.copy(), beat.evidence]
                for beat in self._beats
            ],
            "undecided": self._undecided,
            "turned_at": self._turned_at,
            "balance": self._balance,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self._beats.clear()
        self._beats.extend(
            AtrialBeat(sample, interval_s, wave.copy(), evidence)
            for sample, interval_s, wave, evidence in state["beats"]
        )
        self._undecided = state["undecided"]
        self._turned_at = state["turned_at"]
        self._balance = state["balance"]
        self._entropy = self._measure()

    def _recent(self) -> list[AtrialBeat]:
        """Return the last beats of the present rhythm."""
        recent = list(self._beats)[-self._config.beats :]
        return [beat for beat in recent if beat.sample >= self._turned_at]

    def _measure(self) -> float | None:
        config = self._config
        intervals = np.array([beat.interval_s for beat in self._recent()], np.float64)
        templates, shorter, longer, tolerance_s, mean_s = _match(
            intervals,
            config.tolerance_s,
            config.tolerance_step_s,
            config.tolerance_most_s,
            config.least_matches,
        )
        if templates < config.least_templates:
            return None
        if longer < config.least_matches:
            return 0.0
        sample_entropy = log(shorter / longer)
        return sample_entropy + log(2.0 * tolerance_s) - log(mean_s)

    def _evidence_of_interval(self, interval_s: float) -> float:
        """Weigh the difference between an interval and the newest one; 0 if one is unknown."""
        before_s = self._beats[-1].interval_s if self._beats else np.nan
        change = abs(log(interval_s / before_s))
        if isnan(change):
            return 0.0
        least, most = self._config.evidence_span
        return min(max(log(max(change, _SAME) / self._config.even), least), most)

    def _evidence_of_wave(self, wave: Wave) -> float:
        """Weigh how a stretch before a QRS complex resembles the last ones; 0 if that is unknown.

        In the lead in which these are most alike among themselves.
        """
        config = self._config
        last = list(self._beats)[-config.likeness_waves :]
        waves = [beat.wave for beat in last if beat.wave.shape == wave.shape]
        if wave.size == 0 or len(waves) < config.likeness_least:
            return 0.0
        found = likeness(np.array(waves), wave)
        return float(np.interp(found, config.likeness, config.likeness_evidence))


@jit
def _match(
    intervals: NDArray[np.float64], first: float, step: float, most: float, least: int
) -> tuple[int, int, int, float, float]:  # pragma: no cover - compiled
    """Count pairs of intervals that match, and of those the ones whose successors match too.

    Returns the number of templates (an interval and its successor known), both counts, the
    tolerance at which there were at least `least` of the second, and the mean interval.
    """
    n = intervals.size
    known = np.zeros(n, np.bool_)
    total_s, count = 0.0, 0
    for interval_s in intervals:
        if not np.isnan(interval_s):
            total_s += interval_s
            count += 1
    mean_s = total_s / max(count, 1)
    templates = 0
    for i in range(n - 1):
        known[i] = not (np.isnan(intervals[i]) or np.isnan(intervals[i + 1]))
        templates += known[i]
    tolerance = first
    while True:
        shorter, longer = 0, 0
        for i in range(n - 1):
            if not known[i]:
                continue
            for j in range(i + 1, n - 1):
                if known[j] and abs(intervals[i] - intervals[j]) < tolerance:
                    shorter += 1
                    longer += abs(intervals[i + 1] - intervals[j + 1]) < tolerance
        if longer >= least or tolerance >= most:
            return templates, shorter, longer, tolerance, mean_s
        tolerance += step
