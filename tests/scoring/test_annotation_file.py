"""WFDB annotation files: byte for byte what wfdb writes, and readable by it."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.labels import Label
from streamer.core.errors import OutputError, ScoringError
from streamer.scoring.annotation_file import (
    AnnotationWriter,
    check_annotator,
    read_annotations,
    write_annotations,
)
from streamer.scoring.ec57 import LABELS

LABEL = st.sampled_from(LABELS)


@given(
    steps=st.lists(
        st.tuples(st.one_of(st.integers(1, 2000), st.integers(1020, 100_000)), LABEL), min_size=1
    ),
    fs=st.sampled_from([360.0, 128.0, 250.5, 1000.0]),
)
@settings(max_examples=50, deadline=None)
def test_file_is_what_wfdb_writes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, Label]], fs: float
) -> None:
    folder = tmp_path_factory.mktemp("annotations")
    samples = np.cumsum([step for step, _ in steps])
    labels = [label for _, label in steps]
    count = write_annotations(folder / "r.ours", zip(samples.tolist(), labels, strict=True), fs=fs)
    wfdb.wrann("r", "theirs", samples, [str(label) for label in labels], fs=fs, write_dir=folder)
    assert count == len(steps)
    assert (folder / "r.ours").read_bytes() == (folder / "r.theirs").read_bytes()


def test_wfdb_reads_back_samples_symbols_and_fs(tmp_path: Path) -> None:
    beats = [(0, Label.N), (300, Label.S), (1324, Label.V), (70_000, Label.F), (70_200, Label.Q)]
    write_annotations(tmp_path / "sub" / "208.pred", beats, fs=360)
    read = wfdb.rdann(str(tmp_path / "sub" / "208"), "pred")
    assert read.sample.tolist() == [0, 300, 1324, 70_000, 70_200]
    assert read.symbol == ["N", "S", "V", "F", "Q"]
    assert read.fs == 360


def test_gap_longer_than_a_skip_word_holds(tmp_path: Path) -> None:
    far = 3 * 2**31 + 17
    write_annotations(tmp_path / "long.pred", [(5, Label.N), (far, Label.V)], fs=360)
    assert wfdb.rdann(str(tmp_path / "long"), "pred").sample.tolist() == [5, far]


def test_file_without_beats_is_legal(tmp_path: Path) -> None:
    assert write_annotations(tmp_path / "none.pred", [], fs=250.5) == 0
    read = read_annotations(tmp_path, "none", "pred")
    assert (read.beats.samples.size, read.fs) == (0, 250.5)
    assert wfdb.rdann(str(tmp_path / "none"), "pred").sample.size == 0


def test_what_wfdb_itself_can_not_write(tmp_path: Path) -> None:
    """Why the files are written here: both must work."""
    with pytest.raises(ValueError, match="length greater than 0"):
        wfdb.wrann("none", "pred", np.array([], np.int64), [], fs=360, write_dir=tmp_path)
    with pytest.raises(ValueError, match="record_name"):
        wfdb.wrann("208.live", "pred", np.array([5]), ["N"], fs=360, write_dir=tmp_path)


def test_unfinished_file_is_readable(tmp_path: Path) -> None:
    writer = AnnotationWriter(tmp_path / "live.pred", fs=360)
    writer.write(100, Label.N)
    writer.write(400, Label.V)
    assert wfdb.rdann(str(tmp_path / "live"), "pred").sample.tolist() == [100, 400]
    writer.close()
    writer.close()


def test_descending_beat_is_refused(tmp_path: Path) -> None:
    with closing(AnnotationWriter(tmp_path / "r.pred", fs=360)) as writer:
        writer.write(100, Label.N)
        with pytest.raises(ValueError, match="sample 99, expected 100 or later"):
            writer.write(99, Label.N)


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.pred"
    write_annotations(path, [(100, Label.N)], fs=360)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="expected 5 or later"):
        write_annotations(path, [(5, Label.N), (4, Label.N)], fs=360)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.pred"]


def test_folder_that_is_a_file_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        OutputError, match=r"can't write annotations to .*choose a folder"
    ) as caught:
        write_annotations(tmp_path / "file" / "r.pred", [(1, Label.N)], fs=360)
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"no annotation file .*100\.pred"):
        read_annotations(tmp_path, "100", "pred")
    (tmp_path / "100.pred").write_bytes(b"\x01")
    with pytest.raises(ScoringError, match=r"100\.pred is no WFDB annotation file"):
        read_annotations(tmp_path, "100", "pred")


@pytest.mark.parametrize("annotator", ["", "a.b", "a/b", "é"])
def test_annotator_must_be_an_extension(annotator: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        check_annotator(annotator)
