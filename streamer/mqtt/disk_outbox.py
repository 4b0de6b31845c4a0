"""An outbox in a file, which survives the death of the process at any point.

The queue is one SQLite table (write-ahead log, `synchronous=NORMAL`); a power cut may cost the last
moments, but no consistency. What is put or acknowledged in one turn is written in one step.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streamer.core.errors import OutputError
from streamer.messages.outgoing import Outgoing, Rank
from streamer.mqtt.outbox import Outbox, OutboxConfig
from streamer.mqtt.outbox_tables import open_tables, reported

_SUFFIX: Final = ".outbox"
_MOST_UNWRITTEN: Final = 1000
"""Messages that may be put before they are written, should nobody ask for it."""
_FORGET_EVERY_S: Final = 1.0


class DiskOutbox(Outbox):
    """Messages in a file; see `Outbox`.

    Parameters
    ----------
    capacity : int
    path : Path
        The file; made if it isn't there.
    config : OutboxConfig, optional
    wall_time : callable
        Seconds since the epoch.

    Raises
    ------
    ValueError
        If `capacity` is not positive.
    OutputError
        If the file can't be written, is none of ours, or is in use.
    """

    is_durable = True

    def __init__(
        self,
        capacity: int,
        path: Path,
        *,
        config: OutboxConfig | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(capacity, config=config, wall_time=wall_time)
        self.path = path
        self._tables = open_tables(path)
        self.client_id, self.expired, *shed = self._tables.execute(
            "SELECT client_id, expired, shed0, shed1, shed2, shed3 FROM state"
        ).fetchone()
        self.shed = dict(zip(Rank, shed, strict=True))
        self._next_seq.update(self._tables.execute("SELECT name, next_seq FROM source"))
        self._unwritten: list[Outgoing] = []
        self._numbered: set[str] = set()
        """Sources whose number changed since the last commit."""
        self._alerts: dict[str, bytes] = {}
        """Active alerts of sources where they changed since the last commit."""
        self._done: list[tuple[int, int]] = []
        """First and last of what was acknowledged since the last commit."""
        self.unacknowledged = self._count("acknowledged_at IS NULL")
        self._unsent_new = self.unacknowledged
        self._again = 0
        self._is_closed = False
        self._forgot_at = 0.0
        self._cursor = self._loaded = 0
        self._ready: deque[tuple[int, bool, Outgoing]] = deque()
        self._in_flight: deque[tuple[int, bool]] = deque()
        self.recall()

    @property
    def waiting(self) -> int:
        """Messages to send, those to be sent again included."""
        return self._unsent_new + self._again

    @property
    def is_idle(self) -> bool:
        """Whether everything is sent and acknowledged."""
        return not (self.waiting or self._in_flight)

    def put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        """Add messages behind all others, to be written by the next `commit` or `take`."""
        if next_seq is not None:
            self._next_seq[source] = next_seq
            self._numbered.add(source)
        self._unwritten += messages
        self.unacknowledged += len(messages)
        self._unsent_new += len(messages)
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            self.commit()

    def keep_alerts(self, source: str, active: bytes) -> None:
        """Keep the message of a source's active alerts, to be written by the next `commit`."""
        self._alerts[source] = active

    def kept_alerts(self, source: str) -> bytes | None:
        """Return the active alerts of an earlier run; None if there are none."""
        query = "SELECT active FROM alerts WHERE name = ?"
        with reported(self.path):
            found = self._tables.execute(query, (source,)).fetchone()
        return None if found is None else bytes(found[0])

    def commit(self) -> None:
        """Write what was put and acknowledged, all of it or none.

        Raises
        ------
        OutputError
            If the disk is full or fails.
        """
        if not (self._unwritten or self._numbered or self._done or self._alerts):
            return
        with reported(self.path), self._tables:
            self._write_messages()
            self._write_acknowledgements()
        self._unwritten.clear()
        self._numbered.clear()
        self._alerts.clear()
        self._done.clear()
        self._shed_excess()

    def _write_messages(self) -> None:
        rows = [(m.rank, m.kind, m.topic, m.payload, m.expires_at) for m in self._unwritten]
        self._tables.executemany(
            "INSERT INTO message (rank, kind, topic, payload, expires_at) VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        numbers = [(name, self._next_seq[name]) for name in self._numbered]
        self._tables.executemany(
            "INSERT OR REPLACE INTO source (name, next_seq) VALUES (?, ?)", numbers
        )
        self._tables.executemany(
            "INSERT OR REPLACE INTO alerts (name, active) VALUES (?, ?)", self._alerts.items()
        )

    def _write_acknowledgements(self) -> None:
        now = self._wall_time()
        for first, last in self._done:
            self._tables.execute(
                "UPDATE message SET acknowledged_at = ? WHERE id BETWEEN ? AND ?",
                (now, first, last),
            )
        if self._done:
            self._forget_old(self._done[-1][1], now)

    def _forget_old(self, last: int, now: float) -> None:
        """Delete what was kept for long enough, up to a message.

        Only what lies behind us: the rest of the kept ones may still have to go out again.
        """
        self._tables.execute(
            "DELETE FROM message WHERE id <= ? AND acknowledged_at IS NOT NULL",
            (last - self._config.keep,),
        )
        if now - self._forgot_at >= _FORGET_EVERY_S:  # It looks at all that are kept.
            self._forgot_at = now
            self._tables.execute(
                "DELETE FROM message WHERE id <= ? AND acknowledged_at < ?",
                (last, now - self._config.keep_s),
            )

    def take(self) -> Outgoing | None:
        """Return the next message to send, in flight from now on; None if there is none."""
        if self._unwritten:
            self.commit()
        while True:
            if not self._ready:
                self._read_ahead()
            if not self._ready:
                return None
            key, is_again, message = self._ready.popleft()
            self._cursor = key
            self._leave(is_again)
            if not self._is_stale(message):
                self._in_flight.append((key, is_again))
                return message
            self._expire(key, is_again)

    def acknowledge(self, count: int = 1) -> int:
        """Note that the broker has the oldest `count` messages in flight; return how many anew."""
        done = [self._in_flight.popleft() for _ in range(count)]
        if not done:
            return 0
        self._done.append((done[0][0], done[-1][0]))
        new = sum(not is_again for _, is_again in done)
        self.unacknowledged -= new
        return new

    def recall(self) -> None:
        """Start again from the oldest message that is kept: the connection broke."""
        self.commit()
        self._unsent_new = self.unacknowledged
        self._again = self._count("acknowledged_at IS NOT NULL")
        self._cursor = 0
        self._in_flight.clear()
        self._forget_read_ahead()
        self._shed_excess()

    def close(self) -> None:
        """Write what isn't written, and let go of the file. Harmless twice."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.commit()
        finally:
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
        with reported(self.path), self._tables:
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
        with reported(self.path), self._tables:
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
