"""Totals of a whole run, collected in bounded memory."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from classifier.labels import Label
from replay.chunk import Chunk
from replay.record import Reference
from streamer.beats.ledger import BeatLedger
from streamer.core.events import (
    Alarm,
    GapReason,
    LabeledBeat,
    Priority,
    Published,
    Rhythm,
    RhythmEvent,
    StreamInfo,
)
from streamer.core.histogram import QuantileHistogram
from streamer.monitor.status import MqttStatus
from streamer.report.hrv import Variability, nn_intervals, variability
from streamer.scoring.running_score import RunningScore

_MOST_NORMAL: Final = 100_000
"""Beats remembered for the variability: about a day."""


@dataclass(slots=True)
class Episodes:
    """Number of episodes and their samples in all."""

    n: int = 0
    samples: int = 0


class Summary:
    """Collects a whole run.

    Parameters
    ----------
    info : StreamInfo
        The source.
    budget_ms : float
        Latency budget of a first label, from the R peak, in ms.
    mqtt : MqttStatus, optional
        Counters to report.
    reference : Reference, optional
        Annotations that came with the record.

    Attributes
    ----------
    now : int
        One past the last sample played.
    ledger : BeatLedger
        Beats by class and latencies.
    heart_rate : QuantileHistogram
        In bpm, at every beat.
    rhythms, gaps : dict
        Number and duration by kind.
    alarms : Counter
        Number by rhythm and priority.
    score : RunningScore or None
        Against the reference; final after `finish`.
    """

    def __init__(
        self,
        info: StreamInfo,
        *,
        budget_ms: float = 500.0,
        mqtt: MqttStatus | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.info = info
        self.mqtt = mqtt
        self.now = info.first_sample
        self.ledger = BeatLedger(fs=info.fs, budget_ms=budget_ms)
        self.heart_rate = QuantileHistogram()
        self.rhythms: dict[Rhythm, Episodes] = {}
        self.gaps: dict[GapReason, Episodes] = {}
        self.alarms: Counter[tuple[Rhythm, Priority]] = Counter()
        self.score: RunningScore | None = None
        if reference is not None:
            self.score = RunningScore(
                reference.samples, reference.symbols, fs=info.fs, first_sample=info.first_sample
            )
        self._normal: deque[tuple[int, bool]] = deque(maxlen=_MOST_NORMAL)
        self._fibrillation: deque[tuple[int, int]] = deque(maxlen=_MOST_NORMAL)
        self._rhythm: RhythmEvent | None = None
        self._finished = False

    def observe(self, chunk: Chunk) -> None:
        """Note how far the source has been played."""
        self.now = chunk.stop

    def publish(self, message: Published) -> None:
        """Take one event."""
        event = message.event
        if isinstance(event, LabeledBeat):
            self._take_beat(event, message.compute_ms)
        elif isinstance(event, RhythmEvent):
            self._end_rhythm(event.onset)
            self._rhythm = event
        elif isinstance(event, Alarm):
            self.alarms[event.rhythm, event.priority] += 1
        elif not event.ongoing:
            gap = self.gaps.setdefault(event.reason, Episodes())
            gap.n += 1
            gap.samples += event.stop - event.start

    def finish(self) -> None:
        """Count what the end of the stream makes final; nothing may be published afterwards."""
        if self._finished:
            return
        self._finished = True
        self._end_rhythm(self.now)
        if self.score is not None:
            self.score.finish(self.now)

    def _take_beat(self, event: LabeledBeat, compute_ms: float) -> None:
        sample = event.beat.rpeak.sample
        is_new = self.ledger.take(event, compute_ms)
        if event.revision > 0:
            self._normal.append((sample, event.label is Label.N))
        rate = self.ledger.heart_rate_bpm(sample) if is_new else None
        if rate is not None:
            self.heart_rate.add(rate)
        if self.score is not None:
            self.score.beat(sample, event.label)
            self.score.advance(self.now)

    def variability(self) -> Variability | None:
        """Measure the sinus rhythm's variability over the last day; None without enough of it.

        A rhythm that has not ended counts as sinus rhythm; `finish` ends it.
        """
        samples, labels = zip(*self._normal, strict=True) if self._normal else ((), ())
        names = [Label.N.value if normal else None for normal in labels]
        return variability(*nn_intervals(samples, names, self.info.fs, self._fibrillation))

    def _end_rhythm(self, stop: int) -> None:
        if self._rhythm is None or self._rhythm.rhythm is Rhythm.UNKNOWN:
            return
        episodes = self.rhythms.setdefault(self._rhythm.rhythm, Episodes())
        episodes.n += 1
        episodes.samples += max(stop - self._rhythm.onset, 0)
        if self._rhythm.rhythm is Rhythm.ATRIAL_FIBRILLATION:
            self._fibrillation.append((self._rhythm.onset, stop))


class SummarySink:
    """Collects a `Summary` as one of the sinks; the parameters are those of `Summary`."""

    def __init__(
        self,
        *,
        budget_ms: float = 500.0,
        mqtt: MqttStatus | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._budget_ms = budget_ms
        self._mqtt = mqtt
        self._reference = reference
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """What was collected so far; RuntimeError if the sink wasn't started."""
        if self._summary is None:
            raise RuntimeError("there is no summary before start()")
        return self._summary

    async def start(self, info: StreamInfo) -> None:
        """Begin a new summary."""
        self._summary = Summary(
            info, budget_ms=self._budget_ms, mqtt=self._mqtt, reference=self._reference
        )

    def observe(self, chunk: Chunk) -> None:
        """Note how far the source has been played."""
        self.summary.observe(chunk)

    def publish(self, message: Published) -> None:
        """Take one event."""
        self.summary.publish(message)

    async def drain(self) -> None:
        """Return at once: nothing is queued."""

    async def close(self) -> None:
        """Make the summary final."""
        if self._summary is not None:
            self._summary.finish()
