import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import wfdb

from replay import download
from replay.download import RETRY_DELAYS_S, fetch_database, fetch_record
from replay.errors import DownloadError, RecordNotFoundError
from replay.records import open_record
from streamer.commands.cli import main

ROOT = "/mitdb/1.0.0/"


class Mirror(ThreadingHTTPServer):
    """A loopback copy of PhysioNet that can break off and count."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.files = {}
        self.cut_after = {}  # name -> list of byte counts after which connections break off
        self.ranges = True
        self.status = {}
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def checksum(self):
        lines = [f"{hashlib.sha256(data).hexdigest()} {name}" for name, data in self.files.items()]
        self.files["SHA256SUMS.txt"] = "\n".join(lines).encode()


class MirrorHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix(ROOT)
        offset = int(self.headers.get("Range", "bytes=0-")[6:-1]) if self.server.ranges else 0
        self.server.asked.append((name, offset))
        data = self.server.files.get(name)
        if not self.path.startswith(ROOT) or data is None:
            return self.refuse(404)
        if name in self.server.status:
            return self.refuse(self.server.status[name])
        if offset and offset >= len(data):
            return self.refuse(416)
        return self.deliver(name, data, offset)

    def refuse(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def deliver(self, name, data, offset):
        self.send_response(206 if offset else 200)
        self.send_header("Content-Length", str(len(data) - offset))
        self.end_headers()
        cuts = self.server.cut_after.get(name)
        body = data[offset : offset + cuts.pop(0)] if cuts else data[offset:]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror with two small records, and the cache and PhysioNet's address set up."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("100", "208"):
        signal = np.random.default_rng(int(name)).integers(-900, 900, size=(20_000, 1))
        wfdb.wrsamp(
            name,
            fs=360,
            units=["mV"],
            sig_name=["MLII"],
            d_signal=signal,
            fmt=["16"],
            adc_gain=[200.0],
            baseline=[0],
            write_dir=str(source),
        )
        wfdb.wrann(name, "atr", np.array([50, 400]), symbol=["N", "V"], write_dir=str(source))
    server = Mirror()
    server.files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    server.files |= {"RECORDS": b"100\n208\n", "doc/intro.htm": b"<html>", "ANNOTATORS": b"atr\n"}
    server.checksum()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ECG_STREAM_PHYSIONET", server.url)
    monkeypatch.setenv("ECG_STREAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ECG_STREAM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mitdb"


class Naps:
    """Stands in for time.sleep."""

    def __init__(self):
        self.taken = []

    def __call__(self, seconds):
        self.taken.append(seconds)


RECORD_FILES = [f"{name}.{suffix}" for name in ("100", "208") for suffix in ("atr", "dat", "hea")]


def test_whole_database_without_its_documents(mirror, folder):
    done = fetch_database("mitdb")
    assert done.folder == folder
    assert sorted(done.fetched + done.kept) == sorted([*RECORD_FILES, "RECORDS", "ANNOTATORS"])
    for name in RECORD_FILES:
        assert (folder / name).read_bytes() == mirror.files[name]
    assert not list(folder.rglob("*.part"))
    assert not (folder / "doc").exists()


def test_complete_files_are_kept(mirror, folder):
    fetch_database("mitdb")
    mirror.asked.clear()
    done = fetch_database("mitdb")
    assert done.fetched == []
    assert [name for name, _ in mirror.asked] == ["SHA256SUMS.txt"]


def test_damaged_file_is_fetched_again(mirror, folder):
    fetch_database("mitdb")
    (folder / "208.dat").write_bytes(b"damaged")
    assert fetch_database("mitdb").fetched == ["208.dat"]
    assert (folder / "208.dat").read_bytes() == mirror.files["208.dat"]


def test_cut_off_in_the_middle_continues_where_it_was(mirror, folder):
    mirror.cut_after["208.dat"] = [15_000, 9_000]
    naps = Naps()
    fetch_database("mitdb", sleep=naps)
    assert (folder / "208.dat").read_bytes() == mirror.files["208.dat"]
    assert [offset for name, offset in mirror.asked if name == "208.dat"] == [0, 15_000, 24_000]
    assert naps.taken == list(RETRY_DELAYS_S[:2])


def test_next_command_continues_where_the_last_one_gave_up(mirror, folder):
    attempts = len(RETRY_DELAYS_S) + 1
    mirror.cut_after["208.dat"] = [1000] * attempts
    with pytest.raises(DownloadError, match=r"broke off 4 times.*run the same command again"):
        fetch_database("mitdb", sleep=Naps())
    assert (folder / "208.dat.part").stat().st_size == 1000 * attempts
    assert not (folder / "208.dat").exists()
    mirror.asked.clear()
    done = fetch_database("mitdb")
    assert done.fetched == ["208.dat", "208.hea", "ANNOTATORS"]
    assert ("208.dat", 1000 * attempts) in mirror.asked


def test_server_without_ranges_sends_all_of_it_again(mirror, folder):
    mirror.ranges = False
    mirror.cut_after["208.dat"] = [15_000]
    fetch_database("mitdb", sleep=Naps())
    assert (folder / "208.dat").read_bytes() == mirror.files["208.dat"]


def test_part_that_is_already_complete(mirror, folder):
    folder.mkdir(parents=True)
    (folder / "208.dat.part").write_bytes(mirror.files["208.dat"])
    fetch_database("mitdb")
    assert (folder / "208.dat").read_bytes() == mirror.files["208.dat"]


@pytest.mark.parametrize("size", [100, 50_000])
def test_part_of_another_file_is_given_up(mirror, folder, size):
    folder.mkdir(parents=True)
    (folder / "208.dat.part").write_bytes(bytes(size))
    fetch_database("mitdb")
    assert (folder / "208.dat").read_bytes() == mirror.files["208.dat"]


def test_wrong_checksum_leaves_nothing_behind(mirror, folder):
    mirror.files["208.dat"] = mirror.files["208.dat"][:-1] + b"\xff"
    with pytest.raises(DownloadError, match=r"208\.dat came with SHA-256 .* but SHA256SUMS"):
        fetch_database("mitdb")
    assert not list(folder.glob("208.dat*"))


def test_server_in_trouble_is_asked_again(mirror):
    mirror.status["208.dat"] = 503
    naps = Naps()
    with pytest.raises(DownloadError, match=r"broke off 4 times.*503"):
        fetch_database("mitdb", sleep=naps)
    assert naps.taken == list(RETRY_DELAYS_S)


def test_refusal_is_final(mirror):
    mirror.status["208.dat"] = 403
    naps = Naps()
    with pytest.raises(DownloadError, match=r"208\.dat: 403 Forbidden"):
        fetch_database("mitdb", sleep=naps)
    assert naps.taken == []


def test_login_page_instead_of_checksums(mirror):
    mirror.files["SHA256SUMS.txt"] = b"<html>Please log in</html>"
    with pytest.raises(DownloadError, match="login page or proxy"):
        fetch_database("mitdb")


@pytest.mark.parametrize("name", ["../../evil.dat", "/etc/evil.dat", "x/../../evil.dat"])
def test_names_outside_of_the_folder_are_refused(mirror, name):
    mirror.files["SHA256SUMS.txt"] += f"\n{'0' * 64} {name}".encode()
    with pytest.raises(DownloadError, match="outside of the database; refused"):
        fetch_database("mitdb")


@pytest.mark.parametrize("database", ["../mitdb", "MITDB", "", "a/b", "mit db"])
def test_names_that_no_database_has(mirror, database):
    with pytest.raises(DownloadError, match="is no name of a PhysioNet database"):
        fetch_database(database)
    assert mirror.asked == []


def test_database_that_the_server_has_not(mirror):
    with pytest.raises(DownloadError, match=r"svdb/1.0.0/SHA256SUMS.txt: 404 .*check the name"):
        fetch_database("svdb")


def test_unreachable_server(mirror, monkeypatch):
    monkeypatch.setenv("ECG_STREAM_PHYSIONET", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"127.0.0.1:9 can't be reached .*set ECG_STREAM_PHYS"):
        fetch_database("mitdb", sleep=Naps())


def test_unwritable_cache(mirror, tmp_path):
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(OSError, match="cache"):
        fetch_database("mitdb", sleep=Naps())


def test_progress_adds_up(mirror):
    seen = []

    def see(so_far):
        done = len(so_far.fetched) + len(so_far.kept)
        seen.append((so_far.current, done, so_far.files, so_far.received_bytes))

    fetch_database("mitdb", progress=see)
    names = [*RECORD_FILES, "ANNOTATORS"]
    assert {name for name, *_ in seen} == {*names, "RECORDS"}
    assert [done for _, done, *_ in seen] == sorted(done for _, done, *_ in seen)
    assert seen[-1][1:] == (8, 8, sum(len(mirror.files[name]) for name in names))


def test_one_record(mirror, folder):
    assert fetch_record("mitdb", "208") == folder / "208"
    assert {path.name for path in folder.iterdir()} == {
        "208.atr",
        "208.dat",
        "208.hea",
        "RECORDS",
        "ANNOTATORS",
    }
    with pytest.raises(DownloadError, match="no record '999'"):
        fetch_record("mitdb", "999")


def test_open_record_fetches_what_is_not_at_hand(mirror, monkeypatch):
    record = open_record("208")
    assert (record.database, record.n_samples) == ("mitdb", 20_000)
    assert record.reference().symbols == ("N", "V")
    monkeypatch.setattr(download, "fetch_record", lambda *_, **__: pytest.fail("fetched twice"))
    assert open_record("mitdb/208").n_samples == 20_000
    with pytest.raises(RecordNotFoundError, match="no record '209'"):
        open_record("209", download=False)


def test_command(mirror, folder, capsys):
    assert main(["download", "mitdb"]) == 0
    assert "mitdb: 7 files fetched" in (output := capsys.readouterr().out)
    assert str(folder) in output
    assert main(["download", "nosuch/db"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("ecg-stream download: 'nosuch/db' is no name")
    assert error.count("\n") == 1
