"""One live source in the place of a record, over MQTT or another way."""

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from streamer.core.errors import BrokerError
from streamer.messages.payload import TOPIC_PREFIX, check_source
from streamer.messages.samples import SamplesError, decode
from streamer.mqtt.access import TlsFiles, parse_url
from streamer.mqtt.client import SAMPLES, MqttClient
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.looped import TurnConfig
from streamer.sources.lsl.description import SCHEME as LSL_SCHEME
from streamer.sources.lsl.times import StreamTimes
from streamer.sources.source import Host, Turn
from streamer.sources.waiting import WAIT_S, describe_sources

_SCHEMES: Final = ("mqtt://", "mqtts://")
_FORM: Final = "mqtt://HOST[:PORT]/SOURCE, such as mqtt://localhost:1883/bed4"
_MOST_LEADS: Final = 2
_CONFIG: Final = LiveConfig(is_eager=True, turns=TurnConfig(tick_s=0.05, groups=1))


def is_live(name: str) -> bool:
    """Whether a name asks for a live source rather than a record."""
    return name.startswith((*_SCHEMES, LSL_SCHEME))


def parse_source(url: str) -> tuple[str, str]:
    """Split `mqtt://HOST[:PORT]/SOURCE` into the broker's URL and the source's name.

    Raises
    ------
    ValueError
        If the URL has another form.
    """
    broker, slash, source = url.rpartition("/")
    if not slash or broker.endswith("/") or not source:
        raise ValueError(f"{url!r} names no live source; expected {_FORM}")
    return parse_url(broker).url, check_source(source)


class Feed(abc.ABC):
    """Samples of one source as they arrive, from its first message on, until it restarts.

    Another run of the source is another stream.

    Parameters
    ----------
    name : str
        Of the source.
    on_notice : callable, optional
        Gets one line about the connection and about the end.
    config : LiveConfig, optional
        Limits of the source: silence, missing messages, and what it may send.

    Attributes
    ----------
    name : str
    fs : float
        Hz; this and the following are known after `connect`.
    leads : tuple of str
        One or two; more than that are ignored.
    times : StreamTimes
        LSL times of its samples.
    """

    is_paced = True

    def __init__(
        self,
        name: str,
        *,
        on_notice: Callable[[str], None] | None = None,
        config: LiveConfig | None = None,
    ) -> None:
        self.name = name
        self.fs = 0.0
        self.times = StreamTimes()
        self.leads: tuple[str, ...] = ()
        self._notice = on_notice or (lambda line: None)
        self._config = config or _CONFIG
        self._source: LiveSource | None = None
        self._held: list[tuple[bytes, float]] = []
        self._is_playing = False
        self._first = asyncio.Event()

    @abc.abstractmethod
    async def connect(self) -> None:
        """Connect, and wait for the first message, however long that takes."""

    @abc.abstractmethod
    async def close(self) -> None:
        """End the connection."""

    def begin(self, host: Host) -> None:
        """Open the patient with what has arrived so far."""
        source = self._connected()
        source.begin(host)
        self._is_playing = True
        held, self._held = self._held, []
        for payload, now_s in held:
            source.receive(self.name, payload, now_s)

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield the samples in order, as soon as they arrive."""
        async for turn in self._connected().turns():
            yield turn
        self._notice(
            f"{self.name} has started anew, which ends this stream; play it again to go on"
        )

    def _names(self, n_leads: int) -> tuple[str, ...]:
        """Return what the leads are called if messages don't say it."""
        return tuple(f"lead{number + 1}" for number in range(n_leads))

    def _connected(self) -> LiveSource:
        if self._source is None:
            raise RuntimeError("nothing has arrived before connect()")
        return self._source

    def _receive(self, source: str, payload: bytes, now_s: float) -> None:
        if source != self.name or (self._source is None and not self._look(payload)):
            return
        if self._source is not None and self._is_playing:
            self._source.receive(source, payload, now_s)
        else:
            self._held.append((payload, now_s))

    def _look(self, payload: bytes) -> bool:
        """Read the rate and the leads off the first valid message; return whether it is one."""
        try:
            first = decode(payload)
        except SamplesError:
            return False
        if not self._config.lowest_fs <= first.fs <= self._config.highest_fs:
            return False
        self.fs = first.fs
        n_leads = min(first.samples.shape[0], _MOST_LEADS)
        self.leads = first.leads[:n_leads] or self._names(n_leads)
        self._source = LiveSource(self.leads, config=self._config, ends_with_run=True)
        self._first.set()
        return True


class LiveFeed(Feed):
    """A source whose samples come over MQTT.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]/SOURCE`.
    on_notice, config : optional
        See `Feed`.
    tls : TlsFiles, optional
        For `mqtts`; the system's authorities by default.

    Raises
    ------
    ValueError
        If `url` is none of a live source.
    """

    def __init__(
        self,
        url: str,
        *,
        on_notice: Callable[[str], None] | None = None,
        tls: TlsFiles | None = None,
        config: LiveConfig | None = None,
    ) -> None:
        broker, name = parse_source(url)
        super().__init__(name, on_notice=on_notice, config=config)
        self._tls = tls
        self._mqtt = MqttClient(
            broker,
            readers={SAMPLES: self._receive},
            source=self.name,
            on_notice=self._notice,
            tls=tls,
        )

    async def connect(self, *, say_after_s: float = WAIT_S) -> None:
        """Connect, and wait for the first message, however long that takes.

        After `say_after_s` of waiting a notice says which sources there are.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        await self._mqtt.start()
        topic = f"{TOPIC_PREFIX}/{self.name}/{SAMPLES}"
        self._notice(f"waiting for samples on {topic} at {self._mqtt.url}")
        try:
            async with asyncio.timeout(say_after_s):
                await self._first.wait()
        except TimeoutError:
            await self._say_who_is_there(topic, say_after_s)
        await self._first.wait()

    async def close(self) -> None:
        """Disconnect from the broker."""
        await self._mqtt.close()

    async def _say_who_is_there(self, topic: str, waited_s: float) -> None:
        with contextlib.suppress(BrokerError):  # That the broker is lost was said already.
            there = await describe_sources(self._mqtt.url, self._tls)
            if not self._first.is_set():
                self._notice(f"no samples on {topic} after {waited_s:g} s, still waiting; {there}")
