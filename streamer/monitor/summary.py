"""Totals of a whole run, collected in bounded memory."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from classifier.labels import Label
from replay.chunk import Chunk
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
from streamer.scoring.account import Account, Accounts
from streamer.sinks.sink import QuietSink

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
    account : Account
        Of its beats; an event is in it before it is published here.
    mqtt : MqttStatus, optional
        Counters to report.

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
        account: Account,
        *,
        mqtt: MqttStatus | None = None,
    ) -> None:
        self.info = info
        self.mqtt = mqtt
        self.now = info.first_sample
        self.ledger, self.score = account.ledger, account.score
        self.heart_rate = QuantileHistogram()
        self.rhythms: dict[Rhythm, Episodes] = {}
        self.gaps: dict[GapReason, Episodes] = {}
        self.alarms: Counter[tuple[Rhythm, Priority]] = Counter()
        self._newest_beat = info.first_sample - 1
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
            self._take_beat(event)
        elif isinstance(event, RhythmEvent):
            self._end_rhythm(event.onset)
            self._rhythm = event
        elif isinstance(event, Alarm):
            self.alarms[event.rhythm, event.priority] += event.is_raised
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

    def _take_beat(self, event: LabeledBeat) -> None:
        sample = event.beat.rpeak.sample
        is_new = sample > self._newest_beat
        self._newest_beat = max(self._newest_beat, sample)
        if event.revision > 0:
            self._normal.append((sample, event.label is Label.N))
        rate = self.ledger.heart_rate_bpm(sample) if is_new else None
        if rate is not None:
            self.heart_rate.add(rate)

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


class SummarySink(QuietSink):
    """Collects the `Summary` of one source as one of the sinks.

    Parameters
    ----------
    accounts : Accounts
    mqtt : MqttStatus, optional
        Counters to report.
    """

    def __init__(self, accounts: Accounts, *, mqtt: MqttStatus | None = None) -> None:
        self._accounts = accounts
        self._mqtt = mqtt
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """What was collected so far; RuntimeError if no source was opened."""
        if self._summary is None:
            raise RuntimeError("there is no summary before open()")
        return self._summary

    def open(self, info: StreamInfo) -> None:
        """Begin a new summary."""
        self._summary = Summary(info, self._accounts[info.source], mqtt=self._mqtt)

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Note how far the source has been played."""
        self.summary.observe(chunk)

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Take one event."""
        self.summary.publish(message)

    def close_source(self, source: str) -> None:
        """Make the summary final."""
        self.summary.finish()
