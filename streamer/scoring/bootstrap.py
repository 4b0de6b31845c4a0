"""Record-level bootstrap: how much a figure owes to which records were in the test set.

Beats of one patient are alike, so whole records are drawn, with replacement (Efron & Tibshirani
1993, An Introduction to the Bootstrap, percentile interval).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.scoring.ec57 import STATISTICS, RecordScore

Interval = tuple[float, float]
"""Lower and upper end."""
LEAST_RECORDS: Final = 2
"""One record says nothing about others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapConfig:
    """How often is drawn, and from which seed."""

    resamples: int = 1000
    seed: int = 1
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise ValueError(f"number of resamples is {self.resamples}; it must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Confidence intervals by statistic; one that too few records define is missing."""

    gross: dict[str, Interval]
    average: dict[str, Interval]


def intervals(
    scores: Sequence[RecordScore],
    statistics: Iterable[str],
    config: BootstrapConfig | None = None,
) -> Intervals:
    """Draw records anew and return how the gross and average figures spread.

    Parameters
    ----------
    scores : sequence of RecordScore
        One a record; a figure that fewer than `LEAST_RECORDS` define gets no interval.
    statistics : iterable of str
        Names of `streamer.scoring.ec57.STATISTICS`.
    config : BootstrapConfig, optional
        The same seed gives the same draws.
    """
    config = config or BootstrapConfig()
    found = Intervals(gross={}, average={})
    n = len(scores)
    if n < LEAST_RECORDS:
        return found
    random = np.random.default_rng(config.seed)
    times_drawn = random.multinomial(n, np.full(n, 1.0 / n), size=config.resamples)
    matrices = np.tensordot(times_drawn, np.stack([score.matrix for score in scores]), axes=1)
    for name in statistics:
        own = [score.value(name) for score in scores]
        if sum(value is not None for value in own) < LEAST_RECORDS:
            continue
        gross = [v for drawn in matrices if (v := STATISTICS[name](drawn).value) is not None]
        _keep(found.gross, name, np.array(gross), config)
        _keep(found.average, name, _averages(own, times_drawn), config)
    return found


def _averages(own: Sequence[float | None], times_drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over the drawn records that define the figure, where one of them does."""
    defined = np.array([value is not None for value in own])
    values = np.array([value or 0.0 for value in own])
    weights = times_drawn @ defined.astype(np.float64)
    sums = times_drawn @ values
    return np.asarray(sums[weights > 0] / weights[weights > 0])


def _keep(
    kept: dict[str, Interval], name: str, values: NDArray[np.float64], config: BootstrapConfig
) -> None:
    if values.size:
        tail = (1.0 - config.confidence) / 2.0
        low, high = np.quantile(values, [tail, 1.0 - tail])
        kept[name] = (float(low), float(high))
