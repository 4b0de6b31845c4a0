"""What the keys do: to the pace, to the screen, to files; and once for real in a terminal."""

import asyncio
import codecs
import dataclasses
import io
import os
import pty
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fed_sink import FedSink
from monitor_cases import FedState, info, mqtt, play, publish
from rich.console import Console
from sample_events import alarm
from terminal_grid import Grid

from replay.chunk import Chunk
from streamer.core.events import Alarm, AlarmState, Priority, Rhythm
from streamer.monitor.burden import Burden
from streamer.monitor.keys import KEYS, Command, KeyReader, help_rows
from streamer.monitor.sink import MonitorSink
from streamer.monitor.state import MonitorState
from streamer.monitor.terminal import palette
from streamer.monitor.view import render
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.sources.transport import Transport


class StoppedClock:
    """Time moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep_until(self, when: float) -> None:
        self.now = max(self.now, when)
        await asyncio.sleep(0)


async def source(n: int, size: int = 36) -> object:
    for start in range(0, n, size):
        yield Chunk(start=start, samples=np.zeros((1, size), np.float32))


STEP_S = 1 / 360.0
"""A chunk is due with its last sample, one step before the next one begins."""


def transport(n: int = 3600, speed: float | None = 1.0) -> tuple[Transport, StoppedClock]:
    clock = StoppedClock()
    return Transport(source(n), fs=360.0, speed=speed, clock=clock), clock  # type: ignore[arg-type]


async def test_chunks_come_when_they_are_due() -> None:
    playing, clock = transport()
    due = [clock.now async for _ in playing]
    assert due == pytest.approx([0.1 * k - STEP_S for k in range(1, 101)])


async def test_a_change_of_speed_holds_from_that_moment_on() -> None:
    playing, clock = transport()
    times = []
    async for chunk in playing:
        times.append(clock.now)
        if chunk.start == 360:
            playing.faster()
    assert playing.speed == 2.0
    assert times[10] == pytest.approx(1.1 - STEP_S)
    assert times[-1] == pytest.approx(1.1 - STEP_S + 89 * 0.05 - STEP_S / 2)


async def test_seeking_takes_no_time_until_it_is_found() -> None:
    playing, clock = transport()
    async for chunk in playing:
        if chunk.start == 0:
            playing.seek()
        if chunk.start == 1800:
            assert clock.now == pytest.approx(0.1 - STEP_S)
            playing.found()
    assert not playing.seeking
    assert clock.now == pytest.approx(0.1 + 49 * 0.1 - 2 * STEP_S)


async def test_nothing_comes_while_paused() -> None:
    playing, _ = transport()
    seen: list[int] = []

    async def consume() -> None:
        async for chunk in playing:
            seen.append(chunk.start)
            if chunk.start == 360:
                playing.toggle_pause()

    task = asyncio.create_task(consume())
    for _ in range(1000):
        await asyncio.sleep(0)
    assert seen[-1] == 360
    assert playing.due(1000) is None
    playing.toggle_pause()
    await task
    assert seen[-1] == 3564


async def test_speeds_end_in_as_fast_as_possible() -> None:
    playing, _ = transport(speed=100.0)
    playing.faster()
    assert playing.speed is None
    playing.slower()
    assert playing.speed == 100.0
    for _ in range(20):
        playing.slower()
    assert playing.speed == 0.25


class Terminal(io.StringIO):
    """Knows all characters and forgets them."""

    encoding = "utf-8"


def shown(state: MonitorState, width: int = 80, height: int = 24) -> str:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(render(state, width, height))
    return console.export_text()


def state() -> MonitorState:
    made = FedState(info(), mqtt=mqtt())
    play(made, 3600)
    return made


def test_the_help_lists_every_command_within_the_screen() -> None:
    made = state()
    made.shows_help = True
    text = shown(made)
    assert all(words in text for _, words in help_rows())
    assert set(Command) == set(KEYS.values())
    assert [len(line) for line in text.splitlines()] == [80] * 24


def test_an_acknowledged_alarm_gives_way_to_one_nobody_has_seen() -> None:
    made = state()
    publish(made, alarm(onset=3000))
    assert "!!! HIGH" in shown(made)
    assert made.acknowledge(made.banner) is not None
    text = shown(made)
    assert "!!! HIGH" not in text
    publish(made, alarm(onset=3060))
    assert "!!! HIGH" in shown(made)


def test_without_an_alarm_there_is_nothing_to_acknowledge() -> None:
    made = state()
    assert made.acknowledge(made.banner) is None


def vf(state_: AlarmState = AlarmState.ONGOING) -> Alarm:
    return alarm(3000, state_, rhythm=Rhythm.VENTRICULAR_FIBRILLATION)


def test_fibrillation_is_never_hidden_behind_a_lesser_alarm() -> None:
    """Not by one that is newer, nor where it is acknowledged itself."""
    made = state()
    publish(made, vf())
    pause = alarm(3100, AlarmState.ONGOING, Rhythm.PAUSE, Priority.MEDIUM)
    publish(made, pause)
    assert "VENTRICULAR FIBRILLATION" in shown(made, 120)
    assert "+1" in shown(made, 120)
    first = made.acknowledge(made.banner)
    assert first is not None
    assert first.condition == Rhythm.VENTRICULAR_FIBRILLATION
    for width in (80, 120, 160):
        text = shown(made, width)
        assert "VF" in text or "ventricular fibrillation" in text
        assert "PAUSE" in text
    second = made.acknowledge(made.banner)
    assert second is not None
    assert second.condition == Rhythm.PAUSE
    text = shown(made, 120)
    assert "ventricular fibrillation" in text
    assert "acknowledged" in text
    publish(made, vf(AlarmState.OVER))
    banner = shown(made, 120).splitlines()[1]
    assert "VF" not in banner
    assert "pause" in banner


def test_a_key_acknowledges_what_was_drawn_not_what_came_since() -> None:
    made = state()
    publish(made, alarm(2900))
    drawn = made.banner
    publish(made, vf())
    seen = made.acknowledge(drawn)
    assert seen is not None
    assert seen.condition == Rhythm.VENTRICULAR_TACHYCARDIA
    assert [one.condition for one in made.banner] == [Rhythm.VENTRICULAR_FIBRILLATION]


def test_an_acknowledgement_from_elsewhere_shows_here_and_the_other_way_round() -> None:
    alerts = PatientAlerts()
    made = FedState(info(), alerts=alerts)
    told: list[str] = []
    alerts.watchers.append(told.append)
    publish(made, vf())
    alerts.acknowledge("made-up", Rhythm.VENTRICULAR_FIBRILLATION)
    assert made.banner[0].is_acknowledged
    publish(made, alarm(3100))
    made.acknowledge(made.banner)
    assert [one.acknowledged for one in alerts["made-up"].active] == [True]
    assert told == ["made-up"] * 2


def test_a_silent_source_looks_silent() -> None:
    made = state()
    publish(made, vf())
    silent = alarm(3599, AlarmState.ONGOING, Rhythm.NO_SIGNAL, Priority.MEDIUM)
    publish(made, silent)
    since = time.strftime("%H:%M:%S", time.localtime(3599 / 360.0))
    text = shown(made, 120)
    assert f"NO SIGNAL FROM SOURCE since {since}" in text
    assert "VENTRICULAR FIBRILLATION" in text or "!!! VF" in text
    assert "75" not in text.splitlines()[-4]
    assert made.quality == 0.0
    publish(made, dataclasses.replace(silent, state=AlarmState.OVER))
    assert "NO SIGNAL" not in shown(made, 120)


def test_another_lead_comes_on_top() -> None:
    made = state()
    before = shown(made)
    assert made.next_lead() == "V1"
    after = shown(made)
    assert "V1" in after.splitlines()[2][:6]
    assert before.splitlines()[2][:6].strip() == "MLII"


def test_burden_is_of_the_last_hour() -> None:
    burden = Burden(fs=1.0)
    assert burden.part is None
    for second in range(0, 3 * 3600, 60):
        burden.add(second, ventricular=second < 3600)
        burden.add(second, ventricular=False)
    assert (burden.an_hour, burden.part) == (0, 0.0)
    burden.add(3 * 3600, ventricular=True)
    assert burden.an_hour == 1
    assert burden.is_whole_hour(3 * 3600)


@pytest.mark.parametrize("theme", palette.THEMES)
def test_every_theme_draws_the_same_words(theme: str) -> None:
    made = state()
    publish(made, alarm(onset=3000))
    expected = shown(made, 160, 50)
    try:
        palette.use(theme)
        assert shown(made, 160, 50) == expected
        if theme == "none":
            styles = [segment.style for row in render(made, 160, 50).lines for segment in row]
            assert all(style is None or style.color is None for style in styles)
    finally:
        palette.use("dark")


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(ValueError, match="choose from dark, light"):
        palette.use("plaid")


async def test_commands_reach_the_monitor(tmp_path: Path) -> None:
    playing, _ = transport()
    quits: list[bool] = []
    console = Console(file=Terminal(), width=80, height=24, force_terminal=True)
    sink = FedSink(
        MonitorSink, console, transport=playing, folder=tmp_path, on_quit=lambda: quits.append(True)
    )
    await sink.start()
    play(sink.state, 3600)
    for command in Command:
        sink.command(command)
    await sink.close()
    assert playing.seeking
    assert not playing.paused
    assert sink.state.shows_help
    assert quits == [True]
    assert [path.name for path in _files(tmp_path)] == ["made-up-0-00.svg"]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_keys_are_read_from_a_terminal_and_it_is_given_back() -> None:
    import termios

    ours, theirs = pty.openpty()
    told: list[Command] = []
    with os.fdopen(theirs, "r") as keyboard:
        before = termios.tcgetattr(keyboard)
        reader = KeyReader(told.append, keyboard)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "tcgetpgrp", lambda _number: os.getpgrp())
            reader.open()
        os.write(ours, b" x?")
        async with asyncio.timeout(60.0):
            while len(told) < 2:  # noqa: ASYNC110 - the loop has to look at the terminal
                await asyncio.sleep(0)
        reader.close()
        assert told == [Command.PAUSE, Command.HELP]
        assert termios.tcgetattr(keyboard) == before
    os.close(ours)


async def test_what_is_no_terminal_has_no_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(" ")
    with file.open() as stream:
        reader = KeyReader(lambda _: None, stream)
        reader.open()
        assert not asyncio.get_running_loop().remove_reader(stream), "nothing is read"


_CODE = "import sys; from streamer.commands.cli import main; sys.exit(main(sys.argv[1:]))"


def test_the_monitor_in_a_real_terminal(tmp_path: Path) -> None:
    """Start a replay in a pseudo-terminal, press keys, and see what the screen says."""
    import fcntl
    import termios

    # What isn't compiled yet is compiled here, for which nobody waits in front of a screen.
    quick = ["replay", "demo", "--mqtt", "off", "--speed", "max", "--stop", "0:05", "--events", "-"]
    subprocess.run([sys.executable, "-c", _CODE, *quick], check=True, stdout=subprocess.DEVNULL)
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.environ["TERM"] = "xterm-256color"
        words = ["replay", "demo", "--mqtt", "off", "--speed", "10"]
        os.execv(sys.executable, [sys.executable, "-c", _CODE, *words])
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = Screen(ours)
    screen.until("BEATS")
    screen.until("┴0:01")
    os.write(ours, b"?")
    screen.until("run to the next alarm")
    os.write(ours, b" ")
    screen.until("PAUSED")
    os.write(ours, b"f")
    screen.until(".svg")
    screen.until("wrote /")
    os.write(ours, b"q")
    screen.until("latency ms")
    _, status = os.waitpid(pid, 0)
    os.close(ours)
    assert os.waitstatus_to_exitcode(status) == 0
    (strip,) = tmp_path.glob("demo-*.svg")
    assert strip.stat().st_size > 1000


class Screen:
    """Reads a terminal until it shows some words."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._grid = Grid(80, 24)

    def until(self, words: str) -> None:
        end = time.monotonic() + 120.0
        while time.monotonic() < end:
            if words in self._grid.text:
                return
            if select.select([self._number], [], [], 0.1)[0]:
                try:
                    text = self._decoder.decode(os.read(self._number, 65536))
                except OSError:
                    break
                self._grid.feed(text)
        raise AssertionError(f"{words!r} never came; the screen was\n{self._grid.text}")
