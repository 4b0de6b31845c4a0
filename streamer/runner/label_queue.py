"""Which label to work out next, and what to publish when one isn't ready in time.

Pure: times are handed in, in seconds of any one clock.
"""

import dataclasses
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from classifier.inputs.features import FloatArray
from classifier.labels import Label
from streamer.beats.label_request import LabelRequest, Step
from streamer.core.events import OVERLOAD, Event, Gap, LabeledBeat, Tick
from streamer.runner.label_patience import PATIENCE_S, LabelPatience

_PROVISIONAL: Final = 0


class Concluding(Protocol):
    """The part of a chain that takes labels; `streamer.patient.chain.Chain` is one."""

    def conclude(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        """Take an answer, gap or tick, in order; return what it made known."""
        ...

    def at_source(self, event: LabeledBeat) -> LabeledBeat:
        """Put one beat on the source's index."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """When the samples came that caused some steps."""

    pushed_s: float
    """When they were pushed."""
    due_s: float
    """When the last of them was due on the source's schedule."""
    last_sample: int
    """Its index, at the source's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An event to be published now."""

    event: Event
    pushed_s: float
    """When the samples that caused it were pushed."""


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """One step in the line."""

    step: Step
    pushed_s: float
    played_s: float = 0.0
    """Of a beat: when its R peak was due on the source's schedule."""
    deadline_s: float | None = None
    """Of a provisional question: when the beat is published without its label."""
    asked_s: float | None = None
    label: LabeledBeat | None = None
    is_told: bool = False
    """Whether the beat was published unlabelled."""
    is_shown: bool = False
    """Whether the label was published ahead of its turn."""
    is_given_up: bool = False
    """Whether nobody waits for the network's answer any more."""

    @property
    def is_waiting(self) -> bool:
        """Whether it is a question whose answer is still wanted."""
        return isinstance(self.step, LabelRequest) and self.label is None and not self.is_given_up

    @property
    def is_open(self) -> bool:
        """Whether it is such a question and nobody works on it."""
        return self.is_waiting and self.asked_s is None


class LabelQueue:
    """Beats in line for their labels.

    Questions are answered one at a time, as a rule in order. A provisional label overtakes the
    confirmed ones before it when it would miss its deadline behind them; what the rhythm makes of
    the labels always follows in order, so that it doesn't depend on time. A beat whose deadline
    passes is published without a label, and again with it.

    When the network can't keep up, the labels that would come too late to be of use are given up,
    the oldest first and confirmed ones before provisional ones; what is in line so stays bounded.
    The beat itself is published all the same: without a label at first, and confirmed with its
    provisional label or, if it has none, as Q; `reason` says `overload` then.

    Parameters
    ----------
    chain : Concluding
        Turns answers into events.
    fs : float
        Sampling frequency of the source in Hz.
    budget_s : float
        From an R peak to its provisional label.
    grace_s : float
        A beat that was found late is given this long before it is published unlabelled.
    patience_s : float
        Labels that would take longer are given up.

    Attributes
    ----------
    overtakings : int
        Provisional labels that were worked out ahead of confirmed ones.
    given_up : int
        Labels, provisional and confirmed, that were never worked out.
    """

    def __init__(
        self,
        chain: Concluding,
        *,
        fs: float,
        budget_s: float = 0.5,
        grace_s: float = 0.02,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.overtakings = self.given_up = 0
        self._chain = chain
        self._fs = fs
        self._budget_s = budget_s
        self._grace_s = grace_s
        self._line: deque[Place] = deque()
        self._patience = LabelPatience(patience_s)
        self._provisional: LabeledBeat | None = None

    def __len__(self) -> int:
        """Return how many steps are in line."""
        return len(self._line)

    @property
    def next_deadline_s(self) -> float | None:
        """When `expire` next has something to publish; None while nothing runs out."""
        return next((place.deadline_s for place in self._unanswered()), None)

    def add(self, steps: Sequence[Step], arrival: Arrival) -> list[Timed]:
        """Put steps at the end of the line; return what became known at once."""
        for step in steps:
            if isinstance(step, Tick) and self._line and isinstance(self._line[-1].step, Tick):
                self._line[-1].step = step
            else:
                self._line.append(self._place(step, arrival))
        self._give_up_some(arrival.pushed_s)
        return self._conclude()

    def next_question(self, now_s: float) -> Place | None:
        """Choose what to work out next, and note that it is being worked on; None: nothing."""
        opened = [place for place in self._line if place.is_open]
        place = first = next(iter(opened), None)
        # Beats that are late already come first too: their labels keep the order of the beats.
        urgent = next((place for place in opened if place.deadline_s is not None), None)
        if urgent is not None and urgent is not first and self._is_late_behind(urgent, now_s):
            place = urgent
            self.overtakings += 1
        if place is not None:
            place.asked_s = now_s
            self._patience.ask(now_s)
        return place

    def answer(self, place: Place, probabilities: FloatArray, now_s: float) -> list[Timed]:
        """Take the answer to a question; return what became known.

        Parameters
        ----------
        place : Place
            As `next_question` returned it.
        probabilities : ndarray of float32, shape (classes,)
        now_s : float
        """
        if not isinstance(place.step, LabelRequest) or place.asked_s is None:
            raise ValueError("nobody asked for this answer; take the place from next_question")
        self._patience.answer(now_s)
        if place.is_given_up:
            return []
        is_late = place.deadline_s is not None and now_s > place.played_s + self._budget_s
        place.label = place.step.labeled(probabilities.tolist(), late=is_late)
        ahead = []
        if place.deadline_s is not None and place is not self._line[0]:
            place.is_shown = True
            event = self._chain.at_source(place.label)
            ahead.append(Timed(event=event, pushed_s=place.pushed_s))
        return ahead + self._conclude()

    def expire(self, now_s: float) -> list[Timed]:
        """Publish unlabelled every beat whose time is up."""
        return [self._tell(place) for place in self._running_out(now_s)]

    def give_up(self) -> list[Timed]:
        """Wait for no label any more; return every beat as it is."""
        self._abandon([place for place in self._line if place.is_waiting])
        return self._conclude()

    def _place(self, step: Step, arrival: Arrival) -> Place:
        place = Place(step=step, pushed_s=arrival.pushed_s)
        if isinstance(step, LabelRequest) and step.draft.revision == _PROVISIONAL:
            sample = self._chain.at_source(step.draft).beat.rpeak.sample
            place.played_s = arrival.due_s - (arrival.last_sample - sample) / self._fs
            found_late_s = arrival.pushed_s + self._grace_s
            place.deadline_s = max(place.played_s + self._budget_s, found_late_s)
        return place

    def _unanswered(self) -> Iterator[Place]:
        """Provisional questions without an answer whose beats haven't been published, in order."""
        for place in self._line:
            if place.deadline_s is not None and place.is_waiting and not place.is_told:
                yield place

    def _running_out(self, now_s: float) -> list[Place]:
        return [p for p in self._unanswered() if p.deadline_s is not None and p.deadline_s <= now_s]

    def _is_late_behind(self, urgent: Place, now_s: float) -> bool:
        """Whether it would miss its deadline if one more answer came before its own."""
        return (
            urgent.deadline_s is not None
            and now_s + 2 * self._patience.last_answer_s > urgent.deadline_s
        )

    def _tell(self, place: Place) -> Timed:
        place.is_told = True
        if not isinstance(place.step, LabelRequest):
            raise TypeError("only a beat can be published unlabelled")
        event = self._chain.at_source(place.step.unlabeled())
        return Timed(event=event, pushed_s=place.pushed_s)

    def _give_up_some(self, now_s: float) -> None:
        """Give up what would come too late, and what hangs, so that the line moves on."""
        if not self._line:
            return
        waiting = [place for place in self._line if place.is_waiting]
        excess = len(waiting) - self._patience.worth_waiting_for(now_s)
        if excess <= 0:
            return
        hangs = self._patience.is_hanging(now_s)
        unwanted = [place for place in waiting if hangs or place.is_open]
        # Stable: among the confirmed ones, and then the provisional ones, the oldest first.
        unwanted.sort(key=lambda place: place.deadline_s is not None)
        self._abandon(unwanted[: math.ceil(excess)])

    def _abandon(self, places: Sequence[Place]) -> None:
        for place in places:
            place.is_given_up = True
        self.given_up += len(places)

    def _conclude(self) -> list[Timed]:
        """Take from the head of the line all that is settled."""
        known = []
        while self._line and not self._line[0].is_waiting:
            place = self._line.popleft()
            step = self._settled(place)
            for event in self._chain.conclude(step):
                if not (self._is_published(place) and isinstance(event, LabeledBeat)):
                    known.append(Timed(event=event, pushed_s=place.pushed_s))
        return known

    def _settled(self, place: Place) -> LabeledBeat | Gap | Tick:
        """Return what is concluded: an answer, what takes its place, or a step without question."""
        if not isinstance(place.step, LabelRequest):
            return place.step
        if place.label is not None:
            found = place.label
        elif place.deadline_s is not None:
            found = place.step.unlabeled()
        else:
            found = self._without_answer(place.step.draft)
        if found.revision == _PROVISIONAL:
            self._provisional = found
        return found

    def _without_answer(self, blank: LabeledBeat) -> LabeledBeat:
        """Confirm a beat as it was labelled at first, if it was: it is the last one concluded."""
        first = self._provisional
        known = first is not None and first.beat is blank.beat and first.label is not None
        return dataclasses.replace(
            blank,
            label=first.label if known and first is not None else Label.Q,
            probabilities=first.probabilities if known and first is not None else (),
            reason=blank.reason or OVERLOAD,
        )

    @staticmethod
    def _is_published(place: Place) -> bool:
        """Whether the beat went out ahead: with this label, or without the one that is given up."""
        return place.is_shown or (place.is_given_up and place.is_told)
