"""Vertical scale of the trace: follows the signal, but doesn't jump about."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SPANS_MV: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GainConfig:
    """When the scale changes."""

    first_span_mv: float = 3.0
    """Scale before the signal is known: an R peak of lead II is 1 to 2 mV tall."""
    margin: float = 0.06
    """Part of the span kept free above and below when a scale is chosen."""
    hold_s: float = 6.0
    """A scale that became too coarse is kept for this long; one that clips changes at once."""


class Gain:
    """Range of amplitudes that the screen shows, in mV, with hysteresis.

    Attributes
    ----------
    bottom_mv, top_mv : float
        Amplitudes at the lower and upper edge.
    """

    def __init__(self, *, fs: float, config: GainConfig | None = None) -> None:
        self._config = config or GainConfig()
        self._hold = round(self._config.hold_s * fs)
        half = self._config.first_span_mv / 2.0
        self.bottom_mv, self.top_mv = -half, half
        self._fitting_since: int | None = None
        self._started = False

    @property
    def span_mv(self) -> float:
        """Height of the screen in mV."""
        return self.top_mv - self.bottom_mv

    def update(self, now: int, recent: NDArray[np.float32]) -> None:
        """Look at the last seconds of one lead, in mV; NaN is ignored.

        A signal that leaves the screen widens it at once; one that would fit a finer scale
        narrows it after `hold_s` without interruption.
        """
        known = recent[np.isfinite(recent)]
        if known.size == 0:
            return
        low = max(float(known.min()), -_SPANS_MV[-1])
        high = min(float(known.max()), _SPANS_MV[-1])
        if low < self.bottom_mv or high > self.top_mv or not self._started:
            self._fit(low, high)
            return
        if _span_for(low, high, self._config.margin) >= self.span_mv:
            self._fitting_since = None
        elif self._fitting_since is None:
            self._fitting_since = now
        elif now - self._fitting_since >= self._hold:
            self._fit(low, high)

    def _fit(self, low: float, high: float) -> None:
        """Choose the finest scale that shows `low` to `high`, on whole steps of the grid."""
        self._started = True
        self._fitting_since = None
        span = _span_for(low, high, self._config.margin)
        step = span / 10.0
        centre = round((low + high) / 2.0 / step) * step
        self.bottom_mv, self.top_mv = centre - span / 2.0, centre + span / 2.0

    def rows(self, height: int, *, at_least: int) -> list[tuple[int, float]]:
        """Return (row, mV) of the scale's marks on a plot of `height` rows, top to bottom.

        Marks lie on multiples of a round step, at least `at_least` rows apart.
        """
        if height < 2:
            return []
        mv_per_row = self.span_mv / height
        step = next((s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if s >= at_least * mv_per_row), 10.0)
        first = math.floor(self.top_mv / step)
        marks = (k * step for k in range(first, math.ceil(self.bottom_mv / step) - 1, -1))
        placed = ((math.floor((self.top_mv - mv) / mv_per_row), mv) for mv in marks)
        return [(row, mv) for row, mv in placed if 0 <= row < height]


def _span_for(low: float, high: float, margin: float) -> float:
    """Finest span that holds `low` to `high` with its margins."""
    needed = (high - low) / (1.0 - 2.0 * margin)
    # A tenth of the span is lost to putting the centre on the grid.
    return next((span for span in _SPANS_MV if 0.95 * span >= needed), 2.0 * _SPANS_MV[-1])
