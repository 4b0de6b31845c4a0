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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiomqtt

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo
from streamer.messages.alerting import Alerting, AlertingConfig
from streamer.messages.home_assistant import discovery
from streamer.messages.outgoing import Outgoing, Rank
from streamer.messages.payload import (
    TOPIC_PREFIX,
    TopicKind,
    check_source,
    to_payload,
    topic_of,
)
from streamer.messages.source_status import (
    CONNECTION_LOST,
    ConnectionState,
    Health,
)
from streamer.messages.wire import BeatMessage, Message, MessageType, StatisticsMessage, dumps
from streamer.mqtt.access import Credentials, TlsFiles
from streamer.mqtt.connection import (
    AUTO,
    Connection,
    ConnectionConfig,
    Version,
    Versions,
    backoff,
    client_identifier,
    connect,
    explain,
    is_login_refused,
    message_properties,
    parse_url,
    unreachable,
)
from streamer.mqtt.delivery import Delivery, Mailbox, user_properties
from streamer.mqtt.outbox import Outbox

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
        self._ha_discovery = ha_discovery
        self._notice = on_notice or (lambda line: None)
        self._config = config or MqttSinkConfig()
        self._connection_config = connection_config or ConnectionConfig()
        self._sleep = sleep
        self._random = random_source or random.Random()
        self._wall_time = wall_time
        self._health = Health(self._outbox.capacity)
        self._mailbox: Mailbox | None = None
        self._worker: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
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
        self._mailbox = self._make_mailbox(info)
        self._first = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(self._mailbox), name="mqtt-sink")
        self._worker.add_done_callback(lambda _: self._room.set())
        await asyncio.wait({self._worker, self._first}, return_when=asyncio.FIRST_COMPLETED)
        if not self._first.done():
            self._worker.result()
        self._first.result()

    def _make_mailbox(self, info: StreamInfo) -> Mailbox:
        return Mailbox(
            info=info,
            prefix=self._prefix,
            outbox=self._outbox,
            alerting=Alerting(info, self._prefix, self._alerting_config, self._wall_time),
            announcements=discovery(info, self._prefix) if self._ha_discovery else [],
            first_seq=self._first_seq,
            health=self._health,
            wall_time=self._wall_time,
            wake=asyncio.Event(),
        )

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
        mailbox = self._mailbox
        if mailbox is None or mailbox.closing:
            return
        if message.seq < self._outbox.next_seq:
            raise ValueError(
                f"event {message.seq} of {mailbox.info.source} was published before; "
                f"go on at {self._outbox.next_seq}"
            )
        payload = to_payload(message, mailbox.info)
        alerts = mailbox.alerting.outgoing(message.event, payload)
        rank = _rank(payload)
        self._outbox.put(_outgoing(payload, self._prefix, rank), *alerts, next_seq=message.seq + 1)
        mailbox.wake.set()

    def publish_statistics(self, message: StatisticsMessage) -> None:
        """Queue statistics, unless messages wait already: those come first."""
        mailbox = self._mailbox
        if mailbox is None or mailbox.closing or self._outbox.waiting:
            return
        self._outbox.put(_outgoing(message, self._prefix, Rank.STATISTICS))
        mailbox.wake.set()

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
        if self._mailbox is not None:
            self._mailbox.closing = True
            self._mailbox.wake.set()
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

    async def _work(self, mailbox: Mailbox) -> None:
        """Connect, serve, and do it again whenever the connection breaks."""
        delays = backoff(self._connection_config, self._random)
        while True:
            try:
                version = await self._versions.settle(
                    self.address, self._connection_config, self._tls
                )
                async with self._connect(mailbox, version) as client:
                    self._connected()
                    delays = backoff(self._connection_config, self._random)
                    await self._deliver(client, mailbox)
                return
            except aiomqtt.MqttError as error:
                if not self._may_retry(error):
                    return
                self._lost(error)
            if mailbox.closing and self._outbox.is_idle:
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
        self, mailbox: Mailbox, version: Version
    ) -> contextlib.AbstractAsyncContextManager[Connection]:
        will = aiomqtt.Will(
            mailbox.topic(TopicKind.STATUS),
            mailbox.status(ConnectionState.OFFLINE, CONNECTION_LOST),
            qos=1,
            retain=True,
            properties=message_properties(version, user_properties(MessageType.STATUS), will=True),
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

    async def _deliver(self, client: Connection, mailbox: Mailbox) -> None:
        await Delivery(
            client,
            mailbox,
            in_flight=self._config.in_flight,
            on_settled=self._settled,
            on_state=self._set_state,
            on_notice=self._notice,
        ).run()

    def _settled(self, acknowledged: int, present: bool) -> None:
        """Count; the first status that is taken shows that we may publish."""
        self.sent += acknowledged
        if present and self._first is not None and not self._first.done():
            self._first.set_result(None)
        if self._outbox.waiting <= self._config.drain_to:
            self._room.set()

    def _set_state(self, state: ConnectionState) -> None:
        self.state = state


def _rank(message: Message) -> Rank:
    is_provisional = isinstance(message, BeatMessage) and message.revision == 0
    return Rank.PROVISIONAL if is_provisional else Rank.EVENT


def _outgoing(message: Message, prefix: str, rank: Rank) -> Outgoing:
    """Address one message to its topic."""
    return Outgoing(
        topic=topic_of(message, prefix), payload=dumps(message), rank=rank, kind=message.type
    )
