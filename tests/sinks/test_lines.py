import asyncio
import io
import threading

import numpy as np
from monitor_cases import info
from sample_events import alarm, gap, labeled_beat, one_of_each, published, rhythm_event

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import Event
from streamer.sinks.lines import LinesSink, event_line


def line(event: Event) -> str | None:
    return event_line(published(event), 360.0)


def test_what_a_line_says() -> None:
    assert line(labeled_beat(3600, Label.V)) == "0:10.000  beat V  RR 800 ms"
    assert line(labeled_beat(3600, Label.Q, rr_s=(), reason="flat")) == "0:10.000  beat Q  (flat)"
    assert line(rhythm_event(onset=360)) == "0:06.000  rhythm sinus rhythm since 0:01.000, 75 bpm"
    assert line(alarm(onset=720)) == (
        "0:03.389  ALARM ventricular tachycardia since 0:02.000, high priority"
    )
    assert line(gap(start=1080)) == "0:04.111  gap flat at 0:03.000, 1.000 s without signal"


def test_normal_provisional_and_late_beats_have_no_line() -> None:
    assert line(labeled_beat(label=Label.N)) is None
    assert line(labeled_beat(revision=0)) is None
    assert line(labeled_beat(label=None, revision=0, late=True)) is None


async def test_writes_lines_in_order_and_the_rate_every_ten_seconds() -> None:
    stream = io.StringIO()
    sink = LinesSink(stream)
    await sink.start(info(training_record=True))
    sink.publish(published(labeled_beat(3500, Label.V)))
    for start in range(0, 11_000, 500):
        sink.observe(Chunk(start=start, samples=np.zeros((2, 500), np.float32)))
        await sink.drain()
    await sink.close()
    assert stream.getvalue().splitlines() == [
        "made-up: leads MLII V1, 360 Hz, training record",
        "0:09.722  beat V  RR 800 ms",
        "0:10.000  heart rate 75 bpm",
        "0:20.000  heart rate --",
        "0:30.000  heart rate --",
    ]


async def test_takes_every_kind_of_event() -> None:
    stream = io.StringIO()
    sink = LinesSink(stream)
    await sink.start(info())
    for event in one_of_each():
        sink.publish(published(event))
    await sink.close()
    assert len(stream.getvalue().splitlines()) == 6


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


async def test_a_reader_that_has_gone_is_no_error() -> None:
    sink = LinesSink(ClosedPipe())
    await sink.start(info())
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
    sink = LinesSink(stream)
    await sink.start(info())
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
