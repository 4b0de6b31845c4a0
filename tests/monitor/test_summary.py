import dataclasses
import io
import re

import numpy as np
import pytest
from fed_sink import FedSink
from monitor_cases import BEAT_EVERY, FS, info, mqtt, reference
from rich.console import Console
from sample_events import alarm, gap, labeled_beat, published

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import (
    Event,
    GapReason,
    LabeledBeat,
    Priority,
    Published,
    Rhythm,
    RhythmEvent,
    StreamInfo,
)
from streamer.monitor.summary import Summary, SummarySink
from streamer.monitor.summary_view import render_summary
from streamer.scoring.account import Account


def rhythm(kind: Rhythm, onset: int) -> RhythmEvent:
    return RhythmEvent(
        rhythm=kind, onset=onset, decided_at=onset + 100, heart_rate_bpm=None, beats=(onset,)
    )


def events() -> list[Event]:
    result: list[Event] = []
    for number, peak in enumerate(range(BEAT_EVERY, 3600, BEAT_EVERY)):
        label = Label.V if number == 3 else Label.N
        rr_s = (BEAT_EVERY / FS,) if number else ()
        result += [labeled_beat(peak, label, revision=r, rr_s=rr_s) for r in (0, 1)]
    return [
        *result,
        rhythm(Rhythm.UNKNOWN, 0),
        rhythm(Rhythm.SINUS, 720),
        rhythm(Rhythm.VENTRICULAR_TACHYCARDIA, 1080),
        rhythm(Rhythm.SINUS, 1440),
        alarm(1080),
        gap(3000),
    ]


class FedSummary(Summary):
    """A summary whose account is kept along, as the runner keeps it."""

    def __init__(self, info: StreamInfo, *, reference: object = None, **options: object) -> None:
        self.account = Account(info, reference=reference)
        super().__init__(info, self.account, **options)

    def publish(self, message: Published) -> None:
        if isinstance(message.event, LabeledBeat):
            self.account.take(message.event, message.compute_ms, self.now)
        super().publish(message)

    def finish(self) -> None:
        self.account.finish(self.now)
        super().finish()


def collected(**options: object) -> Summary:
    summary = FedSummary(info(training_record=True), **options)
    for event in events():
        summary.publish(published(event))
    summary.observe(Chunk(start=0, samples=np.zeros((2, 3600), np.float32)))
    summary.finish()
    return summary


def printed(summary: Summary) -> list[str]:
    console = Console(width=80, file=io.StringIO())
    console.print(render_summary(summary))
    return console.file.getvalue().splitlines()


def test_collects_durations_and_numbers() -> None:
    summary = collected()
    assert summary.ledger.counts[Label.N] == 11
    assert summary.ledger.counts[Label.V] == 1
    assert summary.heart_rate.minimum == summary.heart_rate.maximum == pytest.approx(75.0)
    sinus, run = summary.rhythms[Rhythm.SINUS], summary.rhythms[Rhythm.VENTRICULAR_TACHYCARDIA]
    assert (sinus.n, sinus.samples) == (2, 360 + 2160)
    assert (run.n, run.samples) == (1, 360)
    assert Rhythm.UNKNOWN not in summary.rhythms
    assert summary.alarms == {(Rhythm.VENTRICULAR_TACHYCARDIA, Priority.HIGH): 1}
    assert summary.gaps[GapReason.FLAT].samples == 360


def test_finish_counts_once() -> None:
    summary = collected(reference=reference())
    summary.finish()
    assert summary.rhythms[Rhythm.SINUS].n == 2
    assert summary.score is not None
    assert (summary.score.qrs.tp, summary.score.qrs.fn) == (12, 0)


def test_reads_like_this() -> None:
    assert printed(collected(mqtt=mqtt(shed=3), reference=reference())) == [
        "made-up       0:10.000 played, 0:00.000 to 0:10.000  training record",
        "beats         12    N 11  S 0  V 1  F 0  Q 0",
        "heart rate    75 bpm median, 75 to 75",
        "rhythm            0:07  sinus rhythm                  2 times",
        "                  0:01  ventricular tachycardia       1 time",
        "alarms               1  ventricular tachycardia       high priority",
        "gaps                 1  flat                          1.0 s without signal",
        "latency ms       median      p95      p99      max   budget 500 ms, 0 late",
        "  decision        352.8    352.8    352.8    352.8   of signal, from the R peak",
        "  compute           1.5      1.5      1.5      1.5   until the label was out",
        "  together        354.3    354.3    354.3    354.3",
        "MQTT          42 sent, 3 shed",
        "reference QRS Se 100.00%  +P 100.00%   TP 12  FN 0  FP 0",
        "  V beats     Se      --  +P   0.00%   TP 0  FN 0  FP 1",
        "  S beats     Se      --  +P      --   TP 0  FN 0  FP 0",
    ]


def test_nothing_played_is_said_plainly() -> None:
    shown = printed(FedSummary(info()))
    assert shown[0] == "made-up       0:00.000 played, 0:00.000 to 0:00.000"
    assert "heart rate    unknown" in shown
    assert "alarms        none" in shown


def test_beats_without_label_are_mentioned() -> None:
    summary = FedSummary(info())
    summary.publish(published(labeled_beat(label=None, revision=0, late=True)))
    assert any("without label 1" in line for line in printed(summary))


async def test_the_sink_feeds_it() -> None:
    sink = FedSink(SummarySink, mqtt=mqtt())
    with pytest.raises(RuntimeError, match="before open"):
        _ = sink.summary
    await sink.start()
    sink.observe(Chunk(start=0, samples=np.zeros((2, 360), np.float32)))
    sink.publish(published(labeled_beat()))
    await sink.drain()
    await sink.close()
    assert sink.summary.now == 360
    assert sink.summary.ledger.n_beats == 1


def test_variability_needs_twenty_normal_intervals() -> None:
    summary = FedSummary(info())
    for k in range(30):
        for revision in (0, 1):
            beat = labeled_beat(sample=288 * (k + 1) + k % 3, label=Label.N, revision=revision)
            summary.publish(published(beat))
    shown = printed(summary)
    assert any(re.fullmatch(r"HRV +SDNN \d+ ms, .* over 29 NN intervals", line) for line in shown)


def test_variability_leaves_fibrillation_out_as_the_report_does() -> None:
    summary = FedSummary(info())
    for k in range(60):
        beat = labeled_beat(sample=288 * (k + 1), label=Label.N, revision=1)
        summary.publish(published(beat))
    onset, end = 288 * 20, 288 * 31
    summary.publish(published(rhythm(Rhythm.ATRIAL_FIBRILLATION, onset)))
    summary.publish(published(rhythm(Rhythm.SINUS, end)))
    shown = printed(summary)
    n_intervals = 59 - (31 - 20)
    assert any(line.endswith(f"over {n_intervals} NN intervals") for line in shown)


def test_names_from_outside_are_cleaned() -> None:
    summary = collected()
    summary.info = dataclasses.replace(summary.info, source="bed\x1b]0;t\x07")
    shown = render_summary(summary).plain
    assert "bed?]0;t?" in shown
    assert all(line.isprintable() for line in shown.splitlines())
