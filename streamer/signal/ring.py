"""The chain's memory of recent samples, addressed by absolute sample index."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from streamer.core.errors import OverlapError
from streamer.signal.position import Position, get_position, new_position, set_position


class RingMemory(NamedTuple):
    """What a ring holds of one patient; of many with an axis before the others."""

    samples: NDArray[np.float32]
    """Shape (leads, capacity)."""
    stop: Position
    """One past the newest sample."""


def new_ring(n_leads: int, capacity: int, patients: tuple[int, ...] = ()) -> RingMemory:
    """Return the memory of one empty ring, or of as many as `patients` says."""
    samples = np.full((*patients, n_leads, capacity), np.nan, np.float32)
    return RingMemory(samples, new_position(patients))


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

    Attributes
    ----------
    memory : RingMemory
        May be replaced by arrays that hold the same, such as a patient's row of a ward.

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
        self.memory = new_ring(n_leads, capacity)

    def clear(self) -> None:
        """Forget everything."""
        self.memory.samples.fill(np.nan)
        set_position(self.memory.stop, None)

    @property
    def capacity(self) -> int:
        """Samples kept per lead."""
        return int(self.memory.samples.shape[1])

    @property
    def n_leads(self) -> int:
        """Leads kept."""
        return int(self.memory.samples.shape[0])

    @property
    def stop(self) -> int | None:
        """One past the newest sample; None while empty."""
        return get_position(self.memory.stop)

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
        stop = self.stop
        if stop is not None:
            if chunk.start < stop:
                raise OverlapError(
                    f"got a chunk that starts at sample {chunk.start}, expected {stop} or "
                    "later; send every sample once and in order"
                )
            if chunk.start > stop:
                self._forget(stop, chunk.start)
        self._store(chunk)
        set_position(self.memory.stop, chunk.stop)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Copy samples `start` to `stop` (exclusive), shape (leads, stop - start).

        What never came, hasn't come yet or is no longer kept reads as NaN.
        """
        end = self.stop
        if end is not None and end - self.capacity <= start < stop <= end:
            return self._stored(start, stop)
        window = np.full((self.n_leads, max(stop - start, 0)), np.nan, np.float32)
        if end is None:
            return window
        first, last = max(start, end - self.capacity), min(stop, end)
        if first < last:
            window[:, first - start : last - start] = self._stored(first, last)
        return window

    def grow(self, capacity: int) -> None:
        """Keep what is stored, in new memory if there is no room for `capacity` samples."""
        if capacity <= self.capacity:
            return
        stop = self.stop
        kept = None if stop is None else self.read(stop - self.capacity, stop)
        self.memory = new_ring(self.n_leads, capacity)
        if kept is not None and stop is not None:
            self.append(Chunk(start=stop - kept.shape[1], samples=kept))

    def _store(self, chunk: Chunk) -> None:
        n = chunk.samples.shape[1]
        if n == 1:
            self.memory.samples[:, chunk.start % self.capacity] = chunk.samples[:, 0]
            return
        kept = min(n, self.capacity)
        columns = np.arange(chunk.stop - kept, chunk.stop) % self.capacity
        self.memory.samples[:, columns] = chunk.samples[:, n - kept :]

    def _stored(self, start: int, stop: int) -> NDArray[np.float32]:
        """Copy samples `start` to `stop`, all of which must be kept."""
        ring = self.memory.samples
        first, last = start % self.capacity, (stop - 1) % self.capacity + 1
        if first < last:
            return ring[:, first:last].copy()
        return np.concatenate([ring[:, first:], ring[:, :last]], axis=1)

    def _forget(self, start: int, stop: int) -> None:
        """Mark `start` to `stop` as never received."""
        first = max(start, stop - self.capacity)
        self.memory.samples[:, np.arange(first, stop) % self.capacity] = np.nan
