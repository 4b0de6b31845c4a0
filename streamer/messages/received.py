"""What a listener makes of messages from the network: checked, de-duplicated, holes noticed.

Nothing here trusts the sender: a message has our form and a source that agrees with its topic, or
it is malformed.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from msgspec import UNSET

from streamer.messages.payload import MAIN_KIND, TOPIC_PREFIX, TopicKind, check_source
from streamer.messages.source_status import FINISHED, ConnectionState
from streamer.messages.wire import (
    AlertMessage,
    AnyMessage,
    EventMessage,
    MalformedError,
    StatusMessage,
    loads,
)

MAX_PAYLOAD_BYTES: Final = 65_536
"""Ours have less than a kilobyte; a rhythm that names hundreds of beats has a few. msgspec knows no
limit of size; of depth it has the interpreter's."""
MAX_REMEMBERED: Final = 10_000
"""Missing sequence numbers of one source that may still come late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that passed the checks."""

    message: AnyMessage
    data: bytes
    """As it came, with fields that we don't know."""


def receive(topic: str, data: bytes, prefix: str = TOPIC_PREFIX) -> Received:
    """Check one message.

    Raises
    ------
    MalformedError
        If topic or payload is not of our form.
    """
    source, _, kind = topic.removeprefix(f"{prefix}/").partition("/")
    try:
        place = TopicKind(kind)
        check_source(source)
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if len(data) > MAX_PAYLOAD_BYTES:
        raise MalformedError(f"payload has {len(data)} bytes")
    message = loads(data)
    if message.source != source:
        raise MalformedError("payload is not of the topic's source")
    if MAIN_KIND[message.type] is not place:
        raise MalformedError(f"{message.type} doesn't belong on {kind}")
    return Received(message=message, data=data)


class Freshness(Enum):
    """What a sequence number says about a message."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Seen before: delivery is at least once."""


@dataclass(slots=True)
class SourceTrack:
    """Sequence numbers of one run of one source."""

    started_at: str | None = None
    """Which run; None until its status was seen."""
    next_seq: int | None = None
    """One past the highest seen; None before the first."""
    via: str | None = None
    """The ward that publishes for it, if one does."""
    is_online: bool = False
    """By its own last status."""
    next_alert: int = 0
    """One past the highest seen among alerts."""
    missing: set[int] = field(default_factory=set)
    missing_count: int = 0
    """How many numbers never came (so far)."""

    def status(self, message: StatusMessage) -> int:
        """Take a status; return how many messages its end shows to be missing.

        A new `started_at` is a new run, whose numbers start anew unless its `first_seq` says
        that they go on.
        """
        goes_on = message.first_seq >= (self.next_seq or 0)
        if self.started_at not in {None, message.started_at} and not goes_on:
            self.next_seq, self.next_alert = None, 0
            self.missing.clear()
        self.started_at = message.started_at
        self.via = None if message.via is UNSET else message.via
        self.is_online = message.state not in {ConnectionState.OFFLINE, ConnectionState.UNWATCHED}
        if self.is_online or message.reason != FINISHED or self.next_seq is None:
            return 0
        return self._expect(message.events)

    def event(self, message: EventMessage) -> tuple[Freshness, int]:
        """Take an event; return whether it is new, and how many before it are missing."""
        seq = message.seq
        if isinstance(message, AlertMessage):
            fresh = seq >= self.next_alert
            self.next_alert = max(self.next_alert, seq + 1)
            return Freshness.NEW if fresh else Freshness.DUPLICATE, 0
        if self.next_seq is None:
            self.next_seq = seq
        if seq < self.next_seq:
            return self._late(seq), 0
        hole = self._expect(seq)
        self.next_seq = seq + 1
        return Freshness.NEW, hole

    def _late(self, seq: int) -> Freshness:
        """Tell a number that was missing from one that came before."""
        if seq not in self.missing:
            return Freshness.DUPLICATE
        self.missing.discard(seq)
        self.missing_count -= 1
        return Freshness.NEW

    def _expect(self, seq: int) -> int:
        """Note every number from the next one up to `seq` (exclusive) as missing; count them."""
        start = seq if self.next_seq is None else self.next_seq
        hole = max(0, seq - start)
        room = MAX_REMEMBERED - len(self.missing)
        self.missing.update(range(start, start + min(hole, room)))
        self.missing_count += hole
        self.next_seq = max(start, seq)
        return hole
