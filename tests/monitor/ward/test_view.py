"""The ward's screen: who comes first, and what is shown."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sample_events import labeled_beat
from stage_cases import N_LEADS, SumModel, ecg
from ward_patients import alarm, patients, play, ring_of, screen_of

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import (
    CHAIN_FS,
    AlarmState,
    Gap,
    GapReason,
    Priority,
    Rhythm,
    RhythmEvent,
)
from streamer.monitor.terminal.screen_lines import Frame
from streamer.monitor.ward.pages import View
from streamer.monitor.ward.patient_line import patient_line, urgency
from streamer.monitor.ward.screen import WardScreen
from streamer.monitor.ward.trace import WardTraces
from streamer.monitor.ward.view import table, trace_title
from streamer.patient.ward import Ward
from streamer.runner.sessions import Sessions
from streamer.signal.ring import SampleRing


def sources_by_urgency(found: Sessions) -> list[str]:
    return sorted((s.info.source for s in found), key=lambda name: (urgency(found[name]), name))


def test_the_most_urgent_comes_first() -> None:
    ward = patients("calm", "high", "low", "gone", "old")
    for patient in ward:
        patient.last_sample = 36_000
    alarm(ward, "high", Rhythm.TACHYCARDIA, Priority.HIGH, 35_000)
    alarm(ward, "low", Rhythm.V_COUPLET, Priority.LOW, 35_500, AlarmState.MOMENT)
    alarm(ward, "old", Rhythm.V_COUPLET, Priority.LOW, 3_000, AlarmState.MOMENT)
    ward["gone"].gap = Gap(
        start=35_000, stop=36_000, reason=GapReason.FLAT, decided_at=36_000, ongoing=True
    )
    assert sources_by_urgency(ward) == ["high", "low", "gone", "calm", "old"]
    gone = patient_line(ward["gone"], 0.0)
    assert (gone.what, gone.quality, gone.heart_rate_bpm) == ("no signal (flat)", 0.0, None)
    assert patient_line(ward["old"], 0.0).priority is None
    assert patient_line(ward["low"], 0.0).since_s == pytest.approx(500 / CHAIN_FS)


def test_patients_stay_where_they_are_while_their_rate_stays_usual() -> None:
    ward = patients("a", "b", "fast")
    for name, rr_s in (("a", 0.9), ("b", 0.6), ("fast", 0.4)):
        play(ward[name], rr_s)
    assert sources_by_urgency(ward) == ["fast", "a", "b"]
    play(ward["a"], 0.7)
    assert sources_by_urgency(ward) == ["fast", "a", "b"]


def test_fibrillation_shows_no_rate() -> None:
    patient = patients("a")["a"]
    play(patient, 0.4)
    assert patient_line(patient, 0.0).heart_rate_bpm == pytest.approx(150.0)
    patient.rhythm = RhythmEvent(
        rhythm=Rhythm.VENTRICULAR_FIBRILLATION,
        onset=0,
        decided_at=0,
        heart_rate_bpm=150.0,
        beats=(),
    )
    assert patient_line(patient, 0.0).heart_rate_bpm is None


async def test_a_screen_is_filled_and_not_overrun() -> None:
    found = patients(*(f"bed{k:03}" for k in range(200)))
    alarm(found, "bed123", Rhythm.PAUSE, Priority.HIGH, -1)
    ward = Ward(SumModel(), n_leads=N_LEADS)
    for width, height in ((100, 30), (80, 24), (160, 50), (60, 14)):
        console = Console(file=io.StringIO(), width=width, height=height)
        screen = WardScreen(found, found.alerts, ring_of(ward), lambda: None, console=console)
        await screen.roster.sort()
        screen.press("v" if screen.view is View.GRID else "g")
        for page in range(16):
            if page == 8:
                screen.roster.choose(190)
            shown = screen_of(await screen.frame())
            assert [len(row) for row in shown] == [width] * height
            chosen = screen.roster.patient
            assert chosen is not None
            assert sum(chosen.info.source in row for row in shown) == 2
            screen.press("\x1b[6~")
        assert screen.roster.selected == 199
        assert "200 patients  1 !!!" in shown[0]
        assert "of 200" in shown[-1]


def test_the_trace_sweeps_with_its_scale_and_letters() -> None:
    patient = patients("a")["a"]
    ring = SampleRing(1, 900)
    samples = np.zeros((1, 900), np.float32)
    samples[0, 400:410] = 1.0
    samples[0, 500:600] = np.nan
    ring.append(Chunk(start=0, samples=samples))
    patient.account.ledger.add(labeled_beat(405, Label.V), 1.0)
    rows = ["".join(s.text for s in row) for row in WardTraces().lines(patient, ring, 900, 106, 8)]
    assert [len(row) for row in rows] == [106] * 8
    assert rows[0][6 + 405 * 100 // 900] == "V"
    marks = [row[:6] for row in rows if "┤" in row[:6]]
    assert "  0.0┤" in marks
    assert "+1.0┤" in marks or " +1.0┤" in marks
    peak = next(row for row in rows[1:] if row[6 + 405 * 100 // 900] != " ")
    assert rows.index(peak) < rows.index(next(row for row in rows if row[60 - 30] != " "))
    assert all(row[6 + 60 : 6 + 65].strip() == "" for row in rows[1:])


def test_without_a_patient_the_trace_is_empty() -> None:
    rows = WardTraces().lines(None, None, 0, 40, 8)
    assert [line[0].text for line in rows] == [" " * 40] * 8


async def test_keys_move_through_the_patients_and_follow_one() -> None:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    found = patients("a", "b", "c")
    for name in "abc":
        ward.admit(name)
    chunk = Chunk(start=0, samples=ecg(1500, CHAIN_FS))
    ward.push_chunks({name: [chunk] for name in "abc"})
    left: list[bool] = []
    console = Console(file=io.StringIO(), width=100, height=24)
    screen = WardScreen(
        found,
        found.alerts,
        ring_of(ward),
        lambda: left.append(True),
        console=console,
    )
    await screen.roster.sort()
    for key, expected in (("j", 1), ("\x1b[B", 2), ("j", 2), ("k", 1), ("\x1b[A", 0), ("j", 1)):
        screen.press(key)
        assert screen.roster.selected == expected
    found["c"].last_sample = 3000
    alarm(found, "c", Rhythm.PAUSE, Priority.HIGH, 2900)
    await screen.roster.sort()
    assert screen.roster.selected == 2  # Still b, though c came before it.
    screen.press("g")
    assert screen.roster.selected == 0
    shown = screen_of(await screen.frame())
    assert any("!!! c " in line and "pause" in line for line in shown)
    assert any("⠀" < character <= "⣿" for line in shown for character in line)
    screen.press("q")
    assert left == [True]


def test_a_long_rhythm_is_abbreviated_rather_than_cut() -> None:
    found = patients("a")
    alarm(found, "a", Rhythm.SUPRAVENTRICULAR_TACHYCARDIA, Priority.MEDIUM, -1)
    line = patient_line(found["a"], 0.0)
    shown = {width: screen_of(Frame(table([line], 1, width)))[1] for width in (60, 140)}
    assert "SVT" in shown[60]
    assert "supraventricular tachycardia" in shown[140]


def test_names_from_outside_are_cleaned() -> None:
    nasty = "bed\x1b]0;t\x07"
    title = trace_title(replace(patient_line(patients(nasty)[nasty], 0.0), lead="V1\x1b[2J"), 120)
    words = "".join(segment.text for segment in title)
    assert "bed?]0;t?  V1?[2J" in words
    assert words.isprintable()


async def shown_with(screen: WardScreen, *keys: str) -> list[str]:
    """Draw, press keys one after the other, and return what is drawn then."""
    await screen.roster.sort()
    await screen.frame()
    for key in keys:
        screen.press(key)
        await screen.frame()
    await screen.roster.sort()
    return screen_of(await screen.frame())


def screen_over(found: Sessions) -> WardScreen:
    console = Console(file=io.StringIO(), width=160, height=24)
    ward = Ward(SumModel(), n_leads=N_LEADS)
    return WardScreen(found, found.alerts, ring_of(ward), lambda: None, console=console)


async def test_a_high_alarm_stays_in_its_row_until_it_is_over_and_somebody_has_seen_it() -> None:
    found = patients("a", "b")
    screen = screen_over(found)
    alarm(found, "b", Rhythm.EXTREME_BRADYCARDIA, Priority.HIGH, 1000)
    found["b"].last_sample = 100_000
    rows = await shown_with(screen)
    assert "!!! b" in rows[2]
    assert "extreme bradycardia" in rows[2]
    rows = await shown_with(screen, "a")
    assert "extreme bradycardia, acknowledged" in rows[2]
    assert "!!! b" not in rows[2]
    assert "b: extreme bradycardia acknowledged" in rows[-1]
    assert [one.acknowledged for one in found.alerts["b"].active] == [True]
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 1000)
    assert "!!! a" in (await shown_with(screen))[2], "what nobody has seen comes first"
    alarm(found, "b", Rhythm.EXTREME_BRADYCARDIA, Priority.HIGH, 1000, AlarmState.OVER)
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 1000, AlarmState.OVER)
    rows = await shown_with(screen)
    assert "asystole, over" in rows[2]
    assert "extreme" not in rows[3]
    rows = await shown_with(screen, "a")
    assert "asystole" not in rows[2]


async def test_fibrillation_stays_in_the_row_whatever_else_there_is() -> None:
    found = patients("a")
    screen = screen_over(found)
    alarm(found, "a", Rhythm.VENTRICULAR_FIBRILLATION, Priority.HIGH, 1000)
    alarm(found, "a", Rhythm.PAUSE, Priority.MEDIUM, 2000)
    assert "ventricular fibrillation +1" in (await shown_with(screen))[2]
    found.alerts.acknowledge("a", Rhythm.VENTRICULAR_FIBRILLATION)
    assert "!!! a" in (await shown_with(screen))[2]
    assert "ventricular fibrillation, acknowledged; pause" in (await shown_with(screen))[2]
    vf = Rhythm.VENTRICULAR_FIBRILLATION
    alarm(found, "a", vf, Priority.HIGH, 1000, AlarmState.OVER)
    alarm(found, "a", vf, Priority.HIGH, 3000)
    alarm(found, "a", Rhythm.EXTREME_TACHYCARDIA, Priority.HIGH, 500)
    assert "ventricular fibrillation +2" in (await shown_with(screen))[2]
    alarm(found, "a", vf, Priority.HIGH, 3000, AlarmState.OVER)
    row = (await shown_with(screen))[2]
    assert "ventricular fibrillation, over; extreme tachycardia, limit 140 +1" in row


async def test_the_list_of_alarms_says_how_each_of_them_stands() -> None:
    found = patients("a", "b")
    screen = screen_over(found)
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 360)
    alarm(found, "a", Rhythm.ASYSTOLE, Priority.HIGH, 360, AlarmState.OVER)
    alarm(found, "b", Rhythm.VENTRICULAR_FIBRILLATION, Priority.HIGH, 3600)
    rows = await shown_with(screen, "l")
    assert rows[1].split() == ["SINCE", "PATIENT", "ALARM", "STATE"]
    newest, oldest = rows[2], rows[3]
    assert ("b " in newest, "ventricular fibrillation" in newest) == (True, True)
    assert "goes on" in newest
    assert "over, not acknowledged" in oldest
    assert time.strftime("%H:%M:%S", time.localtime(1.0)) in oldest
    rows = await shown_with(screen, "a", "j", "a")
    assert "goes on, acknowledged" in rows[2]
    assert rows[3].rstrip().endswith("over")
    assert "ALARM, RHYTHM" in (await shown_with(screen, "l"))[1]


async def test_a_dead_source_stays_with_the_time_until_it_is_removed() -> None:
    found = patients("a", "b")
    removed: list[str] = []
    found.alerts.on_remove = lambda name: not removed.append(name)
    screen = screen_over(found)
    play(found["b"], 0.6)
    alarm(found, "b", Rhythm.NO_SIGNAL, Priority.MEDIUM, 3600)
    since = time.strftime("%H:%M:%S", time.localtime(10.0))
    rows = await shown_with(screen)
    assert "!!  b" in rows[2]
    assert f"no signal since {since}" in rows[2]
    assert "--" in rows[2]
    assert "  0%" in rows[2]
    line = patient_line(found["b"], 70.0)
    assert (line.since_s, line.heart_rate_bpm, line.quality) == (60.0, None, 0.0)
    alarm(found, "b", Rhythm.VENTRICULAR_FIBRILLATION, Priority.HIGH, 3000)
    assert "no signal" in (await shown_with(screen))[2]
    assert "fibrillation" in (await shown_with(screen))[2] or "VF" in (await shown_with(screen))[2]
    rows = await shown_with(screen, "x")
    assert removed == ["b"]
    assert "b is removed" in rows[-1]
    assert all(one.acknowledged for one in found.alerts["b"].active)
    found.alerts.on_remove = lambda name: False
    assert "b sends samples" in (await shown_with(screen, "x"))[-1]
