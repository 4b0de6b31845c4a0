"""Labels a NumPy array as if it came live.

python numpy_array.py
"""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from replay import open_record
from streamer import LabeledBeat, stream


async def pieces(samples: np.ndarray, size: int = 36) -> AsyncIterator[np.ndarray]:
    """Yield an array of shape (leads, n), in mV, a tenth of a second at a time."""
    for start in range(0, samples.shape[1], size):
        yield samples[:, start : start + size]


async def main() -> None:
    """Print each beat of twenty seconds."""
    record = open_record("demo")  # any array will do
    samples = next(record.chunks(size=20 * 360)).samples
    async for event in stream(pieces(samples), fs=record.fs, leads=record.leads):
        if isinstance(event, LabeledBeat) and event.revision == 1:
            print(event.beat.rpeak.sample, event.label)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
