"""What a cluster holds, what moving patients costs, and how soon it is back after kill -9.

A Mosquitto that keeps its sessions on disk, sources in real time, and a subscriber that misses
nothing; the cluster is the program itself, with Ray on this machine.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from streamer.bench.cluster.scene import Audit, Patients, Verdict
from streamer.bench.faults.parts import Broker
from streamer.core.errors import BrokerError

_WAIT_S: Final = 600.0
_COMMAND: Final = (sys.executable, "-P", "-m", "streamer.commands.cli", "ward")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """What is measured."""

    patients: int = 200
    seconds: float = 20.0
    """How long the cost of each size is measured."""
    kills: int = 20
    snapshot_every_s: float = 30.0
    calm_events: int = 6
    """Events of each patient between two kills."""
    most_compared: int = 60
    """Patients above which labels aren't compared with an undisturbed ward: it would take long."""


@dataclass(slots=True, kw_only=True)
class Load:
    """What a number of workers cost with the same patients."""

    workers: int
    cpu_share: float
    """CPU seconds of all workers a second."""
    broker_share: float
    """The same of Mosquitto."""
    delays_ms: list[float]
    """From when the sample that decided a beat was sent until the subscriber had it."""


@dataclass(slots=True, kw_only=True)
class ClusterResult:
    """What came of it."""

    config: ClusterConfig
    loads: list[Load] = field(default_factory=list)
    moved: int = 0
    move_s: float = 0.0
    move_delays_ms: list[float] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    """From each kill until every patient of that worker had an event again."""
    verdict: Verdict | None = None
    machine_load: float = 0.0
    """Processes that wanted to run on this machine, on average, at the end."""


class _Cluster:
    """The program, its workers' processes, and its address."""

    def __init__(self, url: str, folder: Path, config: ClusterConfig) -> None:
        self._log = folder / "log"
        self._file = self._log.open("w")
        arguments = ["--live", "--cluster", "local", "--workers", "1", "--no-monitor"]
        arguments += ["--mqtt", url, "--snapshots", str(folder / "state")]
        arguments += ["--snapshot-every", str(config.snapshot_every_s)]
        # Ray lets in only who knows it; on its own it would make one for this command alone.
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._environment = {**os.environ, **token}
        self.process = subprocess.Popen(
            [*_COMMAND, *arguments], stdout=self._file, stderr=self._file, env=self._environment
        )

    @property
    def address(self) -> str:
        """Where Ray is."""
        lines = self._log.read_text().splitlines()
        found = [line.split()[-1] for line in lines if line.startswith("Ray cluster ")]
        if not found:
            raise BrokerError(f"the cluster didn't start: {' '.join(lines[-1:])}")
        return found[0]

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the workers."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        found = []
        for child in children:
            with contextlib.suppress(psutil.Error):
                if child.cmdline()[:1] and child.cmdline()[0].startswith("ray::Worker"):
                    found.append(child)
        return found

    async def resize(self, n: int) -> tuple[int, float]:
        """Have n workers; return how many patients moved, and how long the command took."""
        began_s = time.monotonic()
        command = [*_COMMAND, "--cluster", self.address, "--workers", str(n)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self._environment
        )
        _, errors = await process.communicate()
        said = errors.decode().splitlines()
        if process.returncode != 0:
            raise BrokerError(f"the cluster couldn't be resized: {' '.join(said[-1:])}")
        moved = [int(line.split()[0]) for line in said if line.endswith("patients have moved")]
        return sum(moved), time.monotonic() - began_s

    async def end(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(self.process.wait)
        self._file.close()


async def measure_cluster(
    config: ClusterConfig, advance: Callable[[str], None] = lambda line: None
) -> ClusterResult:
    """Measure load of one and two workers, moves between them, and recovery.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed or the cluster doesn't start.
    TimeoutError
        If something doesn't come back at all.
    """
    names = [f"bed{number}" for number in range(config.patients)]
    result = ClusterResult(config=config)
    with tempfile.TemporaryDirectory(prefix="ecg-stream-cluster-") as name:
        async with _scene(Path(name), names, config) as (audit, patients, cluster):
            await audit.until_more(names, config.calm_events, _WAIT_S)
            for n in (1, 2):
                if n > 1:
                    seen = len(audit.delays_ms)
                    result.moved, result.move_s = await cluster.resize(n)
                    await audit.until_more(names, 2, _WAIT_S)
                    result.move_delays_ms = audit.delays_ms[seen:]
                result.loads.append(await _load(n, audit, cluster, config.seconds))
                advance(f"{n} workers: {result.loads[-1].cpu_share:.2f} CPU")
            for number in range(config.kills):
                await audit.until_more(names, config.calm_events, _WAIT_S)
                result.recoveries_s.append(await _recovery(number, audit, cluster, names))
                advance(f"kill {number + 1}: back after {result.recoveries_s[-1]:.1f} s")
            await audit.until_more(names, config.calm_events, _WAIT_S)
            patients.stop()
            result.verdict = await _judge(audit, patients, config)
            result.machine_load = psutil.getloadavg()[0]
    return result


@contextlib.asynccontextmanager
async def _scene(
    folder: Path, names: Sequence[str], config: ClusterConfig
) -> AsyncIterator[tuple[Audit, Patients, _Cluster]]:
    broker = Broker(folder)
    broker.start()
    await broker.until_ready()
    url = f"mqtt://127.0.0.1:{broker.port}"
    patients = Patients(url, list(names))
    audit = Audit(due_s=patients.due_s)
    following = audit.client(url)
    await following.start()
    cluster = _Cluster(url, folder, config)
    sending: asyncio.Task[None] | None = None
    try:
        await audit.until(lambda: audit.states.get("ward.w0") == "online", _WAIT_S)
        sending = asyncio.create_task(patients.run(), name="patients")
        yield audit, patients, cluster
        await sending
    finally:
        patients.stop()
        if sending is not None:
            await asyncio.gather(sending, return_exceptions=True)
        await cluster.end()
        await patients.close()
        await following.close()
        await broker.end(signal.SIGTERM)


async def _load(n: int, audit: Audit, cluster: _Cluster, seconds: float) -> Load:
    workers, seen = cluster.workers(), len(audit.delays_ms)
    broker = [p for p in psutil.Process().children() if p.name() == "mosquitto"]
    groups, began_s = (workers, broker), time.monotonic()
    before = [_cpu_s(group) for group in groups]
    await asyncio.sleep(seconds)
    elapsed_s = time.monotonic() - began_s
    used = [(_cpu_s(g) - b) / elapsed_s for g, b in zip(groups, before, strict=True)]
    delays_ms = audit.delays_ms[seen:]
    return Load(workers=n, cpu_share=used[0], broker_share=used[1], delays_ms=delays_ms)


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


async def _recovery(number: int, audit: Audit, cluster: _Cluster, names: Sequence[str]) -> float:
    """Kill one worker; return how long until all of its patients are labelled again."""
    workers = cluster.workers()
    began_s = time.monotonic()
    workers[number % len(workers)].kill()

    def hurt() -> list[str]:
        return [n for n, s in audit.states.items() if n.startswith("ward.w") and s == "offline"]

    await audit.until(lambda: bool(hurt()), _WAIT_S)
    gone = hurt()
    # What it had sent before it died is on its way still, but it was put before its last will.
    await audit.until_more([name for name in names if audit.via.get(name) in gone], 1, _WAIT_S)
    return time.monotonic() - began_s


async def _judge(audit: Audit, patients: Patients, config: ClusterConfig) -> Verdict:
    if config.patients > config.most_compared:
        return audit.compare({}, 0)
    truth = await asyncio.to_thread(patients.truth, audit.starts)
    end = patients.settled
    expected = {key for key in truth if key[1] < end}
    with contextlib.suppress(TimeoutError):
        await audit.until(lambda: expected <= audit.labels.keys(), _WAIT_S)
    return audit.compare(truth, end)
