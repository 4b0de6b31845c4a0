"""Snapshots of a ward's patients, a few each tick, so that no tick writes many."""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from streamer.patient.snapshot_file import SUFFIX, read_snapshot, write_snapshot


class Memory(Protocol):
    """What belongs to a patient's snapshot beside the ward's own; `MqttPublisher` is one."""

    def alert_state(self, source: str) -> dict[str, Any]:
        """Return what to keep of a source."""
        ...

    def restore_alerts(self, source: str, state: Mapping[str, Any]) -> None:
        """Go on with a source that has just come."""
        ...


class SnapshotTurns:
    """Says whose turn it is to be saved, and writes on a thread of its own.

    Parameters
    ----------
    folder : Path
        Holds one file for each patient.
    every_s : float
        How often each patient is saved.
    """

    def __init__(self, folder: Path, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._credit = 0.0
        self._turns: deque[str] = deque()
        self._writing: asyncio.Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshots")

    def path(self, source: str) -> Path:
        """Where a patient's state is."""
        return self._folder / f"{source}{SUFFIX}"

    def find(self, source: str) -> dict[str, Any] | None:
        """Read a patient's state; None if there is none.

        Raises
        ------
        SnapshotError
            If the file is damaged.
        """
        path = self.path(source)
        return read_snapshot(path) if path.exists() else None

    def remove(self, source: str) -> None:
        """Forget a patient whose stream has ended."""
        self.path(source).unlink(missing_ok=True)

    def due(self, elapsed_s: float, sources: Collection[str]) -> list[str]:
        """Let time pass; return the patients to save now: none while some are being written.

        Raises
        ------
        OSError
            If the last ones couldn't be written.
        """
        self._credit += elapsed_s / self._every_s * len(sources)
        if self._writing is not None:
            if not self._writing.done():
                return []
            self._writing.result()
        chosen: list[str] = []
        while self._credit >= 1.0 and sources:
            self._credit -= 1.0
            if not self._turns:
                self._turns.extend(sources)
            source = self._turns.popleft()
            if source in sources and source not in chosen:
                chosen.append(source)
        return chosen

    def write(self, states: Mapping[str, Mapping[str, object]]) -> None:
        """Write states in the background."""
        if not states:
            return
        loop = asyncio.get_running_loop()
        files = {self.path(source): dict(state) for source, state in states.items()}
        self._writing = loop.run_in_executor(self._executor, _write_all, files)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing
        self._executor.shutdown()


def _write_all(files: Mapping[Path, dict[str, object]]) -> None:
    for path, state in files.items():
        write_snapshot(path, state)
