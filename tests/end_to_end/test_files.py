"""The same record through WFDB, EDF, CSV and NumPy, from the command line to the labels."""

import numpy as np
import pytest
from record_files import GAIN, write_all

from replay.simulate.demo import simulate_demo
from streamer.commands.cli import main

FS = 360
SECONDS = 40


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
