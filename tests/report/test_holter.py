"""The report: from a record and from its events the same numbers, and nothing from outside."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from classifier.labels import Label
from replay.records import open_record
from streamer.commands.cli import main
from streamer.report.comparison import disagreements
from streamer.report.counts import Ectopy, ectopy, rates, rr_intervals, sinus_intervals
from streamer.report.data import (
    AlarmRow,
    BeatRow,
    EventsFileError,
    ReportData,
    from_events,
    from_record,
)
from streamer.report.extremes import extreme_strips
from streamer.report.holter import ReportConfig, report_page
from streamer.report.hrv import nn_intervals, variability
from streamer.report.strips import StripConfig, chosen_alarms
from streamer.report.trends import trend_window_s
from streamer.scoring.ec57 import BeatAnnotations


@pytest.fixture(scope="module")
def data() -> ReportData:
    return from_record(open_record("demo"), start="0:00", stop="2:20")


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return report_page(data)


def test_it_is_told_how_far_it_got() -> None:
    parts: list[float] = []
    from_record(open_record("demo"), stop="1:30", on_part=parts.append)
    assert len(parts) > 2
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_every_section_is_there(page: str) -> None:
    titles = re.findall(r"<h2>([^<]+)</h2>", page)
    assert titles == [
        "Patient and conclusion",
        "Summary",
        "Trends",
        "Rhythm and alarms over time",
        "Beats and burden by hour",
        "Slowest, fastest, longest, shortest",
        "RR intervals",
        "Heart-rate variability",
        "Alarms",
        "Beats of each class",
        "Signal quality",
        "Decision delay",
        "Against reference annotations",
    ]


def test_a_long_recording_has_its_hours_with_links_that_lead_somewhere() -> None:
    record = open_record("demo")
    fs, hour = record.fs, round(3600 * record.fs)
    long = ReportData(source="long", fs=fs, first=0, stop=3 * hour, leads=record.leads)
    long.record = record
    long.beats = [
        BeatRow(sample=k * round(fs), label="N" if k % 100 else "V", quality=1.0, delay_ms=1.0)
        for k in range(1, 3 * 3600)
    ]
    high = AlarmRow(rhythm="asystole", priority="high", onset=hour // 90, decided_at=hour // 80)
    pause = dataclasses.replace(high, rhythm="pause", priority="medium", onset=2 * hour)
    long.alarms = [high, pause]
    long.rhythms = [("atrial fibrillation", 0), ("sinus rhythm", hour // 2)]
    page = report_page(long)
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page, target
    text = page[page.index("Index of the hours") :]
    assert re.search(r"<td>0:00</td><td>1 high</td><td><a [^>]*>asystole at ", text)
    assert "<td>1:00:00</td><td>none</td><td></td>" in text
    header, *rows = re.findall(r"<tr.*?</tr>", page[page.index("Heart rate, 1/min") :])[:5]
    cells = [re.findall(r"<t[dh]>([^<]*)</t[dh]>", row) for row in (header, *rows)]
    named = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    assert [row["From"] for row in named] == ["0:00", "1:00:00", "2:00:00", "All"]
    assert [row["AF %"] for row in named] == ["50", "0", "0", "17"]
    assert [row["Alarms"] for row in named] == ["1", "0", "1", "2"]
    assert (named[1]["Slow"], named[1]["Mean"], named[1]["V an hour"]) == ("60", "60", "36")
    assert "Not measured: ST segments" in page


def test_a_long_interval_has_a_strip_that_fits_across_a_page(data: ReportData) -> None:
    gone = dataclasses.replace(data, beats=[b for b in data.beats if not 20 < b.sample / 360 < 60])
    drawn = extreme_strips(gone, StripConfig())
    widths = [float(found) for found in re.findall(r'<svg[^>]* width="([\d.]+)mm"', drawn)]
    assert len(widths) == 4
    assert max(widths) < 277.0


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
    few = report_page(data, ReportConfig(strips=StripConfig(strips=1)))
    assert few.count("<h3>") < report_page(data).count("<h3>")


def test_numbers_are_those_of_the_beats(data: ReportData, page: str) -> None:
    ventricular = sum(beat.label == "V" for beat in data.beats)
    assert f"<b>{ventricular}</b>" in page
    assert f"<b>{len(data.beats)}</b><span>beats</span>" in page
    assert all(0 < beat.delay_ms < 2000 for beat in data.beats)
    score = re.search(r"<td>QRS</td><td>[^<]+</td><td>(\d+)/\d+</td><td>[^<]+</td>", page)
    assert score is not None
    confusion = page[page.index("Reference (rows) and label (columns)") :]
    rows = [re.findall(r"<td>(\d+)</td>", row) for row in confusion.split("<tr>")[2:]]
    counts = np.array([[int(count) for count in row] for row in rows if row])
    assert counts.shape == (6, 6)
    assert counts[:5, :5].sum() == int(score[1])
    assert counts[:, :5].sum() == len(data.beats)


def test_events_make_the_same_report(tmp_path: Path, data: ReportData) -> None:
    file, out = tmp_path / "demo.jsonl", tmp_path / "report.html"
    words = ["--speed", "max", "--mqtt", "off", "--no-monitor", "--events", str(file)]
    assert main(["replay", "demo", "--stop", "2:20", *words]) == 0
    found = from_events(file)
    assert (found.alarms, found.rhythms, found.gaps) == (data.alarms, data.rhythms, data.gaps)
    assert found.beats == data.beats
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
    with pytest.raises(EventsFileError, match="line 1 is no event"):
        from_events(file)


def test_a_recording_without_beats_has_a_report(data: ReportData) -> None:
    empty = ReportData(source="nothing", fs=360.0, first=0, stop=3600)
    assert "too few beats" in report_page(empty)


def row(sample: int, label: str | None = "N", quality: float = 0.9) -> BeatRow:
    return BeatRow(sample=sample, label=label, quality=quality, delay_ms=350.0)


def test_ectopic_beats_are_counted_alone_in_couplets_and_in_runs() -> None:
    beats = [row(360 * k, label) for k, label in enumerate("VNVVNVVVNNVVVVNS")]
    found = ectopy(beats, Label.V, fs=360.0)
    assert (found.total, found.alone, found.couplets) == (10, 1, 1)
    assert [(run.first, run.n) for run in found.runs] == [(5 * 360, 3), (10 * 360, 4)]
    assert [run.rate_bpm for run in found.runs] == [pytest.approx(60.0)] * 2
    assert ectopy(beats, Label.S, fs=360.0) == Ectopy(total=1, alone=1, groups=())


def test_couplets_and_runs_follow_the_rule_of_the_rhythm_tracker() -> None:
    fast = [row(160 * k, label) for k, label in enumerate("NVFVNN")]
    (run,) = ectopy(fast, Label.V, fs=360.0).runs
    assert (run.first, run.n) == (160, 3)
    unclear = [row(160 * k, label, quality=0.3) for k, label in enumerate("NVVVNN")]
    assert ectopy(unclear, Label.V, fs=360.0) == Ectopy(total=3, alone=3, groups=())


def test_an_interval_with_a_gap_in_it_is_none() -> None:
    data = ReportData(
        source="made-up",
        fs=100.0,
        first=0,
        stop=2000,
        beats=[row(sample) for sample in (100, 200, 900, 1000, 1090)],
        gaps=[(300, 800, "flat")],
    )
    intervals = rr_intervals(data)
    assert intervals.ends_s.tolist() == [2.0, 10.0, 10.9]
    assert intervals.lengths_s.tolist() == pytest.approx([1.0, 1.0, 0.9])
    assert intervals.between(2.5, 10.9).ends_s.tolist() == [10.0]
    (found,) = rates(data, intervals, 20.0)
    assert found.mean_bpm == pytest.approx(60.0 / (2.9 / 3.0))
    assert found.slow_bpm <= found.mean_bpm < found.fast_bpm
    assert rates(data, intervals, 10.0) == []


def test_bigeminy_has_the_rate_of_all_its_beats() -> None:
    samples = np.cumsum([0, *[40, 120, 40] * 20])
    data = ReportData(
        source="made-up",
        fs=100.0,
        first=0,
        stop=int(samples[-1]),
        beats=[row(int(sample)) for sample in samples],
    )
    (found,) = rates(data, rr_intervals(data), 60.0)
    assert found.mean_bpm == pytest.approx(90.0, rel=0.01)


def test_intervals_in_atrial_fibrillation_are_not_the_sinus_nodes() -> None:
    data = ReportData(
        source="made-up",
        fs=1.0,
        first=0,
        stop=20,
        beats=[row(sample) for sample in range(0, 20)],
        rhythms=[("sinus rhythm", 0), ("atrial fibrillation", 5), ("sinus rhythm", 12)],
    )
    assert sinus_intervals(data)[1].tolist() == [1, 2, 3, 4, 5, *range(13, 20)]
    cells = "<td>Atrial fibrillation</td><td>0:07</td><td>35.0 %</td>"
    assert cells in report_page(data)


def test_disagreements_are_sorted_by_kind() -> None:
    data = ReportData(source="made-up", fs=100.0, first=0, stop=2000)
    reference = BeatAnnotations.of([100, 200, 300, 400, 500], [Label.N, Label.V, *[Label.N] * 3])
    own = BeatAnnotations.of([101, 199, 300, 500, 700], [Label.N, Label.N, *[Label.S] * 3])
    assert disagreements(reference, own, data) == {
        ("V", "N"): [200],
        ("N", "S"): [300, 500],
        ("N", "missed"): [400],
        ("no beat", "S"): [700],
    }
    within = dataclasses.replace(reference, vf=((600, 800),))
    assert ("no beat", "S") not in disagreements(within, own, data)


def test_the_summary_names_extremes_and_when_they_were() -> None:
    samples = [*range(0, 36_000, 360), *range(36_000, 54_000, 180), 55_000, 55_360]
    data = ReportData(
        source="made-up", fs=360.0, first=0, stop=56_000, beats=[row(at) for at in samples]
    )
    page = report_page(data)
    cells = r"<td>{}</td><td>{}</td><td>{}</td>"
    assert re.search(cells.format("Slowest 10 s", "60 /min", "at 0:00"), page)
    assert re.search(cells.format("Fastest 10 s", "120 /min", "at 1:50"), page)
    assert re.search(cells.format("Longest RR interval", "3278 ms", "at 2:29"), page)
    assert re.search(cells.format("Pauses, 2.5 s and more", "1", ""), page)


def test_strips_of_a_kind_are_spread_over_the_recording() -> None:
    alarms = [
        AlarmRow(rhythm="ventricular couplet", priority="low", onset=k, decided_at=k + 1)
        for k in range(100)
    ]
    alarms.append(AlarmRow(rhythm="asystole", priority="high", onset=500, decided_at=501))
    chosen = chosen_alarms(alarms, StripConfig(of_a_kind=4))
    assert [alarm.onset for alarm in chosen] == [500, 0, 33, 66, 99]
    assert [alarm.onset for alarm in chosen_alarms(alarms, StripConfig(strips=2))] == [500, 0]


def test_trend_windows_suit_the_length() -> None:
    def window(seconds: int) -> float:
        return trend_window_s(ReportData(source="x", fs=1.0, first=0, stop=seconds))

    assert [window(s) for s in (60, 1800, 3600 * 5, 3600 * 24)] == [10.0, 30.0, 60.0, 300.0]


def test_a_page_of_strips_stays_small(page: str) -> None:
    assert len(page) < 1_500_000


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
