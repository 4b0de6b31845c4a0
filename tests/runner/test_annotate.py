"""Bulk annotation: every beat once, one bad record spoils nothing, clear errors."""

import io
from pathlib import Path

import numpy as np
import pytest
import wfdb

from classifier.inputs.features import FloatArray
from classifier.labels import MODEL_LABELS, Label
from classifier.network.spec import ModelSpec, own_spec
from replay.simulate.record import simulate_beats
from streamer.commands.cli import main
from streamer.core.errors import OutputError, StreamerError
from streamer.core.events import Beat, LabeledBeat, RPeak
from streamer.runner.annotate import (
    AnnotateConfig,
    Annotated,
    Totals,
    annotate,
    expand,
    label_beats,
    labels_of,
)
from streamer.runner.annotate_progress import describe, reporting

FS = 250.0
TIMES = tuple(np.arange(1.0, 29.0, 0.8))


class AlwaysV:
    """A model that has made up its mind."""

    @property
    def spec(self) -> ModelSpec:
        return own_spec()

    def embed(self, signal: FloatArray) -> FloatArray:
        return signal[:, :, 0]

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        return np.tile(np.eye(len(MODEL_LABELS), dtype=np.float32)[2], (len(embedding), 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two WFDB records of half a minute at 250 Hz."""
    source = tmp_path / "records"
    source.mkdir()
    for name in ("one", "two"):
        write_record(source, name)
    return source


def write_record(folder: Path, name: str) -> None:
    record = simulate_beats(TIMES, fs=FS, duration_s=30.0)
    wfdb.wrsamp(
        name,
        fs=FS,
        units=["mV", "mV"],
        sig_name=list(record.leads),
        p_signal=record.signal.T.astype(np.float64),
        fmt=["16", "16"],
        adc_gain=[1000.0, 1000.0],
        baseline=[0, 0],
        write_dir=str(folder),
    )


def labeled(sample: int, revision: int) -> LabeledBeat:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample, search_back=False, quality=1.0
    )
    window = np.zeros((1, 256), np.float32)
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=window,
        rr_s=np.zeros(0, np.float32),
        decided_at=sample,
    )
    return LabeledBeat(
        beat=beat, label=Label.N, probabilities=(), revision=revision, decided_at=sample
    )


@pytest.mark.parametrize("which", ["confirmed", "provisional"])
def test_every_beat_of_a_record_is_labelled_once(which: str) -> None:
    record = simulate_beats(TIMES, fs=FS, duration_s=30.0)
    parts: list[float] = []
    beats = label_beats(record, AlwaysV(), which, lambda name, part: parts.append(part))
    samples = np.array([sample for sample, _ in beats])
    assert np.abs(samples - np.rint(np.array(TIMES) * FS)).max() <= 3
    assert parts[-1] == 1.0
    assert {label for _, label in beats} <= {Label.V, Label.Q}


def test_a_doubled_and_a_lost_label_are_refused() -> None:
    with pytest.raises(StreamerError, match="sample 100 came after the one at 100"):
        labels_of([labeled(100, 0), labeled(100, 0)], "confirmed")
    with pytest.raises(StreamerError, match="sample 100 has one label instead of two"):
        labels_of([labeled(100, 0)], "confirmed")
    assert labels_of([labeled(100, 0), labeled(100, 1)], "confirmed") == [(100, Label.N)]


def test_folder_is_annotated_at_its_own_frequency(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert main(["annotate", str(folder), "--out", str(out), "--annotator", "mine"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["one.mine", "two.mine"]
    read = wfdb.rdann(str(out / "one"), "mine")
    assert read.fs == FS
    assert len(read.sample) == len(TIMES)
    captured = capsys.readouterr()
    assert captured.out.startswith(f"2 of 2 records, {2 * len(TIMES)} beats\n")
    assert "times real time" in captured.out
    assert captured.err.count("\n") == 2


def test_bad_record_does_not_stop_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one.dat").write_bytes(b"short")
    out = tmp_path / "out"
    assert main(["annotate", str(folder), "--out", str(out)]) == 1
    assert [path.name for path in out.iterdir()] == ["two.pred"]
    captured = capsys.readouterr()
    bad = [line for line in captured.err.splitlines() if line.startswith("ecg-stream annotate:")]
    assert len(bad) == 1
    assert "one" in bad[0]
    assert captured.out.startswith("1 of 2 records")


def test_a_record_without_beats_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = np.zeros((5000, 1))
    wfdb.wrsamp(
        "flat", fs=FS, units=["mV"], sig_name=["I"], p_signal=flat, fmt=["16"], adc_gain=[200.0],
        baseline=[0], write_dir=str(tmp_path),
    )  # fmt: skip
    assert main(["annotate", str(tmp_path / "flat"), "--out", str(tmp_path / "out")]) == 0
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("flat")]
    assert line.startswith("flat: no beats: of 20.0 s the signal was of no use, flat for ")


def test_lead_that_no_record_has_is_said_for_each(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(folder), "--out", str(tmp_path / "out"), "--lead", "aVL"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("no lead 'aVL'") == 2
    assert captured.out == "0 of 2 records, 0 beats\n"


def test_processes_write_what_one_process_writes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert main(["annotate", str(folder), "--out", str(here)]) == 0
    assert main(["annotate", str(folder), "--out", str(there), "--jobs", "2"]) == 0
    for name in ("one.pred", "two.pred"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_processes_stop_in_mid_record_when_nobody_waits(tmp_path: Path) -> None:
    names = [f"demo:{seed}" for seed in range(1, 9)]
    results = annotate(names, AnnotateConfig(out=tmp_path), jobs=2)
    assert next(results).error is None
    results.close()  # type: ignore[attr-defined]
    assert len(list(tmp_path.iterdir())) <= 3


def test_folder_that_cannot_be_written_stops_at_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["annotate", str(folder), "--out", str(tmp_path / "file" / "x")]) == 1
    error = capsys.readouterr().err
    assert "can't write into" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"jobs": 0}, "must be 1 or more"), ({"annotator": "a.b"}, "letters and digits")],
)
def test_senseless_options_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    jobs = options.pop("jobs", 1)
    with pytest.raises(ValueError, match=message):
        annotate([], AnnotateConfig(out=tmp_path, **options), jobs=jobs)


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another --out folder"):
        annotate([], AnnotateConfig(out=tmp_path / "file"))


def test_record_named_twice_is_annotated_once(folder: Path) -> None:
    names = expand([str(folder / "one"), str(folder), str(folder / "one.hea")])
    assert [Path(name).name for name in names] == ["one", "two"]


def test_two_records_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_record(other, "one")
    with pytest.raises(ValueError, match="would be written to the same file"):
        expand([str(folder), str(other)])


def test_terminal_sees_a_bar_and_the_errors(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with reporting(2, stream) as reporter:
        reporter.moved("208", 0.5)
        reporter.finished(Annotated(record="208", n_beats=5, signal_s=10, wall_s=1))
        reporter.finished(Annotated(record="x", error="no record 'x'"))
    assert "ecg-stream annotate: x: no record 'x'" in stream.getvalue()


def test_lines_and_sums() -> None:
    done = Annotated(record="a/208", n_beats=2956, signal_s=1805.6, wall_s=2.0)
    assert describe(done) == "208: 2,956 beats, 903 times real time"
    totals = Totals()
    totals.add(done)
    totals.add(Annotated(record="x", error="bad"))
    assert totals.lines()[0] == "1 of 2 records, 2,956 beats"
    assert totals.lines()[1].startswith("0.50 h of signal in ")


@pytest.mark.database
def test_record_100_scores_as_it_should(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(mitdb / "100"), "--out", str(tmp_path)]) == 0
    options = ["--records", "100", "--from", "0:00"]
    assert main(["score", "--reference", str(mitdb), "--predicted", str(tmp_path), *options]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("gross"))
    beats, found, missed, extra = map(int, row.split()[1:5])
    assert (beats, found + missed) == (2273, 2273)
    assert missed <= 5
    assert extra <= 5
