"""Random waves that simulated signals are made of: slow noise, and a rhythm that wanders."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

_BOX_SHARE: Final = 0.4
"""Length of the moving average, in periods of the edge."""


def slow_noise(n_samples: int, fs: float, edge_hz: float, rng: np.random.Generator) -> Samples:
    """Noise of unit variance below an edge: white noise smoothed twice by a moving average."""
    width = max(1, round(_BOX_SHARE * fs / edge_hz))
    box = np.full(width, 1.0 / width)
    noise = rng.standard_normal(n_samples + 2 * (width - 1))
    smooth = np.convolve(np.convolve(noise, box, "valid"), box, "valid")
    unit: Samples = (smooth - smooth.mean()) / smooth.std()
    return unit


def wandering_phase(
    n_samples: int,
    fs: float,
    rate_hz: float,
    rng: np.random.Generator,
    *,
    wander: float,
    wander_hz: float,
) -> Samples:
    """Phase in radians, shape (n_samples,), of a rate that wanders about `rate_hz`.

    Parameters
    ----------
    fs : float
        Sampling frequency in Hz.
    rate_hz : float
        Mean rate.
    wander : float
        Standard deviation of the rate, relative to `rate_hz`; it never falls below a third of it.
    wander_hz : float
        How fast it wanders.
    """
    rate = rate_hz * (1.0 + wander * slow_noise(n_samples, fs, wander_hz, rng))
    start = rng.uniform(0.0, 2.0 * np.pi)
    phase: Samples = start + 2.0 * np.pi * np.cumsum(np.maximum(rate, rate_hz / 3.0)) / fs
    return phase


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
