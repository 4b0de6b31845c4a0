import json

import numpy as np
import pytest
import wfdb

from replay import download
from replay.errors import DownloadError, LeadNotFoundError, RecordNotFoundError
from replay.places import cache_folder
from replay.records import list_records, open_record, records_of
from streamer.commands.cli import main


def make_record(folder, name, value=0, leads=("MLII", "V1")):
    folder.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        name,
        fs=100,
        units=["mV"] * len(leads),
        sig_name=list(leads),
        d_signal=np.full((200, len(leads)), value),
        fmt=["16"] * len(leads),
        adc_gain=[100.0] * len(leads),
        baseline=[0] * len(leads),
        write_dir=str(folder),
    )


def value_of(record):
    """The constant that make_record wrote, in ADC units."""
    return round(100 * float(next(record.chunks()).samples[0, 0]))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two data folders, a cache and an empty current folder; no network."""
    for name in ("one", "two", "cache", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ECG_STREAM_DATA", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    monkeypatch.setenv("ECG_STREAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ECG_STREAM_PHYSIONET", "http://127.0.0.1:9")  # discard: nobody listens
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ECG_STREAM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ECG_STREAM_CACHE")
    assert cache_folder().name == "ecg-stream"


def test_by_path_with_or_without_extension(data):
    make_record(data / "here" / "own", "x1", 7)
    for name in ("own/x1", "own/x1.hea", "./own/x1.dat", str(data / "here/own/x1")):
        record = open_record(name)
        assert (record.name, record.database, value_of(record)) == ("x1", "own", 7)


def test_order_of_places(data):
    make_record(data / "cache/db", "r", 1)
    assert value_of(open_record("r")) == 1
    make_record(data / "two/db", "r", 2)
    assert value_of(open_record("r")) == 2
    make_record(data / "one/db", "r", 3)
    assert value_of(open_record("db/r")) == 3
    make_record(data / "one", "r", 4)
    assert value_of(open_record("r")) == 4
    make_record(data / "here", "r", 5)
    assert value_of(open_record("r")) == 5


def test_plain_name_prefers_mitdb(data):
    make_record(data / "one/aadb", "100", 1)
    make_record(data / "two/mitdb", "100", 2)
    assert value_of(open_record("100")) == 2
    assert value_of(open_record("aadb/100")) == 1


def test_data_folder_that_is_itself_a_database(data, monkeypatch):
    make_record(data / "two/mitdb", "100", 2)
    monkeypatch.setenv("ECG_STREAM_DATA", str(data / "two/mitdb"))
    assert open_record("mitdb/100").database == "mitdb"
    assert open_record("100").name == "100"


def test_lead(data):
    make_record(data / "one/db", "r")
    assert open_record("r", lead="v1").leads == ("V1", "MLII")
    assert open_record("demo", lead="V1").leads == ("V1", "MLII")
    with pytest.raises(LeadNotFoundError, match="choose one of MLII, V1"):
        open_record("demo:3", lead="II")


def test_demo_needs_nothing(data):
    assert open_record("demo:4").name == "demo-4"


def test_not_found_says_where_and_what_to_do_in_one_line(data):
    make_record(data / "one/mitdb", "200")
    with pytest.raises(RecordNotFoundError) as caught:
        open_record("2000")
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "no record '2000'",
        f"{data / 'one'} (ECG_STREAM_DATA)",
        f"{data / 'two'} (ECG_STREAM_DATA)",
        f"{data / 'cache'} (cache)",
        "did you mean 200?",
        "`ecg-stream records`",
    ):
        assert part in message
    assert "PhysioNet" not in message


def test_offline_says_that_physionet_was_tried(data):
    make_record(data / "one/mitdb", "208")
    with pytest.raises(RecordNotFoundError, match=r"127.0.0.1:9 can't be reached.*mitdb/208"):
        open_record("mitdb/209")
    with pytest.raises(RecordNotFoundError, match="PhysioNet"):
        open_record("209")


@pytest.mark.parametrize("name", ["209", "./209", "/nowhere/209", "x.hea", "a/b/209", "nonsense"])
def test_network_is_left_alone_where_it_cannot_help(data, monkeypatch, name):
    monkeypatch.setattr(download, "fetch_record", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(RecordNotFoundError):
        open_record(name, download=False)
    if name != "209":
        with pytest.raises(RecordNotFoundError):
            open_record(name)


def test_fetched_record_is_opened(data, monkeypatch):
    def fetch(database, record, *, progress):
        make_record(cache_folder() / database, record, 9)
        return cache_folder() / database / record

    monkeypatch.setattr(download, "fetch_record", fetch)
    record = open_record("208")
    assert (record.database, value_of(record)) == ("mitdb", 9)
    monkeypatch.setattr(download, "fetch_record", lambda *_, **__: pytest.fail("fetched twice"))
    assert value_of(open_record("208")) == 9


def test_failed_fetch_is_a_record_not_found(data, monkeypatch):
    def fetch(database, record, *, progress):
        raise DownloadError("checksum wrong")

    monkeypatch.setattr(download, "fetch_record", fetch)
    with pytest.raises(RecordNotFoundError, match="and PhysioNet: checksum wrong; "):
        open_record("208")


def test_list_follows_the_order_of_the_database_and_shows_nothing_twice(data):
    for name in ("b", "a", "c"):
        make_record(data / "one/db", name)
    make_record(data / "cache/db", "a")
    (data / "one/db/RECORDS").write_text("c\nmissing\nb\n")
    found = [(location.database, location.name, location.origin) for location in list_records()]
    assert found == [("db", name, "ECG_STREAM_DATA") for name in ("c", "b", "a")]


def test_records_of(data):
    for name in ("1", "2"):
        make_record(data / "one/db", name)
    assert records_of("db") == [str(data / "one/db/1"), str(data / "one/db/2")]
    assert records_of(str(data / "one/db")) == records_of("db")
    assert [open_record(name).name for name in records_of("db")] == ["1", "2"]
    assert records_of("db/1") == ["db/1"]
    assert records_of("demo") == ["demo"]


def test_records_of_a_database_that_is_not_at_hand(data):
    with pytest.raises(RecordNotFoundError, match="run `ecg-stream download mitdb`"):
        records_of("mitdb")
    with pytest.raises(RecordNotFoundError, match="no records in"):
        records_of(str(data / "here"))


def test_command_prints_a_table(data, capsys):
    make_record(data / "one/db", "good")
    make_record(data / "one/db", "bad")
    (data / "one/db/bad.dat").write_bytes(b"")
    assert main(["records"]) == 0
    output = capsys.readouterr().out
    assert f"db: {data / 'one/db'} (ECG_STREAM_DATA)" in output
    for part in ("demo", "MLII V1", "good", "0:02", "truncated"):
        assert part in output


def test_command_prints_json_of_one_database(data, capsys):
    make_record(data / "one/db", "r")
    make_record(data / "two/other", "s")
    assert main(["records", "db", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry == {
        "database": "db",
        "record": "r",
        "leads": ["MLII", "V1"],
        "fs": 100.0,
        "duration_s": 2.0,
        "annotated": False,
        "folder": str(data / "one/db"),
        "origin": "ECG_STREAM_DATA",
        "problem": None,
    }


def test_command_without_records_says_what_to_do(data, capsys):
    assert main(["records"]) == 0
    assert "ecg-stream download mitdb" in capsys.readouterr().out
    assert main(["records", "mitdb"]) == 1
    assert "no records of 'mitdb' at hand" in capsys.readouterr().err


@pytest.mark.database
def test_real_database(mitdb):
    names = records_of("mitdb")
    assert len(names) == 48
    assert open_record("mitdb/208").database == "mitdb"
