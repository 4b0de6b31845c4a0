"""One MQTT connection for a whole ward: events out, live samples and acknowledgements in.

Like `streamer.mqtt.publisher` it delivers at least once and in order: what the broker hasn't
acknowledged is sent again after a reconnect. Unlike there the queue is in memory only, and messages
are handed to paho in bulk instead of one task each, because a ward publishes thousands a second.
"""

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiomqtt

from streamer.messages.payload import TOPIC_PREFIX, TopicKind
from streamer.mqtt.access import Credentials, TlsFiles
from streamer.mqtt.connection import (
    Connection,
    ConnectionConfig,
    backoff,
    client_identifier,
    connect,
    explain,
    is_refused,
    parse_url,
    unreachable,
)

SAMPLES: Final = "samples"
"""Last level of the topic that live samples come on: `ecg/<source>/samples`."""

Incoming = Callable[[str, bytes, float], None]
"""Gets source name, payload and time of arrival (event loop's clock) of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WardMqttConfig:
    """Bounds of the connection."""

    in_flight: int = 2000
    """Messages sent but not acknowledged: hides the broker's delay at thousands a second."""
    queue_size: int = 500_000
    """Messages kept while the broker is away; beyond it the oldest is shed and counted."""
    flush_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    retain: bool


class WardMqtt:
    """Publishes for many sources, and takes in live samples.

    Parameters
    ----------
    url : str
    on_samples : callable, optional
        Gets each message on `ecg/<source>/samples`; without it they are not subscribed.
    source : str
        Whose messages are subscribed; all by default.
    on_acknowledge : callable, optional
        Gets each message on `ecg/<source>/alerts/ack`; without it they are not subscribed.
    on_connect : callable, optional
        Called on every connection, the first one included, to queue what describes the present.
    will : Will, optional
        What the broker publishes when it loses us.
    tls : TlsFiles, optional
        For `mqtts`; the system's authorities by default.
    credentials : Credentials, optional
        From the environment by default.
    on_notice : callable, optional
        Gets a line when the broker is lost or doesn't let us read.
    config, connection_config : bounds

    Attributes
    ----------
    sent, shed, reconnects : int
    """

    def __init__(
        self,
        url: str,
        *,
        on_samples: Incoming | None = None,
        source: str = "+",
        on_acknowledge: Incoming | None = None,
        on_connect: Callable[[], None] = lambda: None,
        will: aiomqtt.Will | None = None,
        tls: TlsFiles | None = None,
        credentials: Credentials | None = None,
        on_notice: Callable[[str], None] | None = None,
        config: WardMqttConfig | None = None,
        connection_config: ConnectionConfig | None = None,
    ) -> None:
        self.address = parse_url(url)
        self.sent = self.shed = self.reconnects = 0
        readers = {SAMPLES: on_samples, TopicKind.ACKNOWLEDGE.value: on_acknowledge}
        self._readers = {kind: reader for kind, reader in readers.items() if reader is not None}
        self._source = source
        self._on_connect = on_connect
        self._will = will
        self._tls = tls
        self._credentials = credentials or Credentials.from_environment(os.environ)
        self._notice = on_notice or (lambda line: None)
        self._config = config or WardMqttConfig()
        self._connection_config = connection_config or ConnectionConfig()
        self._waiting: deque[_Message] = deque()
        self._in_flight: dict[int, _Message] = {}
        self._wake = asyncio.Event()
        self._delivered = asyncio.Event()
        self._delivered.set()
        self._closing = self._is_connected = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Messages not yet acknowledged."""
        return len(self._waiting) + len(self._in_flight)

    @property
    def is_behind(self) -> bool:
        """Whether messages wait that couldn't even be sent."""
        return bool(self._waiting)

    async def start(self) -> None:
        """Connect.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(first), name="ward-mqtt")
        await asyncio.wait({self._worker, first}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            self._worker.result()
        first.result()

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, urgent: bool = False
    ) -> None:
        """Queue a message, before all others if it is urgent; never blocks."""
        if len(self._waiting) >= self._config.queue_size:
            self._waiting.popleft()
            self.shed += 1
        message = _Message(topic, payload, retain)
        if urgent:
            self._waiting.appendleft(message)
        else:
            self._waiting.append(message)
        self._delivered.clear()
        self._wake.set()

    async def delivered(self) -> None:
        """Return once the broker has every message."""
        await self._delivered.wait()

    async def close(self) -> None:
        """Send what is queued, within a bound, and leave."""
        self._closing = True
        self._wake.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=self._config.flush_timeout_s)
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self, first: asyncio.Future[None]) -> None:
        delays = backoff(self._connection_config, random.Random())
        while True:
            try:
                async with connect(
                    self.address,
                    identifier=client_identifier("ward"),
                    credentials=self._credentials,
                    config=self._connection_config,
                    tls=self._tls,
                    will=self._will,
                    in_flight=self._config.in_flight,
                ) as client:
                    await self._connected(client, first)
                    delays = backoff(self._connection_config, random.Random())
                    await self._serve(client)
                return
            except aiomqtt.MqttError as error:
                self._recall()
                if not first.done():
                    first.set_exception(unreachable(self.address, error, "name another one"))
                    return
                if self._is_connected:
                    self._notice(f"MQTT broker {self.address.url} is lost ({explain(error)})")
                self._is_connected = False
            if self._closing:
                return
            await asyncio.sleep(next(delays))

    async def _connected(self, client: Connection, first: asyncio.Future[None]) -> None:
        for kind in self._readers:
            name = f"{TOPIC_PREFIX}/{self._source}/{kind}"
            codes = await client.subscribe(name, qos=1)
            if any(is_refused(code) for code in codes):
                self._notice(f"MQTT broker {self.address.url} doesn't let us read {name}")
        self._is_connected = True
        if first.done():
            self.reconnects += 1
            self._notice(f"MQTT broker {self.address.url} is back; {self.queued} messages to send")
        else:
            first.set_result(None)
        self._on_connect()

    async def _serve(self, client: Connection) -> None:
        """Send and receive until everything is out and we are closing, or the connection breaks."""
        receiving = asyncio.create_task(self._receive(client), name="ward-mqtt-receive")
        receiving.add_done_callback(lambda _: self._wake.set())
        client.on_acknowledged = self._acknowledged
        try:
            while True:
                self._wake.clear()
                if receiving.done():
                    receiving.result()
                self._fill(client)
                if self._closing and not self.queued:
                    return
                await self._wake.wait()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(self, client: Connection) -> None:
        loop = asyncio.get_running_loop()
        async for message in client.messages:
            _, source, kind = str(message.topic).split("/", 2)
            reader = self._readers.get(kind)
            if reader is not None and isinstance(message.payload, bytes):
                reader(source, message.payload, loop.time())

    def _acknowledged(self, number: int) -> None:
        if self._in_flight.pop(number, None) is not None:
            self.sent += 1
            if not self._in_flight or self._waiting:
                self._wake.set()
            if not self.queued:
                self._delivered.set()

    def _fill(self, client: Connection) -> None:
        while self._waiting and len(self._in_flight) < self._config.in_flight:
            message = self._waiting.popleft()
            number = client.send(message.topic, message.payload, retain=message.retain)
            self._in_flight[number] = message

    def _recall(self) -> None:
        """Put what wasn't acknowledged back in front."""
        self._waiting.extendleft(reversed(self._in_flight.values()))
        self._in_flight.clear()
