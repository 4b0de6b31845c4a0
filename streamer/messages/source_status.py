"""The retained message that tells how a source stands with its broker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from msgspec import UNSET

from streamer.core.events import StreamInfo
from streamer.messages.outgoing import Rank
from streamer.messages.payload import utc_time
from streamer.messages.wire import SCHEMA_VERSION, StatusMessage, dumps

FINISHED: Final = "finished"
FAULT: Final = "fault"
"""It ended by an error of its own."""
"""Reason of being offline after an orderly end."""
CONNECTION_LOST: Final = "connection lost"
"""Reason in the last will."""


class ConnectionState(StrEnum):
    """How a source stands with its broker."""

    CONNECTING = "connecting"
    """Before the first connection; never published."""
    ONLINE = "online"
    DEGRADED = "degraded"
    """Connected, but far behind: messages come late, or were shed."""
    UNWATCHED = "unwatched"
    """Its samples come, and nobody labels them."""
    OFFLINE = "offline"
    """Lost (it retries) or closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a source is degraded; two limits, so that the state doesn't flicker."""

    degraded_from: int = 1000
    """Messages behind: minutes of one patient, and more than a fast replay lets pile up."""
    healthy_from: int = 50

    def limits(self, capacity: int) -> tuple[int, int]:
        """Return both, kept within what an outbox of that size can reach."""
        high = min(self.degraded_from, max(1, capacity // 2))
        return high, min(self.healthy_from, high // 2)


class Health:
    """Tells online from degraded by how much waits.

    Parameters
    ----------
    capacity : int
        Bound of the outbox.
    config : HealthConfig, optional
        Limits.
    """

    def __init__(self, capacity: int, config: HealthConfig | None = None) -> None:
        self._high, self._low = (config or HealthConfig()).limits(capacity)
        self._degraded = False

    def judge(self, waiting: int) -> ConnectionState:
        """Return the state of a source that is connected, with so many messages waiting."""
        self._degraded = waiting > (self._low if self._degraded else self._high)
        return ConnectionState.DEGRADED if self._degraded else ConnectionState.ONLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounts:
    """How far a source's messages have come."""

    events: int
    """One past the highest number so far."""
    waiting: int
    shed: Mapping[Rank, int] = field(default_factory=dict)
    expired: int = 0


def status_payload(
    info: StreamInfo,
    counts: DeliveryCounts,
    *,
    state: ConnectionState,
    reason: str | None,
    now: float,
    first_seq: int,
    via: str | None = None,
) -> bytes:
    """Encode one status message; `via` names the ward that publishes for the source."""
    return dumps(
        StatusMessage(
            schema=SCHEMA_VERSION,
            source=info.source,
            fs=info.fs,
            time=utc_time(now),
            state=state.value,
            reason=reason,
            started_at=utc_time(info.started_at),
            leads=list(info.leads),
            first_sample=int(info.first_sample),
            n_samples=None if info.n_samples is None else int(info.n_samples),
            training_record=info.training_record,
            first_seq=first_seq,
            events=counts.events,
            waiting=counts.waiting,
            shed=sum(counts.shed.values()),
            shed_by_rank={rank.name.lower(): counts.shed.get(rank, 0) for rank in Rank},
            expired=counts.expired,
            via=UNSET if via is None else via,
        )
    )
