"""The chain's memory of recent samples, addressed by absolute sample index."""

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from streamer.core.errors import OverlapError


class SampleRing:
    """The last `capacity` samples of every lead, in mV.

    Parameters
    ----------
    n_leads : int
        Rows of every chunk; at least 1.
    capacity : int
        Samples kept per lead; at least 1.

    Raises
    ------
    ValueError
        If `n_leads` or `capacity` is less than 1.

    Notes
    -----
    Sample i lives in column ``i % capacity``, so that appending never moves what is stored.
    """

    def __init__(self, n_leads: int, capacity: int) -> None:
        if n_leads < 1 or capacity < 1:
            raise ValueError(
                f"a ring of {n_leads} leads and {capacity} samples holds nothing; "
                "both must be at least 1"
            )
        self._samples = np.full((n_leads, capacity), np.nan, np.float32)
        self._stop: int | None = None

    def clear(self) -> None:
        """Forget everything."""
        self._samples.fill(np.nan)
        self._stop = None

    @property
    def capacity(self) -> int:
        """Samples kept per lead."""
        return int(self._samples.shape[1])

    @property
    def n_leads(self) -> int:
        """Leads kept."""
        return int(self._samples.shape[0])

    @property
    def stop(self) -> int | None:
        """One past the newest sample; None while empty."""
        return self._stop

    def append(self, chunk: Chunk) -> None:
        """Store a chunk; samples skipped since the one before it become NaN.

        Raises
        ------
        ValueError
            If the chunk has another number of leads.
        OverlapError
            If it starts before the end of what is stored; nothing is stored then.
        """
        if chunk.samples.shape[0] != self.n_leads:
            raise ValueError(
                f"got a chunk of {chunk.samples.shape[0]} leads, expected {self.n_leads}"
            )
        if self._stop is not None:
            if chunk.start < self._stop:
                raise OverlapError(
                    f"got a chunk that starts at sample {chunk.start}, expected {self._stop} or "
                    "later; send every sample once and in order"
                )
            if chunk.start > self._stop:
                self._forget(self._stop, chunk.start)
        self._store(chunk)
        self._stop = chunk.stop

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Copy samples `start` to `stop` (exclusive), shape (leads, stop - start).

        What never came, hasn't come yet or is no longer kept reads as NaN.
        """
        window = np.full((self.n_leads, max(stop - start, 0)), np.nan, np.float32)
        if self._stop is None:
            return window
        first, last = max(start, self._stop - self.capacity), min(stop, self._stop)
        if first < last:
            columns = np.arange(first, last) % self.capacity
            window[:, first - start : last - start] = self._samples[:, columns]
        return window

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` samples, keeping what is stored."""
        if capacity <= self.capacity:
            return
        stop = self._stop
        kept = None if stop is None else self.read(stop - self.capacity, stop)
        self._samples = np.full((self.n_leads, capacity), np.nan, np.float32)
        self._stop = None
        if kept is not None and stop is not None:
            self.append(Chunk(start=stop - kept.shape[1], samples=kept))

    def _store(self, chunk: Chunk) -> None:
        n = chunk.samples.shape[1]
        if n == 1:
            self._samples[:, chunk.start % self.capacity] = chunk.samples[:, 0]
            return
        kept = min(n, self.capacity)
        columns = np.arange(chunk.stop - kept, chunk.stop) % self.capacity
        self._samples[:, columns] = chunk.samples[:, n - kept :]

    def _forget(self, start: int, stop: int) -> None:
        """Mark `start` to `stop` as never received."""
        first = max(start, stop - self.capacity)
        self._samples[:, np.arange(first, stop) % self.capacity] = np.nan
