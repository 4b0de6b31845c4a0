"""Publishes events over MQTT, at least once and in order.

Every message waits in an outbox until the broker has acknowledged it (QoS 1), and a while longer.
A connection that breaks takes nothing along: after the reconnect the stream goes on from the oldest
message that is kept. Subscribers may so see a message twice, never miss one.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt

from replay.chunk import Chunk
from streamer.alerting import Alerting, AlertingConfig
from streamer.events import Published, StreamInfo
from streamer.home_assistant import discovery
from streamer.mqtt_access import Credentials, TlsFiles
from streamer.mqtt_connection import (
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
    message_properties,
    parse_url,
    unreachable,
)
from streamer.outbox import Outbox, Outgoing, Rank
from streamer.payload import (
    SCHEMA_VERSION,
    TOPIC_PREFIX,
    MessageType,
    Payload,
    TopicKind,
    check_source,
    dumps,
    to_payload,
    topic,
    topic_of,
)
from streamer.source_status import (
    CONNECTION_LOST,
    FINISHED,
    ConnectionState,
    Health,
    status_payload,
)

__all__ = ["ConnectionState", "MqttSink", "MqttSinkConfig"]

QUEUE_SIZE: Final = 20_000
"""Messages kept while the broker is away: two hours of one patient, some 12 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSinkConfig:
    """Bounds of the sink."""

    in_flight: int = 20
    """Messages sent but not yet acknowledged; hides the round trip at full speed."""
    drain_to: int = 200
    """Queue length at which a replay that isn't in real time may go on."""
    flush_timeout_s: float = 5.0
    """How long `close` waits for the queue to empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """The task that ends with a message's acknowledgement."""

    task: asyncio.Task[None]
    is_status: bool
    """Status is no part of the outbox: a lost connection outdates it."""


class MqttSink:
    """Publishes one source's events under `ecg/<source>/`.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]`, or `mqtts://...` for TLS.
    client_id : str, optional
        Name shown in the broker's log; unique by default, or that of an outbox on disk.
    queue_size : int
        Messages kept while the broker is slow or away; beyond it the least important is shed.
    outbox : Outbox, optional
        Where messages wait, in place of a queue in memory; the sink closes it.
    credentials : Credentials, optional
        From the environment by default.
    tls : TlsFiles, optional
        For `mqtts`; the system's authorities by default.
    version : str
        MQTT version: `5`, `3.1.1`, or `auto` (5 unless the broker refuses it).
    prefix : str
        First level of every topic.
    alerting : AlertingConfig, optional
        Which events become alerts.
    ha_discovery : bool
        Whether to announce the source to Home Assistant.
    on_notice : callable, optional
        Gets one line when the broker is lost and when it is back.
    config, connection_config : dataclasses
        Bounds and times.
    sleep, random_source, wall_time : injected for tests

    Attributes
    ----------
    state : ConnectionState
    sent : int
        Messages acknowledged by the broker, each counted once.
    undelivered : int
        Messages still unacknowledged when `close` gave up.
    reconnects : int
        How often a lost connection came back.
    last_error : str or None
        Why the connection was last lost.

    Raises
    ------
    ValueError
        If `url` is none or `queue_size` is not positive.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str | None = None,
        queue_size: int = QUEUE_SIZE,
        outbox: Outbox | None = None,
        credentials: Credentials | None = None,
        tls: TlsFiles | None = None,
        version: str = AUTO,
        prefix: str = TOPIC_PREFIX,
        alerting: AlertingConfig | None = None,
        ha_discovery: bool = False,
        on_notice: Callable[[str], None] | None = None,
        config: MqttSinkConfig | None = None,
        connection_config: ConnectionConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random_source: random.Random | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self.address = parse_url(url)
        self.state = ConnectionState.CONNECTING
        self.sent = self.undelivered = self.reconnects = 0
        self.last_error: str | None = None
        self._outbox = outbox or Outbox(queue_size, wall_time=wall_time)
        self._first_seq: int = self._outbox.next_seq
        self._client_id = client_id or self._default_client_id()
        self._credentials = credentials or Credentials.from_environment(os.environ)
        self._tls = tls
        self._versions = Versions(version)
        self._prefix = prefix
        self._alerting_config = alerting
        self._alerting: Alerting | None = None
        self._ha_discovery = ha_discovery
        self._notice = on_notice or (lambda line: None)
        self._config = config or MqttSinkConfig()
        self._connection_config = connection_config or ConnectionConfig()
        self._sleep = sleep
        self._random = random_source or random.Random()
        self._wall_time = wall_time
        self._health = Health(self._outbox.capacity)
        self._sending: deque[_Sending] = deque()
        self._info: StreamInfo | None = None
        self._worker: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._closing = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()

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
    def first_seq(self) -> int:
        """Number that the first event of this run must have."""
        return self._first_seq

    @property
    def is_durable(self) -> bool:
        """Whether what is undelivered at the end waits on disk for the next start."""
        return self._outbox.is_durable

    async def start(self, info: StreamInfo) -> None:
        """Connect and say that the source is online.

        With an outbox on disk a broker that can't be reached is waited for in the background.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        ValueError
            If the source's name can't stand in a topic.
        """
        check_source(info.source)
        self._info = info
        self._alerting = Alerting(info, self._prefix, self._alerting_config, self._wall_time)
        self._first = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(info), name="mqtt-sink")
        self._worker.add_done_callback(lambda _: self._room.set())
        await asyncio.wait({self._worker, self._first}, return_when=asyncio.FIRST_COMPLETED)
        if not self._first.done():
            self._worker.result()
        self._first.result()

    def observe(self, chunk: Chunk) -> None:
        """Ignore raw samples."""

    def publish(self, message: Published) -> None:
        """Queue one event; when the queue is full the least important message is shed.

        Raises
        ------
        ValueError
            If the number of the event was used before; start at `Outbox.next_seq`.
        OutputError
            If the outbox's disk is full or fails.
        """
        if self._info is None or self._alerting is None or self._closing:
            return
        if message.seq < self._outbox.next_seq:
            raise ValueError(
                f"event {message.seq} of {self._info.source} was published before; "
                f"go on at {self._outbox.next_seq}"
            )
        payload = to_payload(message, self._info)
        alerts = self._alerting.outgoing(message.event, payload)
        self._outbox.put(_outgoing(payload, self._prefix), *alerts, next_seq=message.seq + 1)
        self._wake.set()

    async def drain(self) -> None:
        """Wait until the queue is short; as long as it takes while the broker is away."""
        await asyncio.sleep(0)
        while self._outbox.waiting > self._config.drain_to and not self._finished():
            self._room.clear()
            await self._room.wait()

    async def close(self) -> None:
        """Send what is queued, within `flush_timeout_s`, say that the source is offline, and leave.

        What could not be sent is counted in `undelivered`; the broker then publishes the last will.
        """
        self._closing = True
        self._wake.set()
        try:
            if self._worker is not None:
                await self._end(self._worker)
        finally:
            self.undelivered = self.queued
            self.state = ConnectionState.OFFLINE
            self._outbox.close()

    async def _end(self, worker: asyncio.Task[None]) -> None:
        """Give the worker its time, then cancel it; only a programming error comes out."""
        idle = self.state is ConnectionState.OFFLINE and self._outbox.is_idle
        await asyncio.wait({worker}, timeout=0 if idle else self._config.flush_timeout_s)
        worker.cancel()
        result = (await asyncio.gather(worker, return_exceptions=True))[0]
        if isinstance(result, Exception):
            raise result

    def _finished(self) -> bool:
        return self._worker is None or self._worker.done()

    def _default_client_id(self) -> str:
        """Keep the name of an outbox on disk, so that a broker ends our last, broken connection."""
        if self._outbox.is_durable:
            return f"ecg-stream-replay-{self._outbox.client_id}"
        return client_identifier("replay")

    async def _work(self, info: StreamInfo) -> None:
        """Connect, serve, and do it again whenever the connection breaks."""
        delays = backoff(self._connection_config, self._random)
        while True:
            try:
                version = await self._versions.settle(
                    self.address, self._connection_config, self._tls
                )
                async with self._connect(info, version) as client:
                    self._connected()
                    delays = backoff(self._connection_config, self._random)
                    await self._serve(client, info)
                return
            except aiomqtt.MqttError as error:
                if not self._may_retry(error):
                    return
                self._lost(error)
            if self._closing and self._outbox.is_idle:
                return
            await self._sleep(next(delays))

    def _may_retry(self, error: aiomqtt.MqttError) -> bool:
        """Whether to go on; before the first success only if a disk keeps what is published."""
        if self._first is None or self._first.done():
            return True
        if self._outbox.is_durable and not is_login_refused(error):
            self._notice(f"MQTT broker {self.url} is away ({explain(error)}); trying again")
            self._first.set_result(None)
            return True
        advice = "name another one with --mqtt URL, or go without: --mqtt off"
        self._first.set_exception(unreachable(self.address, error, advice))
        return False

    def _connect(
        self, info: StreamInfo, version: Version
    ) -> contextlib.AbstractAsyncContextManager[Connection]:
        will = aiomqtt.Will(
            topic(info.source, TopicKind.STATUS, self._prefix),
            self._status(info, ConnectionState.OFFLINE, CONNECTION_LOST),
            qos=1,
            retain=True,
            properties=message_properties(version, _fields(MessageType.STATUS), will=True),
        )
        return connect(
            self.address,
            identifier=self._client_id,
            credentials=self._credentials,
            config=self._connection_config,
            version=version,
            tls=self._tls,
            will=will,
            in_flight=self._config.in_flight,
        )

    def _connected(self) -> None:
        was_offline = self.state is ConnectionState.OFFLINE
        self.state = self._health.judge(self._outbox.waiting)
        if was_offline:
            self.reconnects += 1
            self._notice(f"MQTT broker {self.url} is back; {self.queued} messages to send")

    def _lost(self, error: aiomqtt.MqttError) -> None:
        was_online = self.state in {ConnectionState.ONLINE, ConnectionState.DEGRADED}
        self.state = ConnectionState.OFFLINE
        self.last_error = explain(error)
        if was_online:
            self._notice(f"MQTT broker {self.url} is lost ({self.last_error}); trying again")

    async def _serve(self, client: Connection, info: StreamInfo) -> None:
        """Send in order until everything is out and we are closing, or the connection breaks."""
        lost = asyncio.create_task(self._hear(client), name="mqtt-sink-watch")
        lost.add_done_callback(lambda _: self._wake.set())
        self._send_status(client, info, self.state)
        if self._alerting is not None:
            self._alerting.forget_told()
        for name, payload in discovery(info, self._prefix) if self._ha_discovery else ():
            self._send(client.publish(name, payload, qos=1, retain=True), is_status=True)
        try:
            while True:
                self._wake.clear()
                self._settle(client, info)
                if lost.done():
                    lost.result()
                self._fill(client)
                self._follow_health(client, info)
                self._tell_active(client, info)
                if self._closing and self._outbox.is_idle:
                    break
                await self._wake.wait()
            self._send_status(client, info, ConnectionState.OFFLINE, FINISHED)
            await asyncio.gather(*(sending.task for sending in self._sending))
        finally:
            await self._recall(lost)

    def _settle(self, client: Connection, info: StreamInfo) -> None:
        """Forget what was acknowledged, oldest first; an attempt that failed raises."""
        if client.refusal is not None:
            where = topic(info.source, TopicKind.STATUS, self._prefix).rpartition("/")[0]
            raise MessageRefusedError(f"it refuses our messages under {where}/: {client.refusal}")
        acknowledged = 0
        failed: asyncio.Task[None] | None = None
        while self._sending and self._sending[0].task.done():
            if self._sending[0].task.exception() is not None:
                failed = self._sending[0].task
                break
            if not self._sending.popleft().is_status:
                acknowledged += 1
            elif self._first is not None and not self._first.done():
                self._first.set_result(None)
        self.sent += self._outbox.acknowledge(acknowledged)
        if failed is not None:
            failed.result()
        if self._outbox.waiting <= self._config.drain_to:
            self._room.set()

    def _fill(self, client: Connection) -> None:
        room = min(self._config.in_flight, client.receive_maximum) - len(self._sending)
        for _ in range(room):
            message = self._outbox.take()
            if message is None:
                return
            left_s = None if message.expires_at is None else message.expires_at - self._wall_time()
            properties = message_properties(
                client.version, _fields(message.kind), expires_in_s=left_s
            )
            self._send(client.publish(message.topic, message.payload, qos=1, properties=properties))

    def _follow_health(self, client: Connection, info: StreamInfo) -> None:
        """Tell subscribers when we fall far behind, and when we have caught up."""
        state = self._health.judge(self._outbox.waiting)
        if state is not self.state:
            self.state = state
            self._send_status(client, info, state)

    async def _hear(self, client: Connection) -> None:
        """Take acknowledgements until the connection breaks, which raises."""
        if self._alerting is None:
            return
        codes = await client.subscribe(self._alerting.ack_topic, qos=1)
        if any(is_refused(code) for code in codes):
            self._notice(f"MQTT broker {self.url} doesn't let us read {self._alerting.ack_topic}")
        async for message in client.messages:
            if self._alerting.acknowledge(message.payload):
                self._wake.set()

    def _tell_active(self, client: Connection, info: StreamInfo) -> None:
        """Publish the alerts that are not over, whenever they change."""
        payload = None if self._alerting is None else self._alerting.changed()
        if payload is not None:
            name = topic(info.source, TopicKind.ACTIVE, self._prefix)
            self._send_retained(client, name, payload, MessageType.ACTIVE)

    def _send_status(
        self,
        client: Connection,
        info: StreamInfo,
        state: ConnectionState,
        reason: str | None = None,
    ) -> None:
        if state is ConnectionState.DEGRADED:
            reason = f"{self._outbox.waiting} messages behind"
        name = topic(info.source, TopicKind.STATUS, self._prefix)
        self._send_retained(client, name, self._status(info, state, reason), MessageType.STATUS)

    def _send_retained(
        self, client: Connection, name: str, payload: bytes, kind: MessageType
    ) -> None:
        """Send what describes the present, beside the outbox: an older one is worth nothing."""
        properties = message_properties(client.version, _fields(kind))
        publishing = client.publish(name, payload, qos=1, retain=True, properties=properties)
        self._send(publishing, is_status=True)

    def _send(self, publishing: Coroutine[Any, Any, None], *, is_status: bool = False) -> None:
        """Start one publish; tasks first run in the order of their creation, so order is kept."""
        task = asyncio.create_task(publishing)
        task.add_done_callback(lambda _: self._wake.set())
        self._sending.append(_Sending(task=task, is_status=is_status))

    async def _recall(self, lost: asyncio.Task[None]) -> None:
        """Stop what is under way; what was not acknowledged will be sent again."""
        tasks = [lost, *(sending.task for sending in self._sending)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sending.clear()
        self._outbox.recall()

    def _status(self, info: StreamInfo, state: ConnectionState, reason: str | None) -> bytes:
        return status_payload(
            info,
            self._outbox,
            state=state,
            reason=reason,
            now=self._wall_time(),
            first_seq=self._first_seq,
        )


def _fields(kind: str) -> dict[str, str]:
    """User properties: enough to route a message without opening it."""
    return {"schema": str(SCHEMA_VERSION), "type": kind}


def _outgoing(payload: Payload, prefix: str) -> Outgoing:
    """Address one event to its topic."""
    rank = Rank.PROVISIONAL if payload.get("revision") == 0 else Rank.EVENT
    return Outgoing(
        topic=topic_of(payload, prefix),
        payload=dumps(payload),
        rank=rank,
        kind=str(payload["type"]),
    )
