"""The alerts of every patient: one policy each, which all that show or publish alerts share."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streamer.core.events import Event, StreamInfo
from streamer.rhythm.alerting.alerts import Active, Alert, AlertConfig, AlertState
from streamer.rhythm.alerting.policy import AlertPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """An alert that was raised."""

    info: StreamInfo
    alert: Alert


@dataclass(slots=True)
class _Patient:
    info: StreamInfo
    policy: AlertPolicy
    event: Event | None = None
    alert: Alert | None = None
    """What `event`, the newest, has raised."""


class PatientAlerts:
    """Alerts of any number of patients, and the one place where a person acknowledges them.

    Parameters
    ----------
    config : AlertConfig, optional
        Limits, of every patient.
    most_past : int
        Alerts that are remembered in `past`.

    Attributes
    ----------
    past : deque of PastAlert
        The last alerts of all patients, oldest first.
    watchers : list of callable
        Called with the source when a person has acknowledged something.
    on_remove : callable
        Takes a source off the ward if it is silent; returns whether it is.
    """

    def __init__(self, config: AlertConfig | None = None, *, most_past: int = 500) -> None:
        self.past: deque[PastAlert] = deque(maxlen=most_past)
        self.watchers: list[Callable[[str], None]] = []
        self.on_remove: Callable[[str], bool] = lambda source: False
        self._config = config
        self._patients: dict[str, _Patient] = {}
        self._left: dict[str, tuple[Active, ...]] = {}

    def __getitem__(self, source: str) -> AlertPolicy:
        """Return a patient's policy."""
        return self._patients[source].policy

    def open(self, info: StreamInfo) -> AlertPolicy:
        """Begin with a patient, if none has begun yet; return the policy.

        What nobody had acknowledged when the patient's last stream ended is active again.
        """
        source = info.source
        if source not in self._patients:
            self._patients[source] = _Patient(info, AlertPolicy(info.fs, self._config))
            self[source].recall(self._left.pop(source, ()))
        return self[source]

    def close(self, source: str) -> None:
        """End a patient's stream."""
        patient = self._patients.pop(source, None)
        active = () if patient is None else patient.policy.active
        if patient is not None and (left := [one for one in active if _outlives(one)]):
            info = patient.info
            self._left[source] = tuple(_left(one, info) for one in left)

    def take(self, info: StreamInfo, event: Event) -> Alert | None:
        """Return the alert that a patient's newest event raises; it counts once, whoever asks."""
        patient = self._patients[info.source]
        if event is not patient.event:
            patient.event, patient.alert = event, patient.policy.push(event)
            if patient.alert is not None:
                self.past.append(PastAlert(info=info, alert=patient.alert))
        return patient.alert

    def acknowledge(self, source: str, condition: str | None = None) -> int:
        """Note that a person has seen an active alert, or all; return how many were new to them."""
        patient = self._patients.get(source)
        new = 0 if patient is None else patient.policy.acknowledge(condition)
        if new:
            for watcher in self.watchers:
                watcher(source)
        return new

    def remove(self, source: str) -> bool:
        """Take a silent source off the ward, and with it its alerts; return whether it is one."""
        if not self.on_remove(source):
            return False
        self.acknowledge(source)
        return True

    def state_of(self, past: PastAlert) -> AlertState | None:
        """Return how a past alert stands; None if it is active no more."""
        patient = self._patients.get(past.info.source)
        for one in () if patient is None else patient.policy.active:
            if (one.alert.condition, one.alert.onset) == (past.alert.condition, past.alert.onset):
                return one.state
        return None


def _outlives(one: Active) -> bool:
    """Whether an alert stays when its patient's stream has ended."""
    return one.alert.latched and not one.acknowledged


def _left(one: Active, info: StreamInfo) -> Active:
    """Return an alert of a stream that has ended: nobody knows of its condition any more."""
    began_s = info.wall_time_s(one.alert.onset)
    return Active(one.alert, AlertState.LATCHED, one.began_s or began_s)
