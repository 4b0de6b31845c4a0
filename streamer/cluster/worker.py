"""One worker of a cluster: a Ray actor around its share of the ward."""

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from classifier.network.runtime import load_model
from streamer.cluster.share import Share
from streamer.cluster.storage import read_plan, take_over
from streamer.core.errors import BrokerError, OutputError
from streamer.runner.options import WardOptions

_POLL_S: Final = 0.02
_PAGE_KB: Final = resource.getpagesize() // 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """How a worker stands.

    Attributes
    ----------
    patients : int
        Those that it has; some may not have sent anything yet.
    samples : int
        Taken so far, of one lead each.
    beats, late, events : int
    added_p99_ms : float or None
        What it adds to the decision delay.
    waiting : int
        Messages that the broker doesn't have yet.
    memory_kb : int
        Resident, of the whole process.
    """

    worker: str
    node: str
    pid: int
    patients: int
    samples: int
    beats: int
    late: int
    events: int
    added_p99_ms: float | None
    waiting: int
    memory_kb: int
    at_s: float


class Worker:
    """Runs a share; Ray makes it anew where its process or machine has died.

    Parameters
    ----------
    name : str
    options : WardOptions
        Of the whole ward.
    model, version : str
        What the cluster was started with; another one here is refused.
    """

    def __init__(self, name: str, options: WardOptions, model: str, version: str) -> None:
        self._name = name
        self._options = options
        self._expected = (version, model)
        self._share: Share | None = None
        self._running: asyncio.Task[int] | None = None
        self._beginning = asyncio.Lock()

    async def report(self) -> WorkerReport:
        """Return how it stands, once it runs.

        Raises
        ------
        StreamerError
            If it can't run, or has ended by an error.
        """
        share = await self._ready()
        totals = None if share.runner is None else share.runner.sessions.totals
        added = None if totals is None or not totals.added.count else totals.added.quantile(0.99)
        return WorkerReport(
            worker=self._name,
            node=socket.gethostname(),
            pid=os.getpid(),
            patients=len(share.sources),
            samples=0 if totals is None else totals.samples,
            beats=0 if totals is None else totals.beats,
            late=0 if totals is None else totals.late,
            events=0 if totals is None else totals.events,
            added_p99_ms=added,
            waiting=share.n_waiting,
            memory_kb=_memory_kb(),
            at_s=time.time(),
        )

    async def change(self, what: str, sources: Collection[str]) -> None:
        """Do one step with some patients: `watch`, `expect`, `hand_over` or `take_over`."""
        share = await self._ready()
        await getattr(share, what)(sources)

    async def stop(self) -> None:
        """Write all states and end."""
        if self._share is not None and self._running is not None:
            self._share.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _ready(self) -> Share:
        async with self._beginning:
            if self._share is None or self._running is None:
                self._share = share = await asyncio.to_thread(self._make)
                self._running = asyncio.create_task(share.run(), name=f"share {self._name}")
        while not self._share.is_ready and not self._running.done():  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        if self._running.done():
            self._running.result()
            raise BrokerError(f"worker {self._name} has ended")
        return self._share

    def _make(self) -> Share:
        """Take the worker's place: from here on, whoever had it before says nothing more."""
        found = identity()
        if found != self._expected:
            (version, model), (other_version, other_model) = self._expected, found
            raise OutputError(
                f"worker {self._name} on {socket.gethostname()} runs ecg-stream {other_version} "
                f"with model {other_model[:8]}, the cluster runs {version} with {model[:8]}; "
                "install the same on every machine"
            )
        folder = self._options.snapshots
        plan = None if folder is None else read_plan(folder)
        if folder is None or plan is None:
            raise OutputError(
                f"worker {self._name} on {socket.gethostname()} finds no plan in {folder}; "
                "--snapshots must be a folder that all machines share"
            )
        storage = take_over(folder, plan, self._name)
        plan = read_plan(folder) or plan
        return Share(self._options, storage, plan.of(self._name), plan.awaited_by(self._name))


def identity() -> tuple[str, str]:
    """Return the version of the program and the identity of its model."""
    return metadata.version("ecg-stream"), load_model().spec.sha256


def _memory_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KB


def describe(reports: Sequence[WorkerReport], rates: dict[str, float]) -> list[str]:
    """Return how workers stand, in lines for people."""
    lines = [
        f"{'worker':8} {'node':16} {'pid':>8} {'patients':>8} {'samples/s':>10} {'beats':>8} "
        f"{'late':>6} {'p99 ms':>7} {'waiting':>7} {'MB':>6}"
    ]
    for one in reports:
        p99 = "" if one.added_p99_ms is None else f"{one.added_p99_ms:.0f}"
        lines.append(
            f"{one.worker:8} {one.node[:16]:16} {one.pid:8} {one.patients:8} "
            f"{rates.get(one.worker, 0.0):10.0f} {one.beats:8} {one.late:6} {p99:>7} "
            f"{one.waiting:7} {one.memory_kb / 1024:6.0f}"
        )
    return lines
