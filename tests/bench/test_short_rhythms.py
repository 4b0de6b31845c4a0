import pytest

from streamer.bench.rhythm.short import (
    ShortRecord,
    measure_short,
    read_kinds,
    short_records,
    short_report,
)


def test_shares_and_f1_are_those_of_the_records():
    kinds = ("A", "A", "A", "N", "O", "~")
    named = (12.0, 20.0, None, None, 8.0, None)
    results = [
        ShortRecord(name=str(n), kind=kind, named_s=at)
        for n, (kind, at) in enumerate(zip(kinds, named, strict=True))
    ]
    report = short_report(results)
    assert report.figures["f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert "Se 66.7%, +P 66.7%, F1 0.667" in report.introduction[1]


def test_kinds_are_read_and_nonsense_is_said(tmp_path):
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\nA00002,A\n")
    assert read_kinds(tmp_path) == {"A00001": "N", "A00002": "A"}
    (tmp_path / "REFERENCE.csv").write_text("A00001,X\n")
    with pytest.raises(ValueError, match=r"A00001,X.*expected a record and one of A N O ~"):
        read_kinds(tmp_path)


def test_a_database_that_is_not_at_hand_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="cinc2017 is not at hand"):
        short_records()


def test_a_regular_rhythm_is_not_named():
    (found,) = measure_short([("demo:3", "N")])
    assert found.kind == "N"
    assert found.name == "demo-3"
