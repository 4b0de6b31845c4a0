"""What follows the detector for one patient: cut beats, ask for their labels, follow the rhythm."""

import dataclasses
from collections.abc import Iterable
from typing import Final

from classifier.network.runtime import ModelSpec
from replay.chunk import Chunk
from streamer.beats.beat_asker import BeatAsker, BeatClassifierConfig
from streamer.beats.question import Step
from streamer.beats.windower import BeatWindower, SampleStore, WindowerConfig
from streamer.core.events import Event, Gap, GapReason, LabeledBeat, RPeak, Tick
from streamer.core.stage import Snapshot
from streamer.rhythm.tracker import RhythmConfig, RhythmTracker
from streamer.rhythm.waveform.measures import Measurement, Watch
from streamer.signal.bandpass import FilteredChunk

_VERSION: Final = 2


class BeatPath:
    """Windower, beat asker and rhythm tracker of one patient, with the labels left open.

    Detector outputs go in by `take`, the time by `tick`, and questions, gaps and ticks come out.
    Whoever answers the questions hands the answers, and the gaps and ticks between them, back to
    `follow` in the same order, which returns the events.

    Parameters
    ----------
    n_leads : int
        Rows of every chunk.
    spec : ModelSpec
        What the network that will answer was made for.
    windower, classifier, rhythm : configurations, optional
    samples : SampleStore, optional
        Where the windower finds its samples; a ring of its own if None.
    watch : Watch, optional
        Who measures the signal for the rhythm, as `RhythmTracker` takes it.

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
        classifier: BeatClassifierConfig | None = None,
        rhythm: RhythmConfig | None = None,
        samples: SampleStore | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._windower = BeatWindower(n_leads=n_leads, config=windower, samples=samples)
        self._asker = BeatAsker(spec, classifier)
        self._rhythm = RhythmTracker(rhythm, watch)
        self._lost: Gap | None = None

    @property
    def next_due(self) -> int | None:
        """Sample that completes a window or ends the wait for a confirmed label; None: neither."""
        dues = (self._windower.next_due, self._asker.next_due)
        return min((due for due in dues if due is not None), default=None)

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._windower.reset()
        self._asker.reset()
        self._rhythm.reset()
        self._lost = None

    def store(self, chunk: Chunk) -> None:
        """Keep samples for the windows; the detector's outputs for them come afterwards."""
        self._windower.push(chunk)

    def see(self, item: FilteredChunk) -> None:
        """Show the rhythm tracker the signal, before what was found in it."""
        self._rhythm.push(item)

    def see_measured(self, start: int, found: Iterable[Measurement]) -> None:
        """Tell the rhythm tracker what the signal from `start` on was measured to be."""
        self._rhythm.add_measurements(start, found)

    def lose(self, gap: Gap) -> None:
        """Keep a loss until the detector has seen it and given what it held from before."""
        start = gap.start if self._lost is None else self._lost.start
        self._lost = _lost(start, gap.stop)

    def take(self, found: RPeak | Gap) -> list[Step]:
        """Take what the detector found."""
        if self._lost is None:
            return self._cut(found)
        if found.decided_at < self._lost.decided_at:
            return self._cut(dataclasses.replace(found, decided_at=self._lost.decided_at))
        return [*self.settle(), *self._cut(found)]

    def settle(self) -> list[Step]:
        """Let a loss take effect: the detector has given all that it held from before."""
        gap, self._lost = self._lost, None
        return [] if gap is None else self._cut(gap)

    def tick(self, sample: int) -> list[Step]:
        """Let the time-outs of every stage fire, the first stage's first.

        The tick itself is among the steps if the rhythm tracker might have something to say.
        """
        tick = Tick(sample=sample)
        due = self._windower.next_due
        steps = self._cut(tick) if due is not None and due <= sample else []
        steps += self._asker.push(tick)
        if self._rhythm.may_change_by(sample):
            steps.append(tick)
        return steps

    def is_attentive(self, sample: int) -> bool:
        """Tell whether time and signal alone might change the rhythm: see `RhythmTracker`."""
        return self._rhythm.may_change_by(sample)

    def follow(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        """Take a label, a gap or the time, and add what the rhythm makes of it."""
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
        steps: list[Step] = self.settle()
        for beat in self._windower.flush():
            steps += self._asker.push(beat)
        return [*steps, *self._asker.flush()]

    def end(self) -> list[Event]:
        """End the rhythm, after everything was handed to `follow`."""
        return [*self._rhythm.flush()]

    def snapshot(self) -> Snapshot:
        """Copy the state; every question must have been answered."""
        stages = (self._windower, self._asker, self._rhythm)
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "lost": None if self._lost is None else [self._lost.start, self._lost.stop],
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
        windower, classifier, rhythm = state["stages"]
        self._windower.restore(windower)
        self._asker.restore(classifier)
        self._rhythm.restore(rhythm)
        self._lost = None if state["lost"] is None else _lost(*state["lost"])

    def _cut(self, item: RPeak | Gap | Tick) -> list[Step]:
        steps: list[Step] = []
        for beat in self._windower.push(item):
            steps += self._asker.push(beat)
        return steps


def _lost(start: int, stop: int) -> Gap:
    return Gap(start=start, stop=stop, reason=GapReason.LOST, decided_at=stop)


def _decided_at(event: Event) -> int:
    return event.decided_at
