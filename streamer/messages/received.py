"""What a listener makes of messages from the network: checked, de-duplicated, holes noticed.

Nothing here trusts the sender. A payload is small, flat JSON whose source agrees with its topic,
or it is malformed; fields that we don't know are ignored, so that versions can mix.
"""

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from streamer.messages.payload import MAIN_KIND, TOPIC_PREFIX, MessageType, TopicKind, check_source

MAX_PAYLOAD_BYTES: Final = 65_536
"""Ours have less than a kilobyte; a rhythm that names hundreds of beats has a few."""
MAX_INTEGER: Final = 2**53
"""Largest that JSON readers agree on (RFC 8259, section 6)."""
MAX_DEPTH: Final = 8
"""Ours have two levels; deeper ones than this only serve to exhaust the stack."""
MAX_REMEMBERED: Final = 10_000
"""Missing sequence numbers of one source that may still come late."""


UNNUMBERED: Final = frozenset(
    {MessageType.STATUS, MessageType.STATISTICS, MessageType.ACTIVE, MessageType.ACKNOWLEDGE}
)
"""Types of messages that are no events and speak of none."""


class MalformedError(Exception):
    """A message that is not one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that passed the checks."""

    kind: TopicKind
    type: MessageType
    source: str
    seq: int | None
    """None for what is no event: status and active alerts."""
    payload: dict[str, Any]

    @property
    def is_derived(self) -> bool:
        """Whether it says something about an event, whose `seq` it carries."""
        return self.type is MessageType.ALERT

    def text(self, name: str) -> str | None:
        """Return a field that holds text, else None; control characters are made harmless."""
        value = self.payload.get(name)
        if not isinstance(value, str):
            return None
        return "".join(letter if letter.isprintable() else "?" for letter in value)

    def number(self, name: str) -> float | None:
        """Return a field that holds a number of sensible size, else None."""
        value = self.payload.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) <= MAX_INTEGER else None


def receive(topic: str, data: bytes, prefix: str = TOPIC_PREFIX) -> Received:
    """Check one message.

    Raises
    ------
    MalformedError
        If topic or payload is not of our form.
    """
    try:
        source, kind_name = topic.removeprefix(f"{prefix}/").split("/", 1)
        kind = TopicKind(kind_name)
        check_source(source)
        if len(data) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload has {len(data)} bytes")
        payload = json.loads(data)
        if not isinstance(payload, dict) or payload.get("source") != source:
            raise ValueError("payload is no object of the topic's source")
        if not _is_shallow(payload, MAX_DEPTH):
            raise ValueError("payload is nested too deeply")
        kind_of_message = MessageType(str(payload.get("type")))
        if MAIN_KIND[kind_of_message] is not kind:
            raise ValueError(f"{kind_of_message} doesn't belong on {kind}")
        seq = None if kind_of_message in UNNUMBERED else _seq(payload)
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    return Received(kind=kind, type=kind_of_message, source=source, seq=seq, payload=payload)


def _is_shallow(value: object, levels: int) -> bool:
    """Whether objects and lists are nested in no more than so many levels."""
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value)
    return True


def _seq(payload: dict[str, Any]) -> int:
    value = payload.get("seq")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise ValueError("seq is no whole number from 0 up")
    return value


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

    def status(self, message: Received) -> int:
        """Take a status; return how many messages its end shows to be missing.

        A new `started_at` is a new run, whose numbers start anew unless its `first_seq` says
        that they go on.
        """
        started_at = message.text("started_at")
        goes_on = (message.number("first_seq") or 0) >= (self.next_seq or 0)
        if self.started_at is not None and started_at != self.started_at and not goes_on:
            self.next_seq, self.next_alert = None, 0
            self.missing.clear()
        self.started_at = started_at
        self.via = message.text("via")
        self.is_online = message.text("state") != "offline"
        events = message.payload.get("events")
        ended = message.text("state") == "offline" and message.text("reason") == "finished"
        if not ended or self.next_seq is None or not isinstance(events, int):
            return 0
        return self._expect(min(events, MAX_INTEGER))

    def event(self, message: Received) -> tuple[Freshness, int]:
        """Take an event; return whether it is new, and how many before it are missing."""
        seq = message.seq
        if seq is None:
            return Freshness.NEW, 0
        if message.is_derived:
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
