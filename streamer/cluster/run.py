"""`ecg-stream ward --live --cluster`: start a cluster on Ray, or look at one that runs."""

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from streamer.cluster.coordinator import ClusterView, Coordinator
from streamer.cluster.presence import ClusterPresence
from streamer.cluster.storage import Plan, check_options, read_plan, shared_folder, write_plan
from streamer.cluster.worker import Worker, WorkerReport, describe, identity
from streamer.core.errors import BrokerError, OutputError, SnapshotError
from streamer.core.text import say
from streamer.runner.options import WardOptions, publishing
from streamer.runner.process import stop_signals

LOCAL: Final = "local"
_NAMESPACE: Final = "ecg-stream"
_STORE_BYTES: Final = 80_000_000
"""Of Ray's object store, through which nothing of ours passes: its least."""
_EVERY_S: Final = 0.5
_START_S: Final = 120.0


class RayWorker:
    """A worker's actor as the coordinator sees it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def report(self) -> WorkerReport:
        """Return how it stands."""
        try:
            return await self._actor.report.remote()  # type: ignore[no-any-return]
        except _ray().exceptions.RayTaskError as error:
            raise error.cause from None

    async def change(self, what: str, sources: Collection[str]) -> None:
        """Do one step with some patients."""
        await self._actor.change.remote(what, list(sources))

    async def stop(self) -> None:
        """Write all states and end."""
        await self._actor.stop.remote()
        _ray().kill(self._actor)

    def renew(self) -> None:
        """Have the process end; Ray makes another one."""
        _ray().kill(self._actor, no_restart=False)


class RayCoordinator:
    """The coordinator's actor: detached, so that it outlives the command that started it."""

    def __init__(self, options: WardOptions, model: str, version: str) -> None:
        folder = shared_folder(options)

        def find(name: str) -> RayWorker:
            mine = replace(options, name=f"{options.name}.{name}", monitor=False, metrics=None)
            remote = (
                _ray()
                .remote(Worker)
                .options(name=f"{options.name}.{name}", get_if_exists=True, **_KEPT)
            )
            return RayWorker(remote.remote(name, mine, model, version))

        self._metrics = options.metrics
        self._coordinator = Coordinator(folder, ClusterPresence(publishing(options)), find)
        self._running: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start, if it doesn't run; an error that ended it is raised here."""
        if self._running is None:
            self._running = asyncio.create_task(
                self._coordinator.run(self._metrics), name="coordinator"
            )
        await asyncio.sleep(0)
        if self._running.done():
            self._running.result()

    async def view(self) -> ClusterView:
        """Return how the cluster stands."""
        await self.begin()
        return self._coordinator.view()

    async def news(self) -> list[str]:
        """Take what has happened."""
        await self.begin()
        return self._coordinator.news()

    async def resize(self, n: int) -> int:
        """Have n workers; return how many patients moved."""
        await self.begin()
        return await self._coordinator.resize(n)

    async def stop(self) -> None:
        """Have every worker write its states and end."""
        await self._coordinator.stop()


_KEPT: Final[dict[str, Any]] = {
    "namespace": _NAMESPACE,
    "lifetime": "detached",
    "max_restarts": -1,
    "max_task_retries": -1,
    # None is reserved: what a lost machine had must have room on those that are left.
    "num_cpus": 0,
    "scheduling_strategy": "SPREAD",
}


class ClusterRun:
    """One command that starts, resizes, follows or shows a cluster.

    Parameters
    ----------
    options : WardOptions
    address : str
        `local`, or that of a Ray cluster.
    n_workers : int, optional
    is_status : bool
        Whether only to show how it stands.
    """

    def __init__(
        self,
        options: WardOptions,
        address: str,
        n_workers: int | None = None,
        *,
        is_status: bool = False,
    ) -> None:
        self._is_status = is_status
        if not is_status and (options.live or n_workers is None):
            check_options(options)
        self._options = options
        self._address = address
        self._n_workers = n_workers
        self._actor: Any = None

    async def run(self) -> int:
        """Start a ward and run it until interrupted; of one that runs already change the size."""
        self._connect()
        if self._is_status:
            return await self._show()
        if not await self._find_or_start():
            return await self._show()
        stopped = asyncio.Event()
        with stop_signals(stopped.set):
            while not stopped.is_set():
                for line in await self._actor.news.remote():
                    say(line)
                try:
                    async with asyncio.timeout(_EVERY_S):
                        await stopped.wait()
                except TimeoutError:
                    continue
        await self._actor.stop.remote()
        _ray().kill(self._actor)
        _ray().shutdown()
        return 0

    async def _show(self) -> int:
        """Print how a cluster stands."""
        self._connect()
        try:
            actor = _ray().get_actor(self._options.name, namespace=_NAMESPACE)
        except ValueError:
            raise BrokerError(
                f"there is no ward named {self._options.name} in the Ray cluster at "
                f"{self._address}; start one with --live --mqtt URL --snapshots DIR, or say --name"
            ) from None
        view: ClusterView = await actor.view.remote()
        lines = [f"ward {view.name}: {view.moving} patients are moving"]
        lines += describe(view.reports, view.rates)
        if view.missing:
            lines.append(f"no answer from {', '.join(view.missing)}: {view.unwatched} unwatched")
        sys.stdout.write("\n".join(lines) + "\n")
        return 0

    def _connect(self) -> None:
        ray, is_local = _ray(), self._address == LOCAL
        if ray.is_initialized():
            return
        where: dict[str, Any] = (
            {"num_cpus": os.cpu_count(), "object_store_memory": _STORE_BYTES}
            if is_local
            else {"address": self._address}
        )
        try:
            ray.init(
                **where,
                namespace=_NAMESPACE,
                include_dashboard=False if is_local else None,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BrokerError(
                f"no Ray cluster at {self._address} lets us in ({reason}); start one with "
                "'ray start --head', set RAY_AUTH_MODE=token if it asks for a token, or use "
                "--cluster local"
            ) from None
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        if is_local:
            say(f"Ray cluster {ray.get_runtime_context().gcs_address}")

    async def _find_or_start(self) -> bool:
        """Tell whether the ward was started here."""
        ray, options = _ray(), self._options
        try:
            self._actor, is_new = ray.get_actor(options.name, namespace=_NAMESPACE), False
        except ValueError:
            check_options(options)
            version, model, is_new = *identity(), True
            plan = self._plan(model)
            self._actor = (
                ray.remote(RayCoordinator)
                .options(name=options.name, **_KEPT)
                .remote(options, model, version)
            )
            say(f"ward {options.name}: {len(plan.workers)} workers, {len(plan.owners)} patients")
        wanted = self._n_workers
        try:
            await asyncio.wait_for(self._actor.begin.remote(), _START_S)
            if wanted is not None:
                moved = await self._actor.resize.remote(wanted)
                if moved:
                    say(f"{moved} patients have moved")
        except ray.exceptions.RayTaskError as error:
            raise BrokerError(str(error.cause).strip().splitlines()[-1]) from None
        return is_new

    def _plan(self, model: str) -> Plan:
        """Go on with the plan of the folder, under a new epoch; or begin one."""
        folder = shared_folder(self._options)
        plan = read_plan(folder) or Plan(name=self._options.name, model=model)
        if plan.name != self._options.name:
            raise SnapshotError(
                f"{folder} is of a ward named {plan.name}; say --name {plan.name}, or give "
                f"{self._options.name} --snapshots of its own"
            )
        if plan.model != model:
            raise SnapshotError(
                f"the snapshots in {folder} are of model {plan.model[:8]}, this is {model[:8]}; "
                "use that model, or an empty folder"
            )
        plan.epoch += 1
        plan.workers = plan.workers or [f"w{n}" for n in range(self._n_workers or 1)]
        write_plan(folder, plan)
        return plan


def _ray() -> Any:
    """Return Ray, which tells nobody that it is used."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # A worker is one core's work.
    # By default Ray lets everything else go before its workers.
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise OutputError(
            "--cluster needs Ray, which isn't installed: pip install 'ecg-stream[cluster]'"
        ) from error
