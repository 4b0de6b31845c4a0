"""The record `demo`: five simulated minutes with every scene that a monitor should show.

Deterministic from its seed; needs no network and no files. Rates and intervals are those of a
resting adult; the beat shapes are in `replay.simulate.shapes`, the scenes in
`replay.simulate.scenes`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.simulate.record import SimulatedRecord
from replay.simulate.scenes import (
    SCENES,
    DemoBeat,
    DemoConfig,
    DemoHeart,
    Disturbance,
    SceneRhythm,
    annotate,
    timed_scenes,
)
from replay.simulate.shapes import LEADS, SHAPES, add_beat
from replay.simulate.waves import slow_noise

DEMO: Final = "demo"
DEFAULT_SEED: Final = 1


def simulate_demo(seed: int = DEFAULT_SEED, config: DemoConfig | None = None) -> SimulatedRecord:
    """Simulate the demo record.

    Parameters
    ----------
    seed : int
        Same seed, same record; another seed, other RR intervals and noise in the same scenes.
    config : DemoConfig, optional
        Numbers to use instead of the defaults.

    Returns
    -------
    SimulatedRecord
        Two leads (MLII, V1) at 360 Hz, annotated with WFDB symbols: beats at their R peak (none
        while the lead is off), `+` where the rhythm changes, `~` where the signal quality does.
    """
    config = config or DemoConfig()
    rng = np.random.default_rng(seed)
    duration_s = SCENES[-1].stop_s
    beats = [beat for beat in DemoHeart(config, rng).beats() if beat.time_s < duration_s]
    signal = _heart_signal(beats, config, rng, round(duration_s * config.fs))
    _disturb(signal, config, rng)
    return SimulatedRecord(
        name=DEMO if seed == DEFAULT_SEED else f"{DEMO}-{seed}",
        fs=config.fs,
        leads=LEADS,
        signal=signal.astype(np.float32),
        annotations=annotate(beats, config),
    )


def parse_demo_name(name: str) -> int | None:
    """Return the seed that `demo`, `demo:SEED` or `demo-SEED` asks for; None for any other name.

    Raises
    ------
    ValueError
        If the name starts like a demo's but has no whole number for a seed.
    """
    stem, separator, seed = name.replace("-", ":", 1).partition(":")
    if stem != DEMO:
        return None
    if not separator:
        return DEFAULT_SEED
    if not (seed.isascii() and seed.isdigit()):
        raise ValueError(f"seed of {name!r} is not a whole number; write {DEMO}:7, for example")
    return int(seed)


def _heart_signal(
    beats: list[DemoBeat], config: DemoConfig, rng: np.random.Generator, n_samples: int
) -> NDArray[np.float64]:
    """Beats, fibrillatory waves and respiration: what a perfect electrode would see."""
    time_s = np.arange(n_samples) / config.fs
    breath = 2 * np.pi * config.respiration_hz
    signal = np.tile(config.respiration_baseline_mv * np.sin(breath * time_s), (len(LEADS), 1))
    for beat in beats:
        fibrillating = beat.rhythm is SceneRhythm.ATRIAL_FIBRILLATION
        waves = [w for w in SHAPES[beat.symbol] if not (w.is_atrial and fibrillating)]
        gain = 1.0 + config.respiration_gain * np.sin(breath * beat.time_s)
        gain += config.jitter_gain * rng.standard_normal()
        add_beat(signal, config.fs, beat.time_s, waves, rr_s=beat.rr_s, gain=float(gain))
    for start_s, scene in timed_scenes():
        if scene.rhythm is SceneRhythm.ATRIAL_FIBRILLATION:
            fade = _fade(time_s, start_s, scene.stop_s, config.fade_s)
            signal += np.outer(config.f_wave_mv, fade * _fibrillatory_waves(n_samples, config, rng))
    return signal


def _fibrillatory_waves(
    n_samples: int, config: DemoConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Make rounded saw teeth of unit amplitude whose rate and height wander."""
    wander = slow_noise(n_samples, config.fs, config.f_wave_wander_hz, rng)
    rate = config.f_wave_hz * (1.0 + config.f_wave_wander * wander)
    phase = 2 * np.pi * np.cumsum(rate) / config.fs
    height = 1.0 + config.f_wave_wander * slow_noise(
        n_samples, config.fs, config.f_wave_wander_hz, rng
    )
    return height * (np.sin(phase) + 0.35 * np.sin(2 * phase))


def _disturb(signal: NDArray[np.float64], config: DemoConfig, rng: np.random.Generator) -> None:
    """Add noise everywhere and what the scenes ask for, in place."""
    n_samples = signal.shape[1]
    time_s = np.arange(n_samples) / config.fs
    signal += config.sensor_noise_mv * rng.standard_normal(signal.shape)
    for start_s, scene in timed_scenes():
        if scene.disturbance is Disturbance.NOISE:
            fade = _fade(time_s, start_s, scene.stop_s, config.fade_s)
            for lead in range(len(signal)):
                motion = config.motion_noise_mv * slow_noise(
                    n_samples, config.fs, config.motion_hz, rng
                )
                muscle = config.muscle_noise_mv * rng.standard_normal(n_samples)
                signal[lead] += fade * (motion + muscle)
        elif scene.disturbance is Disturbance.LEAD_OFF:
            signal[:, (time_s >= start_s) & (time_s < scene.stop_s)] = config.lead_off_mv


def _fade(
    time_s: NDArray[np.float64], start_s: float, stop_s: float, fade_s: float
) -> NDArray[np.float64]:
    """Rise from 0 to 1 and fall back within the segment."""
    edges = np.minimum(time_s - start_s, stop_s - time_s) / fade_s
    return np.clip(edges, 0.0, 1.0)
