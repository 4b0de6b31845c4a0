"""Keeps a connection to a broker through all its failures: messages out of an outbox, others in.

Messages are delivered at least once and in order. A connection that breaks takes nothing along:
after the reconnect the stream goes on from the oldest message that the outbox keeps. Subscribers
may so see a message twice, never miss one.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiomqtt

from streamer.messages.outgoing import Outgoing
from streamer.messages.payload import TOPIC_PREFIX
from streamer.messages.source_status import ConnectionState
from streamer.mqtt.access import Credentials, TlsFiles
from streamer.mqtt.connection import (
    AUTO,
    Connection,
    ConnectionConfig,
    MessageRefusedError,
    Version,
    Versions,
    backoff,
    client_identifier,
    connect,
    explain,
    is_login_refused,
    is_refused,
    parse_url,
    unreachable,
)
from streamer.mqtt.delivery import Delivery, Present
from streamer.mqtt.outbox import MemoryOutbox, Outbox

QUEUE_SIZE: Final = 20_000
"""Messages kept while the broker is away: two hours of one patient, some 12 MB."""
SAMPLES: Final = "samples"
"""Last level of the topic that live samples come on: `ecg/<source>/samples`."""

Incoming = Callable[[str, bytes, float], None]
"""Gets source name, payload and time of arrival (event loop's clock) of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Bounds."""

    in_flight: int = 2000
    """Messages sent but not acknowledged: hides the broker's delay at thousands a second."""
    drain_to: int = 200
    """Queue length at which a replay that isn't in real time may go on."""
    flush_timeout_s: float = 5.0
    """How long `close` waits for the queue to empty."""
    settle_s: float = 2.0
    """How long a broker that has lost our session is given, before anything is sent again: its
    other clients have to come back too, and what comes before them is lost to them."""


class MqttClient:
    """A client of one broker; who extends it says more by `_will` and the methods beside it.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]`, or `mqtts://...` for TLS.
    client_id : str, optional
        Name shown in the broker's log; unique by default, or that of an outbox on disk.
    outbox : Outbox, optional
        Where messages wait, in place of a queue in memory; the client closes it.
    readers : mapping of str to callable
        Who reads `<prefix>/<source>/<kind>`, by kind.
    source : str
        Whose messages are read; all by default.
    prefix : str
        First level of every topic.
    session_s : int
        How long the broker keeps our subscriptions when we are away (MQTT 5).
    credentials : Credentials, optional
        From the environment by default.
    tls : TlsFiles, optional
        For `mqtts`; the system's authorities by default.
    version : str
        MQTT version: `5`, `3.1.1`, or `auto` (5 unless the broker refuses it).
    forgives : bool
        Whether a message that the broker refuses is dropped, once the first were taken; otherwise
        it ends the connection.
    on_notice : callable, optional
        Gets one line when the broker is lost, when it is back, and when it refuses something.
    advice : str
        What to do about a broker that can't be used from the start.
    config, connection_config : dataclasses
        Bounds and times.
    sleep, random_source, wall_time : injected for tests

    Attributes
    ----------
    state : ConnectionState
    sent : int
        Messages of the outbox that the broker has, each counted once.
    undelivered : int
        Messages still unacknowledged when `close` gave up.
    reconnects : int
        How often a lost connection came back.
    last_error : str or None
        Why the connection was last lost.

    Raises
    ------
    ValueError
        If `url` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str | None = None,
        outbox: Outbox | None = None,
        readers: Mapping[str, Incoming | None] | None = None,
        source: str = "+",
        prefix: str = TOPIC_PREFIX,
        session_s: int = 0,
        credentials: Credentials | None = None,
        tls: TlsFiles | None = None,
        version: str = AUTO,
        forgives: bool = False,
        on_notice: Callable[[str], None] | None = None,
        advice: str = "name another one",
        config: ClientConfig | None = None,
        connection_config: ConnectionConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random_source: random.Random | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self.address = parse_url(url)
        self.state = ConnectionState.CONNECTING
        self.sent = self.undelivered = self.reconnects = 0
        self.last_error: str | None = None
        self._outbox: Outbox = outbox or MemoryOutbox(QUEUE_SIZE, wall_time=wall_time)
        self._notice = on_notice or (lambda line: None)
        self._client_id = client_id or client_identifier("client")
        self._readers = {k: reader for k, reader in (readers or {}).items() if reader is not None}
        self._source = source
        self._prefix = prefix
        self._session_s = session_s
        self._credentials = credentials or Credentials.from_environment(os.environ)
        self._tls = tls
        self._versions = Versions(version)
        self._forgives = forgives
        self._advice = advice
        self._config = config or ClientConfig()
        self._times = connection_config or ConnectionConfig()
        self._sleep = sleep
        self._random = random_source or random.Random()
        self._wall_time = wall_time
        self._delivery: Delivery | None = None
        self._worker: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._is_closing = self._has_subscribed = self._has_finished = False
        self._held_until_s = 0.0

    @property
    def url(self) -> str:
        """Address of the broker."""
        return self.address.url

    @property
    def queued(self) -> int:
        """Messages not yet acknowledged."""
        return self._outbox.unacknowledged

    @property
    def shed(self) -> int:
        """Messages dropped because the queue was full."""
        return sum(self._outbox.shed.values())

    @property
    def is_durable(self) -> bool:
        """Whether what is undelivered at the end waits on disk for the next start."""
        return self._outbox.is_durable

    async def start(self) -> None:
        """Connect.

        With an outbox on disk a broker that can't be reached is waited for in the background.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(), name="mqtt-client")
        self._worker.add_done_callback(lambda _: self._settled.set())
        await asyncio.wait({self._worker, self._first}, return_when=asyncio.FIRST_COMPLETED)
        if not self._first.done():
            self._worker.result()
        self._first.result()

    def queue(self, topic: str, payload: bytes) -> None:
        """Queue a message that is no JSON; never blocks."""
        self._put(Outgoing(topic=topic, payload=payload))

    async def drain(self) -> None:
        """Wait until the queue is short; as long as it takes while the broker is away."""
        await self._wait_for(lambda: self._outbox.waiting <= self._config.drain_to)

    async def delivered(self) -> None:
        """Wait until the broker has every message."""
        await self._wait_for(lambda: self._outbox.is_idle)

    def _will(self, version: Version) -> aiomqtt.Will | None:
        """Return what the broker is to publish when it loses us."""

    def _introduce(self) -> None:
        """Tell of the present; called on every connection, the first one included."""

    def _take_turn(self) -> None:
        """Tell what has changed; called before messages are sent."""

    def _finish(self) -> None:
        """Say the last word; called once everything is delivered and we close."""

    def _put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        self._outbox.put(*messages, source=source, next_seq=next_seq)
        self._wake.set()

    def _send_present(self, message: Present) -> None:
        """Send what tells of the present; dropped while there is no connection."""
        if self._delivery is not None:
            self._delivery.send_present(message)
            self._wake.set()

    @property
    def _is_telling(self) -> bool:
        """Whether the broker may not have all yet that tells of the present."""
        return self._delivery is None or self._delivery.has_present

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        await asyncio.sleep(0)
        while not condition() and self._worker is not None and not self._worker.done():
            self._settled.clear()
            await self._settled.wait()

    async def close(self) -> None:
        """Send what is queued, within `flush_timeout_s`, and leave.

        What could not be sent is counted in `undelivered`; the broker then publishes the will.
        """
        self._is_closing = True
        self._wake.set()
        try:
            if self._worker is not None:
                await self._end(self._worker)
        finally:
            self.undelivered = self._outbox.unacknowledged
            self.state = ConnectionState.OFFLINE
            self._outbox.close()

    async def _end(self, worker: "asyncio.Task[None]") -> None:
        """Give the worker its time, then cancel it; only a programming error comes out."""
        idle = self.state is ConnectionState.OFFLINE and self._outbox.is_idle
        await asyncio.wait({worker}, timeout=0 if idle else self._config.flush_timeout_s)
        worker.cancel()
        result = (await asyncio.gather(worker, return_exceptions=True))[0]
        if isinstance(result, Exception):
            raise result

    async def _work(self) -> None:
        """Connect, serve, and do it again whenever the connection breaks."""
        delays = backoff(self._times, self._random)
        while True:
            connected = False
            try:
                version = await self._versions.settle(self.address, self._times, self._tls)
                async with self._connect(version) as connection:
                    connected = True
                    await self._serve(connection)
                return
            except aiomqtt.MqttError as error:
                if not self._may_retry(error):
                    return
                self._lost(error)
            if self._is_closing and self._outbox.is_idle:
                return
            if connected:
                delays = backoff(self._times, self._random)
            await self._sleep(next(delays))

    def _connect(self, version: Version) -> contextlib.AbstractAsyncContextManager[Connection]:
        return connect(
            self.address,
            identifier=self._client_id,
            credentials=self._credentials,
            config=self._times,
            version=version,
            tls=self._tls,
            will=self._will(version),
            in_flight=self._config.in_flight,
            session_s=self._session_s,
            resume=self._session_s > 0,
        )

    def _may_retry(self, error: aiomqtt.MqttError) -> bool:
        """Whether to go on; before the first success only if a disk keeps what is published."""
        if self._first is None or self._first.done():
            return True
        if self._outbox.is_durable and not is_login_refused(error):
            self._notice(f"MQTT broker {self.url} is away ({explain(error)}); trying again")
            self._first.set_result(None)
            return True
        self._first.set_exception(unreachable(self.address, error, self._advice))
        return False

    def _lost(self, error: aiomqtt.MqttError) -> None:
        was_online = self.state in {ConnectionState.ONLINE, ConnectionState.DEGRADED}
        self.state = ConnectionState.OFFLINE
        self.last_error = explain(error)
        if was_online:
            self._notice(f"MQTT broker {self.url} is lost ({self.last_error}); trying again")

    def _connected(self, connection: Connection) -> None:
        """Say so, and give a broker that has forgotten us time for its other clients."""
        was_offline = self.state is ConnectionState.OFFLINE
        self.state = ConnectionState.ONLINE
        if not was_offline:
            return
        self.reconnects += 1
        has_lost = not connection.socket.session_present
        is_known = connection.version is Version.V5 and self._session_s > 0
        lost = " but has lost its sessions, as without persistence" if has_lost and is_known else ""
        self._notice(
            f"MQTT broker {self.url} is back{lost}; {self._outbox.waiting} messages to send"
        )
        if has_lost:
            self._held_until_s = asyncio.get_running_loop().time() + self._config.settle_s

    async def _serve(self, connection: Connection) -> None:
        """Send and receive until everything is out and we are closing, or the connection breaks."""
        self._delivery = delivery = Delivery(
            connection,
            self._outbox,
            in_flight=self._config.in_flight,
            wall_time=self._wall_time,
            wake=self._wake.set,
        )
        receiving = asyncio.create_task(self._receive(connection), name="mqtt-receive")
        receiving.add_done_callback(lambda _: self._wake.set())
        self._has_subscribed = self._has_finished = False
        try:
            self._connected(connection)
            self._introduce()
            while not self._is_over(delivery):
                self._wake.clear()
                self._take_turn()
                self._outbox.commit()
                delivery.fill(is_held=self._hold_s() > 0)
                await self._wait(delivery)
                self._settle(connection, delivery)
                if receiving.done():
                    receiving.result()
        finally:
            self._delivery = None
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            self._outbox.recall()

    def _is_over(self, delivery: Delivery) -> bool:
        """Whether we are closing and all is said; the last of all is said here."""
        if not (self._is_closing and self._outbox.is_idle):
            return False
        if not self._has_finished:
            self._has_finished = True
            self._finish()
        return not delivery.has_present

    def _hold_s(self) -> float:
        return self._held_until_s - asyncio.get_running_loop().time()

    async def _wait(self, delivery: Delivery) -> None:
        """Wait until something happens; a broker that no longer answers is lost."""
        bounds = [self._times.timeout_s] if delivery.in_flight else []
        if self._hold_s() > 0:
            bounds.append(self._hold_s())
        try:
            async with asyncio.timeout(min(bounds, default=None)):
                await self._wake.wait()
        except TimeoutError:
            silent_s = asyncio.get_running_loop().time() - delivery.progress_s
            if delivery.in_flight and silent_s >= self._times.timeout_s:
                raise aiomqtt.MqttError("Operation timed out") from None

    def _settle(self, connection: Connection, delivery: Delivery) -> None:
        """Count what the broker has; its first answers show whether we may publish."""
        first = self._first
        is_first = first is not None and not first.done()
        refusal, connection.socket.refusal = connection.socket.refusal, None
        if refusal is not None:
            if is_first or not self._forgives:
                raise MessageRefusedError(f"it refuses our messages: {refusal}")
            self._notice(f"MQTT broker {self.url} refuses a message: {refusal}")
        self.sent += delivery.settle()
        is_taken = self._has_subscribed and not delivery.has_present
        if first is not None and is_taken and not first.done():
            first.set_result(None)
        self._settled.set()

    async def _receive(self, connection: Connection) -> None:
        """Hand on what comes, until the connection breaks, which raises."""
        readers = self._readers
        topics = [f"{self._prefix}/{self._source}/{kind}" for kind in readers]
        if topics:
            codes = await connection.subscribe([(topic, 1) for topic in topics])
            for topic, code in zip(topics, codes, strict=True):
                if is_refused(code):
                    self._notice(f"the MQTT broker {self.url} doesn't let us read {topic}")
        self._has_subscribed = True
        self._wake.set()
        loop = asyncio.get_running_loop()
        async for message in connection.messages:
            _, source, kind = str(message.topic).split("/", 2)
            reader = readers.get(kind)
            if reader is not None and isinstance(message.payload, bytes):
                reader(source, message.payload, loop.time())
