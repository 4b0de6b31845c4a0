"""Which findings are worth a person's attention: few alerts, each with a reason.

An alert for each ectopic beat is noise, and noise makes people deaf. What there is to find is found
elsewhere, by the rhythm tracker (its alarms) and by `EctopyCounter`; the policy decides only
whether to call a person, with which priority, how often, and until when. Nothing is told before it
is confirmed but one warning, that of a ventricular run by its provisional labels.

Like a stage it is pure: no clock, no I/O; time is the sample index of the source.
"""

import dataclasses
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from streamer.core.events import Alarm, Event, Gap, LabeledBeat, Priority, Rhythm, RhythmEvent
from streamer.rhythm.alerts import (
    Active,
    Alert,
    AlertChange,
    AlertConfig,
    AlertState,
    deserialize_active,
    deserialize_alert,
    serialize_active,
    serialize_alert,
)
from streamer.rhythm.ectopy import Condition, EctopyCounter
from streamer.rhythm.table import EPISODES

__all__ = ["Active", "Alert", "AlertConfig", "AlertPolicy"]

_MINUTE_S: Final = 60
_V_RHYTHMS: Final = frozenset(
    {
        Rhythm.VENTRICULAR_TACHYCARDIA,
        Rhythm.IDIOVENTRICULAR,
        Rhythm.VENTRICULAR_FIBRILLATION,
    }
)
"""Rhythms of which an early warning says nothing new."""


class AlertPolicy:
    """Turns events into alerts.

    For one event there is at most one alert. A condition that goes on, and that a full minute keeps
    quiet, is told with one of the next events.

    Parameters
    ----------
    fs : float
        Sampling frequency at which the events' samples count.
    config : AlertConfig, optional
        Limits.

    Attributes
    ----------
    suppressed : int
        Findings that raised no alert because of a rate limit.
    """

    def __init__(self, fs: float, config: AlertConfig | None = None) -> None:
        self._fs = fs
        self._config = config or AlertConfig()
        self.suppressed = 0
        self._ectopy = EctopyCounter(fs, self._config.ectopy)
        self._background = Rhythm.UNKNOWN
        self._episode: Rhythm | None = None
        self._active: dict[str, Active] = {}
        self._held: dict[str, Alert] = {}
        self._raised_at: dict[str, int] = {}
        self._unreported: Counter[str] = Counter()
        self._recent: deque[int] = deque(maxlen=self._config.max_per_min)

    @property
    def active(self) -> tuple[Active, ...]:
        """Alerts that are not over, the most urgent first, then the oldest."""
        return tuple(
            sorted(self._active.values(), key=lambda a: (-a.alert.priority, a.alert.onset))
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the policy remembers, as JSON can hold it."""
        return {
            "ectopy": self._ectopy.state(),
            "background": self._background.value,
            "episode": None if self._episode is None else self._episode.value,
            "active": [serialize_active(active) for active in self._active.values()],
            "held": [serialize_alert(alert) for alert in self._held.values()],
            "raised_at": dict(self._raised_at),
            "unreported": dict(self._unreported),
            "recent": list(self._recent),
            "suppressed": self.suppressed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken, in a policy of the same configuration.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no state of a policy.
        """
        active = [deserialize_active(values) for values in state["active"]]
        self._active = {item.alert.condition: item for item in active}
        held = [deserialize_alert(fields) for fields in state["held"]]
        self._held = {alert.condition: alert for alert in held}
        self._ectopy.restore(state["ectopy"])
        self._background = Rhythm(state["background"])
        self._episode = None if state["episode"] is None else Rhythm(state["episode"])
        self._raised_at = dict(state["raised_at"])
        self._unreported = Counter(state["unreported"])
        self._recent = deque(state["recent"], self._recent.maxlen)
        self.suppressed = int(state["suppressed"])

    def push(self, event: Event) -> Alert | None:
        """Take the next event; return the alert that it raises, if any."""
        found = self._find(event)
        self._end_what_is_over()
        raised = None if found is None else self._raise(found)
        return raised or self._raise_held(event.decided_at)

    def acknowledge(self, condition: str | None = None) -> int:
        """Note that a person has seen an active alert, or all; return how many were new to them."""
        names = [name for name in self._active if condition in {None, name}]
        new = sum(not self._active[name].acknowledged for name in names)
        for name in names:
            self._change(name, AlertChange.SEEN)
        return new

    def _find(self, event: Event) -> Alert | None:
        """Return an alert of what has begun with an event, whether or not it is to be raised."""
        match event:
            case LabeledBeat():
                return self._find_ectopy(event)
            case Alarm():
                return self._draft(
                    event.rhythm, event.priority, event.onset, event.decided_at, event.beats
                )
            case RhythmEvent():
                self._follow(event.rhythm)
            case Gap():
                self._ectopy.clear_streaks()
        return None

    def _find_ectopy(self, event: LabeledBeat) -> Alert | None:
        found = self._ectopy.push(event)
        if found is None:
            return None
        if found.condition is Condition.V_RUN_WARNING and self._episode in _V_RHYTHMS:
            return None
        onset = found.beats[0]
        return self._draft(found.condition, Priority.LOW, onset, event.decided_at, found.beats)

    def _draft(
        self,
        condition: str,
        priority: Priority,
        onset: int,
        decided_at: int,
        beats: tuple[int, ...],
    ) -> Alert:
        priority = self._config.priorities.get(condition, priority)
        return Alert(
            condition=str(condition),
            priority=priority,
            onset=onset,
            decided_at=decided_at,
            beats=beats,
            provisional=condition == Condition.V_RUN_WARNING,
            latched=priority in self._config.latched,
            occurrences=0,
        )

    def _follow(self, rhythm: Rhythm) -> None:
        """Note which rhythm there is; an episode leaves the background as it is."""
        if rhythm in EPISODES:
            self._episode = rhythm
        else:
            self._background, self._episode = rhythm, None

    def _goes_on(self, condition: str) -> bool:
        """Whether a condition lasts: the tracker's rhythm of now, or counted and not over."""
        if condition == Condition.V_RUN_WARNING and self._episode in _V_RHYTHMS:
            return False
        return condition in {self._background, self._episode} or condition in self._ectopy.ongoing

    def _end_what_is_over(self) -> None:
        for condition in [name for name in self._held if not self._goes_on(name)]:
            del self._held[condition]
        for condition in [name for name in self._active if not self._goes_on(name)]:
            self._change(condition, AlertChange.OVER)

    def _change(self, condition: str, change: AlertChange) -> None:
        after = self._active[condition].after(change)
        if after is None:
            del self._active[condition]
        else:
            self._active[condition] = after

    def _raise(self, alert: Alert) -> Alert | None:
        """Raise an alert, unless a rate limit keeps it quiet."""
        is_high = alert.priority is Priority.HIGH
        is_capped = not is_high and self._is_capped(alert.decided_at)
        goes_on = self._goes_on(alert.condition)
        if is_capped and goes_on:
            self._held[alert.condition] = alert
            return None
        self._held.pop(alert.condition, None)
        self._unreported[alert.condition] += 1
        alert = dataclasses.replace(alert, occurrences=self._unreported[alert.condition])
        # What is over as soon as it is known stays only for its latch.
        if goes_on or alert.latched:
            state = AlertState.ONGOING if goes_on else AlertState.LATCHED
            self._active[alert.condition] = Active(alert, state)
        if is_capped or self._is_too_soon(alert):
            self.suppressed += 1
            return None
        self._raised_at[alert.condition] = alert.decided_at
        del self._unreported[alert.condition]
        if not is_high:
            self._recent.append(alert.decided_at)
        return alert

    def _raise_held(self, decided_at: int) -> Alert | None:
        """Raise the most urgent of the conditions that a full minute kept quiet."""
        if not self._held or self._is_capped(decided_at):
            return None
        alert = max(self._held.values(), key=lambda alert: alert.priority)
        return self._raise(dataclasses.replace(alert, decided_at=decided_at))

    def _is_too_soon(self, alert: Alert) -> bool:
        raised_at = self._raised_at.get(alert.condition)
        quiet_s = self._config.repeat_s[alert.priority]
        return raised_at is not None and alert.decided_at - raised_at < quiet_s * self._fs

    def _is_capped(self, decided_at: int) -> bool:
        """Whether a minute has had all the alerts that it may have."""
        full = len(self._recent) == self._config.max_per_min
        return full and decided_at - self._recent[0] < _MINUTE_S * self._fs
