"""Which events are worth a person's attention: few alerts, each with a reason.

An alert for each ectopic beat is noise, and noise makes people deaf. The policy watches confirmed
labels and the rhythm tracker's alarms, and raises an alert for a couplet, a run, bigeminy, too many
V beats a minute, the first V beat after a long time, and whatever else the tracker calls an alarm.
Only one thing is told before it is confirmed: three V beats in a row by their provisional labels.

Like a stage it is pure: no clock, no I/O; time is the sample index of the source.
"""

from collections import Counter, deque
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from classifier.labels import Label
from streamer.core.events import Alarm, Event, Gap, LabeledBeat, Priority, RhythmEvent
from streamer.rhythm.alerts import Active, Alert, AlertConfig, Condition, pack, unpack

__all__ = ["Active", "Alert", "AlertConfig", "AlertPolicy", "Condition"]

_BIGEMINY_PERIOD: Final = 2
_MINUTE_S: Final = 60


_LASTING: Final = frozenset(
    {Condition.V_RUN_WARNING, Condition.V_RUN, Condition.BIGEMINY, Condition.V_RATE}
)
"""Conditions that go on until something ends them; one that a full minute keeps from being told is
told later, if it still goes on."""

OWN_FINDINGS: Final = MappingProxyType(
    {
        "V_COUPLET": Condition.V_COUPLET,
        "V_RUN": Condition.V_RUN,
        "VENTRICULAR_TACHYCARDIA": Condition.V_RUN,
        "IDIOVENTRICULAR": Condition.V_RUN,
        "BIGEMINY": Condition.BIGEMINY,
    }
)
"""Tracker's alarms, by the name of their rhythm, that say again what the policy says itself."""


class AlertPolicy:
    """Turns events into alerts.

    For one event there is at most one alert, the most urgent; a lesser condition that persists is
    told with one of the next beats.

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
        self._active: dict[str, Active] = {}
        self._told_at: dict[str, int] = {}
        self._quiet: Counter[str] = Counter()
        self._recent: deque[int] = deque(maxlen=self._config.most_per_min)
        self._last_v: int | None = None
        self._v_beats: deque[int] = deque(maxlen=self._config.v_rate_per_min)
        self._provisional_run: list[int] = []
        self._streak: list[int] = []
        self._marks: deque[tuple[int, bool]] = deque(
            maxlen=_BIGEMINY_PERIOD * self._config.bigeminy_cycles
        )

    @property
    def active(self) -> tuple[Active, ...]:
        """Alerts that are not over, the most urgent first, then the oldest."""
        return tuple(
            sorted(self._active.values(), key=lambda a: (-a.alert.priority, a.alert.onset))
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the policy remembers, as JSON can hold it."""
        return {
            "active": [pack(active) for active in self._active.values()],
            "told_at": dict(self._told_at),
            "quiet": dict(self._quiet),
            "recent": list(self._recent),
            "last_v": self._last_v,
            "v_beats": list(self._v_beats),
            "provisional_run": list(self._provisional_run),
            "streak": list(self._streak),
            "marks": [list(mark) for mark in self._marks],
            "suppressed": self.suppressed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken, in a policy of the same configuration.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no state of a policy.
        """
        active = [unpack(packed) for packed in state["active"]]
        self._active = {item.alert.condition: item for item in active}
        self._told_at = dict(state["told_at"])
        self._quiet = Counter(state["quiet"])
        self._recent = deque(state["recent"], self._recent.maxlen)
        self._last_v = state["last_v"]
        self._v_beats = deque(state["v_beats"], self._v_beats.maxlen)
        self._provisional_run = list(state["provisional_run"])
        self._streak = list(state["streak"])
        self._marks = deque(((s, bool(v)) for s, v in state["marks"]), self._marks.maxlen)
        self.suppressed = int(state["suppressed"])

    def push(self, event: Event) -> Alert | None:
        """Take the next event; return the alert that it raises, if any."""
        match event:
            case LabeledBeat(revision=0):
                return self._push_provisional(event)
            case LabeledBeat():
                return self._push_confirmed(event)
            case Alarm():
                return self._push_alarm(event)
            case Gap():
                alert = self._end_streak(event.decided_at)
                self._forget_streaks()
                return alert
            case RhythmEvent():
                return None

    def acknowledge(self, condition: str | None = None) -> int:
        """Note that a person has seen an active alert, or all; return how many were new to them."""
        names = [name for name in self._active if condition in {None, name}]
        count = 0
        for name in names:
            active = self._active[name]
            count += not active.acknowledged
            if active.ended:
                del self._active[name]
            else:
                self._active[name] = Active(active.alert, acknowledged=True)
        return count

    def _forget_streaks(self) -> None:
        self._provisional_run, self._streak = [], []
        self._marks.clear()
        self._end(Condition.V_RUN)
        self._end(Condition.BIGEMINY)

    def _push_provisional(self, event: LabeledBeat) -> Alert | None:
        """Warn early of a run: that is worth a false one now and then."""
        if event.label is not Label.V:
            self._provisional_run = []
            return None
        self._provisional_run = [*self._provisional_run, event.beat.rpeak.sample]
        self._provisional_run = self._provisional_run[-self._config.run_beats :]
        if len(self._provisional_run) < self._config.run_beats or self._is_on(Condition.V_RUN):
            return None
        return self._find(Condition.V_RUN_WARNING, event.decided_at, self._provisional_run)

    def _push_confirmed(self, event: LabeledBeat) -> Alert | None:
        sample, is_v = event.beat.rpeak.sample, event.label is Label.V
        self._forget_old_v(sample)
        self._marks.append((sample, is_v))
        if not is_v:
            alert = self._end_streak(event.decided_at)
            self._end(Condition.V_RUN)
            self._end(Condition.V_RUN_WARNING)
            return alert or self._follow_bigeminy(event.decided_at)
        since, self._last_v = self._last_v, sample
        self._streak.append(sample)
        self._v_beats.append(sample)
        run = self._config.run_beats
        if len(self._streak) >= run and not self._is_on(Condition.V_RUN):
            self._end(Condition.V_RUN_WARNING)
            # Of a long run the beginning is evidence enough.
            self._streak = self._streak[:run]
            return self._find(Condition.V_RUN, event.decided_at, self._streak)
        self._streak = self._streak[:run]
        if since is None or sample - since >= self._config.first_v_after_s * self._fs:
            return self._find(Condition.V_FIRST, event.decided_at, [sample])
        return self._follow_bigeminy(event.decided_at) or self._follow_rate(event.decided_at)

    def _push_alarm(self, event: Alarm) -> Alert | None:
        """Pass the tracker's alarm on, unless it says again what the labels said."""
        own = OWN_FINDINGS.get(event.rhythm.name)
        if own is None:
            return self._raise(
                event.rhythm.value, event.priority, event.onset, event.decided_at, event.beats
            )
        if own is Condition.V_RUN and not self._is_on(own):
            return self._find(own, event.decided_at, list(event.beats))
        return None

    def _end_streak(self, decided_at: int) -> Alert | None:
        """V beats in a row are over: two were a couplet."""
        streak, self._streak = self._streak, []
        if len(streak) == 2:
            return self._find(Condition.V_COUPLET, decided_at, streak)
        return None

    def _follow_bigeminy(self, decided_at: int) -> Alert | None:
        marks = [is_v for _, is_v in self._marks]
        alternates = all(a != b for a, b in pairwise(marks))
        if len(marks) < (self._marks.maxlen or 0) or not alternates:
            self._end(Condition.BIGEMINY)
            return None
        if self._is_on(Condition.BIGEMINY):
            return None
        return self._find(Condition.BIGEMINY, decided_at, [sample for sample, _ in self._marks])

    def _follow_rate(self, decided_at: int) -> Alert | None:
        if len(self._v_beats) < self._config.v_rate_per_min or self._is_on(Condition.V_RATE):
            return None
        return self._find(Condition.V_RATE, decided_at, list(self._v_beats))

    def _forget_old_v(self, sample: int) -> None:
        """Keep the V beats of the last minute, and end the rate condition when few are left."""
        while self._v_beats and sample - self._v_beats[0] > _MINUTE_S * self._fs:
            self._v_beats.popleft()
        if len(self._v_beats) < self._config.v_rate_clear_per_min:
            self._end(Condition.V_RATE)

    def _is_on(self, condition: str) -> bool:
        return condition in self._active and not self._active[condition].ended

    def _end(self, condition: str) -> None:
        """Note that a condition is over; a latched alert stays until it is acknowledged."""
        active = self._active.get(condition)
        if active is None or active.ended:
            return
        if active.alert.latched and not active.acknowledged:
            self._active[condition] = Active(active.alert, ended=True)
        else:
            del self._active[condition]

    def _find(self, condition: Condition, decided_at: int, beats: list[int]) -> Alert | None:
        """Raise one of our own conditions."""
        priority = self._config.priorities[condition]
        onset = beats[0] if beats else decided_at
        return self._raise(condition, priority, onset, decided_at, tuple(beats))

    def _raise(
        self,
        condition: str,
        priority: Priority,
        onset: int,
        decided_at: int,
        beats: tuple[int, ...],
    ) -> Alert | None:
        """Raise an alert, unless a rate limit keeps it quiet."""
        capped = priority is not Priority.HIGH and self._is_capped(decided_at)
        if capped and condition in _LASTING:
            return None
        self._quiet[condition] += 1
        alert = Alert(
            condition=str(condition),
            priority=priority,
            onset=onset,
            decided_at=decided_at,
            beats=beats,
            provisional=condition is Condition.V_RUN_WARNING,
            latched=priority in self._config.latched,
            occurrences=self._quiet[condition],
        )
        self._keep_active(alert)
        if capped or self._is_too_soon(alert):
            self.suppressed += 1
            return None
        self._told_at[condition] = decided_at
        del self._quiet[condition]
        if priority is not Priority.HIGH:
            self._recent.append(decided_at)
        return alert

    def _keep_active(self, alert: Alert) -> None:
        """Note what goes on; what is over as soon as it is known stays only for its latch."""
        if alert.condition in _LASTING:
            self._active[alert.condition] = Active(alert)
        elif alert.latched:
            self._active[alert.condition] = Active(alert, ended=True)

    def _is_too_soon(self, alert: Alert) -> bool:
        told_at = self._told_at.get(alert.condition)
        quiet_s = self._config.repeat_s[alert.priority]
        return told_at is not None and alert.decided_at - told_at < quiet_s * self._fs

    def _is_capped(self, decided_at: int) -> bool:
        """Whether a minute has had all the alerts that it may have."""
        full = len(self._recent) == self._config.most_per_min
        return full and decided_at - self._recent[0] < _MINUTE_S * self._fs
