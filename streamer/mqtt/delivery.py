"""Delivers what waits in an outbox over one connection, until that breaks."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.messages.outgoing import Outgoing
from streamer.mqtt.connection import Connection
from streamer.mqtt.outbox import Outbox
from streamer.mqtt.protocol import message_properties, pack, packed_properties


@dataclass(frozen=True, slots=True)
class Present:
    """A retained message that tells of the present: no part of the outbox."""

    topic: str
    payload: bytes
    kind: str | None
    """`type` of the payload; None if it isn't ours."""


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
        self._outbox = outbox
        self._limit = min(in_flight, connection.socket.receive_maximum)
        self._wall_time = wall_time
        self._wake = wake
        self._present: deque[Present] = deque()
        self._sent: deque[tuple[int, bool]] = deque()
        """Number of each, and whether it tells of the present."""
        self._n_present = 0
        self._acknowledged: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self.progress_s = self._loop.time()
        connection.socket.on_acknowledged = self._take
        self._publish = connection.socket.publish
        self._version = connection.version

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
            number = self._publish(
                message.topic, message.payload, retain=False, properties=self._properties(message)
            )
            self._sent.append((number, False))

    def settle(self) -> int:
        """Forget what was acknowledged, oldest first; return how much of the outbox, anew."""
        events = 0
        while self._sent and self._sent[0][0] in self._acknowledged:
            number, is_present = self._sent.popleft()
            self._acknowledged.remove(number)
            events += not is_present
            self._n_present -= is_present
        return self._outbox.acknowledge(events)

    def _take(self, numbers: Sequence[int]) -> None:
        self._acknowledged.update(numbers)
        self.progress_s = self._loop.time()
        self._wake()

    def _send_retained(self, present: Present) -> None:
        version = self._version
        if present.kind is None:
            properties = pack(message_properties(version, {}))
        else:
            properties = packed_properties(version, present.kind)
        number = self._publish(present.topic, present.payload, retain=True, properties=properties)
        self._sent.append((number, True))
        self._n_present += 1

    def _properties(self, message: Outgoing) -> bytes:
        if message.expires_at is None:
            return packed_properties(self._version, message.kind)
        left_s = max(1, round(message.expires_at - self._wall_time()))
        return packed_properties(self._version, message.kind, left_s)
