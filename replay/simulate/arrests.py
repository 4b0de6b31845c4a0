"""Simulated hearts that stop or fibrillate: sinus rhythm, then an arrest, drawn at random.

Amplitudes after Kerber et al. 1997 (doi:10.1161/01.CIR.95.6.1677): ventricular fibrillation is
coarse from 0.2 mV peak to peak on and fine below, a signal below 0.08 mV is asystole. Fibrillation
is modelled as a few waves of wandering rate and height, each seen by the leads in another
proportion, which gives the one or two broad spectral peaks between 3 and 9 Hz that surface
recordings show.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from replay.simulate.patient import Shapes, draw_shapes
from replay.simulate.record import SimulatedRecord
from replay.simulate.rhythms import RANGES, Heart, only_p, record_of, regular
from replay.simulate.shapes import LEADS
from replay.simulate.waves import Samples, log_uniform, slow_noise, wandering_phase

BEFORE_S: Final = 20.0
"""Of sinus rhythm before the arrest, at least."""
AFTER_S: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedOnset:
    """A record with an arrest in it."""

    record: SimulatedRecord
    onset_s: float
    """Last beat before a silence, or first moment of the waves."""


OnsetMaker = Callable[[float, int], SimulatedOnset]
"""From sampling frequency in Hz and seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FibrillationRanges:
    """Ranges from which one episode of fibrillation is drawn."""

    rate_hz: tuple[float, float] = (3.0, 9.0)
    span_mv: tuple[float, float] = (0.4, 2.0)
    """Peak to peak, in the lead that shows most."""
    wander: tuple[float, float] = (0.05, 0.25)
    """Standard deviation of the rate, relative."""
    waxing: tuple[float, float] = (0.1, 0.6)
    """Standard deviation of the height, relative."""
    others: tuple[float, float] = (0.0, 0.8)
    """Height of each of two more waves at other rates."""
    other_rate: tuple[float, float] = (0.6, 1.7)
    harmonic: tuple[float, float] = (0.0, 0.3)
    other_lead: tuple[float, float] = (0.4, 1.0)


COARSE: Final = FibrillationRanges()
FINE: Final = FibrillationRanges(span_mv=(0.2, 0.4), rate_hz=(3.5, 9.0))


def fibrillation(
    n_samples: int, fs: float, rng: np.random.Generator, ranges: FibrillationRanges = COARSE
) -> Samples:
    """Draw waves of ventricular fibrillation in mV, shape (2, n_samples)."""
    rate_hz = float(rng.uniform(*ranges.rate_hz))
    rates = rate_hz * np.array([1.0, *rng.uniform(*ranges.other_rate, 2)])
    parts = [_part(n_samples, fs, float(rate), rng, ranges) for rate in rates]
    weights = np.ones((len(LEADS), len(parts)))
    weights[:, 1:] = rng.uniform(*ranges.others, 2)
    weights *= np.exp(0.3 * rng.standard_normal(weights.shape))
    waves = weights @ np.stack(parts)
    span = np.quantile(waves, 0.99, axis=1) - np.quantile(waves, 0.01, axis=1)
    heights = log_uniform(rng, *ranges.span_mv) * np.array([1.0, rng.uniform(*ranges.other_lead)])
    scaled: Samples = waves * (rng.permutation(heights) / span)[:, np.newaxis]
    return scaled


def _part(
    n_samples: int, fs: float, rate_hz: float, rng: np.random.Generator, ranges: FibrillationRanges
) -> Samples:
    """Draw one wave of wandering rate and height."""
    wander = float(rng.uniform(*ranges.wander))
    phase = wandering_phase(n_samples, fs, rate_hz, rng, wander=wander, wander_hz=1.0)
    height = 1.0 + rng.uniform(*ranges.waxing) * slow_noise(n_samples, fs, 0.7, rng)
    harmonic = rng.uniform(*ranges.harmonic) * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    part: Samples = np.maximum(height, 0.1) * (np.sin(phase) + harmonic)
    return part


def flutter(n_samples: int, fs: float, rng: np.random.Generator) -> Samples:
    """Draw ventricular flutter: nearly a sine of 200 to 330 a minute, tall."""
    return _sine(n_samples, fs, rng, rate_hz=(3.3, 5.5), span_mv=(0.7, 2.5))


def sine_tachycardia(n_samples: int, fs: float, rng: np.random.Generator) -> Samples:
    """Draw a tachycardia of 130 to 200 a minute so wide that it looks like a sine."""
    return _sine(n_samples, fs, rng, rate_hz=(2.2, 3.3), span_mv=(0.7, 2.5))


def _sine(
    n_samples: int,
    fs: float,
    rng: np.random.Generator,
    *,
    rate_hz: tuple[float, float],
    span_mv: tuple[float, float],
) -> Samples:
    rate = float(rng.uniform(*rate_hz))
    phase = wandering_phase(n_samples, fs, rate, rng, wander=0.015, wander_hz=0.5)
    harmonic = rng.uniform(0.0, 0.25) * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    breath = 1.0 + 0.05 * slow_noise(n_samples, fs, 0.4, rng)
    height = 0.5 * log_uniform(rng, *span_mv) * np.array([1.0, rng.uniform(0.4, 1.0)])
    return np.outer(rng.permutation(height), breath * (np.sin(phase) + harmonic))


def torsade(n_samples: int, fs: float, rng: np.random.Generator) -> Samples:
    """Draw torsade de pointes: 160 to 260 a minute in spindles of 5 to 20 beats."""
    rate = float(rng.uniform(2.7, 4.3))
    phase = wandering_phase(n_samples, fs, rate, rng, wander=0.06, wander_hz=0.7)
    beats = rng.uniform(5.0, 20.0)
    leads = []
    for height in rng.uniform(0.5, 1.0, len(LEADS)):
        twist = np.sin(np.pi * phase / (2 * np.pi * beats) + rng.uniform(0, np.pi))
        leads.append(height * (0.15 + 0.85 * np.abs(twist)) * np.sin(phase + np.pi * (twist < 0)))
    return 0.5 * log_uniform(rng, 0.8, 2.5) * np.stack(leads)


WaveDraw = Callable[[int, float, np.random.Generator], Samples]
"""From number of samples and sampling frequency, shape (2, n)."""


def _arrest(
    name: str, draw: Callable[[np.random.Generator, float], tuple[Heart, float]]
) -> OnsetMaker:
    """Make records of a heart and its onset in s that are drawn for a sampling frequency."""

    def make(fs: float, seed: int) -> SimulatedOnset:
        rng = np.random.default_rng(seed)
        heart, onset_s = draw(rng, fs)
        return SimulatedOnset(record=record_of(name, heart, rng, fs=fs, seed=seed), onset_s=onset_s)

    return make


def _into_waves(name: str, draw_waves: WaveDraw, mark: str) -> OnsetMaker:
    """Make waves that begin soon after a last beat."""

    def draw(rng: np.random.Generator, fs: float) -> tuple[Heart, float]:
        shapes, times = _sinus(rng)
        onset_s = times[-1] + rng.uniform(0.25, 0.5)
        n = round((onset_s + AFTER_S) * fs)
        rising = np.clip((np.arange(n) / fs - onset_s) / 0.2, 0.0, 1.0)
        heart = Heart(
            beats=[(time, "N") for time in times],
            shapes=shapes,
            duration_s=onset_s + AFTER_S,
            waves=rising * draw_waves(n, fs, rng),
            marks=[(0.0, "(N"), (onset_s, mark)],
        )
        return heart, onset_s

    return _arrest(name, draw)


def _into_silence(name: str, *, drift_mv: float = 0.0, atria: bool = False) -> OnsetMaker:
    """Make the ventricles stand still, over a drifting baseline or under beating atria."""

    def draw(rng: np.random.Generator, fs: float) -> tuple[Heart, float]:
        shapes, times = _sinus(rng)
        onset_s = times[-1]
        duration_s = onset_s + AFTER_S
        n = round(duration_s * fs)
        beats = [(time, "N") for time in times]
        if atria:
            pace = 60.0 / rng.uniform(60.0, 120.0)
            beats += [(t, "p") for t in regular(rng, onset_s + 0.6 * pace, duration_s, pace)]
        drift = np.stack([slow_noise(n, fs, rng.uniform(0.2, 0.8), rng) for _ in LEADS])
        heart = Heart(
            beats=[beat for beat in beats if beat[0] < duration_s],
            shapes={**shapes, "p": only_p(shapes)},
            duration_s=duration_s,
            waves=drift_mv * rng.uniform(0.5, 1.5) * drift,
        )
        return heart, onset_s

    return _arrest(name, draw)


def _sinus(rng: np.random.Generator) -> tuple[Shapes, list[float]]:
    """Draw a patient, and beat times before the arrest."""
    shapes = draw_shapes(rng)
    stop_s = BEFORE_S + rng.uniform(0.0, 1.0)
    return shapes, regular(rng, 0.8, stop_s, 60.0 / rng.uniform(*RANGES.sinus_bpm))


def _fine(n_samples: int, fs: float, rng: np.random.Generator) -> Samples:
    return fibrillation(n_samples, fs, rng, FINE)


ARRESTS: Final[dict[str, OnsetMaker]] = {
    "coarse fibrillation": _into_waves("coarse VF", fibrillation, "(VFL"),
    "fine fibrillation": _into_waves("fine VF", _fine, "(VFL"),
    "ventricular flutter": _into_waves("flutter", flutter, "(VFL"),
    "torsade de pointes": _into_waves("torsade", torsade, "(VFL"),
    "sine-like tachycardia": _into_waves("sine VT", sine_tachycardia, "(VT"),
    "silence": _into_silence("asystole"),
    "silence, drifting baseline": _into_silence("drift", drift_mv=0.4),
    "silence, P waves go on": _into_silence("standstill", atria=True),
}
"""Arrests by name."""
