"""What a screen says of a patient's alarms, for one patient and for many."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streamer.core.events import Alarm, EctopyCondition, Priority, Rhythm, StreamInfo
from streamer.rhythm.alerting.alerts import AlertState, rank
from streamer.rhythm.alerting.policy import AlertPolicy

MOMENT_S: Final = 10.0
"""How long an alarm that is over and needs no acknowledgement is shown after it was raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlert:
    """An alarm on a screen."""

    condition: str
    priority: Priority
    onset: int
    state: AlertState | None
    """None where it is over and only shown for a moment."""
    began_s: float | None = None
    """Its onset in seconds since the epoch, where the sample says nothing to a person."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether it goes on, and a person has seen it."""
        return self.state is AlertState.ACKNOWLEDGED

    @property
    def goes_on(self) -> bool:
        """Whether its condition holds."""
        return self.state in {AlertState.ONGOING, AlertState.ACKNOWLEDGED}

    def rank(self) -> tuple[int, ...]:
        """Sort key: see `streamer.rhythm.alerting.alerts.rank`."""
        return rank(self.priority, self.condition, self.onset, is_seen=self.is_acknowledged)


def shown_alerts(
    info: StreamInfo,
    policy: AlertPolicy,
    raised: Iterable[Alarm],
    now: int,
    seen: Mapping[str, int] | None = None,
) -> list[ShownAlert]:
    """Return what is to be shown, the most urgent first.

    Parameters
    ----------
    info : StreamInfo
    policy : AlertPolicy
        Knows what holds, and what nobody has acknowledged.
    raised : iterable of Alarm
        The last that were raised: those over at once are shown for a moment.
    now : int
        The newest sample.
    seen : mapping of str to int, optional
        Up to which sample a person has seen such moments.
    """
    shown = [
        ShownAlert(
            condition=one.alert.condition,
            priority=one.alert.priority,
            onset=one.alert.onset,
            state=one.state,
            began_s=_began_s(info, one.alert.condition, one.alert.onset, one.began_s),
        )
        for one in policy.active
    ]
    active = {one.condition for one in shown}
    since = now - MOMENT_S * info.fs
    for alarm in raised:
        is_new = alarm.decided_at > (seen or {}).get(alarm.rhythm, since - 1)
        is_new = is_new and alarm.decided_at >= since and alarm.rhythm not in active
        if is_new and not policy.latches(alarm.priority):
            active.add(alarm.rhythm)
            shown.append(
                ShownAlert(
                    condition=str(alarm.rhythm),
                    priority=alarm.priority,
                    onset=alarm.onset,
                    state=None,
                )
            )
    return sorted(shown, key=ShownAlert.rank)


def in_sight(shown: list[ShownAlert]) -> list[ShownAlert]:
    """Return what must be in words, of alarms in order: the first, and what it must not hide.

    Where a person has seen the first, that is the first that nobody has; where the first is over,
    the first that goes on.
    """
    if not shown:
        return []
    first = shown[0]
    hidden = (
        one
        for one in shown[1:]
        if not one.is_acknowledged
        and (first.is_acknowledged or (one.goes_on and not first.goes_on))
    )
    return [first, *([following] if (following := next(hidden, None)) else [])]


def _began_s(info: StreamInfo, condition: str, onset: int, began_s: float | None) -> float | None:
    """Return when an alert began where samples can't say it: none come, or of another run."""
    if began_s is not None or condition != Rhythm.NO_SIGNAL:
        return began_s
    return info.wall_time_s(onset)


def time_of_day(seconds: float) -> str:
    """Return the local time of seconds since the epoch as HH:MM:SS."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


_SHORT: Final[dict[str, str]] = {
    Rhythm.VENTRICULAR_FIBRILLATION: "VF",
    Rhythm.VENTRICULAR_TACHYCARDIA: "VT",
    Rhythm.SUPRAVENTRICULAR_TACHYCARDIA: "SVT",
    Rhythm.ATRIAL_FIBRILLATION: "AF",
    Rhythm.IDIOVENTRICULAR: "IVR",
    Rhythm.S_RUN: "S run",
    Rhythm.S_COUPLET: "S couplet",
    Rhythm.EXTREME_BRADYCARDIA: "extr. brady",
    Rhythm.EXTREME_TACHYCARDIA: "extr. tachy",
    Rhythm.NO_SIGNAL: "no signal",
    Rhythm.UNUSABLE: "unusable",
    EctopyCondition.V_RUN_WARNING: "V run?",
    EctopyCondition.V_RATE: "frequent V",
    EctopyCondition.V_FIRST: "first V",
}
"""The field's abbreviations, for narrow lists."""


def short_name(condition: str) -> str:
    """Return the field's abbreviation, or the name with what is long in it shortened."""
    return _SHORT.get(condition, str(condition).replace("ventricular", "V"))
