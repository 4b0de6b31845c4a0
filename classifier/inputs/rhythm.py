"""Compiled: measures of the RR interval that ends at a beat against those before it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.inputs.features import Feature
from classifier.inputs.kernels import FloatArray, log_ratio, mean_of, median_of, quantile

REGULAR_SPREAD: Final = 0.05
"""Change from one RR interval to the next, as a share, that breathing alone makes."""
DEVIATION_LIMIT: Final = 6.0
NORMAL_RR_S: Final = 0.8
"""RR interval of 75 beats a minute, the zero of the measures in seconds."""
JUMP: Final = 0.1
"""Change from one RR interval to the next, as a logarithm, that breathing alone hardly makes."""
ENTROPY_BEATS: Final = 24
ENTROPY_LEAST: Final = 8
ENTROPY_TOLERANCE: Final = 0.06
"""Of logarithms of RR intervals: about 50 ms at 75 beats a minute."""
ENTROPY_LIMIT: Final = 3.0
RECENT_BEATS: Final = 10
"""About one breath in and out, within which the rate hardly drifts."""
_EARLIER: Final = 5
"""Intervals before the last one that are given one by one: they hold a bigeminy's pattern."""


@jit
def deviation(log_rr_ratio: float, irregularity: float) -> float:
    """Earliness in units of the rhythm's own irregularity: small in fibrillation."""
    value = log_rr_ratio / (REGULAR_SPREAD + irregularity)
    return float(min(max(value, -DEVIATION_LIMIT), DEVIATION_LIMIT)) / DEVIATION_LIMIT


@jit
def share_below(values: NDArray[np.float64], limit: float) -> float:
    """Share of at least one value that are below the limit."""
    count = 0
    for value in values:
        count += value < limit
    return count / values.size


@jit
def changes_of(intervals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitudes of the changes from one interval to the next, as logarithms."""
    changes = np.empty(intervals.size - 1)
    before = np.log(intervals[0])
    for i in range(changes.size):
        now = np.log(intervals[i + 1])
        changes[i] = abs(now - before)
        before = now
    return changes


@jit
def sample_entropy(values: NDArray[np.float64], tolerance: float) -> float:
    """Sample entropy of pattern length 1 (Richman & Moorman 2000), limited; 0 for a few values.

    doi:10.1152/ajpheart.2000.278.6.H2039; half a match is added to both counts.
    """
    n = values.size
    if n < ENTROPY_LEAST:
        return 0.0
    longer, shorter = 0, 0
    for i in range(n - 1):
        # The last value has no successor, so that it begins no pair in either count.
        for j in range(i + 1, n - 1):
            if abs(values[i] - values[j]) < tolerance:
                shorter += 1
                if abs(values[i + 1] - values[j + 1]) < tolerance:
                    longer += 1
    # No two alike: as irregular as can be measured.
    if shorter == 0:
        return ENTROPY_LIMIT
    # Half a match more in each, so that the ratio is finite without any.
    return float(min(-np.log((longer + 0.5) / (shorter + 0.5)), ENTROPY_LIMIT))


@jit
def describe_rhythm(
    before: NDArray[np.float64],
    ordered: NDArray[np.float64],
    newest: float,
    long_run: float,
    premature_ratio: float,
    features: FloatArray,
) -> None:
    """Write measures of the newest RR interval against those before it (there may be none).

    They are given in order of time and once more in order of length.
    """
    recent = before[-RECENT_BEATS:]
    features[Feature.RR_KNOWN] = 1.0
    features[Feature.RR_TO_LONG_RUN] = log_ratio(newest, long_run)
    features[Feature.RR_SECONDS] = log_ratio(newest, NORMAL_RR_S)
    if recent.size == 0:
        return
    # Medians, unlike means, are not moved by the few early beats that are to be found.
    median = quantile(ordered, 0.5)
    features[Feature.RR_TO_MEAN_10] = log_ratio(newest, mean_of(recent))
    features[Feature.RR_TO_MEDIAN_40] = log_ratio(newest, median)
    features[Feature.RR_TO_PREVIOUS] = log_ratio(newest, before[-1])
    features[Feature.PREVIOUS_RR_TO_MEDIAN_40] = log_ratio(before[-1], median)
    # Where a beat as early has been before, one more is less remarkable.
    shortest = recent[0]
    for value in recent:
        shortest = min(shortest, value)
    features[Feature.RR_TO_SHORTEST_10] = log_ratio(newest, shortest)
    if recent.size > 1:
        features[Feature.IRREGULARITY_10] = median_of(changes_of(recent))
        features[Feature.PREMATURE_SHARE_10] = share_below(recent, premature_ratio * median)
    features[Feature.RR_DEVIATION] = deviation(
        features[Feature.RR_TO_MEDIAN_40], features[Feature.IRREGULARITY_10]
    )
    features[Feature.RR_RANK_40] = share_below(before, newest)
    if before.size > 1:
        _describe_long_rhythm(before, ordered, newest, long_run, premature_ratio, features)


@jit
def _describe_long_rhythm(
    before: NDArray[np.float64],
    ordered: NDArray[np.float64],
    newest: float,
    long_run: float,
    premature_ratio: float,
    features: FloatArray,
) -> None:
    """Write what needs more than the last few intervals."""
    median = quantile(ordered, 0.5)
    # Where intervals spread widely, as in fibrillation, the median alone says little.
    features[Feature.RR_TO_QUARTER_40] = log_ratio(newest, quantile(ordered, 0.25))
    features[Feature.RR_TO_THREE_QUARTERS_40] = log_ratio(newest, quantile(ordered, 0.75))
    longest = before[-1]
    for value in before[-RECENT_BEATS:]:
        longest = max(longest, value)
    features[Feature.RR_TO_LONGEST_10] = log_ratio(newest, longest)
    # These five lie side by side, from the second last interval to the sixth last.
    for earlier in range(_EARLIER):
        if before.size >= earlier + 2:
            features[Feature.SECOND_LAST_RR_TO_MEDIAN_40 + earlier] = log_ratio(
                before[-2 - earlier], median
            )
    changes = changes_of(before)
    # The median's sort reorders the changes; the jumps are counted in any order.
    features[Feature.IRREGULARITY_40] = median_of(changes)
    jumps = 0
    for change in changes:
        jumps += change > JUMP
    features[Feature.JUMP_SHARE_40] = jumps / changes.size
    # Logarithms: the tolerance is a share of the interval, the same at any heart rate.
    logs = np.empty(min(before.size, ENTROPY_BEATS))
    for i in range(logs.size):
        logs[i] = np.log(before[before.size - logs.size + i])
    features[Feature.ENTROPY_24] = sample_entropy(logs, ENTROPY_TOLERANCE)
    features[Feature.PREMATURE_SHARE_40] = share_below(before, premature_ratio * median)
    features[Feature.LONG_RUN_TO_MEDIAN_40] = log_ratio(long_run, median)
    features[Feature.MEDIAN_SECONDS] = log_ratio(median, NORMAL_RR_S)
    # Quintiles, so that two or three ectopic beats of forty don't pass for irregularity.
    features[Feature.SPREAD_40] = np.log(quantile(ordered, 0.8) / quantile(ordered, 0.2))
