"""The classification benchmark on labels made up by hand, and its short form on a real record."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from beat_windows import make_beat

from classifier.labels import Label
from classifier.network.spec import MODEL_NAME, own_spec
from classifier.splits import DS2
from replay.record import Reference, require_reference
from replay.records import open_record
from replay.simulate.record import SimulatedRecord, simulate_beats
from streamer.bench.classification.measure import (
    choose_labelled,
    compare,
    measure_classification,
    measure_record,
    settings_of,
)
from streamer.bench.classification.noise import NoisyLabels, noise_figures, noise_table, sources
from streamer.bench.classification.report import classification_report
from streamer.bench.classification.results import ClassificationResults, ClassificationSettings
from streamer.bench.classification.tables import DELAY_LIMIT_MS, STATISTICS, record_table
from streamer.bench.excerpt import ChainRun, run_chain
from streamer.bench.report import page_of, plain
from streamer.bench.work import fan_out
from streamer.commands.cli import main
from streamer.core.errors import ScoringError, StreamerError
from streamer.core.events import LabeledBeat
from streamer.report.score import make_report
from streamer.report.score import to_json as score_json
from streamer.scoring.bootstrap import BootstrapConfig, intervals
from streamer.scoring.ec57 import RecordScore, aggregate

FS = 360.0
STEP = 300
DRAWS = BootstrapConfig(resamples=50)


def made_up(symbols: str, name: str = "made-up", aux: dict[int, str] | None = None):
    """A silent record with a reference beat every `STEP` samples, one a symbol."""
    aux = aux or {}
    marks = [(STEP * (k + 1), symbol, "") for k, symbol in enumerate(symbols)]
    marks += [(sample, "+", text) for sample, text in aux.items()]
    samples, letters, texts = zip(*sorted(marks), strict=True)
    n = STEP * (len(symbols) + 2)
    return SimulatedRecord(
        name=name,
        fs=FS,
        leads=("MLII",),
        signal=np.zeros((1, n), np.float32),
        annotations=Reference(samples=np.array(samples), symbols=letters, aux=texts),
    )


def labelled(letters: str, revision: int, delay: int) -> list[LabeledBeat]:
    """Events that call the beats so; a dot is a missed beat."""
    found = []
    for k, letter in enumerate(letters):
        if letter != ".":
            beat = make_beat(STEP * (k + 1))
            found.append(
                LabeledBeat(
                    beat=beat,
                    label=Label(letter),
                    probabilities=(),
                    revision=revision,
                    decided_at=beat.rpeak.sample + delay,
                    reason="noise" if letter == "Q" else None,
                )
            )
    return found


def result(symbols: str, first: str, second: str, name: str = "made-up", **more):
    record = made_up(symbols, name, more.pop("aux", None))
    events = [*labelled(first, 0, 126), *labelled(second, 1, 360)]
    return compare(chain_run(record, events), **more)


def chain_run(record, events):
    return ChainRun(
        name=record.name,
        fs=record.fs,
        stop=record.n_samples,
        reference=record.reference(),
        events=events,
    )


def results_of(*results, trained=(), settings=None, database="there"):
    return ClassificationResults(
        database=database,
        settings=settings or ClassificationSettings(),
        model=own_spec(training_records=tuple(trained)),
        records=results,
    )


def test_each_revision_is_scored_by_itself():
    found = result("NVNVNSN", "NVNNNN.", "NVNVNS.").revisions
    first, second = found["provisional"].score, found["confirmed"].score
    assert (first.ratio("v_se").numerator, second.ratio("v_se").numerator) == (1, 2)
    assert (first.value("s_f1"), second.value("s_f1")) == (0.0, 1.0)
    assert (first.fn, second.fn) == (1, 1)


def test_a_beat_with_one_label_only_is_a_fault():
    record = made_up("NNN")
    events = [*labelled("NNN", 0, 126), *labelled("NN.", 1, 360)]
    with pytest.raises(StreamerError, match="one label instead of two"):
        compare(chain_run(record, events))


def test_delay_and_reasons_are_kept():
    found = result("NVNVN", "NQNVN", "NQNVN").revisions["provisional"]
    assert found.delay_ms.tolist() == [350.0] * 5
    assert found.unjudged == {"noise": 1}


def test_labels_before_the_start_do_not_count():
    found = result("VVNVVN", "VVNNNN", "VVNVVN", start="0:03").revisions
    assert found["provisional"].score.ratio("v_se").denominator == 2
    assert found["provisional"].delay_ms.size == 3
    assert found["confirmed"].runs["V"].se("couplets").denominator == 1
    with pytest.raises(ScoringError, match="made-up ends before 5:00"):
        result("NN", "NN", "NN", start="5:00")


def test_runs_of_s_in_fibrillation_do_not_count():
    symbols = "NSSNNSSNN"
    aux = {STEP * 5 - 20: "(AFIB", STEP * 8 - 20: "(N"}
    found = result(symbols, symbols, symbols, aux=aux).revisions["confirmed"].runs
    assert found["S"].se("couplets").denominator == 1
    assert found["S"].ppv("couplets").denominator == 1


def test_figures_equal_those_of_the_score_command():
    results = [
        result("NVNVNSNFQ", "NVNNNN.VV", "NVNVNS.FN", name="100"),
        result("NNSSSVVVN", "NNSNSVNVN", "NQSNSVVVN", name="232"),
    ]
    report = results_of(*results)
    for which in ("provisional", "confirmed"):
        ours = report.summary(which)
        theirs = make_report([r.revisions[which].score for r in results])
        assert theirs.ds2 is not None
        for name in STATISTICS:
            assert ours.gross.value(name) == theirs.ds2.gross.value(name)
            assert ours.average[name] == theirs.ds2.average[name]
        assert "v_f1" in score_json(theirs, {})["ds2"]["gross"]["statistics"]


def test_groups_tell_what_was_trained_on_and_leave_paced_records_out():
    results = [result("NVN", "NVN", "NVN", name=name) for name in ("100", "202", "208", "232")]
    report = results_of(*results, result("N/N", "NNN", "NNN", name="102"), trained=["201", "208"])
    assert report.names == ("100", "202", "208", "232")
    assert report.trained == ("208",)
    assert report.relatives == {"202": "201"}
    assert [(group.title, group.names) for group in report.groups] == [
        ("there, 4 records", ("100", "202", "208", "232")),
        ("there, 4 records, never trained on: 3 records", ("100", "202", "232")),
        ("there, 4 records without 232", ("100", "202", "208")),
    ]
    said = "\n".join(classification_report([(report, [])], DRAWS).introduction)
    assert "CAUTION: the model was trained on 1 of these 4 records (208)" in said
    assert "Record 202 is of the same patient as 201" in said
    assert "because paced (EC57): 102" in said
    table = record_table(report, "confirmed")
    assert [row[0] for row in table.rows] == ["100", "202", "208*", "232", "gross", "average"]


def test_untrained_records_are_said_to_be():
    report = results_of(result("NVN", "NVN", "NVN", name="100"))
    assert report.groups[0].title == "DS2, 1 of 22 records"
    lines = classification_report([(report, [])], DRAWS).introduction
    assert "The model was trained on none of these records." in lines


def test_tables_fit_their_headers_and_json_holds_every_number():
    results = [
        result("NVNVNSN", "NVNNNNN", "NVNVNSN", name="100"),
        result("NVVNNSF", "NVVNQSF", "NVVNQSF", name="232"),
    ]
    measured = results_of(*results)
    noisy = [NoisyLabels(snr_db=None, labels=results[0]), NoisyLabels(snr_db=6, labels=results[1])]
    report = classification_report([(measured, noisy), (measured, [])], DRAWS)
    tables = [*report.tables, *report.others[-1].tables]
    assert tables[-1].title.startswith("Models side by side")
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}, table.title
    model, other = json.loads(json.dumps(plain(report.figures)))["models"]
    assert other["noise"] == []
    assert model["records"][1]["confirmed"]["unjudged"] == {"noise": 1}
    assert model["groups"][0]["confirmed"]["gross"]["v_f1"] == {"value": 1.0, "interval": [1, 1]}
    assert [record["osea_false_v"] for record in model["noise"]] == [0, 141]
    page = page_of(report)
    for table in tables:
        assert table.title in page
    assert report.introduction[0] in page


def test_beside_other_systems_only_where_it_compares():
    ds2 = [result("NVN", "NVN", "NVN", name=name) for name in DS2]
    short = ClassificationSettings(stop="5:00")
    last = {
        "whole": results_of(*ds2),
        "part": results_of(*ds2[1:]),
        "short": results_of(*ds2, settings=short),
    }
    titles = {
        name: classification_report([(found, [])], BootstrapConfig(resamples=2)).tables[-1].title
        for name, found in last.items()
    }
    assert titles["whole"].startswith("Beside other systems, DS2")
    assert titles["part"] == "Labels, DS2, 21 of 22 records, gross, %"
    assert titles["short"] == "Labels, DS2, 22 records, gross, %"


def test_false_v_are_those_that_ec57_does_not_forgive():
    found = result("NNNVFQSN", "VVNVVVVN", "NNNVFQSN")
    assert noise_figures(found.revisions["provisional"].score).false_v == 3
    assert noise_figures(found.revisions["confirmed"].score).false_v == 0
    noisy = [NoisyLabels(snr_db=12, labels=found)]
    rows = noise_table(noisy, results_of(found)).rows
    assert rows[0] == ("118 at 12 dB", "3", "0", "100.00", "100.00", "0", "1", "88")


def score(name: str, right: int, wrong: int) -> RecordScore:
    matrix = np.zeros((7, 7), np.int64)
    matrix[2, 2], matrix[2, 0], matrix[0, 0] = right, wrong, 100
    return RecordScore(name=name, matrix=matrix)


def test_intervals_hold_the_figure_and_come_out_the_same():
    scores = [score(str(k), 10 + k, k) for k in range(12)]
    found = intervals(scores, ["v_se", "s_se"], BootstrapConfig())
    assert found.gross["v_se"] == intervals(scores, ["v_se"]).gross["v_se"]
    summary = aggregate(scores)
    low, high = found.gross["v_se"]
    assert low < summary.gross.value("v_se") < high
    low, high = found.average["v_se"]
    assert low < summary.average["v_se"] < high
    assert "s_se" not in found.gross
    other = intervals(scores, ["v_se"], BootstrapConfig(seed=2))
    assert other.gross["v_se"] != found.gross["v_se"]


def test_equal_records_leave_no_doubt_and_one_record_says_nothing():
    same = [score("a", 9, 1), score("b", 9, 1)]
    assert intervals(same, ["v_se"], DRAWS).gross["v_se"] == (0.9, 0.9)
    assert intervals(same[:1], ["v_se"], DRAWS).gross == {}
    rare = [score("a", 9, 1), RecordScore(name="b", matrix=np.zeros((7, 7), np.int64))]
    assert intervals(rare, ["v_se"], DRAWS).gross == {}
    with pytest.raises(ValueError, match="number of resamples is 0; it must be 1 or more"):
        BootstrapConfig(resamples=0)


def test_interval_agrees_with_the_spread_of_the_mean():
    random = np.random.default_rng(5)
    shares = random.integers(50, 100, 40)
    scores = [score(str(k), int(share), 100 - int(share)) for k, share in enumerate(shares)]
    low, high = intervals(scores, ["v_se"], BootstrapConfig(resamples=4000)).average["v_se"]
    error = shares.std() / 100 / np.sqrt(shares.size)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)


def test_models_are_named_by_folder_and_file():
    shipped, other = settings_of(["shipped", "out/ds1/beat_cnn.pt"])
    assert (shipped.model_name, other.model_name) == ("shipped", "ds1/beat_cnn")
    assert settings_of(None) == [ClassificationSettings()]


def test_jobs_must_be_one_or_more():
    with pytest.raises(ValueError, match="number of jobs is 0"):
        fan_out(Path, ["a"], jobs=0)
    assert [path.name for path in fan_out(Path, ["x/a", "b"])] == ["a", "b"]


def test_noise_needs_its_time():
    with pytest.raises(ScoringError, match="the noise begins after 300 s"):
        sources("5:00")


def test_chain_labels_a_simulated_record_twice():
    times = np.arange(0.6, 15.0, 0.8)
    record = simulate_beats(times, fs=FS, duration_s=16.0, seed=1, noise_mv=0.01)
    found = compare(run_chain(record))
    for revision in found.revisions.values():
        assert revision.score.tp == times.size
        assert revision.score.value("v_fpr") < 0.1
    delays = {which: found.revisions[which].delay_ms for which in found.revisions}
    assert (delays["provisional"] <= delays["confirmed"]).all()
    assert np.median(delays["provisional"]) < DELAY_LIMIT_MS


@pytest.mark.database
def test_ds2_is_what_is_measured_without_a_wish(mitdb, svdb):
    assert len(choose_labelled("mitdb", None)) == 22
    assert choose_labelled("mitdb", ["208"]) == [str(mitdb / "208")]
    assert len(choose_labelled("svdb", None)) == len(list(svdb.glob("*.hea")))


@pytest.fixture
def beginning(mitdb, tmp_path):
    """The first 90 s of record 200 as a record of its own: V, N and noise."""
    import wfdb

    record = open_record(str(mitdb / "200"))
    n = int(90 * record.fs)
    (chunk,) = record.chunks(0, n, n)
    signal = chunk.samples.T.astype(np.float64)
    wfdb.wrsamp(
        "cut",
        fs=record.fs,
        units=["mV"] * len(record.leads),
        sig_name=list(record.leads),
        p_signal=signal,
        fmt=["16"] * len(record.leads),
        write_dir=str(tmp_path),
    )
    marks = require_reference(record, n)
    kept = [k for k, symbol in enumerate(marks.symbols) if symbol != "+"]
    symbols = np.array(marks.symbols)[kept]
    wfdb.wrann("cut", "atr", marks.samples[kept], symbols, fs=record.fs, write_dir=str(tmp_path))
    return tmp_path


@pytest.mark.database
def test_figures_of_a_real_record_equal_those_of_annotate_and_score(beginning, capsys):
    found = measure_record(str(beginning / "cut"), ClassificationSettings())
    for which, revision in found.revisions.items():
        out = beginning / which
        words = ["annotate", str(beginning / "cut"), "--out", str(out), "--label", which]
        assert main(words) == 0
        words = ["score", "--reference", str(beginning), "--predicted", str(out)]
        assert main([*words, "--from", "0:00", "--json", str(out / "score.json")]) == 0
        theirs = json.loads((out / "score.json").read_text())["all"]["gross"]
        assert revision.score.matrix.tolist() == theirs["matrix"]
        assert revision.score.ratio("v_se").denominator > 10
        for name, (value, *counts) in theirs["statistics"].items():
            ratio = revision.score.ratio(name)
            assert [ratio.value, ratio.numerator, ratio.denominator] == [value, *counts], name
    capsys.readouterr()


@pytest.mark.database
def test_command_on_the_beginning_of_a_record(mitdb, tmp_path, capsys):
    words = ["bench", "classification", "--records", str(mitdb / "208"), "--stop", "0:30"]
    output = ["--json", str(tmp_path / "c.json"), "--html", str(tmp_path / "c.html")]
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in ("pt", "json"):
        name = f"{MODEL_NAME}.{suffix}"
        (copy / name).write_bytes((files("classifier") / "weights" / name).read_bytes())
    models = ["shipped", str(copy / f"{MODEL_NAME}.pt")]
    assert main([*words, "--model", *models, *output]) == 0
    printed = capsys.readouterr()
    assert "CAUTION: the model was trained on 1 of these 1 records (208)" in printed.out
    assert "Models side by side" in printed.out
    assert "bench classification, copy/beat_cnn: 1/1 208" in printed.err
    first, second = json.loads((tmp_path / "c.json").read_text())["models"]
    assert first["records"] == second["records"]
    assert (first["settings"]["model"], second["settings"]["model"]) == (None, models[1])
    assert first["groups"][0]["provisional"]["delay_ms"]["median"] < 400
    assert "Beat labels" in (tmp_path / "c.html").read_text()


@pytest.mark.database
def test_false_v_in_noise_from_the_command_line(mitdb, nstdb, capsys, monkeypatch):
    monkeypatch.setattr("streamer.bench.classification.noise.RECORDS", ("118e06",))
    words = ["bench", "classification", "--records", str(mitdb / "100"), "--stop", "5:20"]
    assert main([*words, "--noise"]) == 0
    printed = capsys.readouterr().out
    assert "118 without noise" in printed
    assert "118 at 6 dB" in printed
    assert (nstdb / "118e06.hea").is_file()


def test_a_model_that_is_not_there_is_one_line(capsys, tmp_path):
    words = ["bench", "classification", "--records", "demo", "--model", str(tmp_path / "no.pt")]
    assert main(words) == 1
    assert "no.json" in capsys.readouterr().err


def test_paced_records_alone_are_an_error():
    with pytest.raises(ScoringError, match="records with paced beats don't count"):
        measure_classification("none", [])
