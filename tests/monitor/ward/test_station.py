"""The ward as a central station: grid or list, search, filter, order, one patient's detail."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from stage_cases import N_LEADS, SumModel, ecg
from ward_patients import alarm, patients, play, ring_of, screen_of

from replay.chunk import Chunk
from streamer.core.events import (
    CHAIN_FS,
    Alarm,
    AlarmState,
    Priority,
    Published,
    Rhythm,
    RhythmEvent,
)
from streamer.monitor.terminal import palette
from streamer.monitor.ward.course import Course
from streamer.monitor.ward.grid import tiling
from streamer.monitor.ward.limits import limit_words
from streamer.monitor.ward.names import NamesError, names_of_looped, read_names
from streamer.monitor.ward.pages import View
from streamer.monitor.ward.patient_line import patient_line
from streamer.monitor.ward.screen import WardScreen
from streamer.monitor.ward.slices import Slices
from streamer.monitor.ward.words import age_words
from streamer.patient.ward import Ward
from streamer.rhythm.alerting.limits import AlarmLimits
from streamer.runner.sessions import Sessions

NAMES = {"a": "Bed 1, Smith", "b": "Bed 2, Jones"}


def station(found: Sessions, width: int, height: int) -> WardScreen:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    chunk = Chunk(start=0, samples=ecg(1500, CHAIN_FS))
    for patient in found:
        ward.admit(patient.info.source)
    ward.push_chunks({patient.info.source: [chunk] for patient in found})
    console = Console(file=io.StringIO(), width=width, height=height)
    rings = ring_of(ward)
    return WardScreen(found, found.alerts, rings, lambda: None, console=console, names=NAMES)


async def shown(screen: WardScreen, *keys: str) -> list[str]:
    for key in keys:
        screen.press(key)
    await screen.roster.sort()
    return screen_of(await screen.frame())


def traces_beside_one_another(rows: list[str]) -> int:
    """Return in how many columns of tiles there is a waveform."""
    drawn = [row.split("│") for row in rows if any("⠀" < c <= "⣿" for c in row)]
    return max(sum(any("⠀" < c <= "⣿" for c in part) for part in parts) for parts in drawn)


async def test_a_large_terminal_has_a_grid_and_a_small_one_the_list() -> None:
    found = patients(*(f"bed{k:02}" for k in range(9)))
    for (width, height), view, key in (
        ((120, 40), View.GRID, View.LIST),
        ((220, 60), View.GRID, View.LIST),
        ((80, 24), View.LIST, View.GRID),
    ):
        screen = station(found, width, height)
        assert screen.view is view
        rows = await shown(screen)
        assert [len(row) for row in rows] == [width] * height
        rows = await shown(screen, "v")
        assert screen.view is key
        assert [len(row) for row in rows] == [width] * height
        grid = rows if key is View.GRID else await shown(screen, "v")
        assert traces_beside_one_another(grid) >= 2
        assert "MLII" in "".join(grid)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 50, 500])
@pytest.mark.parametrize("size", [(80, 22), (120, 38), (220, 58), (40, 8)])
def test_tiles_fit_and_none_is_left_out_while_there_is_room(n: int, size: tuple[int, int]) -> None:
    width, height = size
    tiles = tiling(n, width, height)
    assert tiles.across * tiles.width <= width
    assert tiles.down * tiles.height <= height
    assert tiles.shown >= min(n, (width // 36) * (height // 6))
    assert tiles.width >= 36


async def test_search_and_filter_say_which_alarms_they_hide() -> None:
    found = patients("a", "b", "c")
    screen = station(found, 120, 24)
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 360)
    alarm(found, "b", Rhythm.ATRIAL_FIBRILLATION, Priority.LOW, 360)
    rows = await shown(screen, "/", *"JON", "X", "\x7f")
    assert "/JON_" in rows[-1]
    assert "hides 1 !!!" in rows[-1]
    assert "Bed 2, Jones" in rows[2]
    assert not any("Smith" in row for row in rows)
    rows = await shown(screen, "\r", "/", *"fibrill", "\n")
    assert screen.roster.order == ["b"]
    assert "of 1" in rows[-1]
    await shown(screen, "\x1b", "f")
    assert screen.roster.order == ["a", "b"]
    await shown(screen, "g", "a", "f")
    assert screen.roster.order == ["b"]
    rows = await shown(screen, "\x1b")
    assert screen.roster.order == ["a", "b", "c"]
    assert "hides" not in rows[-1]


async def test_order_by_name_keeps_places_and_g_still_finds_the_most_urgent() -> None:
    found = patients("a", "b", "c")
    screen = station(found, 80, 24)
    alarm(found, "c", Rhythm.ASYSTOLE, Priority.HIGH, 360)
    await shown(screen)
    assert screen.roster.order[0] == "c"
    await shown(screen, "s")
    assert screen.roster.order == ["a", "b", "c"]
    assert screen.roster.patient is found["c"]
    await shown(screen, "k", "k")
    assert screen.roster.patient is found["a"]
    await shown(screen, "g")
    assert screen.roster.patient is found["c"]


async def test_an_alarm_is_acknowledged_from_grid_and_detail() -> None:
    found = patients("a", "b")
    screen = station(found, 120, 40)
    alarm(found, "b", Rhythm.ASYSTOLE, Priority.HIGH, 360)
    alarm(found, "a", Rhythm.TACHYCARDIA, Priority.MEDIUM, 360)
    rows = await shown(screen)
    assert "!!! asystole, limit 4 s" in "".join(rows)
    rows = await shown(screen, "a")
    assert "✓ asystole, acknowledged" in "".join(rows)
    rows = await shown(screen, "\x1b[C", "\r")
    assert screen.view is View.DETAIL
    assert any("Bed 1, Smith  MLII" in row for row in rows)
    assert any("Bed 1, Smith  V1" in row for row in rows)
    assert any("tachycardia, limit 115" in row for row in rows)
    assert any("limits 50-115" in row for row in rows)
    rows = await shown(screen, "a")
    assert [one.acknowledged for one in found.alerts["a"].active] == [True]
    await shown(screen, "\x1b")
    assert screen.view is View.GRID


async def test_without_colours_marks_and_reverse_still_tell(
    request: pytest.FixtureRequest,
) -> None:
    palette.use("none")
    request.addfinalizer(lambda: palette.use("dark"))
    found = patients("a", "b")
    screen = station(found, 120, 40)
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 360)
    await shown(screen)
    frame = await screen.frame()
    segments = [segment for row in frame.lines for segment in row if segment.style]
    assert all(segment.style is None or segment.style.color is None for segment in segments)
    assert any("!!!" in segment.text for segment in segments)
    reversed_ = [one.text for one in segments if one.style and one.style.reverse]
    assert any("Bed 1, Smith" in text for text in reversed_)


def rhythm_event(rhythm: Rhythm, onset: int) -> RhythmEvent:
    return RhythmEvent(rhythm=rhythm, onset=onset, decided_at=onset, heart_rate_bpm=None, beats=())


def test_what_changed_is_told_for_ten_minutes() -> None:
    minute = round(60 * CHAIN_FS)
    course = Course(CHAIN_FS)
    assert course.words(0, 70.0) == ()
    course.take(rhythm_event(Rhythm.ATRIAL_FIBRILLATION, 0))
    course.take(rhythm_event(Rhythm.SINUS, minute))
    course.take(rhythm_event(Rhythm.SINUS_TACHYCARDIA, 2 * minute))
    moment = {"onset": 2 * minute, "decided_at": 2 * minute, "beats": (), "priority": Priority.LOW}
    course.take(Alarm(rhythm=Rhythm.V_COUPLET, state=AlarmState.MOMENT, **moment))
    for k in range(-1, 4):
        course.measure(k * minute, 70.0 + 10 * k)
    assert course.words(3 * minute, 100.0) == (
        "V couplet 1:00 ago",
        "was AF",
        "70→100 /min in 3 min",
    )
    assert course.words(3 * minute, 80.0, {Rhythm.V_COUPLET}) == ("was AF",)
    assert course.words(20 * minute, 100.0) == ()


def test_rows_tell_the_limit_and_leave_to_the_rate_what_it_says() -> None:
    found = patients("a", "b")
    limits = limit_words(AlarmLimits())
    play(found["a"], 0.55)
    found["a"].rhythm = rhythm_event(Rhythm.SINUS_TACHYCARDIA, 0)
    assert patient_line(found["a"], 0.0, limits).what == "sinus rhythm"
    alarm(found, "a", Rhythm.TACHYCARDIA, Priority.MEDIUM, found["a"].last_sample)
    one = patient_line(found["a"], 0.0, limits)
    assert (one.what, one.brief) == ("tachycardia, limit 115", "tachycardia")
    ages = [age_words(replace(one, since_s=s)) for s in (None, 59.0, 35_999.0, 36_000.0, 2e5)]
    assert ages == ["", "0:59", "9:59:59", "10 h", "2 d"]


async def test_the_screen_hears_of_changes_as_a_sink() -> None:
    found = patients("a")
    screen = station(found, 120, 40)
    for onset, rhythm in enumerate((Rhythm.ATRIAL_FIBRILLATION, Rhythm.SINUS)):
        event = rhythm_event(rhythm, onset)
        screen.publish(found["a"].info, Published(seq=onset, event=event, compute_ms=0.0))
    found["a"].last_sample = 100
    assert "was AF" in "".join(await shown(screen))
    screen.close_source("a")
    assert "was AF" not in "".join(await shown(screen))


async def test_long_work_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.thread_time", lambda: clock[0])
    slices = Slices()
    for _ in range(10):
        clock[0] += 0.001
        await slices.rest()
    assert slices.spent_s == pytest.approx(0.010)


def test_names_come_from_a_file_and_bad_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.toml"
    path.write_text('bed4 = "Room 2, Smith"\n"100.2" = "Jones"\n')
    assert read_names(path) == {"bed4": "Room 2, Smith", "100.2": "Jones"}
    for text, words in (
        ("bed4: Smith", "holds no names"),
        ("bed4 = 7", "has 7 for bed4"),
        ('100.2 = "Smith"', "in quotes"),
        ('bed4 = ""', "1 to 64"),
    ):
        path.write_text(text)
        with pytest.raises(NamesError, match=words):
            read_names(path)
    with pytest.raises(NamesError, match="can't read names"):
        read_names(tmp_path / "none.toml")
    assert names_of_looped(["100", "100.2"]) == {
        "100": "record 100",
        "100.2": "record 100, copy 2",
    }
