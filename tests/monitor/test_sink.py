import asyncio
import io
import re

import numpy as np
import pytest
from fed_sink import FedSink
from monitor_cases import FS, mqtt, reference, signal
from rich.console import Console
from sample_events import labeled_beat, published

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.errors import OutputError
from streamer.monitor.sink import MonitorSink
from streamer.monitor.terminal.frame_pace import FramePacer, SpeedMeter

ENTER_SCREEN = "\x1b[?1049h"
LEAVE_SCREEN = "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"


class Terminal(io.StringIO):
    """Collects what is written, from whichever thread, and wakes who waits for it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.more = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def write(self, text: str) -> int:
        self.writes += 1
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.more.set)
        return super().write(text)


def console(terminal: io.StringIO) -> Console:
    return Console(
        file=terminal, width=80, height=24, force_terminal=True, _environ={"TERM": "xterm-256color"}
    )


async def until(terminal: Terminal, words: str) -> None:
    """Let the drawing go on until `words` have been written."""
    terminal.loop = asyncio.get_running_loop()
    async with asyncio.timeout(60.0):
        while words not in terminal.getvalue():
            terminal.more.clear()
            await terminal.more.wait()
    terminal.loop = None


async def test_draws_while_playing_and_gives_the_screen_back() -> None:
    terminal = Terminal()
    sink = FedSink(MonitorSink, console(terminal), mqtt=mqtt(), reference=reference(), fps=1000.0)
    await sink.start()
    assert terminal.getvalue().startswith(ENTER_SCREEN)
    sink.observe(Chunk(start=0, samples=signal(0, 720)))
    sink.publish(published(labeled_beat(288, Label.V, revision=0)))
    await sink.drain()
    await until(terminal, "V?")
    await sink.close()
    written = terminal.getvalue()
    assert "HEART RATE" in written
    assert "V?" in written
    assert re.search(r"\x1b\[\?2026h[^\x07]*HEART RATE[^\x07]*\x1b\[\?2026l", written)
    assert LEAVE_SCREEN in written
    assert SHOW_CURSOR in written
    assert written.index(LEAVE_SCREEN) > written.rindex("HEART RATE")


async def test_close_twice_and_without_start() -> None:
    sink = FedSink(MonitorSink, console(Terminal()))
    await sink.close()
    await sink.start()
    await sink.close()
    await sink.close()


async def test_an_interrupt_gives_the_screen_back() -> None:
    terminal = Terminal()

    async def play() -> None:
        sink = FedSink(MonitorSink, console(terminal), fps=1000.0)
        await sink.start()
        try:
            await asyncio.Event().wait()
        finally:
            await sink.close()

    task = asyncio.create_task(play())
    await until(terminal, "HEART RATE")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert LEAVE_SCREEN in terminal.getvalue()


class BrokenTerminal(Terminal):
    """Fails at the first frame."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = asyncio.Event()

    def write(self, text: str) -> int:
        if "HEART RATE" in text and self.loop is not None:
            self.loop.call_soon_threadsafe(self.failed.set)
            raise OSError("the terminal has gone")
        return super().write(text)


async def publish_until_it_fails(sink: FedSink) -> None:
    """Publish until the sink has noticed that its drawing ended."""
    async with asyncio.timeout(60.0):
        while True:
            sink.publish(published(labeled_beat()))
            await sink.drain()


async def test_a_failure_to_draw_gives_the_screen_back_and_is_told() -> None:
    terminal = BrokenTerminal()
    terminal.loop = asyncio.get_running_loop()
    sink = FedSink(MonitorSink, console(terminal), fps=1000.0)
    await sink.start()
    async with asyncio.timeout(60.0):
        await terminal.failed.wait()
    with pytest.raises(OSError, match="the terminal has gone"):
        await publish_until_it_fails(sink)
    assert LEAVE_SCREEN in terminal.getvalue()
    with pytest.raises(OSError, match="the terminal has gone"):
        await sink.close()


async def test_follows_the_size_of_the_terminal() -> None:
    terminal = Terminal()
    shown = console(terminal)
    sink = FedSink(MonitorSink, shown, fps=1000.0)
    await sink.start()
    await until(terminal, "HEART RATE")
    assert "RR ms, last minute" not in terminal.getvalue()
    shown.size = type(shown.size)(120, 40)
    await until(terminal, "RR ms, last minute")
    await sink.close()


async def test_a_terminal_without_unicode_is_refused() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    with pytest.raises(OutputError, match="needs UTF-8; set LANG"):
        await FedSink(MonitorSink, Console(file=latin, force_terminal=True)).start()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"fps": 0.0}, "0.0 frames per second"), ({"budget_ms": -1.0}, "budget of -1.0 ms")],
)
def test_refuses_nonsense(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FedSink(MonitorSink, console(Terminal()), **options)


def test_nothing_is_taken_before_start() -> None:
    with pytest.raises(RuntimeError, match="before open"):
        FedSink(MonitorSink, console(Terminal())).observe(
            Chunk(start=0, samples=np.zeros((2, round(FS)), np.float32))
        )


def test_the_pacer_keeps_the_frame_rate() -> None:
    pacer = FramePacer(0.05, due_s=10.0)
    assert pacer.is_time(10.001)
    pacer.drawn(10.001, 10.004)
    assert pacer.due_s == pytest.approx(10.05)


def test_the_pacer_gives_frames_up_while_the_loop_is_late() -> None:
    pacer = FramePacer(0.05, due_s=10.0)
    pacer.drawn(9.99, 10.0)
    assert pacer.due_s == pytest.approx(10.05)
    assert not pacer.is_time(10.11)
    assert pacer.due_s == pytest.approx(10.16)
    assert not pacer.is_time(10.3)
    assert pacer.is_time(10.55)


def test_the_pacer_rests_as_long_as_a_slow_frame_took() -> None:
    pacer = FramePacer(0.05, due_s=10.0)
    pacer.drawn(10.0, 10.2)
    assert pacer.due_s == pytest.approx(10.4)


def test_the_speed_is_that_of_the_last_seconds() -> None:
    meter = SpeedMeter(fs=100.0)
    speeds = [meter.measure(0.1 * k, 20 * k, paused=False) for k in range(40)]
    assert speeds[:20] == [None] * 20
    assert speeds[-1] == pytest.approx(2.0)
    assert meter.measure(10.0, 800, paused=True) is None
    assert meter.measure(10.1, 810, paused=False) is None
    assert meter.measure(12.2, 1230, paused=False) == pytest.approx(2.0)
