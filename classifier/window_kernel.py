"""Compiled: make a beat's windows fit to be described: holes filled, baseline off."""

from typing import Final

import numpy as np

from classifier.compiled import jit
from classifier.kernels import SMALL, FloatArray, halve, peak_to_peak

JUDGEABLE, MISSING, FLAT = range(3)
"""What `fill_missing` finds."""
REASONS: Final = (None, "missing samples", "flat")
"""Why a beat can't be judged, in that order."""
_FLAT_MV: Final = 0.02
"""A second lead whose QRS complex is smaller than this says nothing."""


@jit
def is_finite(values: FloatArray) -> bool:
    """Whether no sample is missing."""
    finite = True
    for value in values:
        finite = finite and bool(np.isfinite(value))
    return finite


@jit
def fill_missing(
    window: FloatArray, qrs: tuple[int, int], missing_share_max: float, filled: FloatArray
) -> int:
    """Copy a window, its NaN samples as their nearest valid neighbour; say if it can be judged.

    `filled` is all zero if nothing is valid.
    """
    n, valid, newest = window.size, 0, -1
    for i in range(n):
        if np.isfinite(window[i]):
            filled[i] = window[i]
            for hole in range(newest + 1, i):
                is_before_nearer = newest >= 0 and hole - newest <= i - hole
                filled[hole] = window[newest] if is_before_nearer else window[i]
            valid += 1
            newest = i
    for hole in range(newest + 1, n):
        filled[hole] = window[newest] if valid > 0 else np.float32(0.0)
    if 1.0 - valid / n > missing_share_max:
        return MISSING
    if not is_finite(window[qrs[0] : qrs[1]]):
        return MISSING
    return FLAT if peak_to_peak(filled[qrs[0] : qrs[1]]) < SMALL else JUDGEABLE


@jit
def select(values: FloatArray, at: int) -> None:
    """Reorder so that values[at] is as if sorted, none before it greater, none behind smaller.

    Hoare's selection (1961, doi:10.1145/366622.366647), around the middle one of what is left.
    """
    low, high = 0, values.size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if at <= j:
            high = j
        elif at >= i:
            low = i
        else:
            return


@jit
def remove_baseline(window: FloatArray) -> None:
    """Subtract the median, in place: the isoelectric line takes up most of a window.

    There are no NaN, and an even number of samples.
    """
    ordered = window.copy()
    upper = window.size // 2
    select(ordered, upper)
    lower = ordered[0]
    for i in range(1, upper):
        lower = max(lower, ordered[i])
    median = (lower + ordered[upper]) / np.float32(2.0)
    for i in range(window.size):
        window[i] -= median


@jit
def prepare_second(window: FloatArray, qrs: tuple[int, int], out: FloatArray) -> bool:
    """Write a second lead at half the rate, baseline off; False if samples miss or it is flat."""
    if not is_finite(window) or peak_to_peak(window[qrs[0] : qrs[1]]) < _FLAT_MV:
        return False
    whole = window.copy()
    remove_baseline(whole)
    halve(whole, out)
    return True
