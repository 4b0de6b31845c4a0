"""Simulated faults of electrodes and amplifiers, drawn at random and laid over a record.

What tempts a monitor at the bedside: loose and lost electrodes, mains hum, tremor, chest
compressions, pacing spikes, calibration pulses. Each fault is a pure function of a signal, its
sampling frequency and a random generator; `with_fault` switches one on and off over a record whose
heart goes on beating beneath, so that its reference annotations stay true.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from replay.simulate.record import SimulatedRecord
from replay.simulate.waves import Samples, log_uniform, slow_noise, wandering_phase

Fault = Callable[[Samples, float, np.random.Generator], Samples]
"""Signal (leads, n) in mV to the spoilt one; the input is not modified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTiming:
    """When a fault is on."""

    clean_s: float = 20.0
    faulty_s: float = 20.0


def with_fault(
    record: SimulatedRecord,
    fault: Fault,
    *,
    seed: int,
    timing: FaultTiming | None = None,
) -> SimulatedRecord:
    """Switch a fault on and off over a record, beginning without it.

    Each faulty segment is drawn anew. The reference annotations stay as they are.
    """
    timing = timing or FaultTiming()
    rng = np.random.default_rng(seed)
    signal = record.signal.astype(np.float64)
    period = round((timing.clean_s + timing.faulty_s) * record.fs)
    for start in range(round(timing.clean_s * record.fs), record.n_samples, period):
        segment = slice(start, start + round(timing.faulty_s * record.fs))
        signal[:, segment] = fault(signal[:, segment], record.fs, rng)
    return replace(record, signal=signal.astype(np.float32))


def _on_some_leads(signal: Samples, spoilt: Samples, rng: np.random.Generator) -> Samples:
    """Take the spoilt signal on all leads, or as often on one alone."""
    result = spoilt.copy()
    if rng.random() < 0.5:
        kept = int(rng.integers(len(signal)))
        result[kept] = signal[kept]
    return result


def _shares(signal: Samples, rng: np.random.Generator) -> Samples:
    """Draw how much each lead takes up of what disturbs them all, 1 at most."""
    shares = np.array([log_uniform(rng, 0.2, 1.0) for _ in signal])
    shares[int(rng.integers(shares.size))] = 1.0
    return shares


def _added(signal: Samples, wave: Samples, rng: np.random.Generator) -> Samples:
    return signal + np.outer(_shares(signal, rng), wave)


def hum(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Mains hum on the ECG, 0.1 to 1 mV peak to peak."""
    return _added(signal, _hum(signal.shape[1], fs, rng, (0.05, 0.5)), rng)


def _hum(n: int, fs: float, rng: np.random.Generator, height_mv: tuple[float, float]) -> Samples:
    mains_hz = float(rng.choice([50.0, 60.0])) + rng.uniform(-0.2, 0.2)
    phase = 2 * np.pi * mains_hz * np.arange(n) / fs
    wave: Samples = log_uniform(rng, *height_mv) * np.sin(phase + rng.uniform(0, 2 * np.pi))
    return wave


def lead_off(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Flat line: the input is grounded or the monitor holds it."""
    level = rng.uniform(-0.5, 0.5, (len(signal), 1))
    return _on_some_leads(signal, np.broadcast_to(level, signal.shape), rng)


def saturated(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Amplifier at its rail."""
    rail = rng.choice([-1.0, 1.0], (len(signal), 1)) * rng.uniform(4.0, 10.0)
    return _on_some_leads(signal, np.broadcast_to(rail, signal.shape), rng)


def open_input(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Lost electrode without lead-off detection: drift, mains hum and noise, no heart."""
    n = signal.shape[1]
    drift = rng.uniform(0.05, 0.5) * slow_noise(n, fs, 0.5, rng)
    wave = drift + _hum(n, fs, rng, (0.01, 1.0)) + 0.01 * rng.standard_normal(n)
    return _on_some_leads(signal, np.outer(_shares(signal, rng), wave), rng)


def calibration(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Square pulses of 1 mV in place of the ECG, 1 to 4 a second."""
    t = np.arange(signal.shape[1]) / fs
    square = (t * rng.uniform(1.0, 4.0)) % 1.0 < rng.uniform(0.1, 0.5)
    return np.outer(np.ones(len(signal)), square) + 0.005 * rng.standard_normal(signal.shape)


def electrode_steps(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Loose electrode: steps of 0.3 to 3 mV that decay within 0.05 to 1 s, 0.3 to 3 a second."""
    n = signal.shape[1]
    wave = np.zeros(n)
    for _ in range(int(rng.poisson(rng.uniform(0.3, 3.0) * n / fs))):
        at = int(rng.integers(n))
        tail = np.exp(-np.arange(n - at) / (fs * log_uniform(rng, 0.05, 1.0)))
        wave[at:] += rng.choice([-1.0, 1.0]) * log_uniform(rng, 0.3, 3.0) * tail
    return _added(signal, wave, rng)


def compressions(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Chest compressions: 90 to 130 a minute with harmonics, 0.5 to 5 mV peak to peak.

    Rate as Olasveengen et al. 2021 (doi:10.1016/j.resuscitation.2021.02.009) ask for, and a little
    beside it.
    """
    n = signal.shape[1]
    phase = wandering_phase(n, fs, rng.uniform(1.5, 2.2), rng, wander=0.04, wander_hz=0.4)
    wave = np.sin(phase)
    for order in range(2, 6):
        size = rng.uniform(0.0, 1.0) / order
        wave += size * np.sin(order * phase + rng.uniform(0, 2 * np.pi))
    height = 0.5 * log_uniform(rng, 0.5, 5.0) * (1.0 + 0.15 * slow_noise(n, fs, 0.4, rng))
    return _added(signal, height * wave, rng)


def tremor(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Parkinsonian tremor: 4 to 6 Hz with harmonics, 0.1 to 1 mV peak to peak.

    Rate: Deuschl et al. 1998 (doi:10.1002/mds.870131303).
    """
    n = signal.shape[1]
    phase = wandering_phase(n, fs, rng.uniform(4.0, 6.0), rng, wander=0.05, wander_hz=0.7)
    wave = np.sin(phase)
    for order in (2, 3):
        wave += rng.uniform(0.0, 0.5) * np.sin(order * phase + rng.uniform(0, 2 * np.pi))
    height = 1.0 + 0.3 * slow_noise(n, fs, 0.5, rng)
    return _added(signal, 0.5 * log_uniform(rng, 0.1, 1.0) * height * wave, rng)


def shivering(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Muscle noise: broad, in bursts, 0.05 to 0.4 mV root mean square."""
    n = signal.shape[1]
    burst = np.clip(0.6 + 0.6 * slow_noise(n, fs, 0.5, rng), 0.0, 2.0)
    return _added(signal, log_uniform(rng, 0.05, 0.4) * burst * rng.standard_normal(n), rng)


def pulse_wave(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Pulse under an electrode, or an arterial line picked up: a wave a heartbeat, with a notch."""
    n = signal.shape[1]
    phase = wandering_phase(n, fs, rng.uniform(1.0, 2.0), rng, wander=0.02, wander_hz=0.3)
    wave = np.sin(phase) + 0.45 * np.sin(2 * phase + 0.8) + 0.2 * np.sin(3 * phase + 1.6)
    drift = rng.uniform(0.2, 1.0) * slow_noise(n, fs, 0.4, rng)
    return _added(signal, log_uniform(rng, 0.1, 0.8) * wave + drift, rng)


def pacing_spikes(signal: Samples, fs: float, rng: np.random.Generator) -> Samples:
    """Spikes of 1 to 5 mV, one sample wide, that the heart does not follow."""
    n = signal.shape[1]
    wave = np.zeros(n)
    period = fs / rng.uniform(1.0, 1.7)
    wave[np.arange(rng.uniform(0, period), n, period).astype(np.int64)] = rng.uniform(1.0, 5.0)
    return _added(signal, wave, rng)


FAULTS: Final[dict[str, Fault]] = {
    "mains hum": hum,
    "flat lead": lead_off,
    "lead at its rail": saturated,
    "open input": open_input,
    "calibration pulses": calibration,
    "electrode steps": electrode_steps,
    "chest compressions": compressions,
    "tremor": tremor,
    "shivering": shivering,
    "pulse wave": pulse_wave,
    "pacing spikes": pacing_spikes,
}
"""Faults by name."""
