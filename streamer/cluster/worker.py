"""One worker of a cluster: a Ray actor around its share of the ward."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Final

from classifier.network.runtime import shipped_spec
from streamer.cluster.storage import read_plan, take_over
from streamer.core.errors import BrokerError, OutputError
from streamer.runner.metrics import WardFigures
from streamer.runner.options import WardOptions

if TYPE_CHECKING:
    from streamer.cluster.share import Share

_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """How a worker stands.

    Attributes
    ----------
    figures : WardFigures
    at_s : float
        Wall time.
    """

    worker: str
    node: str
    pid: int
    figures: WardFigures
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
        (figures,) = share.figures().values()
        return WorkerReport(
            worker=self._name,
            node=socket.gethostname(),
            pid=os.getpid(),
            figures=replace(figures, patients=len(share.sources)),
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

    async def _ready(self) -> "Share":
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

    def _make(self) -> "Share":
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
        # Here, as the coordinator, which imports this module too, needs no network.
        from streamer.cluster.share import Share  # noqa: PLC0415

        storage = take_over(folder, plan, self._name)
        plan = read_plan(folder) or plan
        return Share(self._options, storage, plan.of(self._name), plan.awaited_by(self._name))


def identity() -> tuple[str, str]:
    """Return the version of the program and the identity of its model."""
    return metadata.version("ecg-stream"), shipped_spec().sha256


def describe(reports: Sequence[WorkerReport], rates: dict[str, float]) -> list[str]:
    """Return how workers stand, in lines for people."""
    lines = [
        f"{'worker':8} {'node':16} {'pid':>8} {'patients':>8} {'samples/s':>10} {'beats':>8} "
        f"{'late':>6} {'p99 ms':>7} {'waiting':>7} {'MB':>6}"
    ]
    for one in reports:
        own = one.figures
        p99 = "" if own.added_p99_s is None else f"{own.added_p99_s * 1000.0:.0f}"
        lines.append(
            f"{one.worker:8} {one.node[:16]:16} {one.pid:8} {own.patients:8} "
            f"{rates.get(one.worker, 0.0):10.0f} {own.beats:8} {own.late:6} {p99:>7} "
            f"{own.waiting:7} {own.memory_bytes / 1e6:6.0f}"
        )
    return lines
