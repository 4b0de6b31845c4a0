"""Heart rate from RR intervals: one way for the rhythm rules and for every screen."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartRateConfig:
    """Which intervals count."""

    window_s: float = 4.0
    """Age of the intervals that count; short enough that a step from 80 to 40 or 120 a minute
    shows within 5 s."""
    least: int = 4
    most: int = 8
    """Fewest and most of those intervals; of four, no single one decides."""


def heart_rate_bpm(
    intervals: Sequence[float], unit_hz: float, config: HeartRateConfig
) -> float | None:
    """Return the rate as a mean of the newest intervals without their extremes.

    A quarter of them is left out at either end, so that neither a premature beat nor its pause
    counts, nor a beat that was missed. Their number is even, so that bigeminy, whose intervals
    alternate, has the rate of all its beats.

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
    age, within, limit = 0.0, 0, config.window_s * unit_hz
    for interval in reversed(intervals[-config.most :]):
        age += interval
        if age > limit:
            break
        within += 1
    even = max(within, config.least) // 2 * 2
    recent = sorted(intervals[-even:])
    if not recent:
        return None
    n = len(recent)
    cut = (n // 4 or 1) if n > 2 else 0
    middle = recent[cut : n - cut]
    return 60 * unit_hz * len(middle) / sum(middle)
