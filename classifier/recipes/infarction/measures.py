"""Classical measures of a median beat, lead by lead: what a reader of the ECG looks at."""

from typing import Final

import numpy as np

from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.recipe import FS_HZ, R_COLUMN

MEASURES: Final = (
    "Q or QS depth",
    "R height",
    "S depth",
    "J + 20 ms",
    "ST at 83 ms",
    "ST at 118 ms",
    "T maximum",
    "T minimum",
    "T mean",
    "QRS area over height",
    "Q area",
    "log R/S",
)
"""Times from the R peak; heights in mV over the PR segment."""
_LEAST_MV: Final = 0.05


def measure(median: FloatArray) -> FloatArray:
    """Measure median beats.

    Parameters
    ----------
    median : ndarray of float32, shape (r, leads, window_samples)
        In mV over the PR segment.

    Returns
    -------
    ndarray of float32, shape (r, leads, len(MEASURES))
    """
    before, qrs, after = (
        _part(median, -50, 0), _part(median, -50, 60), _part(median, 0, 70)
    )  # fmt: skip
    t_wave = _part(median, 130, 420)
    high, low = qrs.max(axis=2), qrs.min(axis=2)
    path = np.abs(np.diff(qrs, axis=2)).sum(axis=2)
    found = (
        before.min(axis=2),
        high,
        after.min(axis=2),
        _part(median, 60, 66).mean(axis=2),
        _part(median, 80, 90).mean(axis=2),
        _part(median, 110, 125).mean(axis=2),
        t_wave.max(axis=2),
        t_wave.min(axis=2),
        _part(median, 180, 380).mean(axis=2),
        path / np.maximum(high - low, _LEAST_MV),
        np.minimum(before, 0.0).mean(axis=2),
        np.log((np.maximum(high, 0.0) + _LEAST_MV) / (np.maximum(-low, 0.0) + _LEAST_MV)),
    )
    return np.stack(found, axis=2).astype(np.float32)


def _part(median: FloatArray, from_ms: float, to_ms: float) -> FloatArray:
    """Columns between two times from the R peak."""
    first, last = (R_COLUMN + round(ms * FS_HZ / 1000.0) for ms in (from_ms, to_ms))
    return median[:, :, first:last]
