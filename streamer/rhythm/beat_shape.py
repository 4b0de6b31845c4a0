"""What beats in sequence are compared by: the slopes of their QRS complexes, compiled."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit

_STEP: Final = 3
"""Samples averaged into one: 120 Hz at the chain's rate, so that noise and mains hum weigh less."""
_HALF: Final = 18
"""Averages to either side of the R peak: 0.15 s, the widest QRS complex."""
_MOST_LAG: Final = 2
"""Averages by which two R peaks may be found at different places of the same complex."""
_TINY: Final = 1e-9
_SMOOTH: Final = 0.02
"""Share of bends below which a signal is smooth: less may be the filter of its amplifier."""


@jit
def qrs_slopes(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the slopes about the R peak in the middle of a window, shape (leads, 36), mV.

    Missing samples repeat the one before, so that they have no slope.
    """
    leads, n = window.shape
    slopes = np.zeros((leads, 2 * _HALF))
    first = n // 2 - _STEP * _HALF - _STEP // 2
    for lead in range(leads):
        held = 0.0
        for value in window[lead]:
            if np.isfinite(value):
                held = float(value)
                break
        before = held
        for k in range(2 * _HALF + 1):
            mean = 0.0
            for i in range(first + _STEP * k, first + _STEP * (k + 1)):
                if np.isfinite(window[lead, i]):
                    held = float(window[lead, i])
                mean += held / _STEP
            if k > 0:
                slopes[lead, k - 1] = mean - before
            before = mean
    return slopes


@jit
def similarity(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the cosine similarity of two beats' slopes at the lag where it is greatest."""
    leads, n = one.shape
    best = -1.0
    for lag in range(-_MOST_LAG, _MOST_LAG + 1):
        both, of_one, of_other = 0.0, _TINY, _TINY
        for lead in range(leads):
            for i in range(max(0, -lag), min(n, n - lag)):
                a, b = one[lead, i], other[lead, i + lag]
                both += a * b
                of_one += a * a
                of_other += b * b
        best = max(best, both / np.sqrt(of_one * of_other))
    return best


@jit
def roughness(window: NDArray[np.float32]) -> float:
    """Return ln of the energy of the bends of a window over that of its slopes: large for noise."""
    bends, slopes = 0.0, _TINY
    for lead in range(window.shape[0]):
        for i in range(2, window.shape[1]):
            a, b, c = window[lead, i - 2], window[lead, i - 1], window[lead, i]
            slope, bend = float(c - b), float(c - b) - float(b - a)
            if np.isfinite(bend):
                slopes += slope * slope
                bends += bend * bend
    return float(np.log(bends / slopes + _SMOOTH))
