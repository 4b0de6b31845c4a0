"""What a run came to: collected in bounded memory, printed at its end or when it is stopped."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from rich.style import Style
from rich.text import Text

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.beats.ledger import BeatLedger
from streamer.core.clock_format import clock, sample_time
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
from streamer.monitor.state import MqttStatus, ReferenceAnnotations
from streamer.monitor.terminal import palette
from streamer.report.hrv import Variability, sinus_intervals, variability
from streamer.scoring.running_score import MatchCounts, RunningScore

_NAME_WIDTH: Final = 14
_MOST_NORMAL: Final = 100_000
"""Beats remembered for the variability: about a day."""
_QUANTILES: Final = ((0.5, "median"), (0.95, "p95"), (0.99, "p99"), (1.0, "max"))


@dataclass(slots=True)
class Episodes:
    """How often something came and how many samples it lasted in all."""

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
    reference : ReferenceAnnotations, optional
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
        reference: ReferenceAnnotations | None = None,
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
        return variability(*sinus_intervals(samples, names, self.info.fs, self._fibrillation))

    def _end_rhythm(self, stop: int) -> None:
        if self._rhythm is None or self._rhythm.rhythm is Rhythm.UNKNOWN:
            return
        episodes = self.rhythms.setdefault(self._rhythm.rhythm, Episodes())
        episodes.n += 1
        episodes.samples += max(stop - self._rhythm.onset, 0)
        if self._rhythm.rhythm is Rhythm.ATRIAL_FIBRILLATION:
            self._fibrillation.append((self._rhythm.onset, stop))


def render_summary(summary: Summary) -> Text:
    """Put a summary into lines of at most 80 cells, for a terminal or a file.

    Parameters
    ----------
    summary : Summary
        What was collected; `finish` is called first, so that the score is final.

    Returns
    -------
    rich.text.Text
    """
    summary.finish()
    text = Text(no_wrap=True)
    for name, words in [
        *_played(summary),
        *_beats(summary),
        *_rhythms(summary),
        *_notices(summary),
        *_latencies(summary),
        *_mqtt(summary),
        *_reference(summary),
    ]:
        text.append(f"{name:<{_NAME_WIDTH}}", palette.TITLE)
        for word, style in words:
            text.append(word, style)
        text.append("\n")
    text.right_crop(1)
    return text


_Words = list[tuple[str, Style]]
_Rows = list[tuple[str, _Words]]


def _plain(*words: str) -> _Words:
    return [(word, palette.PLAIN) for word in words]


def _played(summary: Summary) -> _Rows:
    info = summary.info
    start, stop = (sample_time(n, info.fs) for n in (info.first_sample, summary.now))
    duration = sample_time(summary.now - info.first_sample, info.fs)
    words = _plain(f"{duration} played, {start} to {stop}")
    if info.training_record:
        words.append(("  training record", palette.NOTE))
    return [(info.source, words)]


def _beats(summary: Summary) -> _Rows:
    ledger, rates = summary.ledger, summary.heart_rate
    words = _plain(f"{ledger.n_beats}  ")
    for label, count in ledger.counts.items():
        if label is not None:
            words += [(f"  {label.value} ", palette.BEAT[label]), (f"{count}", palette.PLAIN)]
    unlabelled = ledger.counts[None]
    if unlabelled:
        words.append((f"   without label {unlabelled}", palette.POOR))
    low, middle, high = (rates.quantile(fraction) for fraction in (0.0, 0.5, 1.0))
    rate = "unknown"
    if low is not None and middle is not None and high is not None:
        rate = f"{middle:.0f} bpm median, {low:.0f} to {high:.0f}"
    return [("beats", words), ("heart rate", _plain(rate)), *_variability(summary)]


def _variability(summary: Summary) -> _Rows:
    found = summary.variability()
    if found is None:
        return []
    words = f"SDNN {found.sdnn_ms:.0f} ms, RMSSD {found.rmssd_ms:.0f} ms, pNN50 {found.pnn50:.0f}%"
    return [("HRV", _plain(words, f" over {found.n_intervals} NN intervals"))]


def _rhythms(summary: Summary) -> _Rows:
    longest = sorted(summary.rhythms.items(), key=lambda item: -item[1].samples)
    rows: _Rows = []
    for rhythm, episodes in longest:
        seconds = episodes.samples / summary.info.fs
        times = f"{episodes.n} time{'s' if episodes.n != 1 else ''}"
        row = _plain(f"{clock(seconds):>8}  {rhythm!s:<30}{times}")
        rows.append(("" if rows else "rhythm", row))
    return rows or [("rhythm", _plain("not known"))]


def _notices(summary: Summary) -> _Rows:
    rows: _Rows = []
    for (rhythm, priority), n in sorted(summary.alarms.items(), key=lambda item: -item[0][1]):
        row = _plain(f"{n:>8}  {rhythm!s:<30}{priority.name.lower()} priority")
        rows.append(("" if rows else "alarms", row))
    rows = rows or [("alarms", _plain("none"))]
    fs = summary.info.fs
    for reason, gap in summary.gaps.items():
        row = _plain(f"{gap.n:>8}  {reason!s:<30}{gap.samples / fs:.1f} s without signal")
        rows.append(("gaps", row))
    return rows


def _latencies(summary: Summary) -> _Rows:
    ledger = summary.ledger
    header = "".join(f"{name:>9}" for _, name in _QUANTILES)
    late: _Words = [(f"   budget {ledger.budget_ms:.0f} ms, ", palette.FAINT)]
    late.append((f"{ledger.n_late} late", palette.POOR if ledger.n_late else palette.FAINT))
    if ledger.n_overload:
        late.append((f", {ledger.n_overload} labels not worked out", palette.POOR))
    return [
        ("latency ms", [(header, palette.FAINT), *late]),
        ("  decision", _plain(_quantiles(ledger.decision_delay), "   of signal, from the R peak")),
        ("  compute", _plain(_quantiles(ledger.compute), "   until the label was out")),
        ("  together", _plain(_quantiles(ledger.latency))),
    ]


def _quantiles(histogram: QuantileHistogram) -> str:
    values = (histogram.quantile(fraction) for fraction, _ in _QUANTILES)
    return "".join(f"{'--' if value is None else f'{value:.1f}':>9}" for value in values)


def _mqtt(summary: Summary) -> _Rows:
    mqtt = summary.mqtt
    if mqtt is None:
        return []
    words = _plain(f"{mqtt.sent} sent")
    if mqtt.queued:
        words.append((f", {mqtt.queued} not sent", palette.POOR))
    if mqtt.shed:
        words.append((f", {mqtt.shed} shed", palette.POOR))
    return [("MQTT", words)]


def _reference(summary: Summary) -> _Rows:
    if summary.score is None:
        return []
    rows: _Rows = [("QRS", _match_counts(summary.score.qrs))]
    rows += [
        (f"{label.value} beats", _match_counts(t)) for label, t in summary.score.classes.items()
    ]
    return [
        (f"reference {name}" if not k else f"  {name}", words)
        for k, (name, words) in enumerate(rows)
    ]


def _match_counts(counts: MatchCounts) -> _Words:
    ratios = f"Se {_percent(counts.sensitivity)}  +P {_percent(counts.ppv)}"
    return _plain(ratios, f"   TP {counts.tp}  FN {counts.fn}  FP {counts.fp}")


def _percent(ratio: float | None) -> str:
    return "     --" if ratio is None else f"{ratio * 100.0:6.2f}%"
