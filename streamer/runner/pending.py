"""Labels that are being worked out, each patient's in order of its beats.

Pure: times are handed in, in seconds of any one clock.
"""

from collections import deque
from enum import Enum, IntEnum, auto
from typing import Final, Protocol

from msgspec import Struct

from classifier.labels import Label
from streamer.beats.label_request import LabelRequest, Step
from streamer.core.events import OVERLOAD, Event, Gap, LabeledBeat, Tick

PROVISIONAL: Final = 0


class Concluding(Protocol):
    """The part of a patient that takes labels; `streamer.patient.chain.Chain` is one."""

    def conclude(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        """Take a label, gap or tick, in order; return the events that follow."""
        ...

    def at_source(self, event: LabeledBeat) -> LabeledBeat:
        """Put one beat on the source's index."""
        ...

    def source_sample(self, sample: int) -> int:
        """Return the source's sample nearest to one of the chain's."""
        ...


class LabelState(IntEnum):
    """How far a label has come; nobody waits any more from `ANSWERED` on."""

    OPEN = auto()
    """Nobody works on it."""
    ASKED = auto()
    """The network works on it."""
    ANSWERED = auto()
    ABANDONED = auto()
    """Nobody waits for it any more."""
    CONCLUDED = auto()
    """Its turn has come: the rhythm has it, or what takes its place."""


_TRANSITIONS: Final = {
    LabelState.OPEN: {LabelState.ASKED, LabelState.ABANDONED},
    LabelState.ASKED: {LabelState.ANSWERED, LabelState.ABANDONED},
    LabelState.ANSWERED: {LabelState.CONCLUDED},
    LabelState.ABANDONED: {LabelState.CONCLUDED},
    LabelState.CONCLUDED: set[LabelState](),
}


class Shown(Enum):
    """What subscribers have seen of a provisional label ahead of its turn."""

    NOTHING = auto()
    UNLABELLED = auto()
    """The beat without a label: its deadline passed."""
    LABEL = auto()
    """The label, which was ready before one that comes first."""


class Arrival(Struct, frozen=True, kw_only=True):
    """When the samples came that caused some steps."""

    pushed_s: float
    """When they were pushed."""
    due_s: float | None
    """When the last of them was due on the source's schedule; None where there is none."""
    last_sample: int
    """Its index, at the source's rate."""

    def played_s(self, sample: int, fs: float) -> float | None:
        """Return when a sample was due; None without a schedule."""
        return None if self.due_s is None else self.due_s - (self.last_sample - sample) / fs


class Timed(Struct, frozen=True, kw_only=True):
    """An event to be published now."""

    event: Event
    arrival: Arrival
    """Of the samples that caused it."""


class PendingLabel(Struct, kw_only=True, eq=False):
    """A label request of one patient."""

    request: LabelRequest
    line: "LabelLine"
    arrival: Arrival
    budget_end_s: float | None = None
    """Of a provisional label on a schedule: when its latency budget ends."""
    deadline_s: float | None = None
    """When its beat is published without a label."""
    state: LabelState = LabelState.OPEN
    shown: Shown = Shown.NOTHING
    label: LabeledBeat | None = None

    @property
    def is_provisional(self) -> bool:
        """Whether it is a beat's first label."""
        return self.request.revision == PROVISIONAL

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still wanted."""
        return self.state < LabelState.ANSWERED

    def answer(self, label: LabeledBeat) -> None:
        """Take the label, unless nobody waits for it any more."""
        if self.state is LabelState.ASKED:
            self.move(LabelState.ANSWERED)
            self.label = label

    def move(self, state: LabelState) -> None:
        """Change the state.

        Raises
        ------
        ValueError
            If that transition isn't in the table.
        """
        if state not in _TRANSITIONS[self.state]:
            raise ValueError(f"a label that is {self.state.name} can't become {state.name}")
        self.state = state


class _Passing(Struct, kw_only=True):
    """A gap or tick that waits for the labels before it."""

    step: Gap | Tick
    arrival: Arrival


class LabelLine:
    """One patient's labels, gaps and ticks, concluded in the order in which they came.

    What the rhythm makes of the labels so doesn't depend on when the network answers. A beat whose
    deadline passes is published without a label, and again with it; a label that is given up is
    replaced: a provisional one stays open, a confirmed one repeats the provisional label or,
    without one, is Q, and its reason says `overload`.

    Parameters
    ----------
    source : str
        Whose it is.
    chain : Concluding
        Turns labels into events.
    fs : float
        Sampling frequency of the source in Hz.
    budget_s : float
        From an R peak to its provisional label.
    grace_s : float
        A beat that was found late has this long before it is published without a label.
    """

    def __init__(
        self,
        source: str,
        chain: Concluding,
        *,
        fs: float,
        budget_s: float = 0.5,
        grace_s: float = 0.02,
    ) -> None:
        self.source = source
        self._chain = chain
        self._fs = fs
        self._budget_s = budget_s
        self._grace_s = grace_s
        self._line: deque[PendingLabel | _Passing] = deque()
        self._last_provisional: LabeledBeat | None = None

    def __len__(self) -> int:
        """Return how many steps wait."""
        return len(self._line)

    def add(self, step: Step, arrival: Arrival) -> PendingLabel | None:
        """Put a step at the end; return the pending label if it is a request."""
        if isinstance(step, LabelRequest):
            pending = self._pending(step, arrival)
            self._line.append(pending)
            return pending
        last = self._line[-1] if self._line else None
        if isinstance(step, Tick) and isinstance(last, _Passing) and isinstance(last.step, Tick):
            last.step = step
        else:
            self._line.append(_Passing(step=step, arrival=arrival))
        return None

    def concluded(self) -> list[Timed]:
        """Take what is settled from the head of the line; return the events that follow."""
        events: list[Timed] = []
        line = self._line
        while line:
            head = line[0]
            if isinstance(head, _Passing):
                events += self._timed(head.step, head.arrival)
            elif head.state < LabelState.ANSWERED:
                break
            else:
                events += self._concluded_label(head)
            line.popleft()
        return events

    def ahead(self, pending: PendingLabel) -> list[Timed]:
        """Return a provisional label that is ready before its turn, to be published now.

        Without a schedule nobody waits for it, and all keep their order.
        """
        if pending.budget_end_s is None or pending.state is not LabelState.ANSWERED:
            return []
        if pending.label is None or pending.shown is Shown.LABEL:
            return []
        pending.shown = Shown.LABEL
        return [Timed(event=self._chain.at_source(pending.label), arrival=pending.arrival)]

    def expire(self, pending: PendingLabel) -> Timed:
        """Return the beat without a label: its deadline has passed."""
        pending.shown = Shown.UNLABELLED
        event = self._chain.at_source(pending.request.unlabeled())
        return Timed(event=event, arrival=pending.arrival)

    def _pending(self, request: LabelRequest, arrival: Arrival) -> PendingLabel:
        pending = PendingLabel(request=request, line=self, arrival=arrival)
        if pending.is_provisional and arrival.due_s is not None:
            sample = self._chain.source_sample(request.beat.rpeak.sample)
            played_s = arrival.played_s(sample, self._fs)
            if played_s is not None:
                pending.budget_end_s = played_s + self._budget_s
                pending.deadline_s = max(pending.budget_end_s, arrival.pushed_s + self._grace_s)
        return pending

    def _concluded_label(self, pending: PendingLabel) -> list[Timed]:
        """Conclude a label, leaving out what subscribers have seen ahead of its turn."""
        found = pending.label or self._replacement(pending)
        if pending.is_provisional:
            self._last_provisional = found
        gave_up = pending.state is LabelState.ABANDONED and pending.shown is Shown.UNLABELLED
        pending.move(LabelState.CONCLUDED)
        events = self._timed(found, pending.arrival)
        if gave_up or pending.shown is Shown.LABEL:
            return [timed for timed in events if not isinstance(timed.event, LabeledBeat)]
        return events

    def _timed(self, step: LabeledBeat | Gap | Tick, arrival: Arrival) -> list[Timed]:
        return [Timed(event=event, arrival=arrival) for event in self._chain.conclude(step)]

    def _replacement(self, pending: PendingLabel) -> LabeledBeat:
        """Return what takes the place of a label that was given up."""
        request, first = pending.request, self._last_provisional
        if pending.is_provisional:
            return request.unlabeled()
        label: Label = Label.Q
        probabilities: tuple[float, ...] = ()
        if first is not None and first.beat is request.beat and first.label is not None:
            label, probabilities = first.label, first.probabilities
        return LabeledBeat(
            beat=request.beat,
            label=label,
            probabilities=probabilities,
            revision=request.revision,
            decided_at=request.decided_at,
            reason=request.reason or OVERLOAD,
        )
