"""One LSL stream in the place of a record."""

import asyncio
import contextlib
from collections.abc import Callable

from streamer.messages.payload import source_name
from streamer.sources.live_feed import Feed
from streamer.sources.lsl.description import parse_stream_name
from streamer.sources.lsl.reader import LslReader


class LslFeed(Feed):
    """A source whose samples come over LSL; its leads have the names that the stream gives them.

    Parameters
    ----------
    url : str
        `lsl://NAME[?unit=UNIT][&source_id=ID]`.
    on_notice : callable, optional
        See `Feed`.

    Raises
    ------
    ValueError
        If `url` is none of an LSL stream.
    StreamerError
        If `pylsl` is not installed.
    """

    def __init__(self, url: str, *, on_notice: Callable[[str], None] | None = None) -> None:
        wanted = parse_stream_name(url)
        super().__init__(source_name(wanted.name), on_notice=on_notice)
        self._reader = LslReader(
            wanted, self.name, self._receive, self._notice, first_sample=0, is_strict=True
        )
        self.times.follow(self.name, self._reader)
        self._waited_for = wanted.name
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Find the stream and wait for its first samples, however long that takes.

        Raises
        ------
        StreamerError
            If the stream can't be used.
        """
        self._notice(f"waiting for LSL stream {self._waited_for!r}")
        self._reading = asyncio.create_task(self._reader.run(), name="lsl")
        first = asyncio.create_task(self._first.wait())
        await asyncio.wait({first, self._reading}, return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        if self._reading.done():
            self._reading.result()

    async def close(self) -> None:
        """Leave the stream."""
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    def _names(self, n_leads: int) -> tuple[str, ...]:
        return self._reader.leads[:n_leads]
