"""Patients' states on disk, a few written each turn, so that a new run can go on from them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from streamer.core.errors import OutputError, SnapshotError
from streamer.core.events import StreamInfo
from streamer.core.stage import Snapshot
from streamer.messages.payload import check_source
from streamer.patient.snapshot_file import SUFFIX, read_snapshot, write_snapshot
from streamer.runner.sessions import PatientSession, restored_info, session_state

_OVERLAP_S: Final = 1.0
"""A source that sends a little again, goes on; one that goes back further, begins anew."""


class PatientMemory(Protocol):
    """What knows of a patient's earlier runs beside its snapshot; `MqttPublisher` is one."""

    def next_seq(self, source: str) -> int:
        """Return the number of a source's next event: one past those published before."""
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
    is_gapless: bool
    """Whether the source still has that sample."""
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
    on_saved : callable
        Gets each source whose snapshot was written, and the sample with which that goes on.
    """

    def __init__(
        self,
        folder: Path | None,
        every_s: float,
        memory: PatientMemory | None = None,
        on_saved: Callable[[str, int], None] = lambda source, next_sample: None,
    ) -> None:
        self._on_saved = on_saved
        self._folder = folder
        self._every_s = every_s
        self._memory = memory
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
        return Resumed(
            info=replace(before, started_at=_started_at(info, before, following, first_sample)),
            seq=seq,
            chain=chain,
            next_sample=following,
            is_gapless=first_sample is None or first_sample <= following,
            alerts=alerts,
        )

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
        }

    def write(self) -> None:
        """Write what was put, in the background."""
        if self._states:
            states, self._states = self._states, {}
            if self._memory is not None:
                # A snapshot must not be ahead of what was published.
                self._memory.keep()
            files = {self.path(source): state for source, state in states.items()}
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._executor, _write_all, files)
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


def snapshot_path(folder: Path, source: str) -> Path:
    """Return where a patient's state is."""
    return folder / f"{source}{SUFFIX}"


def sample_of_snapshot(folder: Path | None, source: str) -> int | None:
    """Return the sample with which a patient's snapshot goes on; None: there is none of use."""
    if folder is None:
        return None
    try:
        return int(read_snapshot(snapshot_path(folder, check_source(source)))["next_sample"])
    except (SnapshotError, KeyError, TypeError, ValueError):
        return None


def _started_at(
    info: StreamInfo, before: StreamInfo, following: int, first_sample: int | None
) -> float:
    """Return the wall time of the first sample of a source that goes on."""
    if first_sample is None:  # It stood still meanwhile.
        return time.time() - (following - before.first_sample) / before.fs
    # A live source didn't: of two estimates by times of arrival, the earlier, as delays only add.
    return min(before.started_at, info.wall_time_s(before.first_sample))


def _write_all(files: Mapping[Path, dict[str, Any]]) -> None:
    for path, state in files.items():
        write_snapshot(path, state)


def make_folder(path: Path | None) -> None:
    """Make the folder of snapshots, if there is to be one.

    Raises
    ------
    OutputError
        If that is impossible.
    """
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make snapshot folder {path}: {error.strerror}") from error
