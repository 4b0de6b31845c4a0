"""Follow the rhythm beat by beat and in the signal itself: rhythm changes and alarms."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from streamer.core.errors import StageClosedError
from streamer.core.events import (
    CHAIN_FS,
    Alarm,
    Gap,
    GapReason,
    LabeledBeat,
    Rhythm,
    RhythmEvent,
    Tick,
)
from streamer.core.stage import Snapshot
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.facts import Facts
from streamer.rhythm.pack import packed, plain, unpacked, unpacked_measurement
from streamer.rhythm.rule import Evidence, Layer, News, Transition
from streamer.rhythm.table import rows
from streamer.rhythm.waveform.measures import Measurement, SignalWatch, Watch
from streamer.signal.bandpass import FilteredChunk

__all__ = ["RhythmConfig", "RhythmTracker"]

_VERSION: Final = 8

Output = RhythmEvent | Alarm
_TURNS: Final = frozenset({Rhythm.ATRIAL_FIBRILLATION, Rhythm.BIGEMINY, Rhythm.TRIGEMINY})
"""Fibrillation is not dated back beyond where one of these began or ended."""


class RhythmTracker:
    """Name the rhythm and raise alarms, by the rules of `streamer.rhythm.table`.

    Parameters
    ----------
    config : RhythmConfig, optional
        Limits.
    watch : Watch, optional
        Who measures the signal; a `SignalWatch` of its own if None. A watch that gets its samples
        elsewhere has what it found told by `add_measurements`.

    Notes
    -----
    Labels count once confirmed (revision 1); that a beat is there at all counts at once (revision
    0), for rates and silences. What the signal says comes from `FilteredChunk`s at the chain's
    rate: each is pushed before the events that were found in it, and its measurements take effect
    in the order of time among them. Without chunks there is no alarm of a silence or of
    fibrillation, because a missing detection alone proves neither. The decision delay of each rule
    stands in the table.
    """

    def __init__(self, config: RhythmConfig | None = None, watch: Watch | None = None) -> None:
        self._config = RhythmConfig() if config is None else config
        self._watch: Watch = SignalWatch(self._config.signal) if watch is None else watch
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._watch.reset()
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget everything but the watch's part."""
        self._waiting: deque[Measurement] = deque()
        self._is_told_of_waves = False
        self._facts = Facts(self._config)
        self._states: dict[Layer, Rhythm | None] = {
            Layer.BACKGROUND: Rhythm.UNKNOWN,
            Layer.EPISODE: None,
            Layer.RATE: None,
            Layer.MOMENT: None,
        }
        self._rival: Rhythm | None = None
        self._rival_since: list[int] = []
        self._shown = Rhythm.UNKNOWN
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
            self._facts.now = item.sample
            return outputs
        if isinstance(item, FilteredChunk):
            self.add_measurements(item.start, self._watch.push(item))
            return []
        outputs = self._measure(before=item.decided_at)
        self._facts.now = item.decided_at
        if isinstance(item, Gap):
            return outputs + self._take_gap(item)
        if item.revision == 0:
            return outputs + self._see_beat(item)
        return outputs + self._confirm(item)

    def add_measurements(self, start: int, measurements: Iterable[Measurement]) -> None:
        """Take what the signal from sample `start` on was measured to be."""
        if self._facts.first is None:
            self._facts.first = start
        self._await(measurements)

    def _await(self, measurements: Iterable[Measurement]) -> None:
        """Keep measurements until they are due."""
        min_vf_log_odds = self.min_vf_log_odds
        for measurement in measurements:
            self._waiting.append(measurement)
            self._is_told_of_waves |= measurement.vf_log_odds > min_vf_log_odds

    @property
    def min_vf_log_odds(self) -> float:
        """Log-odds that a measurement must exceed to add to the evidence of fibrillation."""
        return min(self._config.vf_fast_least, self._config.vf_usual_odds)

    @property
    def max_wait_s(self) -> float:
        """For how long what the signal says may wait for the next event, if not `may_change_by`."""
        return self._config.pause_s / 2

    def may_change_by(self, sample: int) -> bool:
        """Tell whether the time and the signal alone might change something by `sample`.

        If not, no row of the table can apply before `max_wait_s` have passed, unless an event comes
        or a measurement with more than `min_vf_log_odds`.
        """
        if self._states[Layer.EPISODE] is not None or self._is_told_of_waves:
            return True
        last_peak = self._facts.last_peak
        if last_peak is None or self._facts.wave_evidence > 0.0:
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
                "facts": dict(packed(self._facts)),
                "watch": self._watch.state(),
                "waiting": plain(self._waiting),
                "states": {
                    layer.value: None if state is None else state.value
                    for layer, state in self._states.items()
                },
                "rival": None if self._rival is None else self._rival.value,
                "rival_since": list(self._rival_since),
                "shown": self._shown.value,
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
        self._facts = unpacked(self._config, state["facts"])
        self._watch.restore(state["watch"])
        self._await(map(unpacked_measurement, state["waiting"]))
        for layer, value in state["states"].items():
            self._states[Layer(layer)] = None if value is None else Rhythm(value)
        self._rival = None if state["rival"] is None else Rhythm(state["rival"])
        self._rival_since = list(state["rival_since"])
        self._shown = Rhythm(state["shown"])
        self._closed = state["closed"]

    def _measure(self, *, before: int) -> list[Output]:
        """Let the measurements take effect that were due before that sample."""
        outputs: list[Output] = []
        while self._waiting and self._waiting[0].sample < before:
            measurement = self._waiting.popleft()
            self._facts.now = measurement.sample
            self._facts.measure(measurement)
            outputs += self._apply(Layer.EPISODE, News.SIGNAL)
        if not self._waiting:
            self._is_told_of_waves = False
        return outputs

    def _see_beat(self, item: LabeledBeat) -> list[Output]:
        """Take note of a beat's place."""
        rpeak = item.beat.rpeak
        if self._facts.is_faint(rpeak.sample, rpeak.quality):
            return []
        self._facts.see(rpeak.sample, rpeak.quality)
        outputs = self._apply(Layer.MOMENT, News.PEAK)
        outputs += self._apply(Layer.EPISODE, News.PEAK)
        return outputs + self._apply(Layer.RATE, News.PEAK)

    def _confirm(self, item: LabeledBeat) -> list[Output]:
        """Add a confirmed beat and see what it changes."""
        if item.beat.rpeak.sample < self._facts.forgotten_before:
            return []
        self._facts.confirm(item)
        outputs = self._apply(Layer.MOMENT, News.BEAT)
        outputs += self._apply(Layer.EPISODE, News.BEAT)
        if self._states[Layer.EPISODE] is None:
            outputs += self._follow_background(item.beat.rpeak.sample)
        return outputs

    def _end_streaks(self) -> list[Output]:
        """Say what the streaks come to when nothing follows them."""
        self._facts.runs.end()
        return self._apply(Layer.MOMENT, News.BEAT)

    def _take_gap(self, gap: Gap) -> list[Output]:
        if gap.reason is GapReason.LOST:
            return self._lose(gap)
        outputs: list[Output] = []
        if self._facts.gap is None:
            outputs += self._begin_gap(gap)
        if not gap.ongoing:
            outputs += self._end_gap(gap)
        return outputs

    def _begin_gap(self, gap: Gap) -> list[Output]:
        """Forget the beats; a silence goes on, and so does the memory of the signal."""
        facts = self._facts
        facts.gap, facts.gap_start = gap.reason, gap.start
        facts.note_flatness()
        if facts.flat_is_natural:
            return []
        facts.rate_before_gap = facts.rate_bpm
        outputs = self._end_streaks()
        facts.forget_beats()
        self._states[Layer.RATE] = None
        self._rival_since = []
        self._set(Layer.BACKGROUND, Rhythm.UNKNOWN)
        outputs += self._apply(Layer.EPISODE, News.GAP)
        return outputs + self._show(Evidence(gap.start))

    def _end_gap(self, gap: Gap) -> list[Output]:
        facts = self._facts
        facts.gap = None
        facts.calm_hops = 0
        if facts.episode is Rhythm.LEAD_OFF:
            # Nobody saw whether the heart was beating.
            facts.last_peak, facts.first, facts.interval = None, gap.stop, None
        outputs = self._apply(Layer.EPISODE, News.GAP)
        return outputs + self._show(Evidence(gap.stop))

    def _lose(self, gap: Gap) -> list[Output]:
        """Begin anew: in a stretch that never came anything may have happened."""
        outputs = self._end_streaks()
        shown = self._shown
        now, waiting = self._facts.now, self._waiting
        self._start_anew()
        self._shown = shown
        self._await(waiting)
        self._facts.now, self._facts.first = now, gap.stop
        return outputs + self._show(Evidence(gap.start))

    def _apply(self, layer: Layer, on: News) -> list[Output]:
        """Take the first row of a layer that applies, and say what it changes."""
        state = self._states[layer]
        for row in rows(layer, on, state):
            evidence = row.when(self._facts, state)
            if evidence is not None:
                return self._take(row, evidence)
        return []

    def _take(self, row: Transition, evidence: Evidence) -> list[Output]:
        if _TURNS & {row.to, self._states[row.layer]}:
            self._facts.atria.note_turn(evidence.onset)
        if row.layer is not Layer.MOMENT:
            self._set(row.layer, row.to)
        outputs: list[Output] = self._show(evidence)
        if row.priority is not None and row.to is not None:
            outputs.append(
                Alarm(
                    rhythm=row.to,
                    priority=row.priority,
                    onset=evidence.onset,
                    decided_at=self._facts.now,
                    beats=evidence.beats,
                )
            )
        return outputs

    def _set(self, layer: Layer, state: Rhythm | None) -> None:
        self._states[layer] = state
        if layer is Layer.EPISODE:
            self._facts.episode = state
            self._rival_since = []
        elif layer is Layer.BACKGROUND and state is not None:
            self._facts.background = state

    def _follow_background(self, sample: int) -> list[Output]:
        """Change the background once enough beats in a row speak for the same other rhythm."""
        state = self._states[Layer.BACKGROUND]
        row, evidence = self._candidate(state)
        if row is None or evidence is None or row.to is state:
            self._rival, self._rival_since = None, []
            return []
        if row.to is not self._rival:
            self._rival, self._rival_since = row.to, []
        self._rival_since.append(sample)
        at_once = state is Rhythm.UNKNOWN
        if not at_once and len(self._rival_since) < row.hold_beats:
            return []
        if not at_once and len(evidence.beats) < len(self._rival_since):
            since = tuple(self._rival_since)
            evidence = Evidence(since[0], since)
        self._rival, self._rival_since = None, []
        return self._take(row, evidence)

    def _candidate(self, state: Rhythm | None) -> tuple[Transition | None, Evidence | None]:
        """Return the first row that holds, be it the one that leads to the present state."""
        for row in rows(Layer.BACKGROUND, News.BEAT, None):
            evidence = row.when(self._facts, state)
            if evidence is not None:
                return row, evidence
        return None, None

    def _show(self, evidence: Evidence) -> list[Output]:
        """Tell of the rhythm on top if it is another than before."""
        background = self._states[Layer.BACKGROUND] or Rhythm.UNKNOWN
        top = self._states[Layer.EPISODE] or background
        if top is self._shown:
            return []
        self._shown = top
        return [self._event(top, evidence.onset, evidence.beats)]

    def _event(self, rhythm: Rhythm, onset: int, beats: Sequence[int]) -> RhythmEvent:
        return RhythmEvent(
            rhythm=rhythm,
            onset=onset,
            decided_at=self._facts.now,
            heart_rate_bpm=self._facts.rate_bpm,
            beats=tuple(beats),
        )
