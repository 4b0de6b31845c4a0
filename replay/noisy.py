"""Recorded noise at any sampling frequency, and simulated records with it."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import NORMAL_SYMBOLS, noise_gain
from replay.record import Reference
from replay.records import open_record
from replay.simulate.record import SimulatedRecord

_BLOCK_SAMPLES: Final = 2**15
_LARGEST_FACTOR: Final = 1000
"""Sampling frequencies are taken to be in a ratio of whole numbers up to this."""


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
    blocks = [chunk.samples for chunk in record.chunks(0, None, _BLOCK_SAMPLES)]
    return np.asarray(at_rate(np.concatenate(blocks, axis=1), record.fs, fs), np.float32)


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
