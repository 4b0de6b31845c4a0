"""What an alert is, its life from the first to the last of it, and the limits of the policy."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from streamer.core.events import EctopyCondition, Priority, Rhythm
from streamer.rhythm.ectopy import EctopyConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """Limits; the defaults suit an adult who is watched for ventricular arrhythmia.

    Priorities follow the sense of IEC 60601-1-8: high asks for an immediate response, medium for a
    prompt one, low for awareness.
    """

    ectopy: EctopyConfig = field(default_factory=EctopyConfig)
    """What is counted besides the tracker's alarms."""
    repeat_s: Mapping[Priority, float] = field(
        default_factory=lambda: {Priority.LOW: 60.0, Priority.MEDIUM: 30.0, Priority.HIGH: 0.0}
    )
    """How long the same condition stays quiet after an alert; what came meanwhile is counted in
    the next one."""
    max_per_min: int = 6
    """Alerts of low and medium priority in a minute; high ones always come."""
    escalate_s: Mapping[Priority, float] = field(default_factory=dict)
    """How long an alert that goes on may stay unacknowledged before it is raised anew, one priority
    higher, with one of the next events; without an entry never."""
    recall_s: float = 30.0
    """For how long after a restart what went on before is taken to go on; longer than 17 beats at
    140 a minute or 5 at 15, in which the tracker finds an extreme rate again."""
    latched: frozenset[Priority] = frozenset({Priority.HIGH})
    """Priorities whose alerts stay active until a person acknowledges them."""
    priorities: Mapping[str, Priority] = field(
        default_factory=lambda: {
            EctopyCondition.V_RUN_WARNING: Priority.MEDIUM,
            EctopyCondition.V_RATE: Priority.MEDIUM,
            EctopyCondition.V_FIRST: Priority.LOW,
        }
    )
    """Of conditions by name; an alarm of the tracker that isn't among them keeps its own."""

    def __post_init__(self) -> None:
        if self.max_per_min < 1:
            raise ValueError(f"got {self.max_per_min} alerts a minute, expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One call for attention."""

    condition: str
    """An `EctopyCondition`, or the rhythm of the tracker's alarm."""
    priority: Priority
    onset: int
    """Where it began."""
    decided_at: int
    beats: tuple[int, ...]
    """R-peak samples that are the evidence."""
    provisional: bool
    """Whether labels may still change."""
    latched: bool
    """Whether it stays active until acknowledged."""
    occurrences: int
    """How often the condition was found since the last alert of it, this one included."""


class AlertState(StrEnum):
    """Where an active alert stands."""

    ONGOING = "ongoing"
    """Its condition goes on, and nobody has acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """Its condition goes on, and somebody has acknowledged it."""
    LATCHED = "latched"
    """Its condition is over, and nobody has acknowledged it."""


class AlertChange(StrEnum):
    """What happens to an active alert."""

    SEEN = "acknowledged by a person"
    OVER = "condition over"


NEXT_STATE: Final[Mapping[tuple[AlertState, AlertChange], AlertState | None]] = MappingProxyType(
    {
        (AlertState.ONGOING, AlertChange.SEEN): AlertState.ACKNOWLEDGED,
        (AlertState.ONGOING, AlertChange.OVER): AlertState.LATCHED,
        (AlertState.ACKNOWLEDGED, AlertChange.SEEN): AlertState.ACKNOWLEDGED,
        (AlertState.ACKNOWLEDGED, AlertChange.OVER): None,
        (AlertState.LATCHED, AlertChange.SEEN): None,
        (AlertState.LATCHED, AlertChange.OVER): AlertState.LATCHED,
    }
)
"""The state after a change, None where the alert is active no more; one that isn't to be latched
ends with its condition."""


_GRAVITY: Final[Mapping[str, int]] = MappingProxyType(
    {
        Rhythm.VENTRICULAR_FIBRILLATION: 0,
        Rhythm.ASYSTOLE: 0,
        Rhythm.VENTRICULAR_TACHYCARDIA: 1,
    }
)
"""Order among alerts of one priority: without circulation, then what may lead there."""
_NOT_GRAVE: Final = 2


def rank(priority: Priority, condition: str, onset: int, *, is_seen: bool) -> tuple[int, ...]:
    """Sort key of alerts: the most urgent first, then the gravest, the unseen, the oldest.

    So a lesser alert, be it newer or unseen, never takes the place of a graver one.
    """
    return (-int(priority), _GRAVITY.get(condition, _NOT_GRAVE), is_seen, onset)


@dataclass(frozen=True, slots=True)
class Active:
    """An alert that is not over, or that nobody has acknowledged."""

    alert: Alert
    state: AlertState = AlertState.ONGOING
    began_s: float | None = None
    """Its onset in seconds since the epoch where another run told it, whose samples count apart."""

    def rank(self) -> tuple[int, ...]:
        """Sort key: see `rank`."""
        alert = self.alert
        return rank(alert.priority, alert.condition, alert.onset, is_seen=self.acknowledged)

    @property
    def acknowledged(self) -> bool:
        """Whether a person has seen it."""
        return self.state is AlertState.ACKNOWLEDGED

    @property
    def ended(self) -> bool:
        """Whether its condition is over: it stays for its latch only."""
        return self.state is AlertState.LATCHED

    def after(self, change: AlertChange) -> "Active | None":
        """Return the alert after a change; None if it is active no more."""
        state = NEXT_STATE[self.state, change]
        if state is None or (state is AlertState.LATCHED and not self.alert.latched):
            return None
        return self if state is self.state else Active(self.alert, state, self.began_s)


@dataclass(slots=True, kw_only=True)
class PolicyState:
    """What an `AlertPolicy` remembers."""

    recent: deque[int]
    """When the last alerts of low and medium priority were raised."""
    ongoing: set[str] = field(default_factory=set)
    """What the tracker's alarms say of now."""
    believed_until: dict[str, int | None] = field(default_factory=dict)
    """Conditions that went on when an earlier run ended, and the sample up to which they are taken
    to go on unless they are found again; None before the first event."""
    active: dict[str, Active] = field(default_factory=dict)
    held: dict[str, Alert] = field(default_factory=dict)
    """Alerts of conditions that go on, for which the minute had no room."""
    raised_at: dict[str, int] = field(default_factory=dict)
    unreported: dict[str, int] = field(default_factory=dict)
    """How often a condition was found since its last alert."""
    suppressed: int = 0
