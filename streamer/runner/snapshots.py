"""Patients' states on disk, a few written each turn, so that a new run can go on from them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from streamer.core.errors import SnapshotError
from streamer.core.events import StreamInfo
from streamer.core.stage import Snapshot
from streamer.messages.payload import SaidKey
from streamer.patient.journal import Journal
from streamer.patient.snapshot_file import read_snapshot, snapshot_path, write_snapshot
from streamer.runner.sessions import PatientSession, restored_info, session_state

_OVERLAP_S: Final = 1.0
"""A source that sends a little again, goes on; one that goes back further, begins anew."""


class PatientMemory(Protocol):
    """What knows of a patient's earlier runs beside its snapshot; `MqttPublisher` is one."""

    def next_seq(self, source: str) -> int:
        """Return the number of a source's next event: one past those published before."""
        ...

    @property
    def n_delivered(self) -> int:
        """How many messages the broker has."""
        ...

    def recall(self, source: str, records: Iterable[bytes]) -> None:
        """Say again what a patient's journal holds."""
        ...

    def said(self, source: str) -> set[SaidKey]:
        """Take the keys of what was recalled of a source."""
        ...

    def resume(self, source: str) -> None:
        """Note that a source, just opened, goes on from a snapshot."""
        ...

    def keep(self) -> None:
        """Make what was published so far survive the process, if anything does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A patient's state, read from its snapshot."""

    info: StreamInfo
    seq: int
    chain: Snapshot
    next_sample: int
    """The sample that follows."""
    repeats: bool
    """Whether events of before come again under their numbers: the source still has that sample,
    and no journal tells which ones. Samples that were lost make other events."""
    alerts: Mapping[str, Any]


class Snapshots:
    """Says whose turn it is to be saved, and writes on a thread of its own.

    Parameters
    ----------
    folder : Path, optional
        Holds one file for each patient; without it nothing is saved.
    every_s : float
        How often each patient is saved.
    memory : PatientMemory, optional
        What must know of patients that go on.
    journal : Journal, optional
        What has come and was said since the snapshots.
    on_saved : callable
        Gets each source whose snapshot was written, and the sample with which that goes on.
    """

    def __init__(
        self,
        folder: Path | None,
        every_s: float,
        memory: PatientMemory | None = None,
        journal: Journal | None = None,
        on_saved: Callable[[str, int], None] = lambda source, next_sample: None,
    ) -> None:
        self._on_saved = on_saved
        self._folder = folder
        self._every_s = every_s
        self._memory = memory
        self._journal = journal
        self._credit = 0.0
        self._turns: deque[str] = deque()
        self._states: dict[str, dict[str, Any]] = {}
        self._resumed: list[str] = []
        self._writing: asyncio.Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshots")

    @property
    def are_kept(self) -> bool:
        """Whether anything is saved."""
        return self._folder is not None

    def path(self, source: str) -> Path:
        """Return where a patient's state is."""
        return snapshot_path(self._folder or Path(), source)

    def resume(self, info: StreamInfo, first_sample: int | None) -> Resumed | None:
        """Read a patient's state; None if there is none that fits.

        Parameters
        ----------
        info : StreamInfo
            The source as it would begin anew.
        first_sample : int, optional
            The earliest sample that the source can give; None: any. One that goes back by more
            than a second is the first of a new run, which no snapshot fits.

        Raises
        ------
        SnapshotError
            If the file is damaged or of another kind.
        """
        if self._folder is None or not self.path(info.source).exists():
            return None
        saved = read_snapshot(self.path(info.source))
        try:
            before, seq = restored_info(saved["session"])
            following = int(saved["next_sample"])
            chain, alerts = saved["chain"], saved["alerts"]
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"the snapshot of {info.source} is of another kind; remove it to start that "
                "patient anew"
            ) from error
        if first_sample is not None and first_sample < following - _OVERLAP_S * before.fs:
            return None
        is_gapless = first_sample is None or first_sample <= following
        started_at = _started_at(info, before, following, first_sample)
        return Resumed(
            info=before if self._journal else replace(before, started_at=started_at),
            seq=seq,
            chain=chain,
            next_sample=following,
            repeats=is_gapless and self._journal is None,
            alerts=alerts,
        )

    def recall(self, source: str) -> list[bytes]:
        """Have said again what a patient's journal holds; return the messages with its samples.

        All of it is to be kept anew, for which a new file is begun.
        """
        if self._journal is None or self._memory is None:
            return []
        path = self.path(source)
        since = int(read_snapshot(path).get("journal", 0)) if path.exists() else 0
        recalled = self._journal.recall(source, since)
        self._journal.let_go(source)
        self._memory.recall(source, recalled.said)
        return recalled.samples

    def said(self, source: str) -> set[SaidKey]:
        """Return what was recalled of a patient: it must not be said anew."""
        return set() if self._journal is None or not self._memory else self._memory.said(source)

    def let_go(self, source: str) -> None:
        """Leave a patient to others."""
        if self._journal is not None:
            self._journal.let_go(source)

    def remember(self, source: str) -> None:
        """Note that a patient goes on from a snapshot, until all sinks know the source."""
        self._resumed.append(source)

    def tell_resumed(self) -> None:
        """Tell the memory of the patients that go on."""
        if self._memory is not None:
            for source in self._resumed:
                self._memory.resume(source)
        self._resumed.clear()

    def remove(self, source: str) -> None:
        """Forget a patient whose stream has ended."""
        if self._folder is not None:
            self.path(source).unlink(missing_ok=True)

    def due(self, elapsed_s: float, sources: Sequence[str]) -> list[str]:
        """Return the patients to save now; none while some are being written.

        Parameters
        ----------
        elapsed_s : float
            Signal of each patient since the last call, in seconds on average.
        sources : sequence of str
            All patients.

        Raises
        ------
        OSError
            If the last ones couldn't be written.
        """
        if self._folder is None:
            return []
        self._credit = min(self._credit + elapsed_s / self._every_s * len(sources), len(sources))
        if self._writing is not None:
            if not self._writing.done():
                return []
            self._writing.result()
        chosen: list[str] = []
        present = set(sources)
        while self._credit >= 1.0:
            self._credit -= 1.0
            if not self._turns:
                self._turns.extend(sources)
            source = self._turns.popleft()
            if source in present and source not in chosen:
                chosen.append(source)
        return chosen

    def postpone(self, source: str) -> None:
        """Let a patient come first the next time."""
        self._turns.appendleft(source)
        self._credit += 1.0

    def put(self, session: PatientSession, chain: Snapshot) -> None:
        """Keep a patient's state for `write`."""
        source = session.info.source
        self._states[source] = {
            "session": session_state(session),
            "chain": chain,
            "next_sample": session.last_sample + 1,
            "alerts": session.alerts.state(),
            "journal": self._checkpoint(session),
        }

    def _checkpoint(self, session: PatientSession) -> int:
        if self._journal is None:
            return 0
        delivered = 0 if self._memory is None else self._memory.n_delivered
        return self._journal.checkpoint(session.info.source, session.last_sample + 1, delivered)

    def write(self) -> None:
        """Write what was put, in the background."""
        if self._states:
            states, self._states = self._states, {}
            if self._memory is not None:
                # A snapshot must not be ahead of what was published.
                self._memory.keep()
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._executor, self._write_all, states)
            following = {source: int(state["next_sample"]) for source, state in states.items()}
            self._writing.add_done_callback(lambda done: self._tell_saved(done, following))

    def _tell_saved(self, writing: "asyncio.Future[None]", following: Mapping[str, int]) -> None:
        if writing.cancelled() or writing.exception() is not None:
            return
        for source, next_sample in following.items():
            self._on_saved(source, next_sample)

    async def write_now(self) -> None:
        """Write what was put, and wait for it."""
        if self._writing is not None:
            await self._writing
        self.write()
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing
        self._executor.shutdown()

    def _write_all(self, files: Mapping[str, dict[str, Any]]) -> None:
        for source, state in files.items():
            write_snapshot(self.path(source), state)
            if self._journal is not None:
                self._journal.forget(source, state["journal"])


def _started_at(
    info: StreamInfo, before: StreamInfo, following: int, first_sample: int | None
) -> float:
    """Return the wall time of the first sample of a source that goes on."""
    if first_sample is None:  # It stood still meanwhile.
        return time.time() - (following - before.first_sample) / before.fs
    # A live source didn't: of two estimates by times of arrival, the earlier, as delays only add.
    return min(before.started_at, info.wall_time_s(before.first_sample))
