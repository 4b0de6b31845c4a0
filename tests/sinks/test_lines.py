import asyncio
import dataclasses
import io
import threading

import numpy as np
from fed_sink import FedSink
from monitor_cases import info
from sample_events import alarm, gap, labeled_beat, one_of_each, over, published, rhythm_event

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import Event
from streamer.sinks.lines import LinesSink, event_words


def line(event: Event) -> str | None:
    return event_words(event, 360.0)


def test_what_a_line_says() -> None:
    assert line(labeled_beat(3600, Label.V)) == "beat V at 0:10.000  RR 800 ms"
    assert line(labeled_beat(3600, Label.Q, rr_s=(), reason="flat")) == "beat Q at 0:10.000  (flat)"
    assert line(rhythm_event(onset=360)) == "rhythm sinus rhythm since 0:01.000, 75 bpm"
    assert line(alarm(onset=720)) == ("ALARM ventricular tachycardia since 0:02.000, high priority")
    assert line(gap(start=1080)) == "gap flat at 0:03.000, 1.000 s without signal"


def test_normal_provisional_and_late_beats_have_no_line() -> None:
    assert line(labeled_beat(label=Label.N)) is None
    assert line(labeled_beat(revision=0)) is None
    assert line(labeled_beat(label=None, revision=0, late=True)) is None


async def test_writes_lines_in_order_and_the_rate_every_ten_seconds() -> None:
    stream = io.StringIO()
    sink = FedSink(LinesSink, stream, info=info(training_record=True))
    await sink.start()
    sink.publish(published(labeled_beat(3500, Label.V)))
    for start in range(0, 11_000, 500):
        sink.observe(Chunk(start=start, samples=np.zeros((2, 500), np.float32)))
        await sink.drain()
    await sink.close()
    assert stream.getvalue().splitlines() == [
        "made-up: leads MLII V1, 360 Hz, training record",
        "0:10.000  heart rate 75 bpm",
        "0:10.075  beat V at 0:09.722  RR 800 ms",
        "0:20.000  heart rate --",
        "0:30.000  heart rate --",
    ]


async def test_the_first_column_never_goes_back() -> None:
    """However the signal is cut, and however late a label is."""
    stream = io.StringIO()
    sink = FedSink(LinesSink, stream)
    await sink.start()
    sink.observe(Chunk(start=0, samples=np.zeros((2, 7200), np.float32)))
    for event in (rhythm_event(onset=100), labeled_beat(3000), alarm(onset=3200), gap(start=3100)):
        sink.publish(published(event))
    sink.observe(Chunk(start=7200, samples=np.zeros((2, 360), np.float32)))
    sink.publish(published(labeled_beat(6000, reason="late")))
    await sink.close()
    columns = [line.split("  ")[0] for line in stream.getvalue().splitlines()[1:]]
    assert columns == [
        "0:05.278", "0:08.686", "0:10.000", "0:10.278", "0:10.278", "0:20.000", "0:20.000"
    ]  # fmt: skip


async def test_names_of_a_source_reach_no_terminal_raw() -> None:
    stream = io.StringIO()
    odd = dataclasses.replace(info(), leads=("V1\x1b]0;owned\x07", "II\nALARM"))
    sink = FedSink(LinesSink, stream, info=odd)
    await sink.start()
    await sink.close()
    assert stream.getvalue() == "made-up: leads V1?]0;owned? II?ALARM, 360 Hz\n"


async def test_takes_every_kind_of_event() -> None:
    stream = io.StringIO()
    sink = FedSink(LinesSink, stream)
    await sink.start()
    for event in one_of_each():
        sink.publish(published(event))
    await sink.close()
    assert len(stream.getvalue().splitlines()) == 7
    assert event_words(over(), 360.0) == "over ventricular tachycardia since 0:02.000"


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_a_reader_that_has_gone_is_no_error() -> None:
    sink = FedSink(LinesSink, ClosedPipe())
    await sink.start()
    for _ in range(3):
        sink.publish(published(alarm()))
        await asyncio.sleep(0)
    await sink.drain()
    await sink.close()


class StuckPipe(io.StringIO):
    """A pipe whose reader doesn't read until told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()

    def write(self, text: str) -> int:
        self.reads.wait(10.0)
        return super().write(text)


async def test_a_reader_that_does_not_read_costs_lines_but_no_time() -> None:
    stream = StuckPipe()
    sink = FedSink(LinesSink, stream)
    await sink.start()
    await asyncio.sleep(0)
    for _ in range(10_050):
        sink.publish(published(alarm()))
    stream.reads.set()
    await sink.drain()
    sink.publish(published(gap()))
    await sink.close()
    written = stream.getvalue().splitlines()
    assert len(written) == 1 + 10_000 + 2
    assert written[-2] == "(50 lines left out)"
