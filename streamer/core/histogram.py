"""Quantiles of a stream in bounded memory."""

import math
from itertools import accumulate
from typing import Final

_LOWEST: Final = 1e-3
_HIGHEST: Final = 1e7


class QuantileHistogram:
    """Counts of positive values in bins whose width grows with the value.

    Parameters
    ----------
    relative_error : float
        Largest relative error of a quantile between 0.001 and 1e7; in (0, 1).

    Raises
    ------
    ValueError
        If `relative_error` is not in (0, 1).

    Notes
    -----
    The logarithmic bins of DDSketch (Masson et al. 2019, doi:10.14778/3352063.3352135); only those
    that are not empty are kept. Deviation: their number is bounded, and values beyond the range
    fall into the outermost bins, because latencies and heart rates never get there. Minimum and
    maximum are exact.
    """

    def __init__(self, *, relative_error: float = 0.005) -> None:
        if not 0.0 < relative_error < 1.0:
            raise ValueError(f"got a relative error of {relative_error}, expected one in (0, 1)")
        self._growth = (1.0 + relative_error) / (1.0 - relative_error)
        self._log_growth = math.log(self._growth)
        self._last_bin = math.ceil(math.log(_HIGHEST / _LOWEST) / self._log_growth)
        self._counts: dict[int, int] = {}
        self.count = 0
        self.minimum: float | None = None
        self.maximum: float | None = None

    def add(self, value: float) -> None:
        """Count one value; negative ones count as 0."""
        value = max(value, 0.0)
        index = 0
        if value > _LOWEST:
            index = min(math.ceil(math.log(value / _LOWEST) / self._log_growth), self._last_bin)
        self._counts[index] = self._counts.get(index, 0) + 1
        self.count += 1
        # Compared rather than by `min` and `max`: this is done for every beat of a ward.
        if self.minimum is None or value < self.minimum:
            self.minimum = value
        if self.maximum is None or value > self.maximum:
            self.maximum = value

    def quantile(self, fraction: float) -> float | None:
        """Return the nearest-rank quantile, `fraction` in [0, 1]; None while nothing was added.

        Raises
        ------
        ValueError
            If `fraction` is not in [0, 1].
        """
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"got the quantile {fraction}, expected one in [0, 1]")
        if self.minimum is None or self.maximum is None:
            return None
        rank = max(math.ceil(fraction * self.count), 1)
        if rank == self.count:
            return self.maximum
        bins = sorted(self._counts)
        seen = accumulate(self._counts[index] for index in bins)
        index = next(index for index, below in zip(bins, seen, strict=True) if below >= rank)
        centre = 2.0 * _LOWEST * self._growth**index / (1.0 + self._growth)
        return min(max(centre, self.minimum), self.maximum)
