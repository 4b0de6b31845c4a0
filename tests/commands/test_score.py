"""`ecg-stream score`: folders in, tables and JSON out, clear errors."""

import json
from pathlib import Path

import pytest

from classifier.labels import Label
from streamer.commands.cli import main
from streamer.scoring.annotation_file import write_annotations

BEATS = [(sample, Label.N) for sample in range(300, 200_000, 300)]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two records, one of them of DS2, predicted perfectly but for one V beat of 232."""
    reference, predicted = tmp_path / "reference", tmp_path / "predicted"
    for record in ("201", "232"):
        write_annotations(reference / f"{record}.atr", BEATS, fs=360)
        write_annotations(predicted / f"{record}.pred", BEATS, fs=360)
    changed = [*BEATS[:-1], (BEATS[-1][0] + 18, Label.V)]
    write_annotations(predicted / "232.pred", changed, fs=360)
    return reference, predicted


def score(folders: tuple[Path, Path], *options: str) -> int:
    reference, predicted = map(str, folders)
    return main(["score", "--reference", reference, "--predicted", predicted, *options])


def test_tables_and_json(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "scores.json"
    assert score(folders, "--from", "0:00", "--json", str(target)) == 0
    output = capsys.readouterr().out
    assert "gross 1332 1332 0 0 100.00 100.00 100.00" in " ".join(output.split())
    assert "DS2, 1 of 22 records: beat labels" in output
    found = json.loads(target.read_text())
    assert found["schema"] == 1
    assert found["settings"]["start"] == "0:00"
    gross = found["all"]["gross"]
    assert (gross["tp"], gross["fn"], gross["fp"]) == (1332, 0, 0)
    assert gross["statistics"]["v_ppv"] == [0.0, 0, 1]
    assert gross["statistics"]["s_se"] == [None, 0, 0]
    assert gross["matrix"][0] == [1331, 0, 1, 0, 0, 0, 0]
    assert found["ds2"]["records"][0]["name"] == "232"
    assert found["ds2"]["gross"]["error_ms"]["median"] == 0
    assert found["ds2_without_232"] is None


def test_default_period_starts_at_five_minutes(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "scores.json"
    assert score(folders, "--json", str(target)) == 0
    # Beats at 108,000 (5:00 sharp) to 199,800.
    assert json.loads(target.read_text())["all"]["records"][0]["tp"] == 307


def test_end_and_tolerance(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "scores.json"
    assert score(folders, "--to", "5:05", "--json", str(target), "--records", "201") == 0
    assert json.loads(target.read_text())["all"]["gross"]["tp"] == 7
    assert score(folders, "--tolerance-ms", "40", "--json", str(target), "--records", "232") == 0
    assert json.loads(target.read_text())["all"]["gross"]["fn"] == 1


def test_terminal_gets_drawn_tables(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    assert score(folders) == 0
    assert "│" in capsys.readouterr().out


def test_partial_prediction_is_scored_and_said(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[1] / "201.pred").unlink()
    assert score(folders) == 1
    captured = capsys.readouterr()
    assert "no prediction in" in captured.err
    assert "for 201: scored the other 1 only" in captured.err
    assert "232" in captured.out
    assert score(folders, "--records", "232") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--records", "201", "999"], "999.atr"),
        (["--records", "DS2"], "100.atr, 103.atr"),
        (["--predicted-annotator", "other"], "--predicted-annotator"),
        (["--reference-annotator", "other"], "201.other, 232.other"),
        (["--from", "soon"], "'soon' is no time"),
        (["--from", "5:00", "--to", "4:00"], "--to 4:00 is before --from 5:00"),
        (["--tolerance-ms", "-1"], "must be 0 ms or more"),
        (["--json", "/nowhere/scores.json"], "can't write scores to /nowhere/scores.json"),
    ],
)
def test_mistakes_give_one_line(
    folders: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert score(folders, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score((tmp_path / "a", tmp_path / "b")) == 1
    assert f"no folder {tmp_path / 'a'}" in capsys.readouterr().err


def test_other_sampling_frequency_is_refused(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_annotations(folders[1] / "201.pred", BEATS, fs=250)
    assert score(folders) == 1
    assert "record 201: pred counts at 250 Hz and atr at 360 Hz" in capsys.readouterr().err


@pytest.mark.database
def test_reference_of_record_100_against_itself(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--predicted-annotator", "atr", "--records", "100"]
    assert score((mitdb, mitdb), *options) == 0
    assert "100 1902 1902 0 0 100.00" in " ".join(capsys.readouterr().out.split())
