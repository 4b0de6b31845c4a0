"""What a rule of the rhythm tracker is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from streamer.core.events import Priority, Rhythm
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.runs import PastBeat

State = Rhythm | None
"""None: no episode, or a rate within its limits."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a rule applies."""

    onset: int
    """First sample of what it found."""
    beats: tuple[int, ...] = ()
    """R peaks that show it."""


def evidence_of(beats: Sequence[PastBeat]) -> Evidence:
    """Take beats, of which there is at least one, for evidence."""
    samples = tuple(beat.sample for beat in beats)
    return Evidence(samples[0], samples)


class Layer(StrEnum):
    """Parts of the tracker's state, each with a table of transitions."""

    EPISODE = "episode"
    BACKGROUND = "background"
    RATE = "rate"
    TECHNICAL = "technical"
    MOMENT = "moment"


class Trigger(StrEnum):
    """What makes the tracker look at its rules."""

    PEAK = "R peak"
    BEAT = "confirmed beat"
    SIGNAL = "signal measurement"
    GAP = "gap"


Condition = Callable[[RhythmContext, State], Evidence | None]
"""Returns the evidence where a rule applies, from the context and the state of its layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the table."""

    trigger: Trigger = Trigger.BEAT
    after: frozenset[State] | None = None
    """States that it starts from; None is any other than `to`."""
    to: State
    condition: Condition
    rule: str
    """In words."""
    source: str = ""
    """Who defines it."""
    time_to_alarm: str = ""
    """From its onset until the event."""
    priority: Priority | None = None
    """Of its alarm; None raises none."""
    hold_beats: int = 1
    """Beats in a row for which it must apply."""
