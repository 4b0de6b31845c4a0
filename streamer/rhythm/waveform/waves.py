"""How much a window of the signal looks like waves of flutter or fibrillation: log-odds, compiled.

Five measures of shape, none of which depends on the size of the signal, and a logistic regression
over them, as Figuera et al. 2016 (doi:10.1371/journal.pone.0159654) use for defibrillators. They
separate waves, which move all the time at about one rate, from complexes, which move for a tenth of
a second and rest, and from noise, which has no rate. Where the weights come from:
`streamer.training.waves`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit, sort_few

FEATURES: Final = 5
FEATURE_NAMES: Final = ("leakage", "evenness", "slope spread", "least slope", "rate")
SMOOTHED: Final = 6
"""Slopes are averaged over as many samples: 50 ms."""
BLOCK: Final = 29
"""Samples of a block: a quarter of a second less what the averaging takes, shared out."""
BLOCKS: Final = 12
_LOW: Final = 2
_HIGH: Final = 2
"""The third least and the second greatest block count: one artefact or pause does not."""
_TINY: Final = 1e-12

_CENTRES: Final = np.array([0.5, 0.4, 0.7, 0.5, -1.2])
"""Of the features, from which the terms count."""
TERMS: Final = 1 + FEATURES + FEATURES * (FEATURES + 1) // 2
"""A constant, the features, and the product of every two."""
WEIGHTS: Final = np.array([
    1.957, -9.656, -0.481, 17.182, -3.557, 0.446, -2.471,
    -0.719, -13.621, 4.869, -4.947, 1.030, -7.915, -12.450,
    4.615, -3.990, 11.500, 20.796, -3.164, -10.488, -1.766,
])  # fmt: skip
"""Of the terms, as `streamer.training.waves` prints them."""


@jit
def leakage(window: NDArray[np.float32]) -> tuple[float, int]:  # pragma: no cover - compiled
    """Return the rest after adding the signal half a period earlier, and that half period.

    Kuo & Dillman 1978 (Computers in Cardiology, pp. 347-349): 0 for a sine, 1 for noise or narrow
    complexes.
    """
    n = window.size
    total, slope = 0.0, 0.0
    for i in range(n):
        total += abs(window[i])
        if i > 0:
            slope += abs(window[i] - window[i - 1])
    if slope <= 0.0:
        return 1.0, 0
    half = int(np.pi * total / slope + 0.5)
    if half < 1 or half >= n // 2:
        return 1.0, 0
    rest, both = 0.0, 0.0
    for i in range(half, n):
        now, before = window[i], window[i - half]
        rest += abs(now + before)
        both += abs(now) + abs(before)
    return (rest / both if both > 0.0 else 1.0), half


@jit
def describe_shape(
    window: NDArray[np.float32], leaked: float, f: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Fill in the features of one lead's window of 3 s at 120 Hz.

    leakage; evenness: the inverse of the kurtosis, near 0.7 for a sine; slope spread: how evenly
    the slopes are shared out, 1 for a triangle; least slope: the calmest quarter second beside the
    steepest; rate: logarithm of the root mean square slope beside the root mean square.
    """
    n = window.size
    second, fourth, slopes = _TINY, _TINY, _TINY
    for i in range(n):
        square = float(window[i]) * window[i]
        second += square
        fourth += square * square
        if i > 0:
            slopes += (window[i] - window[i - 1]) ** 2
    tops = np.zeros(BLOCKS)
    running, first, squared = 0.0, _TINY, _TINY
    count = n - SMOOTHED
    for i in range(1, n):
        running += abs(window[i] - window[i - 1])
        if i > SMOOTHED:
            running -= abs(window[i - SMOOTHED] - window[i - SMOOTHED - 1])
        if i >= SMOOTHED:
            first += running
            squared += running * running
            block = min((i - SMOOTHED) // BLOCK, BLOCKS - 1)
            tops[block] = max(tops[block], running)
    sort_few(tops)
    f[0] = leaked
    f[1] = second * second / (n * fourth)
    f[2] = first * first / (count * squared)
    f[3] = tops[_LOW] / max(tops[BLOCKS - _HIGH], _TINY)
    f[4] = 0.5 * np.log(slopes / second)


@jit
def expand(
    f: NDArray[np.float64], terms: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Fill in the terms: waves of a low rate may be less like noise than those of a high one."""
    terms[0] = 1.0
    at = 1 + FEATURES
    for k in range(FEATURES):
        terms[1 + k] = f[k] - _CENTRES[k]
        for other in range(k + 1):
            terms[at] = terms[1 + k] * terms[1 + other]
            at += 1


@jit
def log_odds(
    f: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Return the log-odds of waves."""
    terms = np.empty(TERMS)
    expand(f, terms)
    total = 0.0
    for k in range(TERMS):
        total += weights[k] * terms[k]
    return total
