"""What follows the detector for one patient: cut beats, request labels, follow the rhythm."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

from classifier.network.spec import ModelSpec
from replay.chunk import Chunk
from streamer.beats.label_request import Step
from streamer.beats.label_requester import LabelingConfig, LabelRequester
from streamer.beats.windower import BeatWindower, WindowerConfig
from streamer.core.events import Event, Gap, GapReason, LabeledBeat, RPeak, Tick
from streamer.core.stage import Snapshot
from streamer.patient.memory import ChainMemory
from streamer.rhythm.tracker import RhythmConfig, RhythmTracker
from streamer.rhythm.waveform.measures import Measurement
from streamer.signal.bandpass import FilteredChunk
from streamer.signal.ring import SampleRing

_VERSION: Final = 3


class BeatPath:
    """Windower, label requester and rhythm tracker of one patient, with the labels left open.

    Detections go in by `add_detection`, the time by `tick`, and label requests, gaps and ticks come
    out. Whoever works out the labels hands them, and the gaps and ticks between them, to `conclude`
    in the same order, which returns the events.

    Parameters
    ----------
    n_leads : int
        Rows of every chunk.
    spec : ModelSpec
        What the network that will work the labels out was made for.
    windower, labeling, rhythm : configurations, optional

    Notes
    -----
    All indices count at the chain's rate.
    """

    def __init__(
        self,
        *,
        n_leads: int,
        spec: ModelSpec,
        windower: WindowerConfig | None = None,
        labeling: LabelingConfig | None = None,
        rhythm: RhythmConfig | None = None,
    ) -> None:
        self._windower = BeatWindower(n_leads=n_leads, config=windower)
        self._requester = LabelRequester(spec, labeling)
        self._rhythm = RhythmTracker(rhythm, n_leads)
        self._lost: Gap | None = None

    @property
    def next_due(self) -> int | None:
        """Sample that completes a window or ends the wait for a confirmed label; None: neither."""
        window, label = self._windower.next_due, self._requester.next_due
        if window is None or label is None:
            return label if window is None else window
        return min(window, label)

    @property
    def ring(self) -> SampleRing:
        """The latest samples."""
        return self._windower.ring

    def move_to(self, memory: ChainMemory) -> None:
        """Go on in other arrays, which hold the same."""
        self._windower.ring.memory = memory.ring
        self._rhythm.watch.memory = memory.watch

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._windower.reset()
        self._requester.reset()
        self._rhythm.reset()
        self._lost = None

    def store(self, chunk: Chunk) -> None:
        """Keep samples for the windows; the detector's outputs for them come afterwards."""
        self._windower.push(chunk)

    def add_signal(self, item: FilteredChunk) -> None:
        """Have the rhythm tracker measure the signal, before what was found in it comes."""
        self._rhythm.push(item)

    def add_measurements(self, start: int, found: Iterable[Measurement]) -> None:
        """Hand on measurements of the signal, whose first sample ever was `start`."""
        self._rhythm.add_measurements(start, found)

    def note_loss(self, gap: Gap) -> None:
        """Keep a loss until the detector has noticed it and returned what it held from before."""
        start = gap.start if self._lost is None else self._lost.start
        self._lost = dataclasses.replace(gap, start=start)

    def add_detection(self, found: RPeak | Gap) -> list[Step]:
        """Take a peak or gap that the detector found."""
        if self._lost is None:
            return self._cut(found)
        if found.decided_at < self._lost.decided_at:
            return self._cut(dataclasses.replace(found, decided_at=self._lost.decided_at))
        return [*self.apply_loss(), *self._cut(found)]

    def apply_loss(self) -> list[Step]:
        """Let a loss take effect: the detector has returned all that it held from before."""
        gap, self._lost = self._lost, None
        return [] if gap is None else self._cut(gap)

    def tick(self, sample: int) -> list[Step]:
        """Let the time-outs of every stage fire, the first stage's first.

        The tick itself is among the steps if the rhythm tracker might have something to say.
        """
        tick = Tick(sample=sample)
        due = self._windower.next_due
        steps = self._cut(tick) if due is not None and due <= sample else []
        steps += self._requester.push(tick)
        if self._rhythm.may_change_by(sample):
            steps.append(tick)
        return steps

    def may_change_by(self, sample: int) -> bool:
        """Return whether time and signal alone might change the rhythm: see `RhythmTracker`."""
        return self._rhythm.may_change_by(sample)

    def conclude(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        """Return a label or gap, with the changes of the rhythm that it or the time makes known."""
        if isinstance(item, Tick):
            return [*self._rhythm.push(item)]
        found = self._rhythm.push(item)
        if not found:
            return [item]
        # The tracker's time-outs that were due before this event come before it.
        events: list[Event] = [item, *found]
        events.sort(key=_decided_at)
        return events

    def finish(self) -> list[Step]:
        """End the stream, all but the rhythm, which waits for the labels."""
        steps: list[Step] = self.apply_loss()
        for beat in self._windower.flush():
            steps += self._requester.push(beat)
        return [*steps, *self._requester.flush()]

    def end(self) -> list[Event]:
        """End the rhythm, once everything was concluded."""
        return [*self._rhythm.flush()]

    def snapshot(self) -> Snapshot:
        """Copy the state; everything must have been concluded."""
        stages = (self._windower, self._requester, self._rhythm)
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "lost": None if self._lost is None else _fields(self._lost),
                "stages": [stage.snapshot() for stage in stages],
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another version or configuration.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        windower, requester, rhythm = state["stages"]
        self._windower.restore(windower)
        self._requester.restore(requester)
        self._rhythm.restore(rhythm)
        self._lost = None if state["lost"] is None else _gap(state["lost"])

    def _cut(self, item: RPeak | Gap | Tick) -> list[Step]:
        steps: list[Step] = []
        for beat in self._windower.push(item):
            steps += self._requester.push(beat)
        return steps


def _fields(gap: Gap) -> dict[str, Any]:
    return {**dataclasses.asdict(gap), "reason": gap.reason.value, "leads": list(gap.leads)}


def _gap(fields: dict[str, Any]) -> Gap:
    reason, leads = GapReason(fields["reason"]), tuple(fields["leads"])
    return Gap(**{**fields, "reason": reason, "leads": leads})


def _decided_at(event: Event) -> int:
    return event.decided_at
