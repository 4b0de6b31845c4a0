"""What the runner asks of a sink."""

from typing import Protocol

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo


class Sink(Protocol):
    """Takes the events of any number of sources and does its slow work elsewhere.

    `open`, `observe`, `publish` and `close_source` are called on the event loop between two
    samples: they return at once. A sink that does I/O queues there and works in a task of its own.
    """

    async def start(self) -> None:
        """Get ready; raise one clear error if that is impossible."""
        ...

    def open(self, info: StreamInfo) -> None:
        """Begin with a source, before its first event. May be called before `start`."""
        ...

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """See the raw samples of a source as they are played (only a display cares)."""
        ...

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Take one event; never blocks, never raises for a slow or absent receiver."""
        ...

    def close_source(self, source: str) -> None:
        """End with a source: its stream is over."""
        ...

    async def drain(self) -> None:
        """Wait until there is room; called between chunks where nothing keeps real time."""
        ...

    async def close(self) -> None:
        """Finish what is queued, within a bound, and release all resources."""
        ...


class QuietSink:
    """A sink that ignores everything; others override what they care about."""

    async def start(self) -> None:
        """Return at once: nothing is needed."""

    def open(self, info: StreamInfo) -> None:
        """Ignore the beginning of a source."""

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Ignore the samples."""

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Ignore the event."""

    def close_source(self, source: str) -> None:
        """Ignore the end of a source."""

    async def drain(self) -> None:
        """Return at once: nothing is queued."""

    async def close(self) -> None:
        """Return at once: nothing is queued."""
