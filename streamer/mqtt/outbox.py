"""What waits for a broker: a bounded queue, on disk if wanted, that forgets nothing too early.

A message is written before it is sent. Once acknowledged it is still kept for a while, because a
broker that is killed takes along what it had acknowledged but not yet passed on or saved; after
each reconnect the kept ones are sent again. Receivers drop what they know by `seq`.

The queue is one SQLite table. In a file (write-ahead log, `synchronous=NORMAL`) it survives the
death of the process at any point; a power cut may cost the last moments, but no consistency.
"""

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from streamer.core.errors import OutputError
from streamer.messages.outgoing import Outgoing, Rank
from streamer.mqtt.outbox_tables import SCHEMA, VERSION

_MEMORY: Final = ":memory:"
_SUFFIX: Final = ".outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """Bounds."""

    keep: int = 1000
    """Acknowledged messages that are kept, at most: minutes of one patient."""
    keep_s: float = 60.0
    """How long they are kept; longer than a broker takes to pass on or save what it accepted."""
    read_ahead: int = 64
    """Messages fetched at a time."""


class Outbox:
    """Messages in order, from `put` over `take` to `acknowledge`.

    Parameters
    ----------
    capacity : int
        Most messages that wait unsent; beyond it the least important, and of those the oldest,
        is shed and counted.
    path : Path, optional
        File that holds them; by default they are held in memory.
    config : OutboxConfig, optional
        Bounds.
    wall_time : callable
        Seconds since the epoch.

    Attributes
    ----------
    client_id : str
        Name for the broker, the same whenever this file is opened.
    next_seq : int
        Number of the source's next event; continues from run to run where there is a file.
    shed : dict of Rank to int
        Messages dropped because there was no room, in this file's life.
    expired : int
        Messages dropped because they had become stale.

    Raises
    ------
    ValueError
        If `capacity` is not positive.
    OutputError
        If the file can't be written, is none of ours, or is in use.
    """

    def __init__(
        self,
        capacity: int,
        *,
        path: Path | None = None,
        config: OutboxConfig | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"MQTT queue size is {capacity}; expected 1 or more")
        self.path = path
        self.capacity = capacity
        self._config = config or OutboxConfig()
        self._wall_time = wall_time
        self._tables = _open(path)
        self.client_id, self.next_seq, self.expired, *shed = self._tables.execute(
            "SELECT client_id, next_seq, expired, shed0, shed1, shed2, shed3 FROM state"
        ).fetchone()
        self.shed = dict(zip(Rank, shed, strict=True))
        self.unacknowledged: int = self._count("acknowledged_at IS NULL")
        self._unsent_new = self.unacknowledged
        self._again = 0
        self._cursor = self._loaded = 0
        self._ready: deque[tuple[int, bool, Outgoing]] = deque()
        self._in_flight: deque[tuple[int, bool]] = deque()
        self.recall()

    @property
    def is_durable(self) -> bool:
        """Whether it survives the process."""
        return self.path is not None

    @property
    def waiting(self) -> int:
        """Messages to send, those to be sent again included."""
        return self._unsent_new + self._again

    @property
    def is_idle(self) -> bool:
        """Whether everything is sent and acknowledged."""
        return not (self.waiting or self._in_flight)

    def put(self, *messages: Outgoing, next_seq: int | None = None) -> None:
        """Add messages behind all others, all of them or none.

        Parameters
        ----------
        *messages : Outgoing
        next_seq : int, optional
            New value of `next_seq`, stored in the same step.

        Raises
        ------
        OutputError
            If the disk is full or fails.
        """
        rows = [(m.rank, m.kind, m.topic, m.payload, m.expires_at) for m in messages]
        with _reported(self.path), self._tables:
            self._tables.executemany(
                "INSERT INTO message (rank, kind, topic, payload, expires_at) "
                "VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            if next_seq is not None:
                self.next_seq = next_seq
                self._tables.execute("UPDATE state SET next_seq = ?", (next_seq,))
        self.unacknowledged += len(rows)
        self._unsent_new += len(rows)
        self._shed_excess()

    def take(self) -> Outgoing | None:
        """Return the next message to send, in flight from now on; None if there is none."""
        while True:
            if not self._ready:
                self._read_ahead()
            if not self._ready:
                return None
            key, is_again, message = self._ready.popleft()
            self._cursor = key
            self._leave(is_again)
            if message.expires_at is None or message.expires_at > self._wall_time():
                self._in_flight.append((key, is_again))
                return message
            self._expire(key, is_again)

    def acknowledge(self, count: int = 1) -> int:
        """Note that the broker has the oldest `count` messages in flight.

        Returns
        -------
        int
            How many of them it has for the first time.
        """
        done = [self._in_flight.popleft() for _ in range(count)]
        if not done:
            return 0
        first, last, now = done[0][0], done[-1][0], self._wall_time()
        with _reported(self.path), self._tables:
            self._tables.execute(
                "UPDATE message SET acknowledged_at = ? WHERE id BETWEEN ? AND ?",
                (now, first, last),
            )
            # Only what lies behind us: the rest of the kept ones may still have to go out again.
            self._tables.execute(
                "DELETE FROM message WHERE id <= ? AND acknowledged_at IS NOT NULL "
                "AND (acknowledged_at < ? OR id <= ?)",
                (last, now - self._config.keep_s, last - self._config.keep),
            )
        new = sum(not is_again for _, is_again in done)
        self.unacknowledged -= new
        return new

    def recall(self) -> None:
        """Start again from the oldest message that is kept: the connection broke."""
        self._unsent_new = self.unacknowledged
        self._again = self._count("acknowledged_at IS NOT NULL")
        self._cursor = 0
        self._in_flight.clear()
        self._forget_read_ahead()
        self._shed_excess()

    def close(self) -> None:
        """Let go of the file; what is in it stays. Harmless twice."""
        self._tables.close()

    def _count(self, condition: str) -> int:
        query = f"SELECT count(*) FROM message WHERE {condition}"
        return int(self._tables.execute(query).fetchone()[0])

    def _read_ahead(self) -> None:
        rows = self._tables.execute(
            "SELECT id, acknowledged_at IS NOT NULL, rank, kind, topic, payload, expires_at "
            "FROM message WHERE id > ? ORDER BY id LIMIT ?",
            (self._loaded, self._config.read_ahead),
        ).fetchall()
        for key, is_again, rank, kind, topic, payload, expires_at in rows:
            message = Outgoing(
                topic=topic, payload=payload, rank=Rank(rank), kind=kind, expires_at=expires_at
            )
            self._ready.append((key, bool(is_again), message))
            self._loaded = key

    def _forget_read_ahead(self) -> None:
        self._ready.clear()
        self._loaded = self._cursor

    def _leave(self, is_again: bool) -> None:
        if is_again:
            self._again -= 1
        else:
            self._unsent_new -= 1

    def _expire(self, key: int, is_again: bool) -> None:
        with _reported(self.path), self._tables:
            self._tables.execute("DELETE FROM message WHERE id = ?", (key,))
            if not is_again:
                self._tables.execute("UPDATE state SET expired = expired + 1")
        if not is_again:
            self.expired += 1
            self.unacknowledged -= 1

    def _shed_excess(self) -> None:
        excess = self._unsent_new - self.capacity
        if excess <= 0:
            return
        unsent = "FROM message WHERE acknowledged_at IS NULL AND id > ?"
        victims = self._tables.execute(
            f"SELECT id, rank {unsent} ORDER BY rank, id LIMIT ?",
            (self._cursor, excess),
        ).fetchall()
        with _reported(self.path), self._tables:
            for key, rank in victims:
                self._tables.execute("DELETE FROM message WHERE id = ?", (key,))
                self._tables.execute(f"UPDATE state SET shed{int(rank)} = shed{int(rank)} + 1")
        for _, rank in victims:
            self.shed[Rank(rank)] += 1
        self.unacknowledged -= len(victims)
        self._unsent_new -= len(victims)
        self._forget_read_ahead()


def outbox_path(folder: Path, source: str) -> Path:
    """File of one source's outbox in a folder.

    Raises
    ------
    OutputError
        If the folder can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"can't make the outbox folder {folder}: {error.strerror}; choose another with --outbox"
        ) from error
    return folder / f"{source}{_SUFFIX}"


@contextlib.contextmanager
def _reported(path: Path | None) -> Iterator[None]:
    """Turn SQLite's complaints into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path | None, error: sqlite3.Error) -> OutputError:
    reason = str(error)
    if "locked" in reason:
        reason = "another process uses it"
    return OutputError(
        f"can't use the outbox {path or 'in memory'}: {reason}; "
        "choose another folder with --outbox, or move the file away if it is damaged"
    )


def _open(path: Path | None) -> sqlite3.Connection:
    with _reported(path):
        tables = sqlite3.connect(_MEMORY if path is None else path, timeout=0.0)
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
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"its version is {version}, expected {VERSION}")
            tables.commit()
        except BaseException:
            tables.close()
            raise
        return tables
