"""Compiled: make a beat's windows fit to be described: holes filled, baseline off."""

from typing import Final

import numpy as np

from classifier.kernels import SMALL, FloatArray, halve, jit, peak_to_peak

JUDGEABLE, MISSING, FLAT = range(3)
"""What `fill_missing` finds."""
REASONS: Final = (None, "missing samples", "flat")
"""Why a beat can't be judged, in that order."""
_FLAT_MV: Final = 0.02
"""A second lead whose QRS complex is smaller than this says nothing."""


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
    filled[newest + 1 :] = window[newest] if valid > 0 else np.float32(0.0)
    if 1.0 - valid / n > missing_share_max:
        return MISSING
    if valid < n and not np.isfinite(window[qrs[0] : qrs[1]]).all():
        return MISSING
    return FLAT if peak_to_peak(filled[qrs[0] : qrs[1]]) < SMALL else JUDGEABLE


@jit
def remove_baseline(window: FloatArray) -> None:
    """Subtract the median, in place: the isoelectric line takes up most of a window.

    There are no NaN, and an even number of samples.
    """
    upper = window.size // 2
    ordered = np.partition(window, upper)
    median = (ordered[:upper].max() + ordered[upper]) / np.float32(2.0)
    for i in range(window.size):
        window[i] -= median


@jit
def prepare_second(window: FloatArray, qrs: tuple[int, int], out: FloatArray) -> bool:
    """Write a second lead at half the rate, baseline off; False if samples miss or it is flat."""
    if not np.isfinite(window).all() or peak_to_peak(window[qrs[0] : qrs[1]]) < _FLAT_MV:
        return False
    whole = window.copy()
    remove_baseline(whole)
    halve(whole, out)
    return True
