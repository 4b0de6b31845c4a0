"""Delivers what waits in an outbox over one connection, until that breaks."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from streamer.core.events import StreamInfo
from streamer.messages.alerting import Alerting
from streamer.messages.payload import TopicKind, topic
from streamer.messages.source_status import (
    FINISHED,
    ConnectionState,
    DeliveryCounts,
    Health,
    status_payload,
)
from streamer.messages.wire import SCHEMA_VERSION, MessageType
from streamer.mqtt.connection import (
    Connection,
    MessageRefusedError,
    is_refused,
    message_properties,
)
from streamer.mqtt.outbox import Outbox


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """What one source has to say, whatever becomes of its connections."""

    info: StreamInfo
    prefix: str
    outbox: Outbox
    alerting: Alerting
    announcements: list[tuple[str, bytes]]
    """Topics and payloads to retain besides, such as those for Home Assistant."""
    first_seq: int
    health: Health
    wall_time: Callable[[], float]
    wake: asyncio.Event
    """Set whenever there may be something to do."""
    closing: bool = False
    """Whether nothing more will be put into the outbox."""

    def topic(self, kind: TopicKind) -> str:
        """Topic of one kind of this source's messages."""
        return topic(self.info.source, kind, self.prefix)

    def status(self, state: ConnectionState, reason: str | None = None) -> bytes:
        """Encode a status message."""
        outbox = self.outbox
        return status_payload(
            self.info,
            DeliveryCounts(
                events=outbox.next_seq,
                waiting=outbox.waiting,
                shed=outbox.shed,
                expired=outbox.expired,
            ),
            state=state,
            reason=reason,
            now=self.wall_time(),
            first_seq=self.first_seq,
        )


def user_properties(kind: str) -> dict[str, str]:
    """Enough to route a message without opening it."""
    return {"schema": str(SCHEMA_VERSION), "type": kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """The task that ends with a message's acknowledgement."""

    task: asyncio.Task[None]
    is_present: bool
    """Whether it tells of the present (status and such): no part of the outbox."""


class Delivery:
    """Serves one connection.

    Parameters
    ----------
    client : Connection
    mailbox : Mailbox
    in_flight : int
        Messages that may be sent and not yet acknowledged.
    on_settled : callable
        Gets how many messages the broker has for the first time, and whether it has taken one of
        the present.
    on_state : callable
        Gets the state whenever that changes.
    on_notice : callable
        Gets one line about what a person should know.
    """

    def __init__(
        self,
        client: Connection,
        mailbox: Mailbox,
        *,
        in_flight: int,
        on_settled: Callable[[int, bool], None],
        on_state: Callable[[ConnectionState], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self._client = client
        self._mailbox = mailbox
        self._limit = min(in_flight, client.receive_maximum)
        self._on_settled = on_settled
        self._on_state = on_state
        self._notice = on_notice
        self._state = mailbox.health.judge(mailbox.outbox.waiting)
        self._sending: deque[_Sending] = deque()
        self._present: deque[tuple[str, bytes, str | None]] = deque()

    async def run(self) -> None:
        """Send in order until everything is out and the mailbox closes.

        Raises
        ------
        aiomqtt.MqttError
            When the connection breaks or the broker refuses a message; what was not acknowledged
            is back in the outbox then.
        """
        mailbox = self._mailbox
        hearing = asyncio.create_task(self._hear(), name="mqtt-hear")
        hearing.add_done_callback(lambda _: mailbox.wake.set())
        self._introduce()
        try:
            while not (mailbox.closing and mailbox.outbox.is_idle):
                self._follow_health()
                await self._step(hearing)
            self._send_status(ConnectionState.OFFLINE, FINISHED)
            while self._present or self._sending:
                await self._step(hearing)
        finally:
            await self._recall(hearing)

    async def _step(self, hearing: asyncio.Task[None]) -> None:
        """Send what may be sent, wait until something happens, and settle it."""
        self._mailbox.wake.clear()
        self._tell_active()
        self._fill()
        await self._mailbox.wake.wait()
        self._settle()
        if hearing.done():
            hearing.result()

    def _introduce(self) -> None:
        """Say all that describes the present: the broker may know none of it, or old news."""
        self._send_status(self._state)
        self._mailbox.alerting.forget_told()
        self._present.extend((name, payload, None) for name, payload in self._mailbox.announcements)

    def _settle(self) -> None:
        """Forget what was acknowledged, oldest first; an attempt that failed raises."""
        if self._client.refusal is not None:
            where = self._mailbox.topic(TopicKind.STATUS).rpartition("/")[0]
            raise MessageRefusedError(
                f"it refuses our messages under {where}/: {self._client.refusal}"
            )
        acknowledged, present = 0, False
        failed: asyncio.Task[None] | None = None
        while self._sending and self._sending[0].task.done():
            if self._sending[0].task.exception() is not None:
                failed = self._sending[0].task
                break
            is_present = self._sending.popleft().is_present
            present |= is_present
            acknowledged += not is_present
        self._on_settled(self._mailbox.outbox.acknowledge(acknowledged), present)
        if failed is not None:
            failed.result()

    def _fill(self) -> None:
        for _ in range(self._limit - len(self._sending)):
            if self._present:
                self._publish_present(*self._present.popleft())
                continue
            message = self._mailbox.outbox.take()
            if message is None:
                return
            left_s = (
                None
                if message.expires_at is None
                else message.expires_at - self._mailbox.wall_time()
            )
            fields = user_properties(message.kind)
            properties = message_properties(self._client.version, fields, expires_in_s=left_s)
            self._send(
                self._client.publish(message.topic, message.payload, qos=1, properties=properties)
            )

    def _follow_health(self) -> None:
        """Tell subscribers when we fall far behind, and when we have caught up."""
        state = self._mailbox.health.judge(self._mailbox.outbox.waiting)
        if state is not self._state:
            self._state = state
            self._on_state(state)
            self._send_status(state)

    async def _hear(self) -> None:
        """Take acknowledgements until the connection breaks, which raises."""
        alerting = self._mailbox.alerting
        codes = await self._client.subscribe(alerting.ack_topic, qos=1)
        if any(is_refused(code) for code in codes):
            self._notice(f"the MQTT broker doesn't let us read {alerting.ack_topic}")
        async for message in self._client.messages:
            if alerting.acknowledge(message.payload):
                self._mailbox.wake.set()

    def _tell_active(self) -> None:
        """Publish the alerts that are not over, whenever they change."""
        payload = self._mailbox.alerting.changed()
        if payload is not None:
            self._send_present(TopicKind.ACTIVE, payload, MessageType.ACTIVE)

    def _send_status(self, state: ConnectionState, reason: str | None = None) -> None:
        if state is ConnectionState.DEGRADED:
            reason = f"{self._mailbox.outbox.waiting} messages behind"
        payload = self._mailbox.status(state, reason)
        self._send_present(TopicKind.STATUS, payload, MessageType.STATUS)

    def _send_present(self, where: TopicKind, payload: bytes, kind: MessageType) -> None:
        """Send, before anything that waits, what describes the present."""
        self._present.append((self._mailbox.topic(where), payload, kind))

    def _publish_present(self, name: str, payload: bytes, kind: str | None) -> None:
        fields = {} if kind is None else user_properties(kind)
        properties = message_properties(self._client.version, fields)
        publishing = self._client.publish(name, payload, qos=1, retain=True, properties=properties)
        self._send(publishing, is_present=True)

    def _send(self, publishing: Coroutine[Any, Any, None], *, is_present: bool = False) -> None:
        """Start one publish; tasks first run in the order of their creation, so order is kept."""
        task = asyncio.create_task(publishing)
        task.add_done_callback(lambda _: self._mailbox.wake.set())
        self._sending.append(_Sending(task=task, is_present=is_present))

    async def _recall(self, hearing: asyncio.Task[None]) -> None:
        """Stop what is under way; what was not acknowledged will be sent again."""
        tasks = [hearing, *(sending.task for sending in self._sending)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sending.clear()
        self._mailbox.outbox.recall()
