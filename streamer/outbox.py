"""What waits for a broker: a bounded queue that forgets a message only once it is acknowledged."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message for the broker."""

    topic: str
    payload: bytes


class Outbox:
    """Messages in order: first those in flight, then those that wait.

    Pure: no clock, no I/O. A message goes `put` -> `take` -> `acknowledge`; when the connection
    breaks, `recall` puts what is in flight back in front.

    Parameters
    ----------
    capacity : int
        Most messages that wait; beyond it the oldest is shed and counted.

    Attributes
    ----------
    shed : int
        Messages dropped so far because the outbox was full.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"MQTT queue size is {capacity}; expected 1 or more")
        self.shed = 0
        self._capacity = capacity
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: deque[Outgoing] = deque()

    def __len__(self) -> int:
        """Messages not yet acknowledged."""
        return len(self._waiting) + len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Messages not yet sent."""
        return len(self._waiting)

    def put(self, message: Outgoing) -> None:
        """Add a message behind all others."""
        self._waiting.append(message)
        self._shed_excess()

    def take(self) -> Outgoing:
        """Return the next message to send; it is in flight from now on."""
        message = self._waiting.popleft()
        self._in_flight.append(message)
        return message

    def acknowledge(self) -> None:
        """Forget the oldest message in flight: the broker has it."""
        self._in_flight.popleft()

    def recall(self) -> None:
        """Let everything in flight wait again, in front and in order."""
        self._waiting.extendleft(reversed(self._in_flight))
        self._in_flight.clear()
        self._shed_excess()

    def _shed_excess(self) -> None:
        while len(self._waiting) > self._capacity:
            self._waiting.popleft()
            self.shed += 1
