"""What PhysioNet has: addresses, versions, and the checksums of a database's files."""

import http.client
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from replay.errors import DownloadError

BASE_VARIABLE: Final = "ECG_STREAM_PHYSIONET"
"""Environment variable that names a mirror instead."""

BASE_URL: Final = "https://physionet.org/files"

TIMEOUT_S: Final = 20.0
"""Longest silence of a server before it counts as gone."""

VERSIONS: Final = {
    "afdb": "1.0.0",
    "incartdb": "1.0.0",
    "ltafdb": "1.0.0",
    "ltdb": "1.0.0",
    "mitdb": "1.0.0",
    "nsrdb": "1.0.0",
    "nstdb": "1.0.0",
    "qtdb": "1.0.0",
    "svdb": "1.0.0",
}
"""Published versions of the databases of this field; PhysioNet is asked for any other."""

CHECKSUMS: Final = "SHA256SUMS.txt"
RECORDS: Final = "RECORDS"
ANNOTATORS: Final = "ANNOTATORS"

_DATABASE: Final = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
_REFUSALS: Final = (http.client.UNAUTHORIZED, http.client.FORBIDDEN, http.client.NOT_FOUND)
_CHECKSUM_LINE: Final = re.compile(r"([0-9a-f]{64})[ *]+(\S.*)", re.ASCII)


class ServerUnreachableError(DownloadError):
    """No connection to the server; another attempt may find one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a database on the server."""

    name: str
    """Path inside the database, with '/'."""
    url: str
    sha256: str


def base_url() -> str:
    """Return the address under which the databases are, without a slash at its end."""
    return (os.environ.get(BASE_VARIABLE) or BASE_URL).rstrip("/")


def database_url(database: str) -> str:
    """Return the address of a database's files.

    Raises
    ------
    DownloadError
        If that can't be the name of a database, or nobody knows its version.
    """
    if not _DATABASE.fullmatch(database):
        raise DownloadError(
            f"{database!r} is no name of a PhysioNet database; write mitdb, for example"
        )
    version = VERSIONS.get(database) or _latest_version(database)
    return f"{base_url()}/{database}/{version}"


def _latest_version(database: str) -> str:
    """Ask PhysioNet's index, through wfdb."""
    from wfdb.io.download import get_version  # noqa: PLC0415

    try:
        return str(get_version(database))
    except Exception as error:  # wfdb lets through whatever its HTTP library and its parser raise
        raise DownloadError(
            f"PhysioNet does not tell the version of database {database!r} "
            f"({type(error).__name__}); check the name and the network"
        ) from error


def list_files(database: str) -> dict[str, RemoteFile]:
    """Return every file of a database by name, with the checksum that PhysioNet publishes.

    Raises
    ------
    DownloadError
        If the server can't be reached, has no such database, or sends something else.
    """
    root = database_url(database)
    text = _read_text(f"{root}/{CHECKSUMS}")
    files = {}
    for line in text.splitlines():
        match = _CHECKSUM_LINE.fullmatch(line.strip())
        if match is None:
            raise DownloadError(
                f"{root}/{CHECKSUMS} has a line that is no checksum ({line[:40]!r}); "
                "is there a login page or proxy in between?"
            )
        name = _inside(match[2], root)
        files[name] = RemoteFile(
            name=name, url=f"{root}/{urllib.parse.quote(name)}", sha256=match[1]
        )
    return files


def _read_text(url: str) -> str:
    try:
        with open_url(url) as response:
            return response.read().decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url} can't be read ({error}); try again later") from error


def _inside(name: str, root: str) -> str:
    """Return a file's name, or raise if it would land outside of the database's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DownloadError(f"{root}/{CHECKSUMS} names {name!r}, outside of the database; refused")
    return str(path)


@contextmanager
def open_url(url: str, *, offset: int = 0) -> Iterator[http.client.HTTPResponse]:
    """Open an address for reading, from a byte offset on if the server can do that.

    Raises
    ------
    DownloadError
        If the server can't be reached (then it is a ServerUnreachableError), or has no such file
        or doesn't give it to us.
    urllib.error.HTTPError
        If the server is in trouble, or nothing is left after `offset`.
    """
    headers = {"User-Agent": "ecg-stream"} | ({"Range": f"bytes={offset}-"} if offset else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _REFUSALS:
            raise DownloadError(f"{url}: {error.code} {error.reason}; check the name") from None
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServerUnreachableError(
            f"{base_url()} can't be reached ({getattr(error, 'reason', error)}); "
            f"check the network, or set {BASE_VARIABLE} to a mirror"
        ) from error
    with response:
        yield response
