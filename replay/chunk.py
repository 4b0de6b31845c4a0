"""The one type in which samples travel."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """Consecutive samples of every lead of one source.

    Attributes
    ----------
    start : int
        Absolute sample index of the first column, counted in the source's own sampling frequency.
    samples : ndarray of float32, shape (leads, n)
        Amplitudes in mV; NaN marks a sample that the source says is invalid. One sample is a chunk
        with n = 1.
    leads : tuple of str or None
        Names of the rows, where a source may change its leads; None: always the same ones.
    """

    start: int
    samples: NDArray[np.float32]
    leads: tuple[str, ...] | None = None

    @property
    def stop(self) -> int:
        """Absolute sample index one past the last column."""
        return self.start + int(self.samples.shape[1])

    def blocks(self, size: int) -> "Iterator[Chunk]":
        """Cut into chunks of up to `size` samples: itself if it is no longer, else copies."""
        n = self.samples.shape[1]
        if n <= size:
            yield self
            return
        for first in range(0, n, size):
            samples = np.ascontiguousarray(self.samples[:, first : first + size])
            yield Chunk(start=self.start + first, samples=samples, leads=self.leads)
