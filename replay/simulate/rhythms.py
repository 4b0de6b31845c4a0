"""Simulated hearts that keep their rhythm but tempt an alarm: fast, wide, wavy, small, blocked.

Each maker is a pure function of the sampling frequency and a seed: the seed draws a patient
(`replay.simulate.patient`) and the rhythm's own numbers from the ranges in `RhythmRanges`.
What all of them share (`maker`, `record_of`) serves the other modules of simulated hearts too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from replay.record import Reference
from replay.simulate.patient import PatientConfig, Shapes, draw_shapes
from replay.simulate.record import SimulatedRecord, simulate_beats
from replay.simulate.shapes import LEADS, Wave
from replay.simulate.waves import Samples, log_uniform, wandering_phase

STEADY_S: Final = 120.0
"""Length of a steady rhythm by default."""
Maker = Callable[[float, int], SimulatedRecord]
"""From sampling frequency in Hz and seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmRanges:
    """Ranges from which rhythms are drawn; rates a minute.

    Flutter waves: 240 to 350 a minute (Page et al. 2016, doi:10.1161/CIR.0000000000000311).
    """

    sinus_bpm: tuple[float, float] = (55.0, 110.0)
    fast_bpm: tuple[float, float] = (120.0, 170.0)
    supraventricular_bpm: tuple[float, float] = (200.0, 250.0)
    infant_bpm: tuple[float, float] = (150.0, 220.0)
    """In the first months of life, from asleep to crying (Rijnbeek et al. 2001,
    doi:10.1053/euhj.2000.2399)."""
    block_bpm: tuple[float, float] = (90.0, 140.0)
    escape_bpm: tuple[float, float] = (42.0, 55.0)
    flutter_hz: tuple[float, float] = (4.0, 5.8)
    flutter_mv: tuple[float, float] = (0.05, 0.3)
    """Height of the flutter waves: half their peak to peak."""
    flutter_rise: tuple[float, float] = (0.15, 0.35)
    """Part of a flutter wave that rises: a saw tooth."""
    fibrillation_hz: tuple[float, float] = (5.0, 8.0)
    """Waves of atrial fibrillation."""
    fibrillation_mv: tuple[float, float] = (0.03, 0.12)
    fibrillation_rr_s: tuple[float, float] = (0.45, 0.9)
    jitter: tuple[float, float] = (0.005, 0.04)
    """Relative standard deviation of the intervals."""
    noise_mv: tuple[float, float] = (0.005, 0.03)
    wander_mv: tuple[float, float] = (0.02, 0.15)
    wander_hz: tuple[float, float] = (0.15, 0.4)
    """Respiration, which moves the baseline."""


RANGES: Final = RhythmRanges()
LOW_VOLTAGE: Final = PatientConfig(r_mv=(0.15, 0.4))
_TALL_T: Final = PatientConfig(r_mv=(0.5, 1.2), t_gain=(2.0, 5.0))


def regular(
    rng: np.random.Generator,
    start_s: float,
    stop_s: float,
    rr_s: float,
    jitter: float | None = None,
) -> list[float]:
    """Beat times from `start_s` until before `stop_s`, a little irregular."""
    spread = float(rng.uniform(*RANGES.jitter)) if jitter is None else jitter
    times = [start_s]
    while times[-1] + 1.2 * rr_s < stop_s:
        times.append(times[-1] + rr_s * max(1.0 + spread * float(rng.standard_normal()), 0.7))
    return times


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heart:
    """What one heart does: the ground truth of a simulated record."""

    beats: Sequence[tuple[float, str]]
    """Time in s and WFDB symbol, ascending."""
    shapes: Shapes
    duration_s: float = STEADY_S
    waves: Samples | None = None
    """mV to add to the beats, shape (2, n)."""
    marks: Sequence[tuple[float, str]] = ()
    """Time in s and auxiliary text such as "(VFL" of rhythm changes."""


def record_of(
    name: str, heart: Heart, rng: np.random.Generator, *, fs: float, seed: int
) -> SimulatedRecord:
    """Put a record together: beats, other waves, respiration, sensor noise, rhythm marks."""
    record = simulate_beats(
        [time for time, _ in heart.beats],
        [symbol for _, symbol in heart.beats],
        fs=fs,
        duration_s=heart.duration_s,
        seed=seed,
        noise_mv=log_uniform(rng, *RANGES.noise_mv),
        shapes=heart.shapes,
        name=f"{name} {seed}",
    )
    t = np.arange(record.n_samples) / fs
    breath = 2 * np.pi * (rng.uniform(*RANGES.wander_hz) * t + rng.random())
    added = np.outer([log_uniform(rng, *RANGES.wander_mv) for _ in LEADS], np.sin(breath))
    if heart.waves is not None:
        added += heart.waves
    signal = (record.signal + added).astype(np.float32)
    return replace(record, signal=signal, annotations=_reference(heart, fs))


def maker(name: str, draw: Callable[[np.random.Generator, float], Heart]) -> Maker:
    """Make records of a kind of heart that is drawn for a sampling frequency."""

    def make(fs: float, seed: int) -> SimulatedRecord:
        rng = np.random.default_rng(seed)
        return record_of(name, draw(rng, fs), rng, fs=fs, seed=seed)

    return make


def _reference(heart: Heart, fs: float) -> Reference:
    events = [(time, symbol, "") for time, symbol in heart.beats]
    events += [(time, "+", text) for time, text in heart.marks]
    events.sort(key=lambda event: event[0])
    samples = np.rint(np.array([time for time, _, _ in events]) * fs).astype(np.int64)
    return Reference(
        samples=samples,
        symbols=tuple(symbol for _, symbol, _ in events),
        aux=tuple(aux for _, _, aux in events),
    )


def _regular_beats(
    name: str, symbol: str, bpm: tuple[float, float], patient: PatientConfig | None = None
) -> Maker:
    """Make regular beats of one kind."""

    def draw(rng: np.random.Generator, _fs: float) -> Heart:
        shapes = draw_shapes(rng, patient)
        times = regular(rng, 0.5, STEADY_S - 0.5, 60.0 / rng.uniform(*bpm))
        return Heart(beats=[(time, symbol) for time in times], shapes=shapes)

    return maker(name, draw)


def infant(fs: float, seed: int, tempo: float = 1.7) -> SimulatedRecord:
    """Make the sinus rhythm of an infant: an adult's heart, played faster by `tempo`.

    At 1.7 times the QRS complex lasts 50 to 70 ms.
    """
    slow, fast = RANGES.infant_bpm
    make = _regular_beats("infant", "N", (slow / tempo, fast / tempo))
    return replace(make(fs / tempo, seed), fs=fs)


def _atrial_flutter(rng: np.random.Generator, fs: float) -> Heart:
    """Saw-tooth waves, of which every second to fourth is conducted."""
    shapes = without_p(draw_shapes(rng))
    rate_hz = rng.uniform(*RANGES.flutter_hz)
    ratio = int(rng.integers(2, 5))
    n = round(STEADY_S * fs)
    cycles = rate_hz * np.arange(n, dtype=np.float64) / fs
    saw = _saw_tooth(cycles, rng.uniform(*RANGES.flutter_rise))
    waves = np.outer([log_uniform(rng, *RANGES.flutter_mv) for _ in LEADS], saw)
    times = regular(rng, 0.5, STEADY_S - 0.5, ratio / rate_hz, jitter=0.002)
    beats = [(time, "N") for time in times]
    return Heart(beats=beats, shapes=shapes, waves=waves, marks=[(0.0, "(AFL")])


def _saw_tooth(cycles: Samples, rise: float) -> Samples:
    """Rise from -1 to 1 in that part of each cycle, and fall in the rest."""
    part = cycles % 1.0
    return np.where(part < rise, 2 * part / rise - 1, 1 - 2 * (part - rise) / (1 - rise))


def _atrial_fibrillation(rng: np.random.Generator, fs: float) -> Heart:
    """Fibrillatory waves, and beats at random intervals."""
    shapes = without_p(draw_shapes(rng))
    n = round(STEADY_S * fs)
    rate_hz = rng.uniform(*RANGES.fibrillation_hz)
    phase = wandering_phase(n, fs, rate_hz, rng, wander=0.15, wander_hz=1.0)
    waves = np.outer(
        [log_uniform(rng, *RANGES.fibrillation_mv) for _ in LEADS],
        np.sin(phase) + 0.35 * np.sin(2 * phase),
    )
    mean_s = rng.uniform(*RANGES.fibrillation_rr_s)
    spreads = np.exp(0.24 * rng.standard_normal(round(STEADY_S / 0.3)))
    times = 0.5 + np.cumsum(np.clip(mean_s * spreads, 0.33, 1.6))
    beats = [(float(time), "N") for time in times if time < STEADY_S - 0.5]
    return Heart(beats=beats, shapes=shapes, waves=waves, marks=[(0.0, "(AFIB")])


def _complete_block(rng: np.random.Generator, _fs: float) -> Heart:
    """P waves at their own pace, and a slow escape rhythm."""
    shapes = draw_shapes(rng)
    shapes = {**without_p(shapes), "p": only_p(shapes)}
    symbol = str(rng.choice(["j", "E"]))
    escape = regular(rng, 0.5, STEADY_S - 0.5, 60.0 / rng.uniform(*RANGES.escape_bpm))
    atria = regular(rng, 0.8, STEADY_S - 0.5, 60.0 / rng.uniform(*RANGES.sinus_bpm))
    beats = sorted([(t, symbol) for t in escape] + [(t, "p") for t in atria if t not in escape])
    return Heart(beats=beats, shapes=shapes, marks=[(0.0, "(IVR")] if symbol == "E" else ())


def without_p(shapes: Shapes) -> Shapes:
    """Take the P waves away."""
    return {key: tuple(w for w in waves if not w.is_atrial) for key, waves in shapes.items()}


def only_p(shapes: Shapes) -> tuple[Wave, ...]:
    """Return the normal beat's P wave, centred on its own time."""
    return tuple(replace(w, centre_s=0.0) for w in shapes["N"] if w.is_atrial)


TEMPTING_RHYTHMS: Final[dict[str, Maker]] = {
    "sinus rhythm": _regular_beats("sinus rhythm", "N", RANGES.sinus_bpm),
    "low voltage": _regular_beats("low voltage", "N", RANGES.sinus_bpm, LOW_VOLTAGE),
    "sinus tachycardia, tall T": _regular_beats("tall T", "N", RANGES.fast_bpm, _TALL_T),
    "supraventricular tachycardia": _regular_beats("SVT", "j", RANGES.supraventricular_bpm),
    "left bundle branch block": _regular_beats("LBBB", "L", RANGES.block_bpm),
    "right bundle branch block": _regular_beats("RBBB", "R", RANGES.block_bpm),
    "paced": _regular_beats("paced", "/", RANGES.sinus_bpm),
    "atrial flutter": maker("atrial flutter", _atrial_flutter),
    "atrial fibrillation": maker("atrial fibrillation", _atrial_fibrillation),
    "complete block": maker("complete block", _complete_block),
}
"""Rhythms on which no alarm of the signal itself is right."""
