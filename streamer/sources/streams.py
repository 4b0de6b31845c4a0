"""Live samples over TCP and from standard input.

TCP: a connection is one source. It begins with the source's name on a line of its own
(behind it ` ack`, if it wants to be told what is safe: `streamer.sources.receipts`); then
messages follow, each as four bytes of length (uint32, little-endian) and a payload as
`streamer.messages.samples` describes it. Standard input holds such messages without the name
(`frames`), or text: one moment a line, a number in mV for each lead, separated by blanks or
commas; what is no number is an invalid sample.
"""

import asyncio
import math
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.core.errors import StreamerError
from streamer.messages.samples import SampleMessage, encode
from streamer.sources.receipts import ASKED, Receipts

Receive = Callable[[str, bytes, float], None]
"""Takes source name, payload and time of arrival on the event loop's clock."""

FRAMES: Final = "frames"
STDIN_SOURCE: Final = "stdin"
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """Bounds for what the other end may send."""

    most_bytes: int = 4_000_000
    """Of one message."""
    most_name_bytes: int = 80
    message_s: float = 0.1
    """Signal of text that is passed on together."""


class LineParser:
    """Turns lines of text into messages; pure.

    Parameters
    ----------
    fs : float
        Sampling frequency in Hz.
    config : StreamConfig, optional
    """

    def __init__(self, fs: float, config: StreamConfig | None = None) -> None:
        self._fs = fs
        self._size = max(round((config or StreamConfig()).message_s * fs), 1)
        self._rows: list[list[float]] = []
        self._leads: int | None = None
        self._seq = self._first = 0

    def push(self, line: str) -> SampleMessage | None:
        """Add a line; return a message when there are enough. Empty lines are skipped."""
        row = [_number(word) for word in line.replace(",", " ").split()]
        if not row:
            return None
        if self._leads is None:
            self._leads = len(row)
        # A line of another length was torn: the moment counts, its values don't.
        self._rows.append(row if len(row) == self._leads else [math.nan] * self._leads)
        return self.flush() if len(self._rows) >= self._size else None

    def flush(self) -> SampleMessage | None:
        """Return the lines since the last message."""
        if not self._rows:
            return None
        samples = np.array(self._rows, np.float32).T
        message = SampleMessage(
            seq=self._seq, first_sample=self._first, fs=self._fs, samples=samples
        )
        self._seq += 1
        self._first = message.stop
        self._rows = []
        return message


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


async def read_frames(
    reader: asyncio.StreamReader,
    source: str,
    receive: Receive,
    config: StreamConfig | None = None,
    room: Callable[[str], Awaitable[None]] | None = None,
) -> None:
    """Pass on messages until the stream ends; `room` is waited for before each.

    Raises
    ------
    StreamerError
        If a message is longer than allowed: the stream can't be followed further.
    """
    config = config or StreamConfig()
    loop = asyncio.get_running_loop()
    while True:
        if room is not None:
            await room(source)
        try:
            (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if length > config.most_bytes:
                raise StreamerError(
                    f"{source} announces a message of {length} bytes; up to {config.most_bytes} "
                    "are taken; is it in our form?"
                )
            payload = await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return
        receive(source, payload, loop.time())


async def serve_tcp(
    port: int,
    receive: Receive,
    *,
    host: str = "127.0.0.1",
    notice: Callable[[str], None] = lambda line: None,
    config: StreamConfig | None = None,
    receipts: Receipts | None = None,
) -> asyncio.Server:
    """Listen for sources; those that ask for receipts get them.

    Raises
    ------
    StreamerError
        If the port can't be had.
    """
    bounds = config or StreamConfig()

    async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = (await reader.readline()).decode(errors="replace").strip()
        if not 0 < len(name) <= bounds.most_name_bytes:
            return
        if receipts is None or not name.endswith(ASKED):
            await read_frames(reader, name, receive, bounds)
            return
        source = name.removesuffix(ASKED).rstrip()
        receipts.open(source, writer)
        try:
            await read_frames(reader, source, receive, bounds, receipts.room)
        finally:
            receipts.close(source, writer)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await follow(reader, writer)
        except (StreamerError, ValueError, OSError) as error:
            notice(f"TCP source dropped: {error}")
        finally:
            writer.close()

    try:
        return await asyncio.start_server(handle, host, port, limit=bounds.most_bytes)
    except OSError as error:
        raise StreamerError(
            f"can't listen on {host}:{port}: {error.strerror}; choose another port with --tcp"
        ) from error


async def read_stdin(form: str, receive: Receive, config: StreamConfig | None = None) -> None:
    """Pass on what standard input holds until it ends.

    Parameters
    ----------
    form : str
        `frames`, or the sampling frequency of text in Hz.
    receive : callable
    config : StreamConfig, optional
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    if form == FRAMES:
        await read_frames(reader, STDIN_SOURCE, receive, config)
        return
    parser = LineParser(float(form), config)
    while line := await reader.readline():
        message = parser.push(line.decode(errors="replace"))
        if message is not None:
            receive(STDIN_SOURCE, encode(message), loop.time())
    rest = parser.flush()
    if rest is not None:
        receive(STDIN_SOURCE, encode(rest), loop.time())
