"""Which findings are worth a person's attention: few alerts, each with a reason.

An alert for each ectopic beat is noise, and noise makes people deaf. What there is to find is found
elsewhere, by the rhythm tracker (its alarms) and by `EctopyCounter`; the policy decides only
whether to call a person, with which priority, how often, and until when. Nothing is raised before
it is confirmed but one warning, that of a ventricular run by its provisional labels. What goes on
is known from the alarms' own beginnings and ends.

Like a stage it is pure: no clock, no I/O; time is the sample index of the source.
"""

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from streamer.core.events import (
    Alarm,
    AlarmState,
    EctopyCondition,
    Event,
    Gap,
    LabeledBeat,
    Priority,
    Rhythm,
)
from streamer.rhythm.alerting.alerts import (
    Active,
    Alert,
    AlertChange,
    AlertConfig,
    AlertState,
    PolicyState,
)
from streamer.rhythm.ectopy import EctopyCounter
from streamer.rhythm.serialize import plain_fields, restore_fields

__all__ = ["Active", "Alert", "AlertConfig", "AlertPolicy"]

_MINUTE_S: Final = 60
_V_RHYTHMS: Final[frozenset[str]] = frozenset(
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
    quiet, is raised with one of the next events.

    Parameters
    ----------
    fs : float
        Sampling frequency at which the events' samples count.
    config : AlertConfig, optional
        Limits.
    """

    def __init__(self, fs: float, config: AlertConfig | None = None) -> None:
        self._fs = fs
        self._config = config or AlertConfig()
        self._ectopy = EctopyCounter(fs, self._config.ectopy)
        self._state = PolicyState(recent=deque(maxlen=self._config.max_per_min))
        self._in_order: tuple[Active, ...] | None = ()

    @property
    def suppressed(self) -> int:
        """Findings that raised no alert because of a rate limit."""
        return self._state.suppressed

    @property
    def active(self) -> tuple[Active, ...]:
        """Alerts that are not over or not acknowledged, the most urgent first, then the oldest.

        The same tuple as before if nothing has changed.
        """
        if self._in_order is None:
            self._in_order = tuple(sorted(self._state.active.values(), key=Active.rank))
        return self._in_order

    def latches(self, priority: Priority) -> bool:
        """Tell whether alerts of a priority stay until a person acknowledges them."""
        return priority in self._config.latched

    def ongoing_onset(self, condition: str) -> int | None:
        """Return where an active condition that goes on began; None if there is none."""
        one = self._state.active.get(condition)
        return None if one is None or one.ended else one.alert.onset

    def state(self) -> dict[str, Any]:
        """Return everything that the policy remembers, as JSON can hold it."""
        return {"ectopy": self._ectopy.state(), **plain_fields(self._state)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken, in a policy of the same configuration.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no state of a policy.
        """
        restore_fields(self._state, state)
        self._ectopy.restore(state["ectopy"])
        self._in_order = None

    def recall(self, kept: Iterable[Active]) -> None:
        """Take over what was active when an earlier run ended, of which this run may know part.

        Parameters
        ----------
        kept : iterable of Active
            As it was then. What was acknowledged stays so; what went on is taken to go on for
            `recall_s`, in which the tracker finds it again if it does.
        """
        kept_by_name = {one.alert.condition: one for one in kept}
        for name, mine in list(self._state.active.items()):
            # Acknowledged after what this run knows of.
            other = kept_by_name.get(name)
            if mine.ended and other is None:
                del self._state.active[name]
            elif other is not None and other.acknowledged:
                self._change(name, AlertChange.SEEN)
        for name, one in kept_by_name.items():
            if name not in self._state.active:
                self._state.active[name] = one
                if not one.ended:
                    self._state.believed_until[name] = None
        self._in_order = None

    def push(self, event: Event) -> Alert | None:
        """Take the next event; return the alert that it raises, if any."""
        found = self._find(event)
        if self._state.active or self._state.held:
            self._end_what_is_over(event.decided_at)
        raised = None if found is None else self._raise(found)
        return raised or self._raise_held(event.decided_at) or self._escalate(event.decided_at)

    def acknowledge(self, condition: str | None = None) -> int:
        """Note that a person has seen an active alert, or all; return how many were new to them."""
        names = [name for name in self._state.active if condition in {None, name}]
        new = sum(not self._state.active[name].acknowledged for name in names)
        for name in names:
            self._state.held.pop(name, None)
            self._change(name, AlertChange.SEEN)
        return new

    def _find(self, event: Event) -> Alert | None:
        """Return an alert of what has begun with an event, whether or not it is to be raised."""
        match event:
            case LabeledBeat():
                return self._find_ectopy(event)
            case Alarm():
                return self._find_alarm(event)
            case Gap():
                self._ectopy.clear_streaks()
        return None

    def _find_alarm(self, event: Alarm) -> Alert | None:
        self._state.believed_until.pop(event.rhythm, None)
        if event.state is AlarmState.ONGOING:
            self._state.ongoing.add(str(event.rhythm))
        else:
            self._state.ongoing.discard(event.rhythm)
        if not event.is_raised:
            return None
        return self._draft(event.rhythm, event.priority, event.onset, event.decided_at, event.beats)

    def _find_ectopy(self, event: LabeledBeat) -> Alert | None:
        found = self._ectopy.push(event)
        if found is None:
            return None
        if found.condition is EctopyCondition.V_RUN_WARNING and self._is_run_known():
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
            provisional=condition == EctopyCondition.V_RUN_WARNING,
            latched=priority in self._config.latched,
            occurrences=0,
        )

    def _is_run_known(self) -> bool:
        return not _V_RHYTHMS.isdisjoint(self._state.ongoing)

    def _goes_on(self, condition: str) -> bool:
        """Whether a condition lasts: told by an alarm, or counted, and not over."""
        if condition in self._state.ongoing or condition in self._state.believed_until:
            return True
        if condition == EctopyCondition.V_RUN_WARNING and self._is_run_known():
            return False
        return condition in self._ectopy.ongoing

    def _end_what_is_over(self, now: int) -> None:
        believed = self._state.believed_until
        for condition, until in list(believed.items()):
            if until is None:
                believed[condition] = now + round(self._config.recall_s * self._fs)
            elif now > until:
                del believed[condition]
        for condition in [name for name in self._state.held if not self._goes_on(name)]:
            del self._state.held[condition]
        for condition in [name for name in self._state.active if not self._goes_on(name)]:
            self._change(condition, AlertChange.OVER)

    def _change(self, condition: str, change: AlertChange) -> None:
        before = self._state.active[condition]
        after = before.after(change)
        if after is before:
            return
        self._in_order = None
        if after is None:
            del self._state.active[condition]
        else:
            self._state.active[condition] = after

    def _raise(self, alert: Alert) -> Alert | None:
        """Raise an alert, unless a rate limit keeps it quiet."""
        is_high = alert.priority is Priority.HIGH
        is_capped = not is_high and self._is_capped(alert.decided_at)
        goes_on = self._goes_on(alert.condition)
        if is_capped and goes_on:
            self._state.held[alert.condition] = alert
            self._activate(dataclasses.replace(alert, occurrences=1), AlertState.ONGOING)
            return None
        self._state.held.pop(alert.condition, None)
        occurrences = self._state.unreported.get(alert.condition, 0) + 1
        self._state.unreported[alert.condition] = occurrences
        alert = dataclasses.replace(alert, occurrences=occurrences)
        # What is over as soon as it is known stays only for its latch.
        if goes_on or alert.latched:
            self._activate(alert, AlertState.ONGOING if goes_on else AlertState.LATCHED)
        if is_capped or self._is_too_soon(alert):
            self._state.suppressed += 1
            return None
        self._state.raised_at[alert.condition] = alert.decided_at
        del self._state.unreported[alert.condition]
        if not is_high:
            self._state.recent.append(alert.decided_at)
        return alert

    def _activate(self, alert: Alert, state: AlertState) -> None:
        """Have an alert active; one that was held back and acknowledged meanwhile stays so."""
        before = self._state.active.get(alert.condition)
        if before is not None and before.acknowledged and before.alert.onset == alert.onset:
            state = AlertState.ACKNOWLEDGED
        self._state.active[alert.condition] = Active(alert, state)
        self._in_order = None

    def _raise_held(self, decided_at: int) -> Alert | None:
        """Raise the most urgent of the conditions that a full minute kept quiet."""
        if not self._state.held or self._is_capped(decided_at):
            return None
        alert = max(self._state.held.values(), key=lambda alert: alert.priority)
        return self._raise(dataclasses.replace(alert, decided_at=decided_at))

    def _escalate(self, now: int) -> Alert | None:
        """Raise anew, one priority higher, what nobody has acknowledged for long."""
        for one in self.active if self._config.escalate_s else ():
            alert, after_s = one.alert, self._config.escalate_s.get(one.alert.priority)
            is_due = after_s is not None and now - alert.decided_at >= after_s * self._fs
            if one.state is AlertState.ONGOING and is_due and alert.priority < Priority.HIGH:
                priority = Priority(alert.priority + 1)
                latched = priority in self._config.latched
                alert = dataclasses.replace(
                    alert, priority=priority, latched=latched, decided_at=now
                )
                self._activate(alert, AlertState.ONGOING)
                return alert
        return None

    def _is_too_soon(self, alert: Alert) -> bool:
        raised_at = self._state.raised_at.get(alert.condition)
        quiet_s = self._config.repeat_s[alert.priority]
        return raised_at is not None and alert.decided_at - raised_at < quiet_s * self._fs

    def _is_capped(self, decided_at: int) -> bool:
        """Whether a minute has had all the alerts that it may have."""
        full = len(self._state.recent) == self._config.max_per_min
        return full and decided_at - self._state.recent[0] < _MINUTE_S * self._fs
