"""What is kept of a patient between snapshots."""

import os
from pathlib import Path

import pytest

from streamer.core.errors import OutputError
from streamer.patient.journal import Journal


def kept(folder: Path, source: str = "bed", since: int = 0) -> tuple[list[bytes], list[bytes]]:
    recalled = Journal(folder).recall(source, since)
    return recalled.samples, recalled.said


def test_a_checkpoint_keeps_what_the_snapshot_lacks_and_what_is_not_delivered(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    for n in range(6):
        journal.keep_samples("bed", b"samples %d" % n, stop=10 * (n + 1))
        journal.keep_said("bed", b"said %d" % n, mark=n + 1)
    number = journal.checkpoint("bed", next_sample=45, delivered=4)
    journal.keep_samples("bed", b"samples 6", stop=70)
    journal.forget("bed", number)
    assert kept(tmp_path) == (
        [b"samples 4", b"samples 5", b"samples 6"],
        [b"said 4", b"said 5"],
    )
    number = journal.checkpoint("bed", next_sample=70, delivered=6)
    journal.forget("bed", number)
    # By its last message a patient is known who sends nothing more.
    assert kept(tmp_path) == ([b"samples 6"], [])
    assert journal.sources() == ["bed"]
    journal.remove("bed")
    assert journal.sources() == []


def test_before_a_snapshot_is_written_the_one_of_before_finds_all_of_its_records(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    journal.keep_samples("bed", b"old", stop=10)
    number = journal.checkpoint("bed", next_sample=10, delivered=0)
    journal.keep_samples("bed", b"new", stop=20)
    assert kept(tmp_path) == ([b"old", b"old", b"new"], [])
    assert kept(tmp_path, since=number) == ([b"old", b"new"], [])


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_a_record_that_was_cut_off_is_none(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    journal.keep_samples("bed", b"whole", stop=10)
    journal.keep_samples("bed", b"cut", stop=20)
    journal.close()
    (path,) = (tmp_path / "bed").iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    assert kept(tmp_path) == ([b"whole"], [])


def test_who_expects_a_patient_writes_behind_its_owner_of_before(tmp_path: Path) -> None:
    owner, heir = Journal(tmp_path), Journal(tmp_path)
    owner.keep_samples("bed", b"1", stop=10)
    heir.await_patient("bed")
    heir.keep_samples("bed", b"3", stop=30)
    number = owner.checkpoint("bed", next_sample=0, delivered=0)
    owner.keep_samples("bed", b"2", stop=20)
    owner.forget("bed", number)
    assert kept(tmp_path, since=number) == ([b"1", b"2", b"3"], [])


def test_storage_that_is_full_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"No space left on device; the storage of --snapshots"):
        Journal(tmp_path).keep_samples("bed", b"x", stop=1)
