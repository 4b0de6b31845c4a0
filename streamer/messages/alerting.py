"""Alerts on their way to and from the network: payloads, the active ones, acknowledgements."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streamer.core.events import Event, Priority, StreamInfo
from streamer.messages.guard import Guard, RejectedError
from streamer.messages.outgoing import Outgoing, Rank
from streamer.messages.payload import sample_time, topic_of, utc_time
from streamer.messages.wire import (
    SCHEMA_VERSION,
    AcknowledgeMessage,
    ActiveAlert,
    ActiveMessage,
    AlertMessage,
    EventMessage,
    MalformedError,
    dumps,
    loads,
)
from streamer.rhythm.alerting.alerts import Active, Alert, AlertState
from streamer.rhythm.alerting.patients import PatientAlerts


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingConfig:
    """How alerts travel."""

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
    alerts : PatientAlerts, optional
        Of all patients, shared with whoever shows them.
    """

    def __init__(
        self,
        info: StreamInfo,
        prefix: str,
        config: AlertingConfig | None,
        wall_time: Callable[[], float],
        alerts: PatientAlerts | None = None,
    ) -> None:
        self._info = info
        self._config = config or AlertingConfig()
        self._wall_time = wall_time
        self._prefix = prefix
        self._alerts = PatientAlerts() if alerts is None else alerts
        self.policy = self._alerts.open(info)
        self.guard = Guard()
        self._told: tuple[Active, ...] | None = None
        self._kept: tuple[Active, ...] = ()

    def outgoing(self, event: Event, cause: EventMessage) -> list[Outgoing]:
        """Return the alert that an event raises, if any; `cause` is the event's own message."""
        alert = self._alerts.take(self._info, event)
        if alert is None:
            return []
        message = alert_message(alert, cause, self._info)
        return [
            Outgoing(
                topic=topic_of(message, self._prefix),
                payload=dumps(message),
                rank=Rank.ALERT,
                kind=message.type,
                expires_at=self._wall_time() + self._config.expiry_s,
            )
        ]

    def acknowledge(self, data: object) -> int:
        """Take one acknowledgement from the network; return how many alerts it was new to.

        What is malformed, too large or too frequent is counted by `guard` and changes nothing.
        """
        try:
            message = self.guard.admit(data, self._wall_time(), self._acknowledgement)
        except RejectedError:
            return 0
        source = self._info.source
        new = self._alerts.acknowledge(source, message.condition)
        if message.remove:
            self._alerts.remove(source)
        return new

    def changed(self) -> bytes | None:
        """Return the active alerts as a message if they aren't those returned last."""
        active = self.policy.active
        if active is self._told:
            return None
        self._told = active
        return dumps(self._active_message(active))

    def to_keep(self) -> bytes | None:
        """Return the same message for the disk if it isn't that returned last."""
        active = self.policy.active
        if active is self._kept:
            return None
        self._kept = active
        return dumps(self._active_message(active))

    def recall(self, kept: bytes) -> None:
        """Take over what an earlier run had kept; what isn't our message is left alone."""
        try:
            message = loads(kept)
        except MalformedError:
            return
        if isinstance(message, ActiveMessage):
            self.policy.recall([_active(alert) for alert in message.alerts])

    def forget_told(self) -> None:
        """Tell the active alerts again: a new connection may have lost them."""
        self._told = None

    def _active_message(self, active: tuple[Active, ...]) -> ActiveMessage:
        info = self._info
        return ActiveMessage(
            schema=SCHEMA_VERSION,
            source=info.source,
            fs=info.fs,
            time=utc_time(self._wall_time()),
            rejected=sum(self.guard.rejected.values()),
            alerts=[
                ActiveAlert(
                    condition=str(item.alert.condition),
                    priority=item.alert.priority.name.lower(),
                    sample=int(item.alert.onset),
                    decided_at=int(item.alert.decided_at),
                    time=_began(item, info),
                    latched=item.alert.latched,
                    acknowledged=item.acknowledged,
                    ended=item.ended,
                )
                for item in active
            ],
        )

    def _acknowledgement(self, data: bytes) -> AcknowledgeMessage:
        message = loads(data)
        if not isinstance(message, AcknowledgeMessage) or message.source != self._info.source:
            raise ValueError("no acknowledgement of this source")
        return message


def _active(kept: ActiveAlert) -> Active:
    alert = Alert(
        condition=kept.condition,
        priority=Priority[kept.priority.upper()],
        onset=kept.sample,
        decided_at=kept.decided_at,
        beats=(),
        provisional=False,
        latched=kept.latched,
        occurrences=1,
    )
    state = AlertState.ACKNOWLEDGED if kept.acknowledged else AlertState.ONGOING
    began_s = datetime.fromisoformat(kept.time).timestamp()
    return Active(alert, AlertState.LATCHED if kept.ended else state, began_s)


def _began(item: Active, info: StreamInfo) -> str:
    return sample_time(item.alert.onset, info) if item.began_s is None else utc_time(item.began_s)


def alert_message(alert: Alert, cause: EventMessage, info: StreamInfo) -> AlertMessage:
    """Turn an alert into its message; `cause` is that of the event behind it.

    Its `seq` is that event's: an alert says something about an event and is none itself.
    """
    return AlertMessage(
        schema=SCHEMA_VERSION,
        source=info.source,
        seq=cause.seq,
        sample=int(alert.onset),
        decided_at=int(alert.decided_at),
        fs=float(info.fs),
        time=sample_time(alert.onset, info),
        compute_ms=cause.compute_ms,
        condition=str(alert.condition),
        priority=alert.priority.name.lower(),
        beats=[int(sample) for sample in alert.beats],
        provisional=alert.provisional,
        latched=alert.latched,
        occurrences=alert.occurrences,
    )
