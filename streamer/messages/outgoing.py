"""One encoded message on its way out, and its rank when there is no room for all."""

from enum import IntEnum

from msgspec import Struct


class Rank(IntEnum):
    """What goes first when there is no room: the lowest rank, and there the oldest."""

    STATISTICS = 0
    """Waveform and statistics."""
    PROVISIONAL = 1
    """Provisional labels: the confirmed ones follow."""
    EVENT = 2
    ALERT = 3


class Outgoing(Struct, frozen=True, kw_only=True, gc=False):
    """One message for the broker."""

    topic: str
    payload: bytes
    rank: Rank = Rank.EVENT
    kind: str = ""
    """`type` of the payload, for receivers that don't want to open it."""
    expires_at: float | None = None
    """Seconds since the epoch from which on nobody wants it; None is never."""
