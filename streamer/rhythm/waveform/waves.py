"""Log-odds that a window of the signal shows ventricular flutter or fibrillation, compiled.

Five features of shape, none of which depends on the size of the signal, and a logistic regression
over them, as Figuera et al. 2016 (doi:10.1371/journal.pone.0159654) use for defibrillators. They
separate waves, which move all the time at about one rate, from complexes, which move for a tenth of
a second and rest, and from noise, which has no rate. Where the weights come from:
`ecg-stream train waves`.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit, sort_few


class Shape(IntEnum):
    """Features of one lead's window, by their position; none has a unit."""

    LEAKAGE = 0
    """Of the VF filter: 0 for a sine, 1 for noise or narrow complexes."""
    INVERSE_KURTOSIS = 1
    """2/3 for a sine, 1/3 for noise, small for narrow complexes."""
    SLOPE_UNIFORMITY = 2
    """How equally the slopes are large: 1 for a triangle."""
    SLOPE_RATIO = 3
    """Steepest slope of the calmest quarter second over that of the steepest."""
    LOG_RATE = 4
    """Logarithm of the root mean square slope over the root mean square."""


FEATURES: Final = len(Shape)
SMOOTHED: Final = 6
"""Slopes are averaged over as many samples: 50 ms."""
BLOCK: Final = 29
"""Samples of a block: a quarter of a second less what the averaging takes, shared out."""
BLOCKS: Final = 12
_THIRD_LEAST: Final = 2
_SECOND_GREATEST: Final = BLOCKS - 2
"""Blocks in ascending order that count: one artefact or pause does not."""
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
"""Of the terms, as `ecg-stream train waves` prints them."""


@jit
def leakage(window: NDArray[np.float32]) -> tuple[float, int]:
    """Return the leakage of the VF filter, and half the signal's mean period in samples.

    Kuo & Dillman 1978 (Computers in Cardiology, pp. 347-349): what is left of the signal after
    adding it half a period earlier; 0 for a sine, 1 for noise or narrow complexes.
    """
    n = window.size
    total, slope = 0.0, 0.0
    for i in range(n):
        total += abs(window[i])
        if i > 0:
            slope += abs(window[i] - window[i - 1])
    # A flat line has no period.
    if slope <= 0.0:
        return 1.0, 0
    # For a sine the mean slope is 2 pi / period times the mean value, so this is half a period.
    half = int(np.pi * total / slope + 0.5)
    # Too fast to be sampled, or too slow to be seen twice in the window.
    if half < 1 or half >= n // 2:
        return 1.0, 0
    left, both = 0.0, 0.0
    for i in range(half, n):
        now, before = window[i], window[i - half]
        left += abs(now + before)
        both += abs(now) + abs(before)
    return (left / both if both > 0.0 else 1.0), half


@jit
def describe_shape(window: NDArray[np.float32], leaked: float, f: NDArray[np.float64]) -> None:
    """Fill in the `Shape` of one lead's window of 3 s at 120 Hz; `leaked` is its `leakage`."""
    n = window.size
    second, fourth, slopes = _TINY, _TINY, _TINY
    for i in range(n):
        square = float(window[i]) * window[i]
        second += square
        fourth += square * square
        if i > 0:
            slopes += (window[i] - window[i - 1]) ** 2
    # Running sums of slopes: one noisy sample weighs little, a rest of a quarter second remains.
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
    # In order, so that single calm or noisy blocks can be passed over.
    sort_few(tops)
    f[Shape.LEAKAGE] = leaked
    # Ratios of sums of the same order, so that the size of the signal cancels.
    f[Shape.INVERSE_KURTOSIS] = second * second / (n * fourth)
    f[Shape.SLOPE_UNIFORMITY] = first * first / (count * squared)
    f[Shape.SLOPE_RATIO] = tops[_THIRD_LEAST] / max(tops[_SECOND_GREATEST], _TINY)
    # Half the logarithm of a ratio of squares: no square roots are needed.
    f[Shape.LOG_RATE] = 0.5 * np.log(slopes / second)


@jit
def expand_terms(f: NDArray[np.float64], terms: NDArray[np.float64]) -> None:
    """Fill in the terms of the regression.

    Products too, as waves of a low rate may be less like noise than those of a high one.
    """
    # Centred, so that a product is not one of its features over again.
    terms[0] = 1.0
    at = 1 + FEATURES
    for k in range(FEATURES):
        terms[1 + k] = f[k] - _CENTRES[k]
        for other in range(k + 1):
            terms[at] = terms[1 + k] * terms[1 + other]
            at += 1


@jit
def vf_log_odds(f: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the log-odds of flutter or fibrillation, from the features `f`."""
    terms = np.empty(TERMS)
    expand_terms(f, terms)
    total = 0.0
    for k in range(TERMS):
        total += weights[k] * terms[k]
    return total
