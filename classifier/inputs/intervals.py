"""Compiled: the measures of RR intervals without a signal, as they would be with one."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit, sort_few
from classifier.inputs.config import CONFIG
from classifier.inputs.features import FEATURE_NAMES, Feature
from classifier.inputs.kernels import FloatArray
from classifier.inputs.rhythm import describe_rhythm
from classifier.inputs.state import REGULAR_ENTROPY, RR_KEPT

_PREMATURE: Final = CONFIG.premature_ratio
_LONG_RUN_BEATS: Final = float(CONFIG.long_run_beats)
_ENTROPY_BEATS: Final = float(CONFIG.entropy_beats)


def rhythm_features(rr_s: NDArray[np.float64]) -> FloatArray:
    """Return the features that follow from RR intervals, shape (n, len(Feature)), 0 elsewhere.

    Parameters
    ----------
    rr_s : ndarray of float64, shape (n,)
        The interval that ends at each beat, s; 0 where unknown.
    """
    features = np.zeros((rr_s.size, len(FEATURE_NAMES)), np.float32)
    _describe_intervals(rr_s, features)
    return features


@jit
def _describe_intervals(rr_s: NDArray[np.float64], features: FloatArray) -> None:
    """Describe each interval and remember it, as `describe` and `learning` do with a signal."""
    before, n = np.zeros(RR_KEPT), 0
    long_run_s, entropy = 0.0, REGULAR_ENTROPY
    for t in range(rr_s.size):
        newest = rr_s[t]
        recent = before[:n].copy()
        ordered = recent.copy()
        sort_few(ordered)
        if newest > 0.0:
            describe_rhythm(recent, ordered, newest, long_run_s, _PREMATURE, features[t])
        mean = entropy + (features[t, Feature.ENTROPY_24] - entropy) / _ENTROPY_BEATS
        features[t, Feature.ENTROPY_50] = mean
        if newest <= 0.0:
            continue
        entropy = mean
        long_run_s += (newest - long_run_s) / (_LONG_RUN_BEATS if long_run_s > 0.0 else 1.0)
        if n == RR_KEPT:
            before[:-1] = before[1:].copy()
            n -= 1
        before[n] = np.float32(newest)  # As the memory keeps it
        n += 1
