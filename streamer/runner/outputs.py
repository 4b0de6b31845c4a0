"""The sinks of one run: each gets everything, and one that fails costs the others nothing."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from replay.chunk import Chunk
from streamer.core.errors import StreamerError
from streamer.core.events import Published, StreamInfo
from streamer.core.text import say
from streamer.sinks.sink import QuietSink, Sink


class Announcement(QuietSink):
    """Says a line once the sinks before it have started.

    Parameters
    ----------
    line : str
    """

    def __init__(self, line: str) -> None:
        self._line = line

    async def start(self) -> None:
        """Say it."""
        say(self._line)


class Outputs:
    """Starts, feeds and closes sinks.

    Parameters
    ----------
    sinks : sequence of Sink
        A sink that fails while it is fed is closed with the others and fed no more.
    close_timeout_s : float
        How long one sink may take to finish what it has queued.
    on_failure : callable, optional
        Told of each failure, in one line, as it happens.

    Attributes
    ----------
    failures : list of str
        One line for each failure.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        close_timeout_s: float,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self.failures: list[str] = []
        self._sinks = list(sinks)
        self._close_timeout_s = close_timeout_s
        self._on_failure = on_failure or (lambda line: None)
        self._started: list[Sink] = []
        self._active: list[Sink] = []

    def add(self, sink: Sink) -> None:
        """Have one more sink, before the start."""
        self._sinks.append(sink)

    async def start(self, infos: Iterable[StreamInfo]) -> None:
        """Open the sources that are known, and start every sink.

        Raises
        ------
        StreamerError, OSError
            If a sink can't start; those already started are closed.
        """
        known = list(infos)
        for sink in self._sinks:
            try:
                for info in known:
                    sink.open(info)
                await sink.start()
            except BaseException:
                await self.close()
                raise
            self._started.append(sink)
            self._active.append(sink)

    def open(self, info: StreamInfo) -> None:
        """Tell every sink of a source that has come."""
        self._feed(lambda sink: sink.open(info))

    def close_source(self, source: str) -> None:
        """Tell every sink that a source's stream has ended."""
        self._feed(lambda sink: sink.close_source(source))

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Hand an event to every sink."""
        # Without `_feed`: there is none of the others by thousands a second.
        for sink in self._active[:]:
            try:
                sink.publish(info, message)
            except Exception as error:  # noqa: BLE001 - as in _feed
                self._drop(sink, error)

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Show samples to every sink."""
        self._feed(lambda sink: sink.observe(info, chunk))

    async def drain(self) -> None:
        """Wait until every sink is ready for more."""
        for sink in tuple(self._active):
            try:
                await sink.drain()
            except Exception as error:  # noqa: BLE001 - as in _feed
                self._drop(sink, error)

    async def close(self) -> None:
        """Close every sink that was started, side by side, each within its bound."""
        async with asyncio.TaskGroup() as group:
            for sink in self._started:
                group.create_task(self._close_one(sink), name=f"close {type(sink).__name__}")

    def report(self, failure: str) -> None:
        """Note a failure."""
        self.failures.append(failure)
        self._on_failure(failure)

    def _feed(self, give: Callable[[Sink], None]) -> None:
        for sink in tuple(self._active):
            try:
                give(sink)
            except Exception as error:  # noqa: BLE001 - one sink's fault must not cost the others
                self._drop(sink, error)

    def _drop(self, sink: Sink, error: Exception) -> None:
        """Stop feeding a sink that failed; it is closed with the others."""
        self._active.remove(sink)
        self.report(_in_words(sink, error))

    async def _close_one(self, sink: Sink) -> None:
        healthy, bound_s = sink in self._active, self._close_timeout_s
        try:
            async with asyncio.timeout(bound_s):
                await sink.close()
        except TimeoutError:
            if healthy:
                self.report(f"{type(sink).__name__} did not finish within {bound_s:g} s")
        except Exception as error:  # noqa: BLE001 - as in _feed
            # A sink that failed before was reported then; its complaints on closing add nothing.
            if healthy:
                self.report(_in_words(sink, error))


def _in_words(sink: Sink, error: Exception) -> str:
    """Put a sink's failure in one line; what was raised on purpose says enough by itself."""
    if isinstance(error, StreamerError):
        return str(error)
    return f"{type(sink).__name__} failed: {type(error).__name__}: {error}"
