"""Puts a sink of many sources where one for a single source is asked for."""

from typing import Protocol

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo


class ManySourcesSink(Protocol):
    """A sink that is told of which source it hears."""

    async def start(self) -> None:
        """Get ready."""
        ...

    def open(self, info: StreamInfo) -> None:
        """Begin a source."""
        ...

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """See raw samples."""
        ...

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Take one event."""
        ...

    async def drain(self) -> None:
        """Wait until there is room."""
        ...

    async def close(self) -> None:
        """Finish what is queued."""
        ...


class OneSource:
    """A sink for the one source that it is started with."""

    def __init__(self, sink: ManySourcesSink) -> None:
        self._sink = sink
        self._info: StreamInfo | None = None

    async def start(self, info: StreamInfo) -> None:
        """Open the source and get ready."""
        self._info = info
        self._sink.open(info)
        await self._sink.start()

    def observe(self, chunk: Chunk) -> None:
        """See raw samples."""
        if self._info is not None:
            self._sink.observe(self._info, chunk)

    def publish(self, message: Published) -> None:
        """Take one event."""
        if self._info is not None:
            self._sink.publish(self._info, message)

    async def drain(self) -> None:
        """Wait until there is room."""
        await self._sink.drain()

    async def close(self) -> None:
        """Finish what is queued."""
        await self._sink.close()
