"""The rhythm benchmark's comparisons on small cases, and its short form from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from classifier.labels import Label
from replay.record import Reference
from streamer.bench.excerpt import ChainRun
from streamer.bench.rhythm.measure import compare
from streamer.bench.rhythm.onsets import SCENARIOS, measure_onsets
from streamer.bench.rhythm.report import rhythm_report
from streamer.bench.rhythm.truth import Truth
from streamer.commands.cli import main
from streamer.core.events import Alarm, Priority, Rhythm, RhythmEvent
from streamer.scoring.episodes import (
    NAMED,
    agreement,
    excluded_spans,
    flutter_spans,
    named_spans,
    outside,
    reference_runs,
    run_agreement,
    spans_of,
)


def reference(*marks: tuple[int, str, str]) -> Reference:
    samples, symbols, aux = zip(*marks, strict=True)
    return Reference(samples=np.array(samples, np.int64), symbols=symbols, aux=aux)


def rhythm(kind: Rhythm, onset: int) -> RhythmEvent:
    return RhythmEvent(rhythm=kind, onset=onset, decided_at=onset, heart_rate_bpm=None, beats=())


def alarm(kind: Rhythm, onset: int, decided_at: int, beats: tuple[int, ...] = ()) -> Alarm:
    return Alarm(
        rhythm=kind, priority=Priority.LOW, onset=onset, decided_at=decided_at, beats=beats
    )


def test_fibrillation_is_no_flutter_and_block_is_no_bigeminy() -> None:
    marks = reference(
        (0, "+", "(N"),
        (100, "+", "(AFIB"),
        (300, "+", "(AFL"),
        (500, "+", "(BII"),
        (700, "+", "(B"),
    )
    assert spans_of(marks, "AF", 1000) == [(100, 300)]
    assert spans_of(marks, "AF or flutter", 1000) == [(100, 500)]
    assert excluded_spans(marks, "AF", 1000) == [(300, 500)]
    assert excluded_spans(marks, "AF or flutter", 1000) == []
    assert spans_of(marks, "bigeminy", 1000) == [(700, 1000)]
    assert spans_of(marks, "VF", 1000) == []


def test_flutter_is_told_by_brackets_or_rhythm() -> None:
    marks = reference((90, "[", ""), (100, "+", "(VFL"), (400, "]", ""), (410, "+", "(N"))
    assert flutter_spans(marks, 1000) == [(90, 410)]
    assert spans_of(marks, "VF", 1000) == [(90, 400)]
    assert spans_of(reference((90, "[", ""), (100, "+", "(VFL")), "VF", 1000) == [(90, 1000)]


def test_runs_are_counted_beat_by_beat_outside_of_flutter() -> None:
    beats = [(100 * k, symbol, "") for k, symbol in enumerate("NVVVNVVN[VVV]VVVVN")]
    runs = reference_runs(reference(*beats), Label.V)
    assert runs == [(100, 301), (1300, 1601)]
    pairs = reference_runs(reference(*beats), Label.V, least=2)
    assert pairs == [(100, 301), (500, 601), (1300, 1601)]


def test_later_knowledge_moves_the_end_of_what_was_named() -> None:
    events = [
        rhythm(Rhythm.SINUS, 0),
        rhythm(Rhythm.ATRIAL_FIBRILLATION, 500),
        rhythm(Rhythm.SINUS, 900),
        rhythm(Rhythm.ATRIAL_FIBRILLATION, 800),
    ]
    assert named_spans(events, NAMED["AF"], 1000) == [(500, 1000)]
    assert named_spans(events, frozenset({Rhythm.SINUS}), 1000) == [(0, 500)]


def test_a_background_that_is_dated_back_keeps_the_episodes_since() -> None:
    events = [
        rhythm(Rhythm.SINUS, 0),
        rhythm(Rhythm.VENTRICULAR_TACHYCARDIA, 300),
        rhythm(Rhythm.SINUS_TACHYCARDIA, 400),
        rhythm(Rhythm.ATRIAL_FIBRILLATION, 200),
    ]
    assert named_spans(events, NAMED["AF"], 1000) == [(200, 300), (400, 1000)]
    assert named_spans(events, NAMED["VT"], 1000) == [(300, 400)]
    assert named_spans(events, frozenset({Rhythm.SINUS}), 1000) == [(0, 200)]


def test_episodes_count_once_and_durations_by_what_is_common() -> None:
    found = agreement([(0, 100), (200, 300)], [(50, 220), (400, 500)], fs=10)
    assert (found.n_reference, found.n_found, found.n_named, found.n_right) == (2, 2, 2, 1)
    assert (found.reference_s, found.named_s, found.common_s) == (20.0, 27.0, 7.0)
    assert found.episode_se == 1.0
    assert found.duration_ppv == pytest.approx(7 / 27)
    later = agreement([(0, 100), (200, 300)], [(50, 220)], fs=10, start=210)
    assert (later.n_reference, later.reference_s, later.common_s) == (1, 9.0, 1.0)


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ((150, 180), []),
        ((100, 200), []),
        ((150, 260), [(200, 260)]),
        ((40, 150), [(40, 100)]),
        ((40, 260), [(40, 100), (200, 260)]),
        ((150, 450), [(200, 400)]),
        ((40, 600), [(40, 100), (200, 400), (500, 600)]),
        ((200, 400), [(200, 400)]),
    ],
)
def test_flutter_is_taken_off_what_was_named(
    named: tuple[int, int], left: list[tuple[int, int]]
) -> None:
    assert outside(named, [(100, 200), (400, 500)]) == left


def test_what_was_named_in_flutter_is_ignored_and_cut_off() -> None:
    fibrillation, flutter = [(0, 100), (500, 600)], [(100, 200), (400, 500)]
    within = agreement(fibrillation, [(120, 180)], excluded=flutter, fs=10)
    assert (within.n_named, within.n_right, within.named_s, within.n_found) == (0, 0, 0.0, 0)
    assert within.duration_ppv is None
    begins = agreement(fibrillation, [(150, 260)], excluded=flutter, fs=10)
    assert (begins.n_named, begins.n_right, begins.named_s) == (1, 0, 6.0)
    ends = agreement(fibrillation, [(40, 150)], excluded=flutter, fs=10)
    assert (ends.n_named, ends.n_right, ends.named_s, ends.common_s) == (1, 1, 6.0, 6.0)
    assert (ends.n_found, ends.reference_s) == (1, 20.0)
    across = agreement(fibrillation, [(90, 520)], excluded=flutter, fs=10)
    assert (across.n_named, across.n_right, across.n_found) == (1, 1, 2)
    assert (across.named_s, across.common_s) == (23.0, 3.0)


def test_flutter_counts_for_neither_row_where_the_rule_says_so() -> None:
    marks = reference((0, "+", "(N"), (3600, "+", "(AFL"), (7200, "+", "(AFIB"), (10800, "+", "(N"))
    found = [rhythm(Rhythm.ATRIAL_FIBRILLATION, 1800), rhythm(Rhythm.SINUS, 9000)]
    run = ChainRun(name="made-up", fs=360, stop=14400, reference=marks, events=found)
    result = compare(run, start="0:00")
    strict, wide = result.episodes["AF"], result.episodes["AF or flutter"]
    assert (strict.reference_s, strict.named_s, strict.common_s) == (10.0, 10.0, 5.0)
    assert (wide.reference_s, wide.named_s, wide.common_s) == (20.0, 20.0, 15.0)
    assert [row[0] for row in rhythm_report([result], []).tables[0].rows] == ["AF", "AF or flutter"]
    assert Truth(marks, fs=360, stop=14400).confirms(alarm(Rhythm.ATRIAL_FIBRILLATION, 4000, 5000))


def test_runs_in_flutter_and_before_the_start_do_not_count() -> None:
    found = run_agreement(
        [(100, 200), (1000, 1100)],
        [(120, 180), (1150, 1200), (2000, 2100)],
        ignored=[(1990, 2200)],
        fs=360,
        start=500,
        tolerance=54,
    )
    assert (found.n_reference, found.n_found, found.n_named, found.n_right) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("found", "true"),
    [
        (alarm(Rhythm.ASYSTOLE, 3000, 4600), False),
        (alarm(Rhythm.ASYSTOLE, 6000, 7600), True),
        (alarm(Rhythm.PAUSE, 6000, 7200), True),
        (alarm(Rhythm.TACHYCARDIA, 1000, 2500), False),
        (alarm(Rhythm.BRADYCARDIA, 6000, 9000), True),
        (alarm(Rhythm.VENTRICULAR_TACHYCARDIA, 3300, 4300), True),
        (alarm(Rhythm.VENTRICULAR_TACHYCARDIA, 300, 1000), False),
        (alarm(Rhythm.LEAD_OFF, 300, 1000), False),
    ],
)
def test_an_alarm_is_true_if_the_reference_says_so(found: Alarm, *, true: bool) -> None:
    beats = [(300 * k, "V" if 11 <= k <= 13 else "N", "") for k in range(21)]
    beats += [(8000 + 600 * k, "N", "") for k in range(5)]
    assert Truth(reference(*beats), fs=360, stop=12000).confirms(found) is true


def test_flutter_that_was_not_found_is_said() -> None:
    marks = reference((90, "[", ""), (400, "]", ""), (500, "[", ""), (900, "]", ""))
    found = [alarm(Rhythm.VENTRICULAR_FIBRILLATION, 500, 680)]
    run = ChainRun(name="made-up", fs=360, stop=1000, reference=marks, events=found)
    result = compare(run, start="0:00")
    assert result.flutter_delays_s == (None, 0.5)
    tables = rhythm_report([result], []).tables
    shown = next(t for t in tables if t.header[0] == "Ventricular flutter")
    assert [row[1] for row in shown.rows] == ["missed", "0.5"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_simulated_onsets_are_found_in_time(scenario: object) -> None:
    (found,) = measure_onsets(trials=1, sampling_hz=(250.0,), scenarios=[scenario])  # type: ignore[list-item]
    assert found.missed == 0
    assert found.worst_s is not None
    assert 0 < found.worst_s <= found.limit_s


@pytest.mark.database
def test_the_flutter_of_record_207_from_the_command_line(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rhythm.json"
    record = str(mitdb / "207")
    words = ["bench", "rhythm", "--records", record, "--stop", "1:05", "--from", "0:00"]
    assert main([*words, "--trials", "0", "--json", str(out)]) == 0
    printed = capsys.readouterr()
    assert "1/1 207" in printed.err
    assert "ventricular fibrillation" in printed.out
    (found,) = json.loads(out.read_text())["records"]
    assert [delay is not None and delay <= 5.0 for delay in found["flutter_delays_s"]] == [True] * 2
    assert "asystole" not in found["false_alarms"]
