"""Adds recorded noise to a clean ECG at a stated signal-to-noise ratio, as WFDB's `nst` does.

The noise stress test of Moody, Muldrow and Mark (Computers in Cardiology 1984; 11:381-384): five
clean minutes to learn from, then two minutes with noise and two without in turn. The signal's power
is an eighth of the squared peak-to-peak amplitude of the QRS (a sine of that height), the noise's
the square of its root mean square; both are averages of 300 measurements without the largest and
smallest twentieth.

Deviation: the paper doesn't give the windows of the measurements; with those below, the gains agree
within 0.2 dB with the ones in the MIT-BIH Noise Stress Test Database.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replay.record import Reference, read_samples
from replay.records import open_record
from replay.simulate.record import SimulatedRecord

NORMAL_SYMBOLS: Final = frozenset("NLRB")
"""WFDB symbols of the beats whose QRS amplitude counts: sinus beats, with or without block."""

_LARGEST_FACTOR: Final = 1000
"""Sampling frequencies are taken to be in a ratio of whole numbers up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """Protocol and measurement; the defaults are those of `nst`."""

    learning_s: float = 300.0
    """Length of the clean beginning."""
    period_s: float = 120.0
    """Length of each noisy and each clean segment after it."""
    qrs_half_window_s: float = 0.05
    """The QRS amplitude is measured this far to both sides of the R peak."""
    noise_window_s: float = 1.0
    """Length of one measurement of the noise, whose mean is taken out."""
    measurements: int = 300
    """How many QRS complexes and noise windows are measured, from the beginning."""
    trimmed: float = 0.05
    """Share of the measurements that is left out at either end."""


def noise_gain(
    clean: NDArray[np.floating],
    noise: NDArray[np.floating],
    *,
    r_peaks: ArrayLike,
    fs: float,
    snr_db: float,
    config: NoiseConfig | None = None,
) -> NDArray[np.float64]:
    """Return the factor on the noise that gives a signal-to-noise ratio.

    Parameters
    ----------
    clean : ndarray, shape (leads, n)
        ECG in mV.
    noise : ndarray, shape (noise leads, m)
        Noise in mV at the same sampling frequency; its leads are used in turn if they are fewer.
    r_peaks : array_like of int
        Samples of the normal beats (`NORMAL_SYMBOLS`) in `clean`.
    fs : float
        Sampling frequency in Hz.
    snr_db : float
        Wanted ratio in dB.
    config : NoiseConfig, optional
        How to measure.

    Returns
    -------
    ndarray of float64, shape (leads,)

    Raises
    ------
    ValueError
        If there are no beats to measure, or the noise is silent or shorter than one window.
    """
    config = config or NoiseConfig()
    signal_mv = _qrs_amplitude(clean, np.asarray(r_peaks, dtype=np.int64), fs, config)
    noise_mv = _noise_amplitude(noise, fs, config)[np.arange(len(clean)) % len(noise)]
    gain: NDArray[np.float64] = signal_mv / (np.sqrt(8.0) * noise_mv * 10.0 ** (snr_db / 20.0))
    return gain


def add_noise(
    clean: NDArray[np.floating],
    noise: NDArray[np.floating],
    *,
    r_peaks: ArrayLike,
    fs: float,
    snr_db: float,
    config: NoiseConfig | None = None,
) -> NDArray[np.float32]:
    """Return the ECG with noise added in the noisy segments of the protocol.

    Parameters and errors are those of `noise_gain`. Noise that is too short starts again from its
    beginning. No step is left where noise sets in or ends: the offset moves along, as in `nst`.

    Returns
    -------
    ndarray of float32, shape (leads, n)
        mV; the input is not modified.
    """
    config = config or NoiseConfig()
    gain = noise_gain(clean, noise, r_peaks=r_peaks, fs=fs, snr_db=snr_db, config=config)
    n_samples = clean.shape[1]
    rows = np.arange(len(clean)) % len(noise)
    paired = noise[rows][:, np.arange(n_samples) % noise.shape[1]] * gain[:, np.newaxis]
    noisy = clean.astype(np.float64)
    offset = np.zeros(len(clean))
    for start, stop, is_noisy in noise_segments(n_samples, fs, config):
        offset += paired[:, start] * (-1.0 if is_noisy else 1.0) * (start > 0)
        noisy[:, start:stop] += offset[:, np.newaxis] + is_noisy * paired[:, start:stop]
    return noisy.astype(np.float32)


def noise_segments(
    n_samples: int, fs: float, config: NoiseConfig | None = None
) -> Iterator[tuple[int, int, bool]]:
    """Yield start, stop (exclusive) and whether there is noise, over a record of n samples."""
    config = config or NoiseConfig()
    start, is_noisy = 0, False
    stop = round(config.learning_s * fs)
    while start < n_samples:
        if stop > start:
            yield start, min(stop, n_samples), is_noisy
        start, is_noisy = stop, not is_noisy
        stop = start + round(config.period_s * fs)


def _qrs_amplitude(
    clean: NDArray[np.floating], r_peaks: NDArray[np.int64], fs: float, config: NoiseConfig
) -> NDArray[np.float64]:
    """Peak to peak, shape (leads,)."""
    half = round(config.qrs_half_window_s * fs)
    inside = r_peaks[(r_peaks >= half) & (r_peaks + half < clean.shape[1])]
    if not inside.size:
        raise ValueError("no normal beats to measure the signal by; give their R peaks")
    windows = inside[: config.measurements, np.newaxis] + np.arange(-half, half + 1)
    return _trimmed_mean(np.ptp(clean[:, windows], axis=2), config.trimmed)


def _noise_amplitude(
    noise: NDArray[np.floating], fs: float, config: NoiseConfig
) -> NDArray[np.float64]:
    """Root mean square, shape (noise leads,)."""
    length = round(config.noise_window_s * fs)
    count = min(noise.shape[1] // length, config.measurements)
    if not count:
        raise ValueError(f"noise has {noise.shape[1]} samples; it must have {length} or more")
    windows = noise[:, : count * length].reshape(len(noise), count, length)
    amplitude = _trimmed_mean(windows.std(axis=2, dtype=np.float64), config.trimmed)
    if not (amplitude > 0).all():
        raise ValueError("a lead of the noise is silent, so no factor can make it loud enough")
    return amplitude


def _trimmed_mean(values: NDArray[np.floating], trimmed: float) -> NDArray[np.float64]:
    """Mean over the last axis without the extremes."""
    left_out = int(values.shape[-1] * trimmed)
    kept = np.sort(values, axis=-1)[..., left_out : values.shape[-1] - left_out]
    return np.asarray(kept.mean(axis=-1), dtype=np.float64)


def at_rate(samples: NDArray[Any], fs: float, wanted_fs: float) -> NDArray[Any]:
    """Return samples at another rate, by `scipy.signal.resample_poly`.

    Parameters
    ----------
    samples : ndarray, shape (leads, n)
    fs, wanted_fs : float
        Sampling frequency of `samples` and of what is returned, in Hz.

    Returns
    -------
    ndarray, shape (leads, m)
        `samples` itself if the rates are equal.
    """
    from scipy import signal  # noqa: PLC0415 - slow to import

    if wanted_fs == fs:
        return samples
    ratio = (Fraction(wanted_fs) / Fraction(fs)).limit_denominator(_LARGEST_FACTOR)
    found: NDArray[Any] = signal.resample_poly(
        samples, ratio.numerator, ratio.denominator, axis=1, padtype="line"
    )
    return found


def read_noise(name: str, fs: float) -> NDArray[np.float32]:
    """Read a record of noise, shape (leads, n), in mV at a sampling frequency."""
    record = open_record(name)
    return np.asarray(at_rate(read_samples(record), record.fs, fs), np.float32)


def in_noise(
    record: SimulatedRecord, noise: NDArray[np.float32], snr_db: float, seed: int
) -> SimulatedRecord:
    """Add noise from its random part on to the whole of a simulated record."""
    if record.annotations is None:
        raise ValueError(f"record {record.name} has no beats to measure the signal by")
    rng = np.random.default_rng(seed)
    normal = normal_beats(record.annotations)
    gain = noise_gain(record.signal, noise, r_peaks=normal, fs=record.fs, snr_db=snr_db)
    at = (int(rng.integers(noise.shape[1])) + np.arange(record.n_samples)) % noise.shape[1]
    rows = np.arange(len(record.signal)) % len(noise)
    added = noise[rows][:, at] * gain[:, np.newaxis]
    return replace(record, signal=(record.signal + added).astype(np.float32))


def normal_beats(reference: Reference) -> NDArray[np.int64]:
    """Return the beats that a signal is measured by: sinus beats, or any where there are none."""
    symbols = np.array(reference.symbols)
    beats = np.isin(symbols, [*NORMAL_SYMBOLS])
    return reference.samples[beats if beats.any() else symbols != "+"]
