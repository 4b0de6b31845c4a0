"""Alerts on their way to and from the network: payloads, the active ones, acknowledgements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamer.core.events import Event, StreamInfo
from streamer.messages.guard import Guard, RejectedError
from streamer.messages.outgoing import Outgoing, Rank
from streamer.messages.payload import (
    SCHEMA_VERSION,
    MessageType,
    Payload,
    TopicKind,
    dumps,
    sample_time,
    topic,
    utc_time,
)
from streamer.rhythm.alert_policy import Active, Alert, AlertConfig, AlertPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingConfig:
    """How alerts travel."""

    policy: AlertConfig | None = None
    expiry_s: float = 3600.0
    """Age at which nobody wants an alert any more; the event behind it is kept for ever."""


class Alerting:
    """Alerts of one source.

    Parameters
    ----------
    info : StreamInfo
        The source.
    prefix : str
        First level of topics.
    config : AlertingConfig, optional
    wall_time : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        info: StreamInfo,
        prefix: str,
        config: AlertingConfig | None,
        wall_time: Callable[[], float],
    ) -> None:
        self._info = info
        self._config = config or AlertingConfig()
        self._wall_time = wall_time
        self._prefix = prefix
        self.policy = AlertPolicy(info.fs, self._config.policy)
        self.guard = Guard(validate=lambda message: _acknowledged(message, info.source))
        self._told: tuple[Active, ...] | None = None

    @property
    def ack_topic(self) -> str:
        """Where people acknowledge."""
        return topic(self._info.source, TopicKind.ACKNOWLEDGE, self._prefix)

    def outgoing(self, event: Event, payload: Payload) -> list[Outgoing]:
        """Return the alert that an event raises, if any; `payload` is the event's own."""
        alert = self.policy.push(event)
        if alert is None:
            return []
        return [
            Outgoing(
                topic=topic(self._info.source, TopicKind.ALERTS, self._prefix),
                payload=dumps(alert_payload(alert, payload, self._info)),
                rank=Rank.ALERT,
                kind=MessageType.ALERT,
                expires_at=self._wall_time() + self._config.expiry_s,
            )
        ]

    def acknowledge(self, data: object) -> int:
        """Take one acknowledgement from the network; return how many alerts it was new to.

        What is malformed, too large or too frequent is counted by `guard` and changes nothing.
        """
        try:
            message = self.guard.admit(data, self._wall_time())
        except RejectedError:
            return 0
        return self.policy.acknowledge(message.get("condition"))

    def changed(self) -> bytes | None:
        """Return the active alerts as a message if they aren't those returned last."""
        active = self.policy.active
        if active == self._told:
            return None
        self._told = active
        return dumps(self._active_payload(active))

    def forget_told(self) -> None:
        """Tell the active alerts again: a new connection may have lost them."""
        self._told = None

    def _active_payload(self, active: tuple[Active, ...]) -> Payload:
        info = self._info
        return {
            "schema": SCHEMA_VERSION,
            "type": MessageType.ACTIVE.value,
            "source": info.source,
            "fs": info.fs,
            "time": utc_time(self._wall_time()),
            "rejected": sum(self.guard.rejected.values()),
            "alerts": [
                {
                    "condition": item.alert.condition,
                    "priority": item.alert.priority.name.lower(),
                    "sample": item.alert.onset,
                    "decided_at": item.alert.decided_at,
                    "time": sample_time(item.alert.onset, info),
                    "latched": item.alert.latched,
                    "acknowledged": item.acknowledged,
                    "ended": item.ended,
                }
                for item in active
            ],
        }


def alert_payload(alert: Alert, cause: Payload, info: StreamInfo) -> Payload:
    """Turn an alert into a JSON-ready object; `cause` is the payload of the event behind it.

    Its `seq` is that event's: an alert says something about an event and is none itself.
    """
    return {
        "schema": SCHEMA_VERSION,
        "type": MessageType.ALERT.value,
        "source": info.source,
        "seq": cause["seq"],
        "sample": alert.onset,
        "decided_at": alert.decided_at,
        "fs": info.fs,
        "time": sample_time(alert.onset, info),
        "compute_ms": cause["compute_ms"],
        "condition": alert.condition,
        "priority": alert.priority.name.lower(),
        "beats": list(alert.beats),
        "provisional": alert.provisional,
        "latched": alert.latched,
        "occurrences": alert.occurrences,
    }


def _acknowledged(message: dict[str, Any], source: str) -> None:
    """Check an acknowledgement; unknown fields are ignored."""
    if message.get("type") != MessageType.ACKNOWLEDGE or message.get("source") != source:
        raise ValueError("no acknowledgement of this source")
    condition = message.get("condition")
    if condition is not None and not isinstance(condition, str):
        raise ValueError("condition is no text")
