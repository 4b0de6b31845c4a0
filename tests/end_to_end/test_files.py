"""The same record through WFDB, EDF, CSV and NumPy, from the command line to the labels."""

import json

import edfio
import numpy as np
import pytest
from record_files import GAIN, write_all

from replay.simulate.demo import simulate_demo
from streamer.commands.cli import main

FS = 360
SECONDS = 30


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The demo's first seconds in every format, rounded to a converter's steps."""
    signal = simulate_demo().signal[:, : SECONDS * FS]
    digital = np.rint(signal.T.astype(float) * GAIN).astype(int)
    return write_all(tmp_path_factory.mktemp("files"), digital, FS)


def test_every_format_gives_the_same_beats_and_labels(files, tmp_path):
    for path, options in files.items():
        assert main(["annotate", path, *options, "--out", str(tmp_path)]) == 0
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(written) == ["csv.pred", "edf.pred", "npy.pred", "npz.pred", "wfdb.pred"]
    assert len(written["wfdb.pred"]) > SECONDS
    assert set(written.values()) == {written["wfdb.pred"]}


def test_a_file_that_can_not_be_read_is_said_to_be_there(tmp_path, capsys):
    (tmp_path / "ecg.mat").write_bytes(b"MATLAB 5.0")
    assert main(["explain", str(tmp_path / "ecg.mat"), "--beat", "1"]) == 1
    said = capsys.readouterr().err
    assert "is there, but not in a format that is read: WFDB (.hea), EDF" in said
    assert main(["explain", str(tmp_path / "no.csv"), "--beat", "1"]) == 1
    assert "no file" in capsys.readouterr().err


def test_edf_plus_annotations_are_written_and_scored(files, tmp_path):
    """As a reference too: the labels of the same record in WFDB agree with them beat by beat."""
    record = next(path for path in files if path.endswith("edf.edf"))
    for form in ("edf", "wfdb"):
        assert main(["annotate", record, "--out", str(tmp_path), "--format", form]) == 0
    written = tmp_path / "edf.pred.edf"
    texts = [annotation.text for annotation in edfio.read_edf(written).annotations]
    assert texts[0] == "## time resolution: 360"
    assert set(texts[1:]) <= set("NSVFQ")
    scores, folder = tmp_path / "scores.json", str(tmp_path)
    options = ["--reference-annotator", "pred.edf", "--from", "0:00", "--json", str(scores)]
    assert main(["score", "--reference", folder, "--predicted", folder, *options]) == 0
    gross = json.loads(scores.read_text())["all"]["gross"]
    assert (gross["tp"], gross["fn"], gross["fp"]) == (len(texts) - 1, 0, 0)
    off_diagonal = [n for k, row in enumerate(gross["matrix"]) for m, n in enumerate(row) if k != m]
    assert sum(off_diagonal) == 0
