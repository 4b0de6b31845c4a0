"""The strip on paper: to scale, complete, and the same as SVG and as PNG."""

import asyncio
import io
import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from fed_sink import FedSink
from monitor_cases import FedState, info, play, publish, signal
from rich.console import Console
from sample_events import labeled_beat, published

from replay.chunk import Chunk
from streamer.core.events import Rhythm, RhythmEvent
from streamer.monitor.freezer import picture_of
from streamer.monitor.keys import Command
from streamer.monitor.sink import MonitorSink
from streamer.report.strip.paper import Paper, Picture, StripMark, StripSpan, describe_strip
from streamer.report.strip.writers import FreezeFormat, strip_png, strip_svg, write_strip

FS = 360.0
_INK = "#1f2328"


def strip(samples: np.ndarray, start: int = 0, **options: object) -> Picture:
    leads = ("MLII", "<V1>")[: len(samples)]
    return describe_strip(samples, fs=FS, start=start, leads=leads, **options)  # type: ignore[arg-type]


def curves(picture: Picture) -> list[np.ndarray]:
    """The pieces of signal: what has more than a hundred points."""
    return [path for stroke in picture.strokes for path in stroke.paths if len(path) > 100]


def test_ten_seconds_and_one_millivolt_are_as_long_as_on_paper() -> None:
    picture = strip(signal(0, 3600))
    (first, second) = curves(picture)
    assert picture.width_mm == pytest.approx(10.0 + 250.0)
    assert first[360, 0] - first[0, 0] == pytest.approx(25.0)
    assert np.ptp(first[:, 1]) == pytest.approx(10.0)
    # The second lead lies below the first, and is upside down.
    assert second[:, 1].min() > first[:, 1].max()
    assert second[288, 1] == second[:, 1].max()


def test_each_lead_has_a_calibration_mark_of_a_millivolt() -> None:
    picture = strip(signal(0, 3600))
    pulses = [path for stroke in picture.strokes for path in stroke.paths if len(path) == 6]
    assert len(pulses) == 2
    for pulse in pulses:
        assert np.ptp(pulse[:, 1]) == pytest.approx(10.0)
        assert pulse[3, 0] - pulse[2, 0] == pytest.approx(5.0)
        assert pulse[:, 0].max() < 10.0


def test_a_tall_signal_gets_half_the_gain_for_all_leads() -> None:
    tall = signal(0, 3600)
    tall[1] *= 7.0
    picture = strip(tall)
    first, second = curves(picture)
    assert np.ptp(first[:, 1]) == pytest.approx(5.0)
    assert np.ptp(second[:, 1]) == pytest.approx(35.0)
    assert picture.words[-1].text == "25 mm/s, 5 mm/mV"
    giant = strip(tall * 10.0)
    assert max(path[:, 1].max() for path in curves(giant)) <= giant.height_mm - 10.0


def test_letters_times_title_and_spans_stand_where_they_belong() -> None:
    marks = [StripMark(3888, "V?"), StripMark(9999, "N")]
    spans = [StripSpan(3600, 3960, "#abcdef"), StripSpan(0, 100, "#000001")]
    picture = strip(signal(3600, 7200), 3600, marks=marks, spans=spans, title="a & b")
    words = {word.text: word for word in picture.words}
    assert words["V?"].x_mm == pytest.approx(10.0 + 288 / FS * 25.0)
    assert "N" not in words
    assert [text for text in words if text[0].isdigit()] == [f"0:{s}" for s in range(10, 20)]
    assert "a & b · 25 mm/s, 10 mm/mV, ? provisional" in words
    bars = {stroke.colour: stroke.paths[0] for stroke in picture.strokes}
    assert np.ptp(bars["#abcdef"][:, 0]) == pytest.approx(25.0)
    assert "#000001" not in bars


def test_a_hole_stays_a_hole() -> None:
    samples = signal(0, 3600)
    samples[0, 1000:1200] = np.nan
    samples[1] = np.nan
    left, right = curves(strip(samples))
    assert (len(left), len(right)) == (1000, 2400)
    assert "nan" not in strip_svg(strip(samples))


def test_svg_is_to_scale_and_escapes_names() -> None:
    svg = strip_svg(strip(signal(0, 3600), title="a & b", marks=[StripMark(288, "V")]))
    assert 'width="260.0mm"' in svg
    assert ">V</text>" in svg
    assert "&lt;V1&gt;" in svg
    assert "a &amp; b" in svg


def test_png_is_to_scale_and_shows_the_curve() -> None:
    from matplotlib.image import imread

    picture = strip(signal(0, 360), paper=Paper(least_mm=20.0), title="$x$ & y")
    drawn = strip_png(picture)
    assert drawn.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", drawn[16:24])
    assert (width, height) == (350, round(picture.height_mm * 10))
    pixels = imread(io.BytesIO(drawn))[:, :, :3]
    for x, y in curves(picture)[0][[10, 150, 288]]:
        row, column = round(y * 10), round(x * 10)
        assert pixels[row - 2 : row + 3, column - 2 : column + 3].min() < 0.3


def test_a_file_is_what_its_name_says(tmp_path: Path) -> None:
    picture = strip(signal(0, 360))
    for name, begins in (("a.png", b"\x89PNG"), ("a.b.svg", b"<svg")):
        write_strip(picture, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)


class Terminal(io.StringIO):
    """Knows all characters and forgets them."""

    encoding = "utf-8"


def monitor(folder: Path, kind: FreezeFormat) -> FedSink:
    console = Console(file=Terminal(), width=80, height=24, force_terminal=True)
    return FedSink(MonitorSink, console, folder=folder, freeze_format=kind)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize(
    ("kind", "suffixes"), [("svg", {".svg"}), ("png", {".png"}), ("both", {".svg", ".png"})]
)
async def test_the_monitor_writes_what_was_asked_for(
    tmp_path: Path, kind: FreezeFormat, suffixes: set[str]
) -> None:
    sink = monitor(tmp_path, kind)
    await sink.start()
    play(sink.state, 3600)
    sink.command(Command.FREEZE)
    # The signal goes on while the strip is drawn.
    sink.observe(Chunk(start=3600, samples=signal(3600, 3700)))
    sink.publish(published(labeled_beat(3456)))
    await sink.close()
    files = _files(tmp_path)
    assert {path.suffix for path in files} == suffixes
    assert {path.stem for path in files} == {"made-up-0-00"}
    message = sink.state.message or ""
    assert message.startswith(f"wrote {tmp_path}/made-up-0-00")
    assert all(path.name in message for path in files)


def test_the_caption_says_what_the_screen_says() -> None:
    state = FedState(info())
    play(state, 3960)
    state.next_lead()
    sinus = RhythmEvent(
        rhythm=Rhythm.SINUS, onset=0, decided_at=900, heart_rate_bpm=75.0, beats=(288,)
    )
    publish(state, sinus)
    picture = picture_of(state, datetime(2026, 11, 21, 15, 40))
    assert picture.title == "made-up at 0:01, 75 bpm, sinus rhythm, 2026-11-21 15:40"
    leads = [word for word in picture.words if word.text in {"MLII", "V1"}]
    assert [word.text for word in sorted(leads, key=lambda word: word.y_mm)] == ["V1", "MLII"]
    assert any(word.text.startswith(picture.title) for word in picture.words)


async def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    sink = monitor(tmp_path / "gone", "both")
    await sink.start()
    sink.command(Command.FREEZE)
    assert sink.state.message == "there is nothing to freeze yet"
    play(sink.state, 3600)
    sink.command(Command.FREEZE)
    async with asyncio.timeout(60.0):
        await sink.close()
    assert sink.state.message == (
        f"can't write to {tmp_path / 'gone'}: No such file or directory; start in another folder"
    )
