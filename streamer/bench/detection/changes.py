"""Changed copies of a recording: another amplifier, lead, sampling frequency, disturbance.

Sampling frequencies are changed by `scipy.signal.resample_poly`, so that the project's own
resampler is put to the test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import at_rate
from streamer.bench.excerpt import Excerpt, Samples
from streamer.scoring.ec57 import BeatAnnotations
from streamer.training.augmentation import Recording, stretched

Change = Callable[[Excerpt], Excerpt | None]
"""Makes another recording of one; None where that can't be done."""

AS_IS: Final = "as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessConfig:
    """Size of each change."""

    gains: tuple[float, ...] = (0.1, 10.0)
    hum_hz: tuple[float, ...] = (50.0, 60.0)
    hum_mv: float = 0.2
    wander_hz: tuple[float, ...] = (0.15, 0.3, 0.5)
    """Respiration and movement."""
    wander_mv: tuple[float, ...] = (1.0, 3.0)
    """Sum of the sines' amplitudes."""
    white_mv: tuple[float, ...] = (0.05, 0.1)
    spike_mv: float = 2.0
    spike_s: float = 0.002
    """Width of a pacing pulse, or one sample if that is longer."""
    spike_before_s: tuple[tuple[str, float], ...] = (("ventricular", 0.04), ("atrial", 0.16))
    rates_hz: tuple[float, ...] = (100.0, 128.0, 250.0, 500.0, 1000.0)
    monitor_band_hz: tuple[float, float] = (0.67, 25.0)
    step_mv: float = 0.04
    """Of a coarse converter: 8 bits over 10 mV."""
    clip_share: float = 0.5
    """Of the beats' height that a clipping amplifier leaves."""
    off_s: float = 20.0
    off_every_s: float = 120.0
    tempos: tuple[tuple[str, float], ...] = (
        ("1.5 times faster", 1 / 1.5),
        ("2 times faster", 1 / 2),
        ("2.5 times faster", 1 / 2.5),
        ("1.6 slower", 1.6),
    )
    """The fastest ones have rates and QRS widths of infants."""


def conditions(config: RobustnessConfig | None = None) -> dict[str, Change]:
    """Return every change by its name, the unchanged recording first."""
    c = config or RobustnessConfig()
    return {
        AS_IS: partial(with_leads, order=None),
        "primary lead alone": partial(with_leads, order=(0,)),
        "second lead alone": partial(with_leads, order=(1,)),
        "second lead first": partial(with_leads, order=(1, 0)),
        "inverted": partial(scaled, factor=-1.0),
        **{f"gain x{gain:g}": partial(scaled, factor=gain) for gain in c.gains},
        **_disturbances(c),
        f"monitor band {c.monitor_band_hz[0]:g}-{c.monitor_band_hz[1]:g} Hz": partial(
            band_limited, band_hz=c.monitor_band_hz
        ),
        f"steps of {1000 * c.step_mv:g} uV": partial(quantised, step_mv=c.step_mv),
        f"clipped at {100 * c.clip_share:g} %": partial(clipped, share=c.clip_share),
        "primary lead off at times": partial(off, off_s=c.off_s, every_s=c.off_every_s),
        **{name: partial(slowed, factor=factor) for name, factor in c.tempos},
        **{f"{fs:g} Hz": partial(resampled, fs=fs) for fs in c.rates_hz},
        **{
            f"{fs:g} Hz, second lead alone": partial(resampled, fs=fs, order=(1,))
            for fs in c.rates_hz
        },
    }


def _disturbances(c: RobustnessConfig) -> dict[str, partial[Excerpt]]:
    """Return what is added to the signal."""
    return {
        **{
            f"wander {size:g} mV": partial(wandering, size_mv=size, frequencies_hz=c.wander_hz)
            for size in c.wander_mv
        },
        **{
            f"hum {hz:g} Hz, {c.hum_mv:g} mV": partial(humming, frequency_hz=hz, size_mv=c.hum_mv)
            for hz in c.hum_hz
        },
        **{f"white noise {size:g} mV": partial(hissing, size_mv=size) for size in c.white_mv},
        **{
            f"{name} spikes, {sign * c.spike_mv:+g} mV": partial(
                spiked, before_s=before_s, size_mv=sign * c.spike_mv, width_s=c.spike_s
            )
            for name, before_s in c.spike_before_s
            for sign in (1, -1)
        },
    }


def with_leads(excerpt: Excerpt, order: tuple[int, ...] | None) -> Excerpt | None:
    """Keep these leads in this order (None: as they are); None if there aren't so many."""
    if order is None:
        return excerpt
    if max(order) >= len(excerpt.leads):
        return None
    return replace(
        excerpt,
        leads=tuple(excerpt.leads[row] for row in order),
        samples=np.ascontiguousarray(excerpt.samples[list(order)]),
    )


def scaled(excerpt: Excerpt, factor: float) -> Excerpt:
    """Multiply every lead."""
    return _with(excerpt, excerpt.samples * factor)


def wandering(excerpt: Excerpt, size_mv: float, frequencies_hz: Sequence[float]) -> Excerpt:
    """Add a slow baseline to every lead, each in another phase."""
    t = np.arange(excerpt.n_samples) / excerpt.fs
    each = size_mv / len(frequencies_hz)
    baselines = [
        sum(each * np.sin(2 * np.pi * hz * t + lead) for hz in frequencies_hz)
        for lead in range(len(excerpt.leads))
    ]
    return _with(excerpt, excerpt.samples + np.array(baselines))


def humming(excerpt: Excerpt, frequency_hz: float, size_mv: float) -> Excerpt:
    """Add mains hum of this amplitude to every lead."""
    t = np.arange(excerpt.n_samples) / excerpt.fs
    return _with(excerpt, excerpt.samples + size_mv * np.sin(2 * np.pi * frequency_hz * t))


def hissing(excerpt: Excerpt, size_mv: float) -> Excerpt:
    """Add white noise of this standard deviation, another in every lead."""
    noise = np.random.default_rng(1).standard_normal(excerpt.samples.shape)
    return _with(excerpt, excerpt.samples + size_mv * noise)


def spiked(excerpt: Excerpt, before_s: float, size_mv: float, width_s: float) -> Excerpt:
    """Put a pacing pulse before every beat; the second lead sees half of it."""
    samples = excerpt.samples.copy()
    width = max(1, round(width_s * excerpt.fs))
    shares = np.array([1.0, 0.5] + [0.25] * len(excerpt.leads))[: len(excerpt.leads)]
    for beat in excerpt.beats.samples - round(before_s * excerpt.fs):
        if beat >= 0:
            samples[:, beat : beat + width] += (size_mv * shares)[:, np.newaxis]
    return _with(excerpt, samples)


def band_limited(excerpt: Excerpt, band_hz: tuple[float, float]) -> Excerpt:
    """Filter forth and back as a monitor's display does, without moving the beats."""
    from scipy import signal  # noqa: PLC0415 - slow to import

    sos = signal.butter(2, band_hz, "bandpass", fs=excerpt.fs, output="sos")
    return _with(excerpt, signal.sosfiltfilt(sos, np.nan_to_num(excerpt.samples), axis=1))


def quantised(excerpt: Excerpt, step_mv: float) -> Excerpt:
    """Round to a coarse converter's steps."""
    return _with(excerpt, np.round(excerpt.samples / step_mv) * step_mv)


def clipped(excerpt: Excerpt, share: float) -> Excerpt:
    """Cut off what is beyond a share of the beats' height, to both sides of the median."""
    middle = np.nanmedian(excerpt.samples, axis=1, keepdims=True)
    height = np.nanpercentile(np.abs(excerpt.samples - middle), 99.5, axis=1, keepdims=True)
    return _with(
        excerpt, np.clip(excerpt.samples, middle - share * height, middle + share * height)
    )


def off(excerpt: Excerpt, off_s: float, every_s: float) -> Excerpt | None:
    """Ground the primary lead now and then; None if no other lead is left to detect in."""
    if len(excerpt.leads) < 2:
        return None
    samples = excerpt.samples.copy()
    every, length = round(every_s * excerpt.fs), round(off_s * excerpt.fs)
    for start in range(every // 2, excerpt.n_samples, every):
        samples[0, start : start + length] = 0.0
    return _with(excerpt, samples)


def slowed(excerpt: Excerpt, factor: float) -> Excerpt:
    """Play slower by a factor: wider beats at a lower rate."""
    changed = stretched(
        Recording(
            name=excerpt.name,
            samples=excerpt.samples,
            beats=excerpt.beats.samples,
            ignored=excerpt.beats.vf,
        ),
        factor,
    )
    return replace(excerpt, samples=changed.samples, beats=_moved(excerpt.beats, factor))


def resampled(excerpt: Excerpt, fs: float, order: tuple[int, ...] | None = None) -> Excerpt | None:
    """Sample these leads at another rate; None if there aren't so many."""
    chosen = with_leads(excerpt, order)
    if chosen is None:
        return None
    samples = at_rate(chosen.samples, excerpt.fs, fs)
    beats = _moved(chosen.beats, fs / excerpt.fs)
    return replace(_with(chosen, samples), fs=fs, beats=beats)


def _moved(beats: BeatAnnotations, factor: float) -> BeatAnnotations:
    """Scale the times of the reference."""
    return BeatAnnotations(
        samples=np.rint(beats.samples * factor).astype(np.int64),
        codes=beats.codes,
        vf=tuple((round(first * factor), round(last * factor)) for first, last in beats.vf),
    )


def _with(excerpt: Excerpt, samples: NDArray[np.floating]) -> Excerpt:
    changed: Samples = np.ascontiguousarray(samples, np.float32)
    return replace(excerpt, samples=changed)
