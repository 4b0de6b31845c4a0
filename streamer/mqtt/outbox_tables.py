"""Tables of an outbox's file, and how it is opened."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from streamer.core.errors import OutputError

VERSION: Final = 3
"""SQLite's `user_version`; raised whenever the tables change."""

_SOURCES: Final = "CREATE TABLE source (name TEXT PRIMARY KEY, next_seq INTEGER NOT NULL)"
_ALERTS: Final = "CREATE TABLE alerts (name TEXT PRIMARY KEY, active BLOB NOT NULL)"
_IS_CURRENT: Final = f"PRAGMA user_version = {VERSION}"

SCHEMA: Final[tuple[str, ...]] = (
    # AUTOINCREMENT: an id is never used again, so that order by id is order of arrival.
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        rank INTEGER NOT NULL,
        kind TEXT NOT NULL,
        topic TEXT NOT NULL,
        payload BLOB NOT NULL,
        expires_at REAL,
        acknowledged_at REAL
    )""",
    "CREATE INDEX unsent ON message (rank, id) WHERE acknowledged_at IS NULL",
    "CREATE INDEX kept ON message (id) WHERE acknowledged_at IS NOT NULL",
    """CREATE TABLE state (
        client_id TEXT NOT NULL,
        expired INTEGER NOT NULL DEFAULT 0,
        shed0 INTEGER NOT NULL DEFAULT 0,
        shed1 INTEGER NOT NULL DEFAULT 0,
        shed2 INTEGER NOT NULL DEFAULT 0,
        shed3 INTEGER NOT NULL DEFAULT 0
    )""",
    _SOURCES,
    _ALERTS,
    _IS_CURRENT,
)
"""Run once, in a new file."""

ADDED_IN: Final[dict[int, tuple[str, ...]]] = {
    1: (_SOURCES, "INSERT INTO source SELECT :source, next_seq FROM state", _ALERTS, _IS_CURRENT),
    2: (_ALERTS, _IS_CURRENT),
}
"""Run once, in a file of an older version: the first held one source, which named the file; the
second kept no alerts."""


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: sqlite3.Error) -> OutputError:
    reason = str(error)
    if "locked" in reason:
        reason = "another process uses it"
    return OutputError(
        f"can't use the outbox {path}: {reason}; "
        "choose another folder with --outbox, or move the file away if it is damaged"
    )


def open_tables(path: Path) -> sqlite3.Connection:
    """Open an outbox's file for this process alone, and make its tables.

    Raises
    ------
    OutputError
        If it can't be used.
    """
    with reported(path):
        tables = sqlite3.connect(path, timeout=0.0)
        try:
            # Held by this process alone: two publishers of one source would share its numbers.
            tables.execute("PRAGMA locking_mode = EXCLUSIVE")
            tables.execute("PRAGMA journal_mode = WAL")
            tables.execute("PRAGMA synchronous = NORMAL")
            tables.execute("BEGIN EXCLUSIVE")
            version = tables.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in SCHEMA:
                    tables.execute(statement)
                tables.execute("INSERT INTO state (client_id) VALUES (?)", (uuid4().hex[:12],))
            elif version in ADDED_IN:
                for statement in ADDED_IN[version]:
                    tables.execute(statement, {"source": path.stem})
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"its version is {version}, expected {VERSION}")
            tables.commit()
        except BaseException:
            tables.close()
            raise
        return tables
