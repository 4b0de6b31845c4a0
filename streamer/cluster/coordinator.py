"""Says who has which patient: finds new ones, moves some when workers come or go.

Tells of patients whom nobody watches, too. Samples never pass through it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from streamer.cluster.hashing import moves, shares
from streamer.cluster.presence import ClusterPresence
from streamer.cluster.storage import Plan, read_plan, write_plan
from streamer.cluster.worker import WorkerReport
from streamer.core.errors import OutputError
from streamer.runner.metrics import WardFigures, serving_metrics

_EVERY_S: Final = 0.5
PATIENCE_S: Final = 4.0
"""A worker that hasn't answered for so long leaves its patients unwatched: they are told so."""
_STEP_S: Final = 60.0
"""What one step of a move may take before it is tried again."""
_MOST_NEWS: Final = 1000


class WorkerHandle(Protocol):
    """A worker, wherever it is."""

    async def report(self) -> WorkerReport:
        """Return how it stands."""
        ...

    async def change(self, what: str, sources: Collection[str]) -> None:
        """Do one step with some patients."""
        ...

    async def stop(self) -> None:
        """Write all states and end."""
        ...

    def renew(self) -> None:
        """Have the process end, and another one take its place."""
        ...


@dataclass(slots=True)
class _Known:
    """A worker as the coordinator knows it."""

    handle: WorkerHandle
    heard_s: float
    report: WorkerReport | None = None
    rate: float = 0.0
    asking: "asyncio.Task[WorkerReport] | None" = None
    is_missed: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """How a cluster stands."""

    name: str
    reports: list[WorkerReport] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Workers that don't answer."""
    unwatched: int = 0
    """Patients of theirs."""
    moving: int = 0


class Coordinator:
    """Keeps the plan, and has the workers follow it.

    Parameters
    ----------
    folder : Path
        Shared storage.
    presence : ClusterPresence
        What is heard of and said about sources over MQTT.
    find : callable
        Returns a worker by name, and makes it if there is none.
    """

    def __init__(
        self, folder: Path, presence: ClusterPresence, find: Callable[[str], WorkerHandle]
    ) -> None:
        plan = read_plan(folder)
        if plan is None:
            raise OutputError(f"there is no plan of a cluster in {folder}; start one first")
        self._folder = folder
        self._plan: Plan = plan
        self._presence = presence
        self._find = find
        self._workers: dict[str, _Known] = {}
        self._changing = asyncio.Lock()
        self._news: deque[str] = deque(maxlen=_MOST_NEWS)
        self._is_stopped = False

    async def run(self, metrics: int | None = None) -> None:
        """Keep the plan until stopped; answer Prometheus on a port, if there is one."""
        with serving_metrics(metrics, self._figures, lambda: self.view().unwatched):
            await self._run()

    def _figures(self) -> dict[str, WardFigures]:
        return {report.worker: report.figures for report in self.view().reports}

    async def _run(self) -> None:
        await self._presence.start(self._plan.name)
        for name in self._plan.workers:
            self._meet(name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="listen for sources")
            group.create_task(self._supervise(), name="supervise")
            if self._plan.moving:
                group.create_task(self._finish_moves(), name="finish moves")

    def view(self) -> ClusterView:
        """Return how the cluster stands."""
        missing = [name for name, known in self._workers.items() if known.is_missed]
        return ClusterView(
            name=self._plan.name,
            reports=[k.report for k in self._workers.values() if k.report is not None],
            rates={name: known.rate for name, known in self._workers.items()},
            missing=missing,
            unwatched=sum(len(self._plan.of(name)) for name in missing),
            moving=len(self._plan.moving),
        )

    def news(self) -> list[str]:
        """Take what has happened, in lines for people."""
        taken = list(self._news)
        self._news.clear()
        return taken

    async def resize(self, n: int) -> int:
        """Have n workers; return how many patients moved."""
        names = [f"w{number}" for number in range(n)]
        async with self._changing:
            for name in names:
                self._meet(name)
                await self._until_it_answers(name)
            found = moves(self._plan.owners, names)
            for (_, new), sources in found.items():
                self._plan.moving |= dict.fromkeys(sources, new)
            leaving = [name for name in self._plan.workers if name not in names]
            self._plan.workers = names
            self._save()
            await self._move_all()
            for name in leaving:
                known = self._workers.pop(name)
                await known.handle.stop()
        return sum(map(len, found.values()))

    async def stop(self) -> None:
        """Have every worker write its states and end."""
        self._is_stopped = True
        async with self._changing:
            await asyncio.gather(*(known.handle.stop() for known in self._workers.values()))
        await self._presence.close()

    def _meet(self, name: str) -> None:
        if name not in self._workers:
            self._workers[name] = _Known(self._find(name), time.monotonic())

    async def _until_it_answers(self, name: str) -> None:
        known = self._workers[name]
        while known.report is None and not self._is_stopped:
            await self._ask(name, known)
            await asyncio.sleep(0.05)

    async def _listen(self) -> None:
        """Give new sources to workers, within a second of their first message."""
        while not self._is_stopped:
            found = await self._presence.listen(self._plan.owners.keys())
            if found:
                async with self._changing:
                    new = shares(found - self._plan.owners.keys(), self._plan.workers)
                    for name, sources in new.items():
                        self._plan.owners |= dict.fromkeys(sources, name)
                    self._save()
                    asked = (self._change(n, "watch", s) for n, s in new.items() if s)
                    await asyncio.gather(*asked)
            await asyncio.sleep(_EVERY_S)

    async def _supervise(self) -> None:
        while not self._is_stopped:
            await asyncio.gather(*(self._ask(n, k) for n, k in list(self._workers.items())))
            await asyncio.sleep(_EVERY_S)

    async def _ask(self, name: str, known: _Known) -> None:
        """Hear how a worker stands; whoever is silent or has failed leaves patients unwatched."""
        if known.asking is None:
            known.asking = asyncio.ensure_future(known.handle.report())
        await asyncio.wait({known.asking}, timeout=_EVERY_S)
        if known.asking is not None and known.asking.done():
            asked, known.asking = known.asking, None
            try:
                report = asked.result()
            except Exception as error:  # noqa: BLE001 - whatever a worker fails with, others go on
                self._tell(known, f"worker {name} has failed: {_cause(error)}")
                known.handle.renew()
            else:
                self._heard(name, known, report)
        if time.monotonic() - known.heard_s > PATIENCE_S:
            sources = self._plan.of(name)
            if not known.is_missed and sources:
                known.is_missed = True
                self._tell(
                    known, f"worker {name} doesn't answer: {len(sources)} patients are unwatched"
                )
            self._presence.tell_unwatched(sources, f"worker {name} doesn't answer")

    def _heard(self, name: str, known: _Known, report: WorkerReport) -> None:
        before = known.report
        if before is not None and before.pid == report.pid and report.at_s > before.at_s:
            known.rate = (report.figures.samples - before.figures.samples) / (
                report.at_s - before.at_s
            )
        elif before is not None and before.pid != report.pid:
            gap_s = time.monotonic() - known.heard_s
            self._news.append(
                f"worker {name} is back on {report.node} after {gap_s:.1f} s, "
                f"with {report.figures.patients} patients"
            )
        known.report, known.heard_s, known.told = report, time.monotonic(), ""
        if known.is_missed:
            known.is_missed = False
            self._presence.watched(self._plan.of(name))

    def _tell(self, known: _Known, line: str) -> None:
        if line != known.told:
            known.told = line
            self._news.append(line)

    async def _finish_moves(self) -> None:
        async with self._changing:
            await self._move_all()

    async def _move_all(self) -> None:
        """Move all patients that are on their way."""
        pairs: dict[tuple[str, str], list[str]] = {}
        for source, new in self._plan.moving.items():
            pairs.setdefault((self._plan.owners[source], new), []).append(source)
        for (old, new), sources in pairs.items():
            self._meet(old)
            await self._move(old, new, sources)

    async def _move(self, old: str, new: str, sources: list[str]) -> None:
        """Move patients; a worker that dies on the way begins the step, and this, anew."""
        while True:
            try:
                async with asyncio.timeout(_STEP_S):
                    await self._workers[new].handle.change("expect", sources)
                    await self._workers[old].handle.change("hand_over", sources)
                break
            except Exception as error:  # noqa: BLE001 - as in _ask
                self._news.append(f"a move from {old} to {new} begins anew: {_cause(error)}")
                await asyncio.sleep(_EVERY_S)
        for source in sources:
            self._plan.owners[source] = new
            del self._plan.moving[source]
        self._save()
        await self._change(new, "take_over", sources)

    async def _change(self, name: str, what: str, sources: Collection[str]) -> None:
        """Have a worker do a step; one that dies does it when it begins anew, by the plan."""
        with contextlib.suppress(Exception):
            await self._workers[name].handle.change(what, list(sources))

    def _save(self) -> None:
        write_plan(self._folder, self._plan)


def _cause(error: Exception) -> str:
    """Return what Ray wraps, in one line."""
    cause = getattr(error, "cause", None) or error
    return str(cause).strip().splitlines()[-1] if str(cause).strip() else type(cause).__name__
