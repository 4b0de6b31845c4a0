"""The segment before a QRS complex: a P wave, which comes before each, or fibrillatory waves."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.inputs.kernels import median_of

_COLUMNS: Final = slice(38, 110)
"""Of a beat's window: 250 to 50 ms before the R peak, where a P wave is."""
POINTS: Final = 12
"""Points that are kept of it: 60 Hz, ample for a P wave."""
_OUTLIER: Final = 4.0
"""Segments of more than this many times the median energy hold an artefact."""

Segment = NDArray[np.float32]
"""Shape (leads, `POINTS`), mV without its trend; (0, 0) where samples are missing."""


def segment_before_qrs(window: NDArray[np.float32]) -> Segment:
    """Cut the segment before the QRS complex out of a beat's window, without its trend.

    It is empty where samples are missing.
    """
    part = window[:, _COLUMNS]
    if part.size == 0 or not np.isfinite(part).all():
        return np.zeros((0, 0), np.float32)
    segment = np.empty((part.shape[0], POINTS), np.float32)
    _without_trend(part, segment)
    return segment


@jit
def _without_trend(part: Segment, segment: Segment) -> None:
    """Write the means of equal pieces, less the straight line between the ends."""
    n = part.shape[1] // POINTS
    for lead in range(part.shape[0]):
        for k in range(POINTS):
            # Means of equal pieces filter and decimate to 60 Hz in one step.
            total = np.float32(0.0)
            for i in range(k * n, (k + 1) * n):
                total += part[lead, i]
            segment[lead, k] = total / np.float32(n)
        # Two points at each end, so that one noisy point does not tilt the line.
        first = (segment[lead, 0] + segment[lead, 1]) / np.float32(2.0)
        last = (segment[lead, POINTS - 2] + segment[lead, POINTS - 1]) / np.float32(2.0)
        for k in range(POINTS):
            straight = first + float(last - first) * (k / (POINTS - 1.0))
            segment[lead, k] = segment[lead, k] - straight


@jit
def consistency(segments: Segment) -> float:
    """Return how much the segments before some beats are alike in one lead, 0 to 1.

    The energy of their mean over the mean of their energies, less what chance gives; outliers are
    left out. `segments` has shape (beats, points).
    """
    n, points = segments.shape
    energy = np.zeros(n)
    for i in range(n):
        for k in range(points):
            energy[i] += float(segments[i, k]) ** 2
    # One artefact has the energy of all P waves together, so the mean must be without it.
    limit = _OUTLIER * median_of(energy.copy())
    mean, total, kept = np.zeros(points), 0.0, 0
    for i in range(n):
        if energy[i] <= limit:
            for k in range(points):
                mean[k] += segments[i, k]
            total += energy[i]
            kept += 1
    # A single segment has nothing to resemble.
    if total <= 0.0 or kept < 2:
        return 0.0
    # Of unrelated segments the mean of n keeps a share of 1/n of the energy.
    chance = 1.0 / kept
    common = 0.0
    for k in range(points):
        common += mean[k] * mean[k]
    raw = common / (kept * total)
    return float((raw - chance) / (1.0 - chance))


@jit
def cosine_similarity(others: NDArray[np.float32], segment: Segment) -> float:
    """Return the cosine between a segment and the mean of others, shape (beats, leads, points).

    In the lead in which the others are most alike.
    """
    # A P wave is often visible in one lead and lost in the noise of the other.
    lead, best = 0, -np.inf
    for candidate in range(others.shape[1]):
        alike = consistency(others[:, candidate].copy())
        if alike > best:
            lead, best = candidate, alike
    own, shared, common = 0.0, 0.0, 0.0
    for k in range(segment.shape[1]):
        value, mean = float(segment[lead, k]), 0.0
        for i in range(others.shape[0]):
            mean += others[i, lead, k]
        own += value * value
        shared += mean * mean
        common += value * mean
    # `shared` is of a sum, not of a mean: the factor cancels in the cosine.
    energy = own * shared
    return common / energy**0.5 if energy > 0.0 else 0.0
