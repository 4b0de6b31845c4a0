import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from bench_cases import short_excerpt

from replay.simulate.record import simulate_beats
from streamer.bench.detection.measure import (
    OWN,
    DetectionResults,
    DetectionSettings,
    ScoringRule,
    errors_of,
    measure_detection,
    measure_excerpt,
)
from streamer.bench.detection.report import detection_report
from streamer.bench.detection.strips import STRIPS_PER_RECORD, error_windows
from streamer.bench.detection.tables import cross_validation_table
from streamer.bench.excerpt import excerpt_of
from streamer.bench.report import page_of, plain
from streamer.bench.work import progress
from streamer.commands.cli import main
from streamer.core.errors import ScoringError
from streamer.scoring.ec57 import BeatAnnotations

SETTINGS = DetectionSettings(starts=("0:00", "0:10"))
WIDE = ScoringRule("0:00", 150.0)


def doubled(excerpt):
    """The excerpt with a second reference beat beside every fourth one: nobody can find those."""
    beats = excerpt.beats.samples
    extra = beats[::4] + 110
    merged = np.sort(np.concatenate([beats, extra]))
    return replace(excerpt, beats=BeatAnnotations.from_symbols(merged, ["N"] * merged.size))


@pytest.fixture(scope="module")
def excerpts():
    return [short_excerpt(name="100"), doubled(short_excerpt(name="101"))]


@pytest.fixture(scope="module")
def results(excerpts):
    return DetectionResults(
        database="simulated",
        settings=SETTINGS,
        records=tuple(measure_excerpt(excerpt, SETTINGS) for excerpt in excerpts),
        missing=(),
        cross_validation=None,
    )


def test_counts_are_those_of_the_errors_listed(results):
    clean, worse = results.records
    for result in results.records:
        score = result.scores[OWN][WIDE]
        assert (score.fn, score.fp) == (result.missed.size, result.false.size)
    assert clean.scores[OWN][WIDE].fn == 0
    assert worse.scores[OWN][WIDE].fn == 6


def test_gross_sums_and_groups_by_ds2(results):
    gross = results.summary(OWN, WIDE).gross
    assert gross.tp + gross.fn == 24 + 30
    assert results.ds2 == ("100",)
    assert results.summary(OWN, WIDE, results.ds2).gross.fn == 0


def test_worst_records_are_those_with_errors(results):
    assert [result.name for result in results.worst()] == ["101"]


def test_later_start_counts_fewer_beats(results):
    late = results.summary(OWN, ScoringRule("0:10", 150.0)).gross
    assert 0 < late.tp + late.fn < 54


def test_delay_is_measured_from_the_peak_found_and_from_the_reference(results):
    result = results.records[0]
    own, reference = result.delay_ms, result.delay_from_reference_ms
    assert own.size == result.own.samples.size
    error = result.scores[OWN][WIDE].errors_ms
    assert reference == pytest.approx(own + error)
    assert (own > 0).all()


def test_span_after_the_end_is_left_out():
    settings = DetectionSettings(starts=("0:00", "5:00"))
    result = measure_excerpt(short_excerpt(3.0), settings)
    assert {rule.start for rule in result.scores[OWN]} == {"0:00"}


def test_nothing_to_score_is_an_error():
    settings = DetectionSettings(starts=("9:00",), stop="0:03")
    with pytest.raises(ScoringError, match="no record to score from 9:00 on"):
        measure_detection("demo", ["demo"], settings)


def test_false_beats_in_flutter_are_not_counted():
    excerpt = short_excerpt(5.0)
    beats = BeatAnnotations.from_symbols([200, 400, 800, 900], ["N", "[", "]", "N"])
    missed, false = errors_of(replace(excerpt, beats=beats), np.array([200, 600, 1200]), WIDE)
    assert missed.tolist() == [900]
    assert false.tolist() == [1200]


def test_tables_show_every_record_and_detector(results):
    laid_out = detection_report(results).tables
    by_record = laid_out[0]
    assert [row[0] for row in by_record.rows] == ["100", "101", "gross"]
    assert "6/" in by_record.rows[1][3]
    for content in laid_out:
        assert {len(row) for row in content.rows} <= {len(content.header)}
    assert laid_out[-1].title == "QRS detection, from 0:00, within 150 ms, 54 beats, %"
    assert laid_out[-1].rows[0][0] == OWN


def test_introduction_names_leads_and_rules(results):
    text = "\n".join(detection_report(results).introduction)
    assert "MLII in 2" in text
    assert "54 from 0:00" in text
    assert "bxb" in text


def test_cross_validated_errors_stand_beside_the_shipped_ones(results):
    shipped = {
        "cross_validation": {
            "mitdb/100": {"fn": 1, "fp": 2, "fn_50": 3, "fp_50": 4},
            "101": {"fn": 10, "fp": 20, "fn_50": 30, "fp_50": 40},
        },
        "folds": 2,
    }
    content = cross_validation_table(results, shipped)
    assert content.rows[0][:3] == ("150 ms", "11", "22")
    assert content.rows[1][:3] == ("50 ms", "33", "44")
    assert content.rows[0][4] == "6"
    partly = {**shipped, "cross_validation": {"200": shipped["cross_validation"]["101"]}}
    assert cross_validation_table(results, partly).rows[0][4] == "–"


def test_json_has_every_count(results):
    content = json.loads(json.dumps(plain(detection_report(results).figures)))
    first = content["detectors"][OWN][0]
    assert (first["from"], first["tolerance_ms"]) == ("0:00", 150.0)
    assert first["all"]["beats"] == 54
    assert first["ds2"]["records"] == 1
    assert len(content["records"][1]["missed"]) == content["records"][1]["scores"][OWN][0]["fn"]
    assert content["timing"]["delay_ms"]["max"] >= content["timing"]["delay_ms"]["median"]


def test_page_is_self_contained_and_shows_the_errors(results, excerpts):
    by_name = {excerpt.name: excerpt for excerpt in excerpts}
    content = page_of(detection_report(results, lambda result: by_name[result.name]))
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)", content)
    assert "@import" not in content
    assert content.count(">missed</text>") >= 1
    assert "Record 101: 6 missed" in content
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))


def test_windows_hold_the_errors_and_are_few(results):
    result = results.records[1]
    windows = error_windows(result)
    assert 1 <= len(windows) <= STRIPS_PER_RECORD
    assert windows[0][0] <= result.missed[0] < windows[0][1]
    assert all(stop <= result.n_samples for _, stop in windows)


def test_flat_record_makes_a_page_too():
    flat = excerpt_of(simulate_beats([], duration_s=5.0))
    settings = DetectionSettings(starts=("0:00",), tolerances_ms=(150.0,))
    empty = DetectionResults(
        database="flat",
        settings=settings,
        records=(measure_excerpt(flat, settings),),
        missing=(),
        cross_validation=None,
    )
    report = detection_report(empty)
    assert report.tables
    assert "</html>" in page_of(report)


def test_command_prints_and_writes_everything(tmp_path, capsys):
    arguments = ["bench", "detection", "--records", "demo", "--stop", "0:25", "--peers", "gqrs"]
    output = ["--json", str(tmp_path / "d.json"), "--html", str(tmp_path / "d.html")]
    code = main([*arguments, *output])
    printed = capsys.readouterr()
    assert code == 0
    assert "QRS detection, from 0:00, within 50 ms" in printed.out
    assert "gqrs (wfdb)" in printed.out
    assert "from 5:00" not in printed.out
    assert "bench detection: 1/1 demo" in printed.err
    assert json.loads((tmp_path / "d.json").read_text())["database"] == "mitdb"
    assert (tmp_path / "d.html").read_text().startswith("<!DOCTYPE html>")


def test_unwritable_report_is_one_line(tmp_path, capsys):
    arguments = ["bench", "detection", "--records", "demo", "--stop", "0:04"]
    assert main([*arguments, "--html", str(tmp_path / "no" / "d.html")]) == 1
    assert "can't write the report to" in capsys.readouterr().err


def test_progress_without_a_terminal_is_a_line_a_record():
    stream = io.StringIO()
    with progress("bench", 2, stream) as advance:
        advance("100")
        advance("101")
    assert stream.getvalue() == "bench: 1/2 100\nbench: 2/2 101\n"


def test_progress_on_a_terminal_is_a_bar():
    stream = io.StringIO()
    stream.isatty = lambda: True
    with progress("bench", 1, stream) as advance:
        advance("100")
    assert "bench" in stream.getvalue()


@pytest.mark.database
def test_real_record_in_two_processes(mitdb):
    settings = DetectionSettings(starts=("0:00",), stop="1:00")
    names = [str(mitdb / "100"), str(mitdb / "103")]
    results = measure_detection("mitdb", names, settings, jobs=2)
    assert [result.name for result in results.records] == ["100", "103"]
    gross = results.summary(OWN, WIDE).gross
    assert (gross.tp, gross.fn, gross.fp) == (74 + 70, 0, 0)
