"""The tracker's state on every layer, changed by the rows of the transition table."""

import dataclasses
from functools import cache
from typing import Any, Final

from streamer.core.events import Alarm, AlarmState, Rhythm, RhythmEvent
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.rule import Evidence, Layer, State, Transition, Trigger
from streamer.rhythm.serialize import convert, plain
from streamer.rhythm.table import EPISODES, TABLE

Output = RhythmEvent | Alarm
_DATING_LIMITS: Final = frozenset({Rhythm.ATRIAL_FIBRILLATION, Rhythm.BIGEMINY, Rhythm.TRIGEMINY})
"""Fibrillation is not dated back beyond where one of these began or ended."""
_DISRUPTIVE: Final = frozenset({Rhythm.VENTRICULAR_FIBRILLATION})
"""Episodes after which the background is unknown until new beats show it."""
_FAST: Final = frozenset({Rhythm.TACHYCARDIA, Rhythm.EXTREME_TACHYCARDIA})
"""Rates that a heart which stands still doesn't have; no beat comes to say so."""


@cache
def rows(layer: Layer, trigger: Trigger, state: State) -> tuple[Transition, ...]:
    """Return the rows that may apply, in order."""
    return tuple(
        row
        for row in TABLE[layer]
        if row.trigger is trigger
        and (row.to is not state if row.after is None else state in row.after)
    )


class RhythmStateMachine:
    """Applies the transition table to a context.

    Parameters
    ----------
    context : RhythmContext
        What the conditions look at; its `background` and `episode` are kept up to date.
    announced : Rhythm
        The rhythm that was named last.
    """

    def __init__(self, context: RhythmContext, announced: Rhythm = Rhythm.UNKNOWN) -> None:
        self._context = context
        self._states: dict[Layer, State] = dict.fromkeys(Layer)
        self._states[Layer.BACKGROUND] = Rhythm.UNKNOWN
        self._candidate: State = None
        self._candidate_beats: list[int] = []
        self._alarms: dict[Layer, Alarm] = {}
        """Those that go on."""
        self.announced = announced

    @property
    def episode(self) -> State:
        """The episode of now; None if there is none."""
        return self._states[Layer.EPISODE]

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        return {
            "states": plain(self._states),
            "candidate": plain(self._candidate),
            "candidate_beats": list(self._candidate_beats),
            "alarms": plain(self._alarms),
            "announced": self.announced.value,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self._states = convert(state["states"], dict[Layer, State])
        self._candidate = convert(state["candidate"], State)
        self._candidate_beats = list(state["candidate_beats"])
        self._alarms = convert(state["alarms"], dict[Layer, Alarm])
        self.announced = Rhythm(state["announced"])

    def apply(self, layer: Layer, trigger: Trigger) -> list[Output]:
        """Take the first row of a layer that applies, if any, and return what it changes."""
        state = self._states[layer]
        for row in rows(layer, trigger, state):
            evidence = row.condition(self._context, state)
            if evidence is not None:
                return self._take(layer, row, evidence)
        return []

    def follow_background(self, sample: int) -> list[Output]:
        """Change the background once enough beats in a row show the same other rhythm."""
        state = self._states[Layer.BACKGROUND]
        row, evidence = self._first_row_that_holds(state)
        if row is None or evidence is None or row.to is state:
            self._candidate, self._candidate_beats = None, []
            return []
        if row.to is not self._candidate:
            self._candidate, self._candidate_beats = row.to, []
        self._candidate_beats.append(sample)
        at_once = state is Rhythm.UNKNOWN
        if not at_once and len(self._candidate_beats) < row.hold_beats:
            return []
        if not at_once and len(evidence.beats) < len(self._candidate_beats):
            evidence = Evidence(self._candidate_beats[0], tuple(self._candidate_beats))
        self._candidate, self._candidate_beats = None, []
        return self._take(Layer.BACKGROUND, row, evidence)

    def clear_beats(self, before: int) -> list[Output]:
        """Forget the beats before a sample, and what they said about rhythm and rate."""
        self._context.clear_beats(before)
        self._states[Layer.RATE] = None
        self._candidate_beats = []
        self._set(Layer.BACKGROUND, Rhythm.UNKNOWN)
        return self.end_alarms(Layer.BACKGROUND, Layer.RATE)

    def end_alarms(self, *layers: Layer) -> list[Output]:
        """Return the ends of what goes on in some layers."""
        ended = [self._alarms.pop(layer) for layer in layers if layer in self._alarms]
        now = self._context.now
        return [
            dataclasses.replace(alarm, decided_at=now, beats=(), state=AlarmState.OVER)
            for alarm in ended
        ]

    def announce(self, evidence: Evidence) -> list[Output]:
        """Return an event of the rhythm on top if it is another than before."""
        background = self._states[Layer.BACKGROUND] or Rhythm.UNKNOWN
        top = self._states[Layer.EPISODE] or background
        if top is self.announced:
            return []
        # The intervals of an episode say nothing about the rhythm after it.
        ends_episode = self.announced in EPISODES and top not in EPISODES
        self.announced = top
        return [
            RhythmEvent(
                rhythm=top,
                onset=evidence.onset,
                decided_at=self._context.now,
                heart_rate_bpm=None if ends_episode else self._context.rate_bpm,
                beats=evidence.beats,
            )
        ]

    def _first_row_that_holds(
        self, state: State
    ) -> tuple[Transition, Evidence] | tuple[None, None]:
        """Return the first row that holds, be it the one that leads to the present state."""
        for row in rows(Layer.BACKGROUND, Trigger.BEAT, None):
            evidence = row.condition(self._context, state)
            if evidence is not None:
                return row, evidence
        return None, None

    def _take(self, layer: Layer, row: Transition, evidence: Evidence) -> list[Output]:
        if _DATING_LIMITS & {row.to, self._states[layer]}:
            self._context.atria.note_transition(evidence.onset)
        ends: list[Output] = []
        if self._states[layer] in _DISRUPTIVE:
            ends += self.clear_beats(evidence.onset)
        if row.to is Rhythm.ASYSTOLE and self._states[Layer.RATE] in _FAST:
            self._states[Layer.RATE] = None
            ends += self.end_alarms(Layer.RATE)
        if layer is not Layer.MOMENT:
            self._set(layer, row.to)
            ends += self.end_alarms(layer)
        outputs = self.announce(evidence) + ends
        if row.priority is None or row.to is None:
            return outputs
        alarm = Alarm(
            rhythm=row.to,
            priority=row.priority,
            onset=evidence.onset,
            decided_at=self._context.now,
            beats=evidence.beats,
            state=AlarmState.MOMENT if layer is Layer.MOMENT else AlarmState.ONGOING,
        )
        if layer is not Layer.MOMENT:
            self._alarms[layer] = alarm
        return [*outputs, alarm]

    def _set(self, layer: Layer, state: State) -> None:
        self._states[layer] = state
        if layer is Layer.EPISODE:
            self._context.episode = state
            self._candidate_beats = []
        elif layer is Layer.TECHNICAL:
            self._context.is_unusable = state is not None
        elif layer is Layer.BACKGROUND and state is not None:
            self._context.background = state
