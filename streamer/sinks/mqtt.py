"""Publishes events over MQTT, at least once and in order.

Every message waits in a bounded queue until the broker has acknowledged it (QoS 1). A connection
that breaks takes nothing along: what was in flight goes back to the head of the queue, and after
the reconnect the stream goes on from there. Subscribers may so see a message twice, never miss one.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import aiomqtt

from replay.chunk import Chunk
from streamer.events import Published, StreamInfo
from streamer.mqtt_connection import (
    ConnectionConfig,
    Credentials,
    backoff,
    client_identifier,
    connect,
    explain,
    parse_url,
    unreachable,
    until_lost,
)
from streamer.outbox import Outbox, Outgoing
from streamer.payload import (
    SCHEMA_VERSION,
    TOPIC_PREFIX,
    MessageType,
    TopicKind,
    check_source,
    dumps,
    to_payload,
    topic,
    topics_of,
    utc_time,
)


class ConnectionState(StrEnum):
    """How the sink stands with its broker."""

    CONNECTING = "connecting"
    """Before the first connection."""
    ONLINE = "online"
    OFFLINE = "offline"
    """Lost (it retries) or closed."""


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
        Name shown in the broker's log; unique by default.
    queue_size : int
        Messages kept while the broker is slow or away; beyond it the oldest is shed and counted.
    credentials : Credentials, optional
        From ECG_STREAM_MQTT_USERNAME and ECG_STREAM_MQTT_PASSWORD by default.
    prefix : str
        First level of every topic.
    on_notice : callable, optional
        Gets one line when the broker is lost and when it is back.
    config, connection_config : dataclasses
        Bounds and times.
    sleep, random_source, wall_time : injected for tests

    Attributes
    ----------
    state : ConnectionState
    sent : int
        Messages acknowledged by the broker.
    undelivered : int
        Messages still queued when `close` gave up.
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
        queue_size: int = 20_000,
        credentials: Credentials | None = None,
        prefix: str = TOPIC_PREFIX,
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
        self._client_id = client_id or client_identifier("replay")
        self._credentials = credentials or Credentials.from_environment(os.environ)
        self._prefix = prefix
        self._notice = on_notice or (lambda line: None)
        self._config = config or MqttSinkConfig()
        self._connection_config = connection_config or ConnectionConfig()
        self._sleep = sleep
        self._random = random_source or random.Random()
        self._wall_time = wall_time
        self._outbox = Outbox(queue_size)
        self._sending: deque[_Sending] = deque()
        self._events = 0
        self._info: StreamInfo | None = None
        self._worker: asyncio.Task[None] | None = None
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
        return len(self._outbox)

    @property
    def shed(self) -> int:
        """Messages dropped because the queue was full."""
        return self._outbox.shed

    async def start(self, info: StreamInfo) -> None:
        """Connect and say that the source is online.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        ValueError
            If the source's name can't stand in a topic.
        """
        check_source(info.source)
        self._info = info
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(info, first), name="mqtt-sink")
        self._worker.add_done_callback(lambda _: self._room.set())
        await asyncio.wait({self._worker, first}, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            self._worker.result()
        first.result()

    def observe(self, chunk: Chunk) -> None:
        """Ignore raw samples."""

    def publish(self, message: Published) -> None:
        """Queue one event; when the queue is full the oldest message is shed and counted."""
        if self._info is None or self._closing:
            return
        payload = to_payload(message, self._info)
        encoded = dumps(payload)
        for name in topics_of(payload, self._prefix):
            self._outbox.put(Outgoing(topic=name, payload=encoded))
        self._events = max(self._events, message.seq + 1)
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
        if self._worker is not None:
            await self._end(self._worker)
        self.undelivered = self.queued
        self.state = ConnectionState.OFFLINE

    async def _end(self, worker: asyncio.Task[None]) -> None:
        """Give the worker its time, then cancel it; only a programming error comes out."""
        idle = self.state is ConnectionState.OFFLINE and not self._outbox
        await asyncio.wait({worker}, timeout=0 if idle else self._config.flush_timeout_s)
        worker.cancel()
        result = (await asyncio.gather(worker, return_exceptions=True))[0]
        if isinstance(result, Exception):
            raise result

    def _finished(self) -> bool:
        return self._worker is None or self._worker.done()

    async def _work(self, info: StreamInfo, first: asyncio.Future[None]) -> None:
        """Connect, serve, and do it again whenever the connection breaks."""
        delays = backoff(self._connection_config, self._random)
        while True:
            try:
                async with self._connect(info) as client:
                    self._connected(first)
                    delays = backoff(self._connection_config, self._random)
                    await self._serve(client, info)
                return
            except aiomqtt.MqttError as error:
                if not first.done():
                    advice = "name another one with --mqtt URL, or go without: --mqtt off"
                    first.set_exception(unreachable(self.address, error, advice))
                    return
                self._lost(error)
            if self._closing and not self._outbox:
                return
            await self._sleep(next(delays))

    def _connect(self, info: StreamInfo) -> contextlib.AbstractAsyncContextManager[aiomqtt.Client]:
        will = aiomqtt.Will(
            topic(info.source, TopicKind.STATUS, self._prefix),
            self._status(info, ConnectionState.OFFLINE, "connection lost"),
            qos=1,
            retain=True,
        )
        return connect(
            self.address,
            identifier=self._client_id,
            credentials=self._credentials,
            config=self._connection_config,
            will=will,
            in_flight=self._config.in_flight,
        )

    def _connected(self, first: asyncio.Future[None]) -> None:
        self.state = ConnectionState.ONLINE
        if not first.done():
            first.set_result(None)
            return
        self.reconnects += 1
        self._notice(f"MQTT broker {self.url} is back; {self.queued} messages to send")

    def _lost(self, error: aiomqtt.MqttError) -> None:
        was_online = self.state is ConnectionState.ONLINE
        self.state = ConnectionState.OFFLINE
        self.last_error = explain(error)
        if was_online:
            self._notice(f"MQTT broker {self.url} is lost ({self.last_error}); trying again")

    async def _serve(self, client: aiomqtt.Client, info: StreamInfo) -> None:
        """Send in order until everything is out and we are closing, or the connection breaks."""
        lost = asyncio.create_task(until_lost(client), name="mqtt-sink-watch")
        lost.add_done_callback(lambda _: self._wake.set())
        self._send_status(client, info, ConnectionState.ONLINE, None)
        try:
            while True:
                self._wake.clear()
                self._settle()
                if lost.done():
                    lost.result()
                self._fill(client)
                if self._closing and not self._outbox:
                    break
                await self._wake.wait()
            self._send_status(client, info, ConnectionState.OFFLINE, "finished")
            await asyncio.gather(*(sending.task for sending in self._sending))
        finally:
            await self._recall(lost)

    def _settle(self) -> None:
        """Forget what was acknowledged, oldest first; an attempt that failed raises."""
        while self._sending and self._sending[0].task.done():
            self._sending[0].task.result()
            if not self._sending.popleft().is_status:
                self._outbox.acknowledge()
                self.sent += 1
        if self._outbox.waiting <= self._config.drain_to:
            self._room.set()

    def _fill(self, client: aiomqtt.Client) -> None:
        while self._outbox.waiting and len(self._sending) < self._config.in_flight:
            message = self._outbox.take()
            self._send(client.publish(message.topic, message.payload, qos=1))

    def _send_status(
        self, client: aiomqtt.Client, info: StreamInfo, state: ConnectionState, reason: str | None
    ) -> None:
        name = topic(info.source, TopicKind.STATUS, self._prefix)
        payload = self._status(info, state, reason)
        self._send(client.publish(name, payload, qos=1, retain=True), is_status=True)

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
        return dumps(
            {
                "schema": SCHEMA_VERSION,
                "type": MessageType.STATUS.value,
                "source": info.source,
                "fs": info.fs,
                "time": utc_time(self._wall_time()),
                "state": state.value,
                "reason": reason,
                "started_at": utc_time(info.started_at),
                "leads": list(info.leads),
                "first_sample": info.first_sample,
                "n_samples": info.n_samples,
                "training_record": info.training_record,
                "shed": self.shed,
                "events": self._events,
            }
        )
