"""The ward's screen: who comes first, and what is shown."""

import io
from typing import Any

import numpy as np
from rich.console import Console
from stage_cases import N_LEADS, SumModel, ecg

from replay.chunk import Chunk
from streamer.events import CHAIN_FS, Alarm, Gap, GapReason, Priority, Rhythm, StreamInfo
from streamer.ward import Ward
from streamer.ward_beds import Bed, Beds, WardTotals
from streamer.ward_screen import WardScreen
from streamer.ward_view import bed_line, render, sort_beds, trace


def beds(*names: str) -> Beds:
    found = Beds(lambda info, message: None)
    for name in names:
        info = StreamInfo(
            source=name,
            fs=CHAIN_FS,
            leads=("MLII", "V1"),
            first_sample=0,
            n_samples=None,
            training_record=False,
            started_at=0.0,
        )
        found.open(info, began_s=0.0)
    return found


def alarm(bed: Bed, rhythm: Rhythm, priority: Priority, decided_at: int) -> None:
    bed.alarm = Alarm(
        rhythm=rhythm, priority=priority, onset=decided_at, decided_at=decided_at, beats=()
    )


def screen_of(renderable: Any, width: int = 100, height: int = 30) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, height=height, color_system=None).print(renderable)
    return out.getvalue().rstrip("\n").split("\n")


def test_the_most_urgent_comes_first() -> None:
    ward = beds("calm", "high", "low", "gone", "old")
    for bed in ward.beds.values():
        bed.last_sample = 36_000
    alarm(ward.beds["high"], Rhythm.TACHYCARDIA, Priority.HIGH, 35_000)
    alarm(ward.beds["low"], Rhythm.V_COUPLET, Priority.LOW, 35_500)
    alarm(ward.beds["old"], Rhythm.V_COUPLET, Priority.LOW, 3_000)
    ward.beds["gone"].gap = Gap(
        start=35_000, stop=36_000, reason=GapReason.FLAT, decided_at=36_000, ongoing=True
    )
    lines = sort_beds(list(ward.beds.values()))
    assert [line.source for line in lines] == ["high", "low", "gone", "calm", "old"]
    assert lines[2].what == "no signal (flat)"
    assert bed_line(ward.beds["old"]).priority is None


def test_a_screen_of_100_by_30_is_filled_and_not_overrun() -> None:
    ward = beds(*(f"bed{k:03}" for k in range(200)))
    lines = sort_beds(list(ward.beds.values()))
    signal = ecg(900, CHAIN_FS)[0]
    for selected in (0, 77, 199):
        shown = screen_of(render(lines, WardTotals(), selected, signal, 100, 30))
        assert len(shown) <= 30
        assert max(map(len, shown)) <= 100
        assert sum(lines[selected].source in line for line in shown) == 2
        assert "200 patients" in shown[0]


def test_the_trace_spans_the_height_and_survives_gaps() -> None:
    signal = np.sin(np.linspace(0, 20, 900)).astype(np.float32)
    signal[300:400] = np.nan
    rows = trace(signal, 80, 6)
    assert [len(row) for row in rows] == [80] * 6
    assert all(row.strip() for row in rows)
    assert all(row[28:35].strip() == "" for row in rows)
    assert trace(np.full(900, np.nan, np.float32), 10, 2) == [" " * 10] * 2
    assert any(row.strip() for row in trace(np.zeros(900, np.float32), 10, 2))


def test_keys_move_through_the_patients_and_follow_one() -> None:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    found = beds("a", "b", "c")
    for name in "abc":
        ward.admit(name)
    chunk = Chunk(start=0, samples=ecg(1500, CHAIN_FS))
    ward.push_chunks({name: [chunk] for name in "abc"})
    left: list[bool] = []
    console = Console(file=io.StringIO(), width=100, height=30)
    screen = WardScreen(ward, found, lambda: left.append(True), console)
    screen.frame()
    for key, expected in (("j", 1), ("\x1b[B", 2), ("j", 2), ("k", 1), ("\x1b[A", 0), ("j", 1)):
        screen.press(key)
        assert screen.selected == expected
    found.beds["c"].last_sample = 3000
    alarm(found.beds["c"], Rhythm.PAUSE, Priority.HIGH, 2900)
    screen.frame()
    assert screen.selected == 2  # Still b, though c came before it.
    screen.press("g")
    assert screen.selected == 0
    assert any("pause" in line for line in screen_of(screen.frame()))
    screen.press("q")
    assert left == [True]
