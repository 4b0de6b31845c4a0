"""Heart rate from RR intervals: one way for the rhythm rules and for every screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartRateConfig:
    """Which intervals count."""

    window_s: float = 4.0
    """Age of the intervals that count; short enough that a step from 80 to 40 or 120 a minute
    shows within 5 s."""
    least: int = 3
    most: int = 8
    """Fewest and most of those intervals."""


def heart_rate_bpm(
    intervals: Sequence[float], unit_hz: float, config: HeartRateConfig
) -> float | None:
    """Return the rate from the newest intervals: of the means of neighbours, without extremes.

    A premature beat and its pause, and the intervals of bigeminy, make up for each other in the
    mean of two neighbours. Of these means a third is left out at either end, so that a beat that
    was missed, or that was none, hardly counts.

    Parameters
    ----------
    intervals : sequence of float
        Successive RR intervals, oldest first.
    unit_hz : float
        How many of their units make a second.
    config : HeartRateConfig
        Which of them count.

    Returns
    -------
    float or None
        Beats a minute; None before there is an interval.
    """
    age, within = 0.0, 0
    for interval in reversed(intervals[-config.most :]):
        age += interval
        if age > config.window_s * unit_hz:
            break
        within += 1
    recent = intervals[-max(within, config.least) :]
    if not recent:
        return None
    means = sorted((a + b) / 2 for a, b in pairwise(recent)) or list(recent)
    cut = max(len(means) // 3, 1) if len(means) > 2 else 0
    middle = means[cut : len(means) - cut]
    return 60 * unit_hz * len(middle) / sum(middle)
