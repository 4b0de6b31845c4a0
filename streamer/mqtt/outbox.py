"""What waits for a broker: a bounded queue that forgets nothing too early.

A message is written before it is sent. Once acknowledged it is still kept for a while, because a
broker that is killed takes along what it had acknowledged but not yet passed on or saved; after
each reconnect the kept ones are sent again. Receivers drop what they know by `seq`.

`MemoryOutbox` is for a process, `streamer.mqtt.disk_outbox.DiskOutbox` survives it.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streamer.messages.outgoing import Outgoing, Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """Bounds."""

    keep: int = 1000
    """Acknowledged messages that are kept, at most: minutes of one patient."""
    keep_s: float = 60.0
    """How long they are kept; longer than a broker takes to pass on or save what it accepted."""
    read_ahead: int = 256
    """Messages fetched from a disk at a time."""


class Outbox(ABC):
    """Messages of any number of sources in order, from `put` over `take` to `acknowledge`.

    Parameters
    ----------
    capacity : int
        Most messages that wait unsent; beyond it the least important, and of those the oldest,
        is shed and counted.
    config : OutboxConfig, optional
    wall_time : callable
        Seconds since the epoch.

    Attributes
    ----------
    shed : dict of Rank to int
        Messages dropped because there was no room.
    expired : int
        Messages dropped because they had become stale.
    unacknowledged : int
        Messages that the broker doesn't have yet.
    client_id : str or None
        Name for the broker, the same whenever a file is opened; None if there is none.
    is_durable : bool
        Whether it survives the process.

    Raises
    ------
    ValueError
        If `capacity` is not positive.
    """

    client_id: str | None = None
    is_durable = False

    def __init__(
        self,
        capacity: int,
        *,
        config: OutboxConfig | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"MQTT queue size is {capacity}; expected 1 or more")
        self.capacity = capacity
        self.shed = dict.fromkeys(Rank, 0)
        self.expired = self.unacknowledged = 0
        self._config = config or OutboxConfig()
        self._wall_time = wall_time
        self._next_seq: dict[str, int] = {}

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Messages to send, those to be sent again included."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether everything is sent and acknowledged."""

    def next_seq(self, source: str) -> int:
        """Return the number of a source's next event; goes on from run to run if durable."""
        return self._next_seq.get(source, 0)

    def forget(self, source: str) -> None:
        """Let the numbers of a source that has ended start anew, unless they are durable."""
        if not self.is_durable:
            self._next_seq.pop(source, None)

    def keep_alerts(self, source: str, active: bytes) -> None:
        """Keep the message of a source's active alerts, in place of the one before, if durable."""
        return

    def kept_alerts(self, source: str) -> bytes | None:
        """Return the active alerts of an earlier run; None if there are none."""
        return None

    @abstractmethod
    def put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        """Add messages behind all others, and set the source's `next_seq` in the same step."""

    @abstractmethod
    def take(self) -> Outgoing | None:
        """Return the next message to send, in flight from now on; None if there is none."""

    @abstractmethod
    def acknowledge(self, count: int = 1) -> int:
        """Note that the broker has the oldest `count` messages in flight; return how many anew."""

    @abstractmethod
    def recall(self) -> None:
        """Start again from the oldest message that is kept: the connection broke."""

    def commit(self) -> None:
        """Make what was put and acknowledged survive the process, if it can.

        Raises
        ------
        OutputError
            If the disk is full or fails.
        """
        return

    def close(self) -> None:
        """Let go of the file, if any; what is in it stays. Harmless twice."""
        return

    def _is_stale(self, message: Outgoing) -> bool:
        expires_at = message.expires_at
        return expires_at is not None and expires_at <= self._wall_time()


class MemoryOutbox(Outbox):
    """Messages that live as long as the process."""

    def __init__(
        self,
        capacity: int,
        *,
        config: OutboxConfig | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(capacity, config=config, wall_time=wall_time)
        self._puts = self._n_unsent = 0
        # One queue a rank, each in order of arrival: shedding takes the oldest of the lowest.
        self._unsent: list[deque[tuple[int, Outgoing]]] = [deque() for _ in Rank]
        self._again: deque[Outgoing] = deque()
        self._in_flight: deque[tuple[int | None, Outgoing]] = deque()
        """With the place of its arrival; None if it was acknowledged before."""
        self._kept: deque[tuple[float, Outgoing]] = deque()

    @property
    def waiting(self) -> int:
        """Messages to send, those to be sent again included."""
        return self._n_unsent + len(self._again)

    @property
    def is_idle(self) -> bool:
        """Whether everything is sent and acknowledged."""
        return not (self._n_unsent or self._again or self._in_flight)

    def put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        """Add messages behind all others."""
        if next_seq is not None:
            self._next_seq[source] = next_seq
        for message in messages:
            self._unsent[message.rank].append((self._puts, message))
            self._puts += 1
        self._n_unsent += len(messages)
        self.unacknowledged += len(messages)
        if self._n_unsent > self.capacity:
            self._shed_excess()

    def take(self) -> Outgoing | None:
        """Return the next message to send, in flight from now on; None if there is none."""
        while self._again:
            message = self._again.popleft()
            if not self._is_stale(message):
                self._in_flight.append((None, message))
                return message
        while self._n_unsent:
            place, message = self._oldest().popleft()
            self._n_unsent -= 1
            if not self._is_stale(message):
                self._in_flight.append((place, message))
                return message
            self.expired += 1
            self.unacknowledged -= 1
        return None

    def acknowledge(self, count: int = 1) -> int:
        """Note that the broker has the oldest `count` messages in flight; return how many anew."""
        new, now = 0, self._wall_time()
        for _ in range(count):
            place, message = self._in_flight.popleft()
            new += place is not None
            self._kept.append((now, message))
        self.unacknowledged -= new
        oldest_s = now - self._config.keep_s
        kept = self._kept
        while count and kept and (len(kept) > self._config.keep or kept[0][0] < oldest_s):
            kept.popleft()
        return new

    def recall(self) -> None:
        """Start again from the oldest message that is kept: the connection broke."""
        again = [message for _, message in self._kept]
        for place, message in self._in_flight:
            if place is None:
                again.append(message)
        self._again.extendleft(reversed(again))
        self._kept.clear()
        for place, message in reversed(self._in_flight):
            if place is not None:
                self._unsent[message.rank].appendleft((place, message))
                self._n_unsent += 1
        self._in_flight.clear()
        self._shed_excess()

    def _oldest(self) -> deque[tuple[int, Outgoing]]:
        """Return the queue whose first message came before those of the others."""
        oldest = None
        for queue in self._unsent:
            if queue and (oldest is None or queue[0][0] < oldest[0][0]):
                oldest = queue
        if oldest is None:
            raise IndexError("no message is unsent")
        return oldest

    def _shed_excess(self) -> None:
        while self._n_unsent > self.capacity:
            rank = next(rank for rank in Rank if self._unsent[rank])
            self._unsent[rank].popleft()
            self._n_unsent -= 1
            self.unacknowledged -= 1
            self.shed[rank] += 1
