"""What the engine asks of a sink."""

from typing import Protocol

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo


class Sink(Protocol):
    """Takes events at the chain's pace and does its slow work elsewhere.

    `publish` and `observe` are called on the event loop between two samples: they must return at
    once. A sink that does I/O queues there and works in a task of its own.
    """

    async def start(self, info: StreamInfo) -> None:
        """Get ready; raise one clear error if that is impossible."""
        ...

    def observe(self, chunk: Chunk) -> None:
        """See the raw samples as they are played (only a display cares)."""
        ...

    def publish(self, message: Published) -> None:
        """Take one event; never blocks, never raises for a slow or absent receiver."""
        ...

    async def drain(self) -> None:
        """Wait until there is room; called between chunks when the replay is not in real time."""
        ...

    async def close(self) -> None:
        """Finish what is queued, within a bound, and let go of everything."""
        ...
