"""The report: from a record and from its events the same numbers, and nothing from outside."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from replay.records import open_record
from streamer.cli import main
from streamer.hrv import nn_intervals, variability
from streamer.report import ReportConfig, report_page
from streamer.report_data import EventsFileError, ReportData, from_events, from_record


@pytest.fixture(scope="module")
def data() -> ReportData:
    return from_record(open_record("demo"), start="0:00", stop="2:20")


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return report_page(data)


def test_every_section_is_there(page: str) -> None:
    titles = re.findall(r"<h2>([^<]+)</h2>", page)
    assert titles == [
        "Heart rate and variability",
        "Ventricular burden by hour",
        "Rhythm",
        "Alarms",
        "Beats of each class",
        "Signal quality",
        "Decision delay",
        "Against reference annotations",
    ]


def test_nothing_is_loaded_from_outside(page: str) -> None:
    assert "<script" not in page
    assert "<link" not in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
    assert "url(http" not in page


def test_alarms_have_strips_with_their_letters(data: ReportData, page: str) -> None:
    kinds = {alarm.rhythm for alarm in data.alarms}
    assert "ventricular tachycardia" in kinds
    assert "ventricular bigeminy" in kinds
    for kind in kinds:
        assert re.search(rf"<h3>{kind} \((high|medium|low)\) at \d", page), kind
    assert ">V</text>" in page
    assert "25 mm/s, 10 mm/mV" in page


def test_strips_are_limited(data: ReportData) -> None:
    few = report_page(data, ReportConfig(strips=1))
    assert few.count("<h3>") < report_page(data).count("<h3>")


def test_numbers_are_those_of_the_beats(data: ReportData, page: str) -> None:
    ventricular = sum(beat.label == "V" for beat in data.beats)
    assert f"<b>{ventricular}</b>" in page
    assert f"<b>{len(data.beats)}</b><span>beats</span>" in page
    assert all(0 < beat.delay_ms < 2000 for beat in data.beats)
    score = re.search(r"<td>QRS</td><td>(\d+)</td><td>(\d+)</td><td>(\d+)</td>", page)
    assert score is not None
    assert int(score[1]) + int(score[3]) == len(data.beats)


def test_events_make_the_same_report(tmp_path: Path, data: ReportData) -> None:
    file, out = tmp_path / "demo.jsonl", tmp_path / "report.html"
    words = ["--speed", "max", "--mqtt", "off", "--no-monitor", "--events", str(file)]
    assert main(["replay", "demo", "--stop", "2:20", *words]) == 0
    found = from_events(file)
    assert [(b.sample, b.label) for b in found.beats] == [(b.sample, b.label) for b in data.beats]
    assert found.alarms == data.alarms
    assert main(["report", str(file), "--record", "demo", "--out", str(out)]) == 0
    assert "25 mm/s" in out.read_text(encoding="utf-8")
    bare = report_page(found)
    assert "25 mm/s" not in bare
    assert "give --record" in bare


def test_an_empty_or_foreign_file_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("")
    with pytest.raises(EventsFileError, match="holds no events"):
        from_events(file)
    file.write_text("{no json\n")
    assert main(["report", str(file)]) == 1
    assert "line 1" in capsys.readouterr().err
    file.write_text(json.dumps([1]))
    with pytest.raises(EventsFileError, match="expected an object"):
        from_events(file)


def test_a_recording_without_beats_has_a_report(data: ReportData) -> None:
    empty = ReportData(source="nothing", fs=360.0, first=0, stop=3600)
    assert "too few beats" in report_page(empty)


def test_intervals_are_between_successive_normal_beats() -> None:
    intervals, ends = nn_intervals([0, 360, 720, 900, 1440, 1800], list("NNNVNN"), fs=360.0)
    assert intervals.tolist() == [1.0, 1.0, 1.0]
    assert ends.tolist() == [1.0, 2.0, 5.0]
    assert nn_intervals([], [], fs=360.0)[0].size == 0


def test_variability_matches_its_definition() -> None:
    intervals = 0.8 + 0.05 * np.random.default_rng(1).standard_normal(200)
    found = variability(intervals, np.cumsum(intervals))
    assert found is not None
    assert found.mean_nn_ms == pytest.approx(1000 * intervals.mean(), rel=1e-3)
    assert found.sdnn_ms == pytest.approx(1000 * intervals.std(ddof=1), rel=0.02)
    expected = 1000 * np.sqrt(np.mean(np.diff(intervals) ** 2))
    assert found.rmssd_ms == pytest.approx(expected, rel=0.02)
    assert variability(intervals[:5], np.cumsum(intervals[:5])) is None
