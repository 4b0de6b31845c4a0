"""Fetches databases from PhysioNet into the cache: resumable, checked, and silent by default.

The transfer is our own because pooch, the downloader of this field, begins a cut-off file anew.
"""

import hashlib
import http.client
import time
import urllib.error
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from replay.errors import DownloadError
from replay.physionet import (
    ANNOTATORS,
    CHECKSUMS,
    RECORDS,
    RemoteFile,
    ServerUnreachableError,
    list_files,
    open_url,
)
from replay.places import cache_folder

PART_SUFFIX: Final = ".part"
"""Ending of a file that isn't complete yet."""

BLOCK_BYTES: Final = 2**16

BROKEN_CONNECTION: Final = (
    ServerUnreachableError,
    urllib.error.HTTPError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
)
"""What may be gone at the next attempt; a full disk is not among it."""

RETRY_DELAYS_S: Final = (0.5, 2.0, 5.0)
"""Waits before each further attempt when a connection breaks."""


@dataclass(slots=True, kw_only=True)
class Fetched:
    """What a download did so far."""

    folder: Path
    """Where the files are now."""
    files: int
    """How many there are."""
    current: str = ""
    """The file that is being looked at."""
    received_bytes: int = 0
    fetched: list[str] = field(default_factory=list)
    """Files that were downloaded."""
    kept: list[str] = field(default_factory=list)
    """Files that were complete already."""


OnProgress = Callable[[Fetched], None]
"""Called whenever a file begins or ends, and for every block that arrives."""


def _silent(_so_far: Fetched) -> None:
    """Show nothing."""


def fetch_database(
    database: str,
    *,
    folder: Path | None = None,
    progress: OnProgress = _silent,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Fetch every record of a database; complete files are kept, a cut-off one is continued.

    Parameters
    ----------
    database : str
        Name on PhysioNet, such as `mitdb`.
    folder : Path, optional
        Where to put the files; by default a folder of that name in the cache.
    progress : callable
        Gets the state of the download again and again.
    sleep : callable
        Waits between attempts.

    Raises
    ------
    DownloadError
        If the server can't be reached, has no such database, breaks off again and again, or sends
        a file whose checksum is wrong.
    OSError
        If the folder can't be written.
    """
    files = list_files(database)
    folder = folder or cache_folder() / database
    listing = files.get(RECORDS)
    if listing is None:
        raise DownloadError(f"database {database!r} lists no records; it is not in WFDB format")
    _fetch_files([listing], folder, _silent, sleep)
    records = (folder / RECORDS).read_text(encoding="utf-8").split()
    return _fetch_files(_files_of(records, files), folder, progress, sleep)


def fetch_record(
    database: str,
    record: str,
    *,
    folder: Path | None = None,
    progress: OnProgress = _silent,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch one record of a database and return its path without extension.

    Parameters and errors are those of `fetch_database`; a record that the database doesn't have is
    a DownloadError too.
    """
    files = list_files(database)
    folder = folder or cache_folder() / database
    wanted = _files_of([record], files)
    if not any(file.name == f"{record}.hea" for file in wanted):
        raise DownloadError(f"database {database} on PhysioNet has no record {record!r}")
    _fetch_files(wanted, folder, progress, sleep)
    return folder / record


def _files_of(records: Iterable[str], files: dict[str, RemoteFile]) -> list[RemoteFile]:
    """Return the files that belong to some records, and those that describe the database."""
    stems = set(records)
    return [
        file
        for name, file in files.items()
        if name.rpartition(".")[0] in stems or name in {RECORDS, ANNOTATORS}
    ]


def _fetch_files(
    files: list[RemoteFile],
    folder: Path,
    progress: OnProgress,
    sleep: Callable[[float], None],
) -> Fetched:
    so_far = Fetched(folder=folder, files=len(files))

    def on_bytes(n_bytes: int) -> None:
        so_far.received_bytes += n_bytes
        progress(so_far)

    for file in files:
        so_far.current = file.name
        progress(so_far)
        is_fetched = _fetch_file(file, folder, on_bytes, sleep)
        (so_far.fetched if is_fetched else so_far.kept).append(file.name)
    progress(so_far)
    return so_far


def _fetch_file(
    file: RemoteFile,
    folder: Path,
    on_bytes: Callable[[int], None],
    sleep: Callable[[float], None],
) -> bool:
    """Make sure that a file is complete; return whether it had to be fetched."""
    target = folder / file.name
    if target.is_file() and _sha256(target) == file.sha256:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + PART_SUFFIX)
    resumed = part.is_file() and part.stat().st_size > 0
    _transfer(file, part, on_bytes, sleep)
    if resumed and _sha256(part) != file.sha256:  # what was there was of another file
        part.unlink()
        _transfer(file, part, on_bytes, sleep)
    if (found := _sha256(part)) != file.sha256:
        part.unlink()
        raise DownloadError(
            f"{file.url} came with SHA-256 {found[:12]}..., but {CHECKSUMS} says "
            f"{file.sha256[:12]}...; try again later, or check the mirror"
        )
    part.replace(target)
    return True


def _transfer(
    file: RemoteFile,
    part: Path,
    on_bytes: Callable[[int], None],
    sleep: Callable[[float], None],
) -> None:
    """Append to `part` until the server says that it is complete; try again where it breaks off."""
    for delay_s in (*RETRY_DELAYS_S, None):
        try:
            if _receive(file, part, on_bytes):
                return
            reason = "connection closed in mid-file"
        except BROKEN_CONNECTION as error:
            reason = str(error)
        if delay_s is not None:
            sleep(delay_s)
    raise DownloadError(
        f"{file.url} broke off {len(RETRY_DELAYS_S) + 1} times ({reason}); "
        "run the same command again to continue"
    )


def _receive(file: RemoteFile, part: Path, on_bytes: Callable[[int], None]) -> bool:
    """Take what one connection delivers; return whether that completed the file."""
    offset = part.stat().st_size if part.is_file() else 0
    try:
        with open_url(file.url, offset=offset) as response:
            continued = response.status == http.client.PARTIAL_CONTENT
            length = response.length
            received = 0
            with part.open("ab" if continued else "wb") as output:
                while block := response.read(BLOCK_BYTES):
                    output.write(block)
                    received += len(block)
                    on_bytes(len(block))
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # nothing is left to send; the checksum decides
        raise
    return length is None or received == length


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
