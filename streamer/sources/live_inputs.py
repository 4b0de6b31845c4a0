"""The ways by which live samples reach a ward: TCP, standard input, LSL; who comes, who doesn't."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

from streamer.core.errors import BrokerError
from streamer.core.text import say
from streamer.messages.guard import Rejection
from streamer.messages.payload import TOPIC_PREFIX, source_name
from streamer.mqtt.access import TlsFiles
from streamer.sources.live import LiveSource
from streamer.sources.lsl.description import parse_stream_name
from streamer.sources.lsl.library import load_pylsl
from streamer.sources.lsl.reader import LslReader
from streamer.sources.lsl.times import StreamTimes
from streamer.sources.receipts import Receipts
from streamer.sources.streams import STDIN_SOURCE, read_stdin, serve_tcp
from streamer.sources.waiting import WAIT_S, describe_sources


def check_lsl(names: Sequence[str]) -> None:
    """Check what LSL streams are asked for.

    Raises
    ------
    ValueError
        If a name is none, or two would be the same source.
    StreamerError
        If `pylsl` is needed and not installed.
    """
    sources = [source_name(parse_stream_name(name).name) for name in names]
    if len(set(sources)) < len(sources):
        raise ValueError(f"--lsl names two sources alike: {', '.join(sorted(sources))}")
    if names:
        load_pylsl()


class LiveInputs:
    """Feeds a live source by other ways than MQTT, which its publisher reads; an async context.

    Parameters
    ----------
    live : LiveSource
    tcp : int or None
        Port to listen on.
    receipts : Receipts or None
        For senders over TCP that ask for them.
    stdin : str or None
        `frames`, or the sampling frequency of text.
    lsl : sequence of str
        LSL streams.
    times : StreamTimes
        Where LSL's time stamps are kept.
    broker : str or None
        URL of the broker that samples come from too.
    tls : TlsFiles, optional
        For that broker.
    notice : callable
        Gets one line about who comes and who doesn't.
    has_samples : callable
        Whether any have come.
    """

    def __init__(
        self,
        live: LiveSource,
        *,
        tcp: int | None,
        receipts: Receipts | None,
        stdin: str | None,
        lsl: Sequence[str],
        times: StreamTimes,
        broker: str | None,
        tls: TlsFiles | None,
        notice: Callable[[str], None],
        has_samples: Callable[[], bool],
    ) -> None:
        self._live = live
        self._tcp = tcp
        self._receipts = receipts
        self._stdin = stdin
        self._lsl = lsl
        self._times = times
        self._broker = broker
        self._tls = tls
        self._notice = notice
        self._has_samples = has_samples
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises
        ------
        StreamerError
            If the port can't be had.
        """
        self._run(self._say_if_nobody_comes())
        if self._broker is not None:
            say(f"waiting for samples on {TOPIC_PREFIX}/<source>/samples")
        if self._tcp is not None:
            server = await serve_tcp(
                self._tcp, self._live.receive, notice=say, receipts=self._receipts
            )
            await self._stack.enter_async_context(server)
            say(f"waiting for TCP sources on port {self._tcp}")
        for name in self._lsl:
            self._run(self._reader(name).run())
        if self._stdin is not None:
            self._live.trust(STDIN_SOURCE)
            reading = self._run(read_stdin(self._stdin, self._live.receive))
            if self._tcp is None and self._broker is None and not self._lsl:
                reading.add_done_callback(lambda _: self._live.end())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading; what went wrong in it is raised here."""
        await self._stack.aclose()

    def _run(self, reading: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(reading)
        self._stack.push_async_callback(_end, task)
        return task

    def _reader(self, name: str) -> LslReader:
        wanted = parse_stream_name(name)
        source = source_name(wanted.name)
        # Bursts after a stall are LSL's, which keeps minutes of samples for us.
        self._live.trust(source)
        reader = LslReader(wanted, source, self._live.receive, self._notice)
        self._times.follow(source, reader)
        say(f"waiting for LSL stream {wanted.name!r}")
        return reader

    async def _say_if_nobody_comes(self) -> None:
        """Say what is waited for, and who is there, if there is no source after a while."""
        await asyncio.sleep(WAIT_S)
        if self._has_samples():
            return
        said = [f"no samples after {WAIT_S:g} s, still waiting"]
        if self._tcp is not None:
            said.append(f"TCP port {self._tcp} is open")
        if self._live.rejected:
            said.append(f"messages turned away: {counted(self._live.rejected)}")
        if self._broker is not None:
            with contextlib.suppress(BrokerError):  # The publisher says that it is lost.
                said.append(await describe_sources(self._broker, self._tls))
        if not self._has_samples():
            self._notice("; ".join(said))


def counted(rejected: Counter[Rejection]) -> str:
    """Return how many messages were rejected, by reason."""
    return ", ".join(f"{kind} {n}" for kind, n in rejected.most_common())


async def _end(task: "asyncio.Task[None]") -> None:
    """Stop reading; what went wrong in it is raised here."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
