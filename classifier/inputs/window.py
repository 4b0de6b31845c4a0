"""Compiled: make a beat's windows fit to be described: holes filled, baseline off."""

from typing import Final

import numpy as np

from classifier.compiled import jit
from classifier.inputs.kernels import SMALL, FloatArray, halve, peak_to_peak

JUDGEABLE, MISSING, FLAT = range(3)
"""What `fill_missing` finds."""
REASONS: Final = (None, "missing samples", "flat")
"""Why a beat can't be judged, in that order."""
_SIGN_BIT: Final = np.int32(31)
_OTHER_BITS: Final = np.int32(0x7FFFFFFF)
_LARGEST: Final = np.int64(2**31)
_FLAT_MV: Final = 0.02
"""A second lead whose QRS complex is smaller than this is not described."""


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
    """Copy a window, its NaN samples as their nearest valid neighbour; return if it can be judged.

    `filled` is all zero if nothing is valid.
    """
    n, valid, newest = window.size, 0, -1
    for i in range(n):
        if np.isfinite(window[i]):
            filled[i] = window[i]
            # The nearer neighbour: a line between the two would pass for a slope of the ST segment.
            for hole in range(newest + 1, i):
                is_before_nearer = newest >= 0 and hole - newest <= i - hole
                filled[hole] = window[newest] if is_before_nearer else window[i]
            valid += 1
            newest = i
    for hole in range(newest + 1, n):
        filled[hole] = window[newest] if valid > 0 else np.float32(0.0)
    if 1.0 - valid / n > missing_share_max:
        return MISSING
    # Without all of its QRS complex a beat has no shape, however little is missing.
    if not is_finite(window[qrs[0] : qrs[1]]):
        return MISSING
    # Far below one step of any recorder: the lead is off or saturated.
    return FLAT if peak_to_peak(filled[qrs[0] : qrs[1]]) < SMALL else JUDGEABLE


@jit
def remove_baseline(window: FloatArray) -> None:
    """Subtract the median, in place: the isoelectric line takes up most of a window.

    There are no NaN, and an even number of samples.
    """
    median = _median_of(window)
    for i in range(window.size):
        window[i] -= median


@jit
def _median_of(values: FloatArray) -> np.float32:
    """Median of an even number of values, none of them NaN.

    The upper of the middle two is found by bisection, each step of which counts the values below:
    without branches that depend on the values, that is three times as quick as partitioning.
    """
    half = values.size // 2
    bits = values.view(np.int32)
    keys = np.empty(values.size, np.int32)  # integers in the order of the values
    low, high = _LARGEST, -_LARGEST
    for i in range(keys.size):
        # With all but the sign of negative numbers flipped, bits are in the order of the values.
        keys[i] = bits[i] ^ ((bits[i] >> _SIGN_BIT) & _OTHER_BITS)
        low, high = min(low, np.int64(keys[i])), max(high, np.int64(keys[i]) + 1)
    while high - low > 1:
        middle = np.int32((low + high) // 2)
        below = np.int32(0)
        for i in range(keys.size):
            below += np.int32(keys[i] < middle)
        if below <= half:
            low = np.int64(middle)
        else:
            high = np.int64(middle)
    n_below, lower, upper = 0, np.float32(-np.inf), np.float32(0.0)
    for i in range(keys.size):
        if keys[i] < low:
            n_below += 1
            lower = max(lower, values[i])
        elif keys[i] == low:
            upper = values[i]
    if n_below < half:
        lower = upper
    return (lower + upper) / np.float32(2.0)


@jit
def prepare_second(window: FloatArray, qrs: tuple[int, int], out: FloatArray) -> bool:
    """Write a second lead at half the rate, baseline off; False if samples miss or it is flat."""
    if not is_finite(window) or peak_to_peak(window[qrs[0] : qrs[1]]) < _FLAT_MV:
        return False
    # The caller's window stays as it is.
    whole = window.copy()
    remove_baseline(whole)
    halve(whole, out)
    return True
