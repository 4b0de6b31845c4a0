import io
import re
from dataclasses import replace

import numpy as np
import pytest
from monitor_cases import FedState, info, mqtt, observe, play, publish, reference
from rich.console import Console
from sample_events import alarm, gap, labeled_beat, rhythm_event

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import AlarmState, Rhythm, RhythmEvent
from streamer.monitor.state import MonitorState
from streamer.monitor.terminal import palette
from streamer.monitor.view import render

SIZES = [
    (80, 24),
    (120, 40),
    (160, 50),
    (40, 10),
    (60, 16),
    (79, 23),
    (100, 28),
    (110, 30),
    (200, 60),
]


def full_state() -> MonitorState:
    state = FedState(info(training_record=True), mqtt=mqtt(), reference=reference())
    play(state, 3600, ventricular=(9,))
    publish(state, rhythm_event(onset=360))
    return state


def changed_to(rhythm: Rhythm) -> RhythmEvent:
    return RhythmEvent(rhythm=rhythm, onset=3000, decided_at=3200, heart_rate_bpm=None, beats=())


def lines(state: MonitorState, width: int = 80, height: int = 24) -> list[str]:
    """The frame as a console of that size shows it."""
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), force_terminal=True
    )
    console.print(render(state, width, height), end="")
    return console.export_text().split("\n")


def screen(state: MonitorState, width: int = 80, height: int = 24) -> str:
    return "\n".join(lines(state, width, height))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("played", [0, 1, 100, 3600])
def test_fills_the_screen_exactly(width: int, height: int, played: int) -> None:
    state = FedState(info(training_record=True), mqtt=mqtt(), reference=reference())
    play(state, played)
    shown = lines(state, width, height)
    assert len(shown) == height
    assert {len(line) for line in shown} == {width}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_long_names_and_large_numbers_stay_inside(width: int, height: int) -> None:
    state = full_state()
    state.mqtt = mqtt(url="mqtt://" + "x" * 200 + ":1883", sent=10**9, queued=10**9, shed=10**9)
    publish(state, alarm(onset=3000))
    publish(state, gap(start=2000))
    assert {len(line) for line in lines(state, width, height)} == {width}


def test_says_what_is_played() -> None:
    first = lines(full_state())[0]
    assert "made-up" in first
    assert "MLII" in first
    assert "360 Hz" in first
    assert "training record" in first
    assert "MQTT online" in first
    assert "MQTT online  42 sent  127.0.0.1:1883" in lines(full_state(), 100, 24)[0]


def test_names_from_outside_reach_the_screen_clean() -> None:
    state = full_state()
    state.info = replace(state.info, source="bed\x1b]0;t\x07", leads=("II\x1b[2J", "V1\n"))
    state.mqtt = mqtt(url="mqtt://h\x9b2J")
    for width, height in ((100, 24), (160, 48)):
        screen = lines(state, width, height)
        assert "bed?]0;t?" in screen[0]
        assert all(line.isprintable() for line in screen)


def test_messages_lost_or_piling_up_are_said_first() -> None:
    state = full_state()
    state.mqtt = mqtt(shed=3, queued=500)
    assert "MQTT online  3 shed  500 queued" in lines(state, 100, 24)[0]
    assert "3 shed" in lines(state)[0]
    # A few on their way are none.
    state.mqtt = mqtt(queued=4)
    assert "queued" not in screen(state)


def test_says_nothing_of_training_otherwise() -> None:
    assert "training" not in screen(FedState(info()))


def test_shows_the_numbers() -> None:
    shown = screen(full_state())
    assert "SINUS RHYTHM  for 0:09" in shown
    assert re.search(r"N +11 +92%", shown)
    assert re.search(r"V +1 +8%", shown)
    assert "p50 354  max 354" in shown
    assert "budget 500 ms  late 0" in shown
    assert re.search(r"quality ━+╸? +90%", shown)
    assert "MQTT online  42 sent" in shown
    assert "V burden 1  9.1%" in shown
    assert re.search(r"QRS +100 +100", shown)
    assert "FN 0  FP 0" in shown
    assert re.search(r"0:10 ━+─+ 1:40  10% +1×", shown)


def test_the_heart_rate_is_drawn_large() -> None:
    shown = lines(full_state())
    # 75 bpm, read row by row.
    assert [line[1:20].rstrip() for line in shown[18:22]] == [
        "       ▀▀▀▀█ █▀▀▀▀",
        "          █  ▀▀▀▀▄",
        "         █   ▄   █",
        "         ▀    ▀▀▀",
    ]


def test_beats_are_named_where_they_occur() -> None:
    state = full_state()
    labels = lines(state)[2]
    peaks = range(288, 3473, 288)
    # 74 cells in 74 / 15 s; the sweep at 3600 is the third.
    sweep = 74 / 15 * 360
    columns = [6 + int(peak % sweep / sweep * 74) for peak in peaks if peak > 3600 - 0.95 * sweep]
    assert [m.start() for m in re.finditer("[NV]", labels)] == sorted(columns)
    assert labels.count("V") == 1
    assert labels.count("N?") == 1


def test_the_strip_ends_with_the_newest_beat() -> None:
    strip = lines(full_state())[16]
    assert strip.rstrip().endswith("800 N 800 V 800 N 800 N?")


def test_the_trace_shows_the_r_peak_at_its_height() -> None:
    state = FedState(info())
    observe(state, 400)
    rows = lines(state)[3:15]
    column = 6 + 288 * 15 // 360
    inked = [row for row, line in enumerate(rows) if "⠁" <= line[column] <= "⣿"]
    scale = [float(line[:5]) if line[:5].strip() else None for line in rows]
    top = scale.index(1.0)
    assert inked[0] in {top - 1, top, top + 1}
    assert inked == list(range(inked[0], inked[-1] + 1))


def test_the_gap_ahead_of_the_write_position_is_empty() -> None:
    state = FedState(info())
    observe(state, 3600)
    rows = lines(state)[3:15]
    head = 6 + int(3599 % (74 / 15 * 360) / (74 / 15 * 360) * 74)
    for row in rows:
        assert row[head + 1 : head + 3] == "  "


def test_a_v_beat_is_tinted_and_a_normal_one_is_not() -> None:
    state = full_state()
    frame = render(state, 80, 24)
    styles = {segment.style for line in frame.lines[3:15] for segment in line}
    assert any(
        style is not None and style.color is not None and "ff6b5e" in style.color.name
        for style in styles
    )


def test_without_colours_the_words_still_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    state = full_state()
    publish(state, alarm(onset=3300))
    file = io.StringIO()
    console = Console(width=80, height=24, file=file, force_terminal=True)
    console.print(render(state, 80, 24))
    text = file.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text)
    assert "!!! HIGH VENTRICULAR TACHYCARDIA 0:00 ago !!!" in text


def test_alarm_and_its_age() -> None:
    state = full_state()
    publish(state, alarm(onset=3000))
    assert "!!! HIGH VENTRICULAR TACHYCARDIA 0:01 ago !!!" in lines(state)[1]
    observe(state, 3000 + 500 + 3600 + 1)
    assert "0:11 ago" in lines(state)[1], "nobody has seen it"
    state.acknowledge(state.banner)
    assert lines(state)[1].rstrip().endswith("1 alarm")


def test_an_alarm_whose_rhythm_lasts_is_not_over() -> None:
    state = full_state()
    publish(state, alarm(3000, AlarmState.ONGOING))
    publish(state, changed_to(Rhythm.VENTRICULAR_TACHYCARDIA))
    rows = [lines(state, width, 24)[1].rstrip() for width in (100, 80, 75, 60)]
    # What doesn't fit is said in fewer words, never cut.
    assert [row.partition("!!!")[2].strip() for row in rows] == [
        "HIGH VENTRICULAR TACHYCARDIA for 0:01 !!!",
        "HIGH VENTRICULAR TACHYCARDIA for 0:01",
        "VENTRICULAR TACHYCARDIA for 0:01",
        "VT for 0:01",
    ]


def test_the_list_of_alarms_takes_the_room_there_is() -> None:
    state = full_state()
    for onset in range(3000, 3010):
        publish(state, alarm(onset=onset))
    listed = {size: screen(state, *size).count("!!! VT") for size in ((110, 30), (160, 60))}
    assert listed == {(110, 30): 1, (160, 60): 10}


@pytest.mark.parametrize("size", [(80, 24), (150, 50)])
def test_without_colours_no_blank_cell_is_inverse_or_underlined(size: tuple[int, int]) -> None:
    try:
        palette.use("none")
        frame = render(full_state(), *size)
    finally:
        palette.use("dark")
    cells = (segment for line in frame.lines for segment in line)
    blocks = [c for c in cells if c.style is not None and (c.style.reverse or c.style.underline)]
    assert all(any(character.isalnum() for character in c.text) for c in blocks)


def test_bars_are_not_drawn_in_reverse() -> None:
    state = full_state()
    try:
        palette.use("none")
        bars = [
            segment
            for row in render(state, 80, 24).lines
            for segment in row
            if "━" in segment.text and segment.style is not None and segment.style.reverse
        ]
    finally:
        palette.use("dark")
    assert bars == []


def test_fibrillation_has_no_heart_rate() -> None:
    state = full_state()
    assert "RR 800 ms" in screen(state)
    publish(state, changed_to(Rhythm.VENTRICULAR_FIBRILLATION))
    assert "RR --" in screen(state)


def test_a_time_that_does_not_fit_is_left_out_whole() -> None:
    state = FedState(info())
    for stop in range(200, 3600, 30):
        observe(state, stop)
        times = re.findall(r"┴([0-9:]*)", lines(state)[15])
        assert all(re.fullmatch(r"\d:\d\d|", text) for text in times)


def test_keys_are_explained_beside_the_trace() -> None:
    state = full_state()
    state.shows_help = True
    shown = lines(state, 120, 40)
    assert any("┌─╴KEYS╶" in row for row in shown)
    row = next(row for row in shown if "run to the next alarm" in row)
    assert row.startswith("     │") or "┤" in row[:6]
    assert "supraventricular ectopic" in "".join(shown)


class Pace:
    """At twice real time."""

    paused = seeking = False
    speed = 2.0


def test_the_bar_stays_where_it_is_under_a_message() -> None:
    state = FedState(info(), pace=Pace())
    observe(state, 3600)
    before = lines(state)[23]
    assert before.endswith(" 2×  ? help ")
    state.message = "wrote /a/file.png"
    after = lines(state)[23]
    assert after.endswith(" wrote /a/file.png ")
    assert after[:40] == before[:40]
    state.message = "wrote " + "/folder" * 20 + "/file.png"
    assert re.search(r" wrote /folder/fold….*/folder/file.png $", lines(state)[23])
    state.message, state.measured_speed = None, 1.5
    assert " runs at 1.5× " in lines(state)[23]


def test_alarms_take_the_place_of_a_missing_reference() -> None:
    state = FedState(info(), mqtt=mqtt())
    play(state, 3600)
    publish(state, alarm(onset=3000))
    shown = screen(state)
    assert "REFERENCE" not in shown
    assert re.search(r"!!! VT +0:01", shown)


def test_lost_signal_is_said_at_once_and_marked_when_it_is_over() -> None:
    state = full_state()
    state.observe(Chunk(start=3600, samples=np.zeros((2, 400), np.float32)))
    assert "NO SIGNAL: flat" in lines(state)[1]
    publish(state, gap(start=3600))
    assert "╌ flat ╌" in lines(state)[2]


def test_an_unlabelled_beat_is_a_question_mark() -> None:
    state = full_state()
    publish(state, labeled_beat(3590, None, revision=0, late=True))
    assert lines(state)[16].rstrip().endswith("N? 800 ?")
    assert "late 1" in screen(state)


def test_p99_over_the_budget_is_marked() -> None:
    state = FedState(info(), budget_ms=300.0)
    play(state, 3600)
    assert re.search(r"━!", screen(state))


def test_speed_and_live() -> None:
    fast = FedState(info(), speed=None)
    fast.measured_speed = 512.4
    assert "max 512×" in screen(fast)
    assert " live" in screen(FedState(info(n_samples=None)))


def test_too_small_a_terminal_is_told() -> None:
    assert lines(full_state(), 39, 9)[0].rstrip() == "39x9 is too small, need 40x10"


def test_a_wide_terminal_shows_both_leads_and_the_tachogram() -> None:
    shown = screen(full_state(), 160, 50)
    assert "V1" in shown
    assert "RR ms, last minute" in shown
    assert "HEART RATE" in shown
    assert "ALARMS" in shown


def test_an_unknown_rhythm_is_said_to_be_so() -> None:
    state = full_state()
    publish(
        state,
        RhythmEvent(
            rhythm=Rhythm.UNKNOWN, onset=3500, decided_at=3500, heart_rate_bpm=None, beats=()
        ),
    )
    assert "rhythm not known yet" in screen(state)


def test_the_99th_percentile_needs_a_hundred_beats() -> None:
    state = FedState(info(n_samples=None))
    play(state, 100 * 288 + 1)
    assert "p50 354  max 354" in screen(state)
    play_on = 28_800 + 288
    observe(state, play_on)
    publish(state, labeled_beat(play_on - 144, Label.N, revision=0))
    assert "p50 354  p99 354" in screen(state)
