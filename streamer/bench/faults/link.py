"""A network link on loopback that can be cut, frozen or left half open."""

import asyncio
import contextlib
from typing import Final, Self

from streamer.bench.speed.mosquitto import HOST

_BLOCK_BYTES: Final = 65_536


class _Pair:
    """One connection: the client's side and the server's."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.stranded = False

    def abort(self) -> None:
        """Reset both sides; what is under way is gone."""
        self.near.transport.abort()
        self.far.transport.abort()

    def strand(self) -> None:
        """Reset the server's side only, and swallow what the client sends: it isn't told."""
        self.stranded = True
        self.far.transport.abort()


class Link:
    """Passes TCP connections on to a port, as long as it is healthy.

    Parameters
    ----------
    target : int
        Port on loopback that connections go to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[_Pair] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def url(self) -> str:
        """Address of the near end."""
        return f"mqtt://{HOST}:{self.port}"

    def freeze(self) -> None:
        """Hold back every byte in both directions; nobody is told."""
        self._open.clear()

    def thaw(self) -> None:
        """Let held bytes go on."""
        self._open.set()

    def cut(self) -> None:
        """Reset all connections."""
        for pair in tuple(self._pairs):
            pair.abort()

    def strand(self) -> None:
        """Leave the clients' sides half open."""
        for pair in tuple(self._pairs):
            pair.strand()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._forward(reader, far_writer, pair, keep_reading=True),
                self._forward(far_reader, writer, pair, keep_reading=False),
            )
        finally:
            self._pairs.discard(pair)
            pair.abort()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: _Pair,
        *,
        keep_reading: bool,
    ) -> None:
        """Copy one direction until it ends; the end of one is the end of both, unless stranded."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_BLOCK_BYTES):
                await self._open.wait()
                if pair.stranded:
                    if keep_reading:
                        continue
                    return
                writer.write(data)
                await writer.drain()
        if not pair.stranded or keep_reading:
            pair.abort()
