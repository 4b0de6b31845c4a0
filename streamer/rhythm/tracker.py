"""Follow the rhythm beat by beat and in the signal itself: rhythm changes and alarms."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from streamer.core.errors import StageClosedError
from streamer.core.events import CHAIN_FS, Gap, LabeledBeat, Rhythm, Tick
from streamer.core.stage import Snapshot
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.rule import Evidence, Layer, Trigger
from streamer.rhythm.serialize import convert, plain
from streamer.rhythm.state_machine import Output, RhythmStateMachine
from streamer.rhythm.usability import judge_movement
from streamer.rhythm.waveform.measures import Measurement, SignalWatch
from streamer.signal.bandpass import FilteredChunk

__all__ = ["RhythmConfig", "RhythmTracker"]

_VERSION: Final = 13


class RhythmTracker:
    """Name the rhythm and raise alarms, by the rules of `streamer.rhythm.table`.

    Parameters
    ----------
    config : RhythmConfig, optional
        Limits.
    n_leads : int
        Rows of every `FilteredChunk`; 0: as many as the first one has.

    Attributes
    ----------
    watch : SignalWatch
        Measures the signal that is pushed. Who measures it elsewhere, in the arrays that are
        `SignalWatch.memory`, hands in what was found by `add_measurements`.

    Notes
    -----
    Labels count once confirmed (revision 1); that a beat is there at all counts at once (revision
    0), for rates and silences. What the signal says comes from `FilteredChunk`s at the chain's
    rate: each is pushed before the events that were found in it, and its measurements take effect
    in the order of time among them. Without chunks there is no alarm of a silence or of
    fibrillation, because a missing detection alone proves neither. The decision delay of each rule
    stands in the table.
    """

    def __init__(self, config: RhythmConfig | None = None, n_leads: int = 0) -> None:
        self._config = RhythmConfig() if config is None else config
        self.watch = SignalWatch(self._config.signal, n_leads)
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new object."""
        self.watch.reset()
        self._clear()

    def _clear(self, announced: Rhythm = Rhythm.UNKNOWN) -> None:
        """Forget everything but the watch's part."""
        self._waiting: deque[Measurement] = deque()
        self._vf_is_suspected = False
        self._context = RhythmContext(self._config)
        self._machine = RhythmStateMachine(self._context, announced)
        self._closed = False

    def push(self, item: FilteredChunk | LabeledBeat | Gap | Tick) -> list[Output]:
        """Take samples, a label, a gap or the time.

        Returns
        -------
        list of RhythmEvent and Alarm
            What became known, in order of `decided_at`; nothing from a chunk itself.

        Raises
        ------
        StageClosedError
            After `flush`.
        """
        if self._closed:
            raise StageClosedError("the rhythm tracker was flushed; reset it before pushing again")
        if isinstance(item, Tick):
            outputs = self._measure(before=item.sample + 1)
            self._context.now = item.sample
            return outputs
        if isinstance(item, FilteredChunk):
            self.add_measurements(item.start, self.watch.push(item))
            return []
        outputs = self._measure(before=item.decided_at)
        self._context.now = item.decided_at
        if isinstance(item, Gap):
            return outputs + self._take_gap(item)
        if item.revision == 0:
            return outputs + self._add_peak(item)
        return outputs + self._add_beat(item)

    def add_measurements(self, start: int, measurements: Iterable[Measurement]) -> None:
        """Take measurements of the signal from sample `start` on."""
        if self._context.first_sample is None:
            self._context.first_sample = start
        self._keep_waiting(measurements)

    def _keep_waiting(self, measurements: Iterable[Measurement]) -> None:
        """Keep measurements until they are due."""
        limit = self.min_vf_log_odds
        for measurement in measurements:
            self._waiting.append(measurement)
            self._vf_is_suspected |= measurement.vf_log_odds > limit

    @property
    def min_vf_log_odds(self) -> float:
        """Log-odds that a measurement must exceed to add to the evidence of fibrillation."""
        return min(self._config.vf_fast_min_odds, self._config.vf_reference_odds)

    @property
    def max_wait_s(self) -> float:
        """For how long measurements may wait for the next event, unless `may_change_by`."""
        return self._config.pause_s / 2

    def may_change_by(self, sample: int) -> bool:
        """Tell whether the time and the signal alone might change something by `sample`.

        If not, no row of the table can apply before `max_wait_s` have passed, unless an event comes
        or a measurement with more than `min_vf_log_odds`.
        """
        if self._machine.episode is not None or self._vf_is_suspected:
            return True
        last_peak = self._context.last_peak
        if last_peak is None or self._context.vf_evidence > 0.0:
            return True
        if self._context.is_unusable or any(self._context.unexplained):
            return True
        return sample - last_peak >= self.max_wait_s * CHAIN_FS

    def flush(self) -> list[Output]:
        """End the stream: two ectopic beats at the end are a couplet."""
        if self._closed:
            return []
        self._closed = True
        return self._end_streaks()

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "context": self._context.state(),
                "machine": self._machine.state(),
                "watch": self.watch.state(),
                "waiting": plain(self._waiting),
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another stage or version.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        self.reset()
        self._context.restore(state["context"])
        self._machine.restore(state["machine"])
        self.watch.restore(state["watch"])
        self._keep_waiting(convert(state["waiting"], list[Measurement]))
        self._closed = state["closed"]

    def _measure(self, *, before: int) -> list[Output]:
        """Let the measurements take effect that were due before that sample."""
        outputs: list[Output] = []
        while self._waiting and self._waiting[0].sample < before:
            measurement = self._waiting.popleft()
            self._context.now = measurement.sample
            self._context.add_measurement(measurement)
            judge_movement(self._context)
            outputs += self._machine.apply(Layer.EPISODE, Trigger.SIGNAL)
            outputs += self._machine.apply(Layer.TECHNICAL, Trigger.SIGNAL)
        if not self._waiting:
            self._vf_is_suspected = False
        return outputs

    def _add_peak(self, item: LabeledBeat) -> list[Output]:
        """Add an R peak, whatever its label, and apply what it changes."""
        rpeak = item.beat.rpeak
        if self._context.is_noise(rpeak.sample, rpeak.quality):
            return []
        self._context.add_peak(rpeak.sample, rpeak.quality)
        outputs = self._machine.apply(Layer.MOMENT, Trigger.PEAK)
        outputs += self._machine.apply(Layer.EPISODE, Trigger.PEAK)
        return outputs + self._machine.apply(Layer.RATE, Trigger.PEAK)

    def _add_beat(self, item: LabeledBeat) -> list[Output]:
        """Add a confirmed beat and apply what it changes."""
        if item.beat.rpeak.sample < self._context.ignored_before:
            return []
        self._context.add_beat(item)
        outputs = self._machine.apply(Layer.MOMENT, Trigger.BEAT)
        outputs += self._machine.apply(Layer.EPISODE, Trigger.BEAT)
        if self._machine.episode is None:
            outputs += self._machine.follow_background(item.beat.rpeak.sample)
        return outputs

    def _end_streaks(self) -> list[Output]:
        """Return what ectopic beats in a row are when nothing follows them."""
        self._context.runs.end()
        return self._machine.apply(Layer.MOMENT, Trigger.BEAT)

    def _take_gap(self, gap: Gap) -> list[Output]:
        if gap.reason.begins_anew:
            return self._restart(gap)
        outputs: list[Output] = []
        if self._context.gap is None:
            outputs += self._begin_gap(gap)
        if not gap.ongoing:
            outputs += self._end_gap(gap)
        return outputs

    def _begin_gap(self, gap: Gap) -> list[Output]:
        """Forget the beats; a silence goes on, and so does the memory of the signal."""
        context = self._context
        context.gap, context.gap_start = gap.reason, gap.start
        context.learn_flatness()
        if context.source_is_flat:
            return []
        context.rate_before_gap = context.rate_bpm
        outputs = self._end_streaks()
        outputs += self._machine.clear_beats(gap.start)
        outputs += self._machine.apply(Layer.EPISODE, Trigger.GAP)
        return outputs + self._machine.announce(Evidence(gap.start))

    def _end_gap(self, gap: Gap) -> list[Output]:
        context = self._context
        context.gap = None
        context.hops_without_vf = 0
        if context.episode is Rhythm.LEAD_OFF:
            # Nobody saw whether the heart was beating.
            context.last_peak, context.first_sample, context.last_interval = None, gap.stop, None
        outputs = self._machine.apply(Layer.EPISODE, Trigger.GAP)
        return outputs + self._machine.announce(Evidence(gap.stop))

    def _restart(self, gap: Gap) -> list[Output]:
        """Begin anew after samples that never came: anything may have happened in them."""
        outputs = self._end_streaks() + self._machine.end_alarms(*Layer)
        now, waiting = self._context.now, self._waiting
        self._clear(self._machine.announced)
        self._keep_waiting(waiting)
        self._context.now, self._context.first_sample = now, gap.stop
        return outputs + self._machine.announce(Evidence(gap.start))
