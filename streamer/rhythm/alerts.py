"""What an alert is, and the limits by which it is raised."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from streamer.core.events import Priority


class Condition(StrEnum):
    """What the policy finds by itself; an alarm of the tracker is named by its rhythm."""

    V_RUN_WARNING = "ventricular run, provisional"
    V_RUN = "ventricular run"
    V_COUPLET = "ventricular couplet"
    BIGEMINY = "ventricular bigeminy"
    V_RATE = "frequent ventricular ectopic beats"
    V_FIRST = "first ventricular ectopic beat"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """Limits; the defaults suit an adult who is watched for ventricular arrhythmia.

    Priorities follow the sense of IEC 60601-1-8: high asks for an immediate response, medium for a
    prompt one, low for awareness.
    """

    run_beats: int = 3
    """V beats in a row that make a run (AAMI EC57)."""
    bigeminy_cycles: int = 3
    """Repetitions of V and another beat."""
    v_rate_per_min: int = 6
    """V beats within a minute: more than five are a classical warning arrhythmia (Lown and Wolf
    1971, doi:10.1161/01.CIR.44.1.130)."""
    v_rate_clear_per_min: int = 3
    """The condition ends below this, so that a rate about the limit doesn't raise it again and
    again."""
    first_v_after_s: float = 3600.0
    """A V beat is news if there was none for so long, or none yet."""
    repeat_s: Mapping[Priority, float] = field(
        default_factory=lambda: {Priority.LOW: 60.0, Priority.MEDIUM: 30.0, Priority.HIGH: 0.0}
    )
    """How long the same condition stays quiet after an alert; what came meanwhile is counted in
    the next one."""
    most_per_min: int = 6
    """Alerts of low and medium priority in a minute; high ones always come."""
    latched: frozenset[Priority] = frozenset({Priority.HIGH})
    """Priorities whose alerts stay active until a person acknowledges them."""
    priorities: Mapping[Condition, Priority] = field(
        default_factory=lambda: {
            Condition.V_RUN_WARNING: Priority.MEDIUM,
            Condition.V_RUN: Priority.HIGH,
            Condition.V_COUPLET: Priority.LOW,
            Condition.BIGEMINY: Priority.LOW,
            Condition.V_RATE: Priority.MEDIUM,
            Condition.V_FIRST: Priority.LOW,
        }
    )

    def __post_init__(self) -> None:
        if not 0 < self.v_rate_clear_per_min <= self.v_rate_per_min:
            raise ValueError(
                f"V rate clears below {self.v_rate_clear_per_min} and is raised from "
                f"{self.v_rate_per_min}; expected 0 < the first <= the second"
            )
        if self.run_beats < 3 or self.bigeminy_cycles < 2 or self.most_per_min < 1:
            raise ValueError("expected runs of 3 or more, 2 or more cycles, 1 or more alerts a min")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One call for attention."""

    condition: str
    """A `Condition`, or the rhythm of the tracker's alarm."""
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


@dataclass(frozen=True, slots=True)
class Active:
    """An alert that is not over."""

    alert: Alert
    acknowledged: bool = False
    ended: bool = False
    """Whether the condition is over: it stays for its latch only."""


def pack(active: Active) -> list[Any]:
    """Turn an active alert into what JSON can hold."""
    fields = dataclasses.asdict(active.alert)
    alert = {**fields, "priority": int(active.alert.priority), "beats": list(active.alert.beats)}
    return [alert, active.acknowledged, active.ended]


def unpack(packed: Sequence[Any]) -> Active:
    """Turn it back.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is no active alert.
    """
    fields, acknowledged, ended = packed
    alert = Alert(
        **{**fields, "priority": Priority(fields["priority"]), "beats": tuple(fields["beats"])}
    )
    return Active(alert, acknowledged=bool(acknowledged), ended=bool(ended))
