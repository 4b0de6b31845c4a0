"""Delivers what waits in an outbox over one connection, until that breaks."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streamer.messages.outgoing import Outgoing
from streamer.mqtt.connection import Connection
from streamer.mqtt.outbox import Outbox
from streamer.mqtt.protocol import (
    message_properties,
    pack,
    packed_properties,
    user_properties,
)


@dataclass(frozen=True, slots=True)
class Present:
    """A retained message that tells of the present: no part of the outbox."""

    topic: str
    payload: bytes
    kind: str | None
    """`type` of the payload; None if it isn't ours."""


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    is_present: bool


class Delivery:
    """What is on its way over one connection.

    Parameters
    ----------
    connection : Connection
    outbox : Outbox
    in_flight : int
        Messages that may be sent and not yet acknowledged.
    wall_time : callable
        Seconds since the epoch.
    wake : callable
        Called when the broker's answers make room or leave nothing in flight.

    Attributes
    ----------
    progress_s : float
        Time of the event loop at which the broker last acknowledged something, or had nothing to.
    """

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        *,
        in_flight: int,
        wall_time: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._limit = min(in_flight, connection.socket.receive_maximum)
        self._wall_time = wall_time
        self._wake = wake
        self._present: deque[Present] = deque()
        self._sent: deque[_Sent] = deque()
        self._n_present = 0
        self._acknowledged: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self.progress_s = self._loop.time()
        connection.socket.on_acknowledged = self._take

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return len(self._sent)

    @property
    def has_present(self) -> bool:
        """Whether something that tells of the present isn't acknowledged yet."""
        return bool(self._present or self._n_present)

    def send_present(self, message: Present) -> None:
        """Send, before anything that waits, what describes the present."""
        self._present.append(message)

    def fill(self, *, is_held: bool) -> None:
        """Send what may be sent; of the outbox nothing while it is held back."""
        if not self._sent:
            self.progress_s = self._loop.time()
        while self._present and len(self._sent) < self._limit:
            self._send_retained(self._present.popleft())
        while not is_held and len(self._sent) < self._limit:
            message = self._outbox.take()
            if message is None:
                return
            number = self._connection.send(
                message.topic, message.payload, properties=self._properties(message)
            )
            self._sent.append(_Sent(number, is_present=False))

    def settle(self) -> int:
        """Forget what was acknowledged, oldest first; return how much of the outbox, anew."""
        events = 0
        while self._sent and self._sent[0].number in self._acknowledged:
            sent = self._sent.popleft()
            self._acknowledged.remove(sent.number)
            events += not sent.is_present
            self._n_present -= sent.is_present
        return self._outbox.acknowledge(events)

    def _take(self, number: int) -> None:
        self._acknowledged.add(number)
        self.progress_s = self._loop.time()
        self._wake()

    def _send_retained(self, present: Present) -> None:
        version = self._connection.version
        if present.kind is None:
            properties = pack(message_properties(version, {}))
        else:
            properties = packed_properties(version, present.kind)
        number = self._connection.send(
            present.topic, present.payload, retain=True, properties=properties
        )
        self._sent.append(_Sent(number, is_present=True))
        self._n_present += 1

    def _properties(self, message: Outgoing) -> bytes:
        version = self._connection.version
        if message.expires_at is None:
            return packed_properties(version, message.kind)
        left_s = message.expires_at - self._wall_time()
        fields = user_properties(message.kind)
        return pack(message_properties(version, fields, expires_in_s=left_s))
