"""How many patients one core can follow at real time, and what each costs.

Every turn of a ward, from its samples to the broker's last acknowledgement of what they brought, is
timed by the CPU time of this process, so that what else the machine does (the broker too) isn't
counted. From these times follows when each turn would end on a core of its own, were the samples to
come at real time: a turn can't begin before its samples are there, nor before the one before it has
ended. The signal is the simulated `demo`, from a different place for each patient.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import load_model
from replay.simulate.demo import simulate_demo
from streamer.beats.batched_model import BatchedModel
from streamer.bench.report import Report
from streamer.core.events import CHAIN_FS, Published, StreamInfo
from streamer.messages.payload import to_payload
from streamer.messages.wire import dumps
from streamer.mqtt.publisher import WARD as WARD_NAME
from streamer.mqtt.publisher import MqttPublisher
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.report.table import Column, Table, columns, table
from streamer.runner.calm_memory import calm_memory
from streamer.runner.runner import Runner, RunnerConfig
from streamer.runner.ward import LEDGER
from streamer.sinks.sink import QuietSink
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig
from streamer.sources.source import Host, Turn

SCHEMA_VERSION: Final = 2
DSP: Final = "signal"
WARD: Final = "ward"
_MS: Final = 1000.0
_LEADS: Final = ("MLII", "V1")


@dataclass(frozen=True, slots=True, kw_only=True)
class WardThroughputConfig:
    """How much is measured."""

    sizes: tuple[int, ...] = (100, 200, 400, 800, 1200, 1600, 2000, 2400)
    """Patients, for the whole ward; it ends with the first size that misses the deadline."""
    dsp_sizes: tuple[int, ...] = (1000, 2000, 5000, 10_000)
    """Patients, for the signal path alone."""
    seconds: float = 4.0
    """Signal measured."""
    settle_s: float = 3.0
    """Signal before that: the detectors learn for 1.5 s."""
    turns: TurnConfig = field(default_factory=TurnConfig)
    """How patients take turns."""
    deadline_ms: float = 100.0
    """For the 99th percentile of the added latency."""
    n_leads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WardTiming:
    """One number of patients."""

    what: str
    patients: int
    turn_ms: tuple[float, ...]
    """CPU time of each turn."""
    added_ms: tuple[float, ...]
    """From when a sample was due until its turn ended, for the first and last sample of each."""
    events: int
    share: float
    """CPU time over signal time: 1 is a whole core."""
    row_bytes: int
    """State of one patient in the ward's arrays."""

    @property
    def p99_added_ms(self) -> float:
        """99th percentile of the added latency."""
        return float(np.quantile(self.added_ms, 0.99))


@dataclass(frozen=True, slots=True, kw_only=True)
class WardThroughput:
    """Every size that was measured."""

    config: WardThroughputConfig
    timings: tuple[WardTiming, ...]
    is_sent: bool = False
    """Whether a broker got the messages."""

    def holds(self, timing: WardTiming) -> bool:
        """Whether a size holds the deadline, without falling behind."""
        return timing.p99_added_ms <= self.config.deadline_ms and timing.share < 1.0

    def largest(self, what: str) -> int | None:
        """Largest number of patients measured that holds the deadline."""
        held = [t.patients for t in self.timings if t.what == what and self.holds(t)]
        return max(held, default=None)

    def cost_us(self, what: str) -> tuple[float, float]:
        """Return CPU time in us for a patient's second of signal, and R² of the straight line."""
        those = [t for t in self.timings if t.what == what]
        n = np.array([t.patients for t in those], float)
        cost = np.array([t.share for t in those]) * 1e6
        if len(those) < 2:
            return float((cost / n).mean()), float("nan")
        slope, offset = np.polyfit(n, cost, 1)
        rest = cost - (slope * n + offset)
        return float(slope), float(1.0 - rest.var() / cost.var())


def measure_ward(
    config: WardThroughputConfig | None = None,
    advance: Callable[[str], None] | None = None,
    url: str | None = None,
) -> WardThroughput:
    """Measure every size, and look more closely where the deadline is missed.

    Parameters
    ----------
    config : WardThroughputConfig, optional
    advance : callable, optional
        Gets a line before each size.
    url : str, optional
        Broker that gets the whole ward's messages; without it they are encoded but not sent.

    Raises
    ------
    BrokerError
        If the broker can't be reached.
    """
    config = config or WardThroughputConfig()
    tell = advance or (lambda line: None)
    source = LoopedRecords([simulate_demo()], config.n_leads)
    model = BatchedModel(load_model())
    model.warm_up()
    warm_up(model, n_leads=config.n_leads)
    timings = []
    for n in config.dsp_sizes:
        tell(f"signal path, {n} patients")
        timings.append(asyncio.run(_measure(DSP, n, source, model, config)))
    missed = None
    for n in config.sizes:
        tell(f"ward, {n} patients")
        timings.append(asyncio.run(_measure(WARD, n, source, model, config, url)))
        if not _holds(timings[-1], config):
            missed = n
            break
    largest = max((t.patients for t in timings if t.what == WARD and _holds(t, config)), default=0)
    if missed is not None and largest:
        middle = (largest + missed) // 2
        tell(f"ward, {middle} patients")
        timings.append(asyncio.run(_measure(WARD, middle, source, model, config, url)))
    return WardThroughput(config=config, timings=tuple(timings), is_sent=url is not None)


def _holds(timing: WardTiming, config: WardThroughputConfig) -> bool:
    return WardThroughput(config=config, timings=(timing,)).holds(timing)


async def _measure(
    what: str,
    n: int,
    records: LoopedRecords,
    model: BatchedModel,
    config: WardThroughputConfig,
    url: str | None = None,
) -> WardTiming:
    """Time each turn; in the whole ward until the broker at `url` has all its messages."""
    ward = Ward(model, n_leads=config.n_leads)
    names = [f"p{number}" for number in range(n)]
    seconds = config.settle_s + config.seconds
    unpaced = replace(config.turns, is_paced=False)
    source = _TimedTurns(LoopedSource(records, names, _LEADS, seconds=seconds, config=unpaced))
    with calm_memory():
        if what == DSP:
            await _run_signal(ward, source)
        else:
            await _run_ward(ward, source, model, url)
    settled = round(config.settle_s / config.turns.turn_s)
    measured = np.array(source.spent_s[settled:])
    return WardTiming(
        what=what,
        patients=n,
        turn_ms=tuple(measured * _MS),
        added_ms=tuple(added_latencies(measured, config.turns) * _MS),
        events=source.events[-1] - source.events[settled],
        share=float(measured.sum()) / (len(measured) * config.turns.turn_s),
        row_bytes=ward.rows.bytes_per_row,
    )


class _TimedTurns:
    """A source that times what is done with each of its turns."""

    is_paced = False

    def __init__(self, source: LoopedSource) -> None:
        self.spent_s: list[float] = []
        self.events: list[int] = [0]
        self.n_events: Callable[[], int] = lambda: 0
        self._source = source

    def begin(self, host: Host) -> None:
        """Open all patients."""
        self._source.begin(host)

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield each turn, due now; the time until the next is asked for is what it took."""
        loop = asyncio.get_running_loop()
        async for turn in self._source.turns():
            if turn.block is None:
                continue
            due = replace(turn.block, due_s=loop.time())
            began_s = time.process_time()
            yield replace(turn, block=due)
            self.spent_s.append(time.process_time() - began_s)
            self.events.append(self.n_events())


async def _run_signal(ward: Ward, source: _TimedTurns) -> None:
    """Run the signal path alone."""
    source.begin(_Admitting(ward))
    async for turn in source.turns():
        if turn.block is not None:
            ward.rows.run(turn.block.samples, turn.block.counts)


class _Admitting:
    """Takes patients into a ward and does nothing else."""

    def __init__(self, ward: Ward) -> None:
        self._ward = ward

    def open(self, info: StreamInfo, **_: object) -> None:
        """Admit the patient."""
        self._ward.admit(info.source)

    def close(self, source: str) -> "asyncio.Task[None]":
        """Refuse: nobody leaves."""
        raise NotImplementedError(f"{source} never leaves")


async def _run_ward(ward: Ward, source: _TimedTurns, model: BatchedModel, url: str | None) -> None:
    """Run the whole ward, each turn until its messages are delivered."""
    sink = _Encoding() if url is None else _Delivering(url, ward=WARD_NAME)
    runner = Runner(
        source,
        model,
        [sink],
        ward=ward,
        config=RunnerConfig(shows_samples=False, yield_every_s=0.0),
        ledger=LEDGER,
    )
    source.n_events = lambda: runner.sessions.totals.events
    await runner.run()


class _Encoding(QuietSink):
    """Encodes messages and sends none."""

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Encode an event."""
        dumps(to_payload(message, info))


class _Delivering(MqttPublisher):
    """A publisher whose turns last until the broker has everything."""

    async def drain(self) -> None:
        """Wait for every acknowledgement."""
        self.tell_active()
        await self.delivered()


def added_latencies(durations_s: NDArray[np.float64], turns: TurnConfig) -> NDArray[np.float64]:
    """Return how long after they were due the samples of each turn were dealt with.

    Parameters
    ----------
    durations_s : ndarray
        Of each turn.
    turns : TurnConfig
        How turns follow each other.

    Returns
    -------
    ndarray, twice as long
        For the newest and the oldest sample of each turn.
    """
    ended, found = 0.0, []
    for number, duration in enumerate(durations_s):
        there = (number + 1) * turns.turn_s
        ended = max(ended, there) + duration
        found += [ended - there, ended - there + turns.tick_s]
    return np.array(found)


def ward_report(found: WardThroughput) -> Report:
    """Report what a ward of every size costs, and which size holds the deadline."""
    config = found.config
    lines = [
        f"One core; {config.n_leads} leads at {CHAIN_FS:g} Hz, ticks of "
        f"{config.turns.tick_s * _MS:g} ms in {config.turns.groups} turns, {config.seconds:g} s of "
        f"signal; events encoded as JSON "
        f"{'and sent to Mosquitto' if found.is_sent else 'but not sent'}. Deadline: p99 added "
        f"latency of {config.deadline_ms:g} ms.",
    ]
    for what in dict.fromkeys(t.what for t in found.timings):
        slope, fit = found.cost_us(what)
        lines.append(
            f"{what}: largest that holds the deadline {found.largest(what) or 'none'}; "
            f"{slope:.1f} us CPU for each second of a patient, straight line R² {fit:.4f}"
        )
    return Report(
        title="Throughput of a ward",
        introduction=lines,
        tables=[_table(found)],
        figures={
            "schema": SCHEMA_VERSION,
            "tick_s": config.turns.tick_s,
            "turns": config.turns.groups,
            "sent": found.is_sent,
            "deadline_ms": config.deadline_ms,
            "largest": {what: found.largest(what) for what in (DSP, WARD)},
            "timings": [_figures(t) for t in found.timings],
        },
        plot=partial(_plot, found),
    )


def _table(found: WardThroughput) -> Table:
    rows = [
        (
            *(t.what, t.patients, t.share, t.share / t.patients * 1e6),
            *(np.quantile(t.turn_ms, 0.5), np.quantile(t.turn_ms, 0.99), t.p99_added_ms),
            *("yes" if found.holds(t) else "no", t.row_bytes / 1024),
        )
        for t in sorted(found.timings, key=lambda t: (t.what, t.patients))
    ]
    header = (
        *(Column(""), Column("patients"), Column("cores", ".3f"), Column("us/patient s", ".1f")),
        *columns("turn ms", "p99", form=".2f"),
        *(Column("added p99", ".1f"), Column("holds"), Column("KB", ".1f")),
    )
    return table("Cost of a ward", header, rows)


def _figures(timing: WardTiming) -> dict[str, Any]:
    return {
        "what": timing.what,
        "patients": timing.patients,
        "cores": timing.share,
        "turn_ms": timing.turn_ms,
        "added_p99_ms": timing.p99_added_ms,
        "events": timing.events,
        "row_bytes": timing.row_bytes,
    }


def _plot(found: WardThroughput, path: Path) -> None:
    """Draw cost against the number of patients."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), (DSP, WARD), strict=True):
        those = sorted((t for t in found.timings if t.what == what), key=lambda t: t.patients)
        axes.plot([t.patients for t in those], [t.share for t in those], "o-")
        axes.axhline(1.0, color="grey", linestyle=":")
        axes.set(xlabel="patients", ylabel="cores", title=what, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.savefig(path)
