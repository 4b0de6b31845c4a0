import numpy as np
import pytest
import wfdb

from classifier.training.dataset import UNKNOWN
from replay.record import Reference
from streamer.training.intervals import ANNOTATORS, fibrillation_at, read_intervals

FS = 250


@pytest.fixture
def database(tmp_path, monkeypatch):
    """One record of annotations without a signal, one whose annotations are missing."""
    folder = tmp_path / "data" / "ltafdb"
    folder.mkdir(parents=True)
    for name in ("00", "03"):
        (folder / f"{name}.hea").write_text(f"{name} 2 {FS} 100000\n")
    wfdb.wrann(
        "00",
        "atr",
        np.array([10, 200, 400, 500, 800, 1000]),
        symbol=["+", "N", "A", "+", "V", "Q"],
        aux_note=["(N", "", "", "(AFIB", "", ""],
        fs=FS,
        write_dir=str(folder),
    )
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path / "data"))
    return folder


def test_beats_are_read_with_what_is_known_of_them(database, tmp_path):
    (found,) = read_intervals(["ltafdb"], tmp_path / "cache")
    assert found.name == "00"
    assert found.time_s.tolist() == [0.8, 1.6, 3.2, 4.0]
    assert found.target.tolist() == [0, 1, 2, UNKNOWN]
    assert found.fibrillates.tolist() == [0, 0, 1, 1]


def test_they_are_read_once(database, tmp_path):
    first = read_intervals(["ltafdb"], tmp_path / "cache")[0]
    (database / "00.atr").write_bytes(b"")
    second = read_intervals(["ltafdb"], tmp_path / "cache")[0]
    assert np.array_equal(first.time_s, second.time_s)
    assert np.array_equal(first.target, second.target)


def test_a_database_that_is_not_at_hand_is_left_out(database, tmp_path):
    assert len(read_intervals(list(ANNOTATORS), tmp_path / "cache")) == 1


def test_fibrillation_is_known_where_rhythms_are_marked():
    samples = np.array([5, 20, 40, 60, 80])
    marks = Reference(
        samples=np.array([10, 30, 50, 70]),
        symbols=("+",) * 4,
        aux=("(N", "(AFIB", "(AFL", "(N"),
    )
    assert fibrillation_at(samples, marks).tolist() == [UNKNOWN, 0, 1, UNKNOWN, 0]
    unmarked = Reference(samples=samples, symbols=("N",) * 5, aux=("",) * 5)
    assert (fibrillation_at(samples, unmarked) == UNKNOWN).all()
