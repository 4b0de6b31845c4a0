"""Tells senders over TCP which of their samples need not be sent again.

A sender that asks for it, with ` ack` behind its name, is told two sample indexes, once it is
connected and whenever a snapshot of its patient has been written. From the first one on, samples
are still wanted; those before the second are in a snapshot, so that even `kill -9` costs none of
them. It keeps the others, and sends them again on a new connection.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Final, Protocol

ASKED: Final = " ack"
RECEIPT: Final = struct.Struct("<qq")
"""The first sample that is wanted, the first that is not in a snapshot."""
NOTHING: Final = -(1 << 63)
"""In place of either index: none has come, or none is in a snapshot."""
_MOST_PENDING_S: Final = 2.0
"""Signal that a sender may be ahead of the ward, which takes that much in each turn."""
_LOOK_EVERY_S: Final = 0.02
_MOST_UNREAD_BYTES: Final = 4096
"""Receipts for a sender that doesn't read them; more are left out."""


class Progress(Protocol):
    """How far each source has come; `LiveSource` is one."""

    def next_sample(self, source: str) -> int | None:
        """Return the first sample that is wanted; None: any."""
        ...

    def pending_s(self, source: str) -> float:
        """Return how much signal waits for its turn."""
        ...

    def catch_up(self, source: str) -> None:
        """Take what a source sends at any rate, and as of before, until it has caught up."""
        ...


class Receipts:
    """Answers the senders of one ward.

    Parameters
    ----------
    live : Progress
    in_snapshot : callable
        Returns the sample with which a source's snapshot goes on; None: there is none.
    """

    def __init__(self, live: Progress, in_snapshot: Callable[[str], int | None]) -> None:
        self._live = live
        self._in_snapshot = in_snapshot
        self._writers: dict[str, asyncio.StreamWriter] = {}

    def open(self, source: str, writer: asyncio.StreamWriter) -> None:
        """Tell a sender that has connected where to go on."""
        self._writers[source] = writer
        kept, wanted = self._in_snapshot(source), self._live.next_sample(source)
        self._live.catch_up(source)
        self._tell(source, kept if wanted is None else wanted, kept)

    def close(self, source: str, writer: asyncio.StreamWriter) -> None:
        """Forget a connection, unless the sender has another one by now."""
        if self._writers.get(source) is writer:
            del self._writers[source]

    def saved(self, source: str, next_sample: int) -> None:
        """Tell a source's sender that the samples before `next_sample` are in a snapshot."""
        self._tell(source, next_sample, next_sample)

    async def room(self, source: str) -> None:
        """Wait while much of a source waits for its turn."""
        while self._live.pending_s(source) > _MOST_PENDING_S:  # noqa: ASYNC110 - turns pass
            await asyncio.sleep(_LOOK_EVERY_S)

    def _tell(self, source: str, wanted: int | None, kept: int | None) -> None:
        writer = self._writers.get(source)
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() < _MOST_UNREAD_BYTES:
            indexes = (NOTHING if index is None else index for index in (wanted, kept))
            writer.write(RECEIPT.pack(*indexes))
