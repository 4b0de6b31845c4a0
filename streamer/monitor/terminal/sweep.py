"""Geometry of the sweeping trace: which sample is drawn where, and what the dots look like."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.monitor.terminal.braille import DOTS_X, DOTS_Y, bars

Columns = NDArray[np.float32]


class Samples(Protocol):
    """What remembers the last samples of every lead, in mV."""

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples `start` to before `stop`, shape (leads, n); NaN where unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A write position that runs from left to right over a screen of `cells` columns.

    Dots are numbered from the first sample on without end; dot d is drawn in dot column
    ``d % width``. The dots just ahead of the write position are kept empty, which is what
    separates the newest signal from the oldest.
    """

    first_sample: int
    """Sample at which the first sweep starts."""
    now: int
    """One past the newest sample."""
    samples: int
    """Samples of one sweep."""
    cells: int
    """Width in character cells."""
    erase: int
    """Width of the empty gap in dots."""

    @property
    def width(self) -> int:
        """Width in dots."""
        return self.cells * DOTS_X

    @property
    def head(self) -> int:
        """Newest dot."""
        return self.dot(max(self.now - 1, self.first_sample))

    @property
    def tail(self) -> int:
        """Oldest dot that is still shown."""
        return max(self.head + 1 - (self.width - self.erase), 0)

    def dot(self, sample: int) -> int:
        """Return the dot on which a sample falls."""
        return (sample - self.first_sample) * self.width // self.samples

    def first_of(self, dot: int) -> int:
        """Return the first sample of a dot."""
        return self.first_sample - (-dot * self.samples // self.width)

    def cell(self, sample: int) -> int | None:
        """Return the character cell in which a sample is drawn; None if it isn't shown."""
        dot = self.dot(sample)
        return dot % self.width // DOTS_X if self.tail <= dot <= self.head else None

    def cells_of(self, start: int, stop: int) -> list[int]:
        """Return the cells in which samples `start` to `stop` (inclusive) are drawn."""
        first, last = max(self.dot(start), self.tail), min(self.dot(stop), self.head)
        cells = range(first // DOTS_X, last // DOTS_X + 1) if first <= last else range(0)
        return [cell % self.cells for cell in cells]

    def erased_cells(self) -> list[int]:
        """Return the cells that hold no signal: the gap, and what was never written."""
        shown = set(self.cells_of(self.first_of(self.tail), max(self.now - 1, 0)))
        return [cell for cell in range(self.cells) if cell not in shown]


def envelope(ring: Samples, lead: int, sweep: Sweep) -> tuple[Columns, Columns]:
    """Return lowest and highest amplitude of each dot column in mV; NaN where nothing is drawn.

    Parameters
    ----------
    ring : Samples
        The last samples, in mV.
    lead : int
        Row of the ring.
    sweep : Sweep
        The geometry.

    Returns
    -------
    low, high : ndarray of float32, shape (2 * cells,)
    """
    low = np.full(sweep.width, np.nan, np.float32)
    high = low.copy()
    if sweep.now <= sweep.first_sample:
        return low, high
    dots = np.arange(sweep.tail, sweep.head + 1)
    starts = sweep.first_sample - (-dots * sweep.samples // sweep.width)
    signal = ring.read(int(starts[0]), sweep.now)[lead]
    offsets = np.minimum(starts - starts[0], signal.size - 1)
    columns = dots % sweep.width
    low[columns] = np.fmin.reduceat(signal, offsets)
    high[columns] = np.fmax.reduceat(signal, offsets)
    return low, high


def trace(
    low: Columns, high: Columns, *, bottom_mv: float, top_mv: float, rows: int
) -> NDArray[np.bool_]:
    """Draw an envelope as a connected line.

    Parameters
    ----------
    low, high : ndarray, shape (n,)
        Amplitudes of each dot column in mV; NaN leaves it empty.
    bottom_mv, top_mv : float
        Amplitudes at the edges; what lies beyond is drawn on the edge.
    rows : int
        Height in character cells.

    Returns
    -------
    ndarray of bool, shape (4 * rows, n)
    """
    height = rows * DOTS_Y
    known = np.isfinite(low)
    scale = (height - 1) / (top_mv - bottom_mv)
    top = _dots_down(top_mv - np.where(known, high, 0.0), scale, height)
    bottom = _dots_down(top_mv - np.where(known, low, 0.0), scale, height)
    joined_top, joined_bottom = top.copy(), bottom.copy()
    # A column reaches as far as the one to its left, so that steep slopes have no holes.
    both = known[1:] & known[:-1]
    joined_top[1:] = np.where(both, np.minimum(top[1:], bottom[:-1]), top[1:])
    joined_bottom[1:] = np.where(both, np.maximum(bottom[1:], top[:-1]), bottom[1:])
    joined_top[~known] = height
    joined_bottom[~known] = -1
    return bars(joined_top, joined_bottom, height)


def _dots_down(mv: NDArray[np.float64], scale: float, height: int) -> NDArray[np.int64]:
    """Turn amplitudes below the top edge into dots from it."""
    dots: NDArray[np.int64] = np.clip(np.rint(mv * scale), 0, height - 1).astype(np.int64)
    return dots
