"""Tables of the outbox's file."""

from typing import Final

VERSION: Final = 1
"""SQLite's `user_version`; raised whenever the tables change."""

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
        next_seq INTEGER NOT NULL DEFAULT 0,
        expired INTEGER NOT NULL DEFAULT 0,
        shed0 INTEGER NOT NULL DEFAULT 0,
        shed1 INTEGER NOT NULL DEFAULT 0,
        shed2 INTEGER NOT NULL DEFAULT 0,
        shed3 INTEGER NOT NULL DEFAULT 0
    )""",
    f"PRAGMA user_version = {VERSION}",
)
"""Run once, in a new file."""
