"""A client of a broker, through all failures of its connection: messages out, others in.

Messages are delivered at least once and in order. A connection that breaks takes nothing along:
after the reconnect the stream goes on from the oldest message that the outbox keeps. Subscribers
may so see a message twice, never miss one.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final, Unpack

import aiomqtt

from streamer.messages.outgoing import Outgoing
from streamer.messages.payload import TOPIC_PREFIX
from streamer.mqtt.connection import Connection
from streamer.mqtt.delivery import Delivery, Present
from streamer.mqtt.link import Link, LinkOptions
from streamer.mqtt.outbox import MemoryOutbox, Outbox
from streamer.mqtt.protocol import MessageRefusedError
from streamer.mqtt.subscriptions import SAMPLES, Subscriptions

QUEUE_SIZE: Final = 20_000
"""Messages kept while the broker is away: two hours of one patient, some 12 MB."""

__all__ = ["SAMPLES", "MqttClient"]

Incoming = Callable[[str, bytes, float], None]
"""Gets source name, payload and time of arrival (event loop's clock) of a message."""


class MqttClient(Link):
    """Sends what an outbox holds, and hands on what comes; who extends it says more.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]`, or `mqtts://...` for TLS.
    outbox : Outbox, optional
        Where messages wait, in place of a queue in memory; the client closes it.
    readers : mapping of str to callable
        Who reads `<prefix>/<source>/<kind>`, by kind.
    source : str
        Whose messages are read; all by default.
    prefix : str
        First level of every topic.
    forgives : bool
        Whether a message that the broker refuses is dropped, once the first were taken; otherwise
        it ends the connection.
    client_id, session_s, advice
        As `Link` takes them.
    **options
        See `LinkOptions`.

    Attributes
    ----------
    sent : int
        Messages of the outbox that the broker has, each counted once.
    undelivered : int
        Messages still unacknowledged when `close` gave up.

    Raises
    ------
    ValueError
        If `url` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        outbox: Outbox | None = None,
        readers: Mapping[str, Incoming | None] | None = None,
        source: str = "+",
        prefix: str = TOPIC_PREFIX,
        forgives: bool = False,
        client_id: str | None = None,
        session_s: int = 0,
        advice: str = "name another one",
        **options: Unpack[LinkOptions],
    ) -> None:
        super().__init__(url, client_id=client_id, session_s=session_s, advice=advice, **options)
        self.sent = self.undelivered = 0
        self._outbox: Outbox = outbox or MemoryOutbox(QUEUE_SIZE, wall_time=self._wall_time)
        self._readers = {k: reader for k, reader in (readers or {}).items() if reader is not None}
        self._prefix = prefix
        self._subscriptions = Subscriptions(f"{prefix}/{source}", self._readers, self._note_refused)
        self._forgives = forgives
        self._arrived: list[tuple[str, bytes, float]] = []
        """Topics, payloads and times of arrival of what the readers haven't had yet."""
        self._delivery: Delivery | None = None
        self._connection: Connection | None = None
        self._has_subscribed = self._has_finished = False

    @property
    def queued(self) -> int:
        """Messages not yet acknowledged."""
        return self._outbox.unacknowledged

    @property
    def shed(self) -> int:
        """Messages dropped because the queue was full."""
        return sum(self._outbox.shed.values())

    @property
    def n_waiting(self) -> int:
        """Messages to send, those to be sent again included."""
        return self._outbox.waiting

    @property
    def is_durable(self) -> bool:
        """Whether what is undelivered at the end waits on disk for the next start."""
        return self._outbox.is_durable

    async def follow(self, sources: Collection[str], *, ends: bool = False) -> None:
        """Read the samples of these sources too, or no longer, and of none that is never named.

        Returns when the broker knows of it, however often the connection breaks.
        """
        self._subscriptions.follow(sources, ends=ends)
        topics, connection = self._subscriptions.samples_of(sources), self._connection
        try:
            if connection is not None and self._has_subscribed:
                change = self._subscriptions.drop if ends else self._subscriptions.add
                await change(connection, topics)
                return
        except aiomqtt.MqttError:
            pass
        # The next connection begins with all that are followed by then.
        await self._wait_for(lambda: self._has_subscribed)

    def queue(self, topic: str, payload: bytes) -> None:
        """Queue a message that is no JSON; never blocks."""
        self._put(Outgoing(topic=topic, payload=payload))

    async def drain(self) -> None:
        """Wait until the queue is short; as long as it takes while the broker is away."""
        await self._wait_for(lambda: self._outbox.waiting <= self._config.drain_to)

    async def delivered(self) -> None:
        """Wait until the broker has every message."""
        await self._wait_for(lambda: self._outbox.is_idle)

    async def close(self) -> None:
        """Send what is queued, within `flush_timeout_s`, and leave.

        What could not be sent is counted in `undelivered`; the broker then publishes the will.
        """
        try:
            await super().close()
        finally:
            self.undelivered = self._outbox.unacknowledged
            self._outbox.close()

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
    def _is_idle(self) -> bool:
        return self._outbox.is_idle

    @property
    def _is_telling(self) -> bool:
        """Whether the broker may not have all yet that tells of the present."""
        return self._delivery is None or self._delivery.has_present

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        await asyncio.sleep(0)
        while not condition() and self._worker is not None and not self._worker.done():
            self._settled.clear()
            await self._settled.wait()

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
        self._connection = connection
        try:
            self._introduce()
            while not self._is_over(delivery):
                self._wake.clear()
                self._take_turn()
                self._outbox.commit()
                delivery.fill(is_held=self._hold_s() > 0)
                await self._wait(delivery)
                self._hand_on()
                self._settle(connection, delivery)
                if receiving.done():
                    receiving.result()
        finally:
            self._delivery = self._connection = None
            self._has_subscribed = False
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
        """Take what comes, until the connection breaks, which raises."""
        await self._subscriptions.begin(connection)
        self._has_subscribed = True
        self._wake.set()
        loop = asyncio.get_running_loop()
        async for message in connection.messages:
            if isinstance(message.payload, bytes):
                self._arrived.append((str(message.topic), message.payload, loop.time()))
                self._wake.set()

    def _note_refused(self, topic: str) -> None:
        self._notice(f"the MQTT broker {self.url} doesn't let us read {topic}")

    def _on_messages(self, messages: list[tuple[str, bytes]]) -> None:
        now_s = asyncio.get_running_loop().time()
        # Past aiomqtt: a flood would cost it many times as much.
        self._arrived += [(topic, payload, now_s) for topic, payload in messages]
        self._wake.set()

    def _hand_on(self) -> None:
        """Give what has come to its readers."""
        arrived, self._arrived = self._arrived, []
        for topic, payload, now_s in arrived:
            _, source, kind = topic.split("/", 2)
            reader = self._readers.get(kind)
            if reader is not None:
                reader(source, payload, now_s)
        if self._connection is not None:
            self._connection.socket.acknowledge()
