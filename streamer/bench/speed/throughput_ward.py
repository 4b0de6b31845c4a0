"""Measure how many patients one core can follow at real time, and what each costs.

What is timed is a turn of the ward, from its samples to the broker's last acknowledgement of the
events that they completed. Its time is the CPU time of this whole process (`time.process_time`):
labels, worked out on a thread of their own, and the sending of messages are included; the broker
and whatever else the machine runs aren't. So work that two threads do side by side is counted as
if one core did it all.

From these times follows when each turn would end on a core of its own, were the samples to arrive
at real time: a turn can't begin before its samples have arrived, nor before the previous turn has
ended. The signal is the simulated `demo`, begun at another sample for each patient.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import load_model
from replay.simulate.demo import simulate_demo
from streamer.beats.batched_model import BatchedModel
from streamer.core.events import Published, StreamInfo
from streamer.messages.payload import to_payload
from streamer.messages.wire import dumps
from streamer.mqtt.publisher import WARD as WARD_NAME
from streamer.mqtt.publisher import MqttPublisher
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.runner.process import calm_memory
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.runner.ward import LEDGER
from streamer.sinks.sink import QuietSink
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig
from streamer.sources.source import Host, Turn

DSP: Final = "signal"
WARD: Final = "ward"
MS: Final = 1000.0


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
    """CPU time of the whole process in each turn."""
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

    def holds(self, deadline_ms: float) -> bool:
        """Return whether the deadline is held, without falling behind."""
        return self.p99_added_ms <= deadline_ms and self.share < 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WardThroughput:
    """Every size that was measured."""

    config: WardThroughputConfig
    timings: tuple[WardTiming, ...]
    is_sent: bool = False
    """Whether a broker got the messages."""

    def largest(self, what: str) -> int | None:
        """Largest number of patients measured that holds the deadline."""
        deadline_ms = self.config.deadline_ms
        timings = (t for t in self.timings if t.what == what)
        return max((t.patients for t in timings if t.holds(deadline_ms)), default=None)

    def cost_us(self, what: str) -> tuple[float, float]:
        """Return CPU time in us for a patient's second of signal, and R² of the straight line."""
        timings = [t for t in self.timings if t.what == what]
        n = np.array([t.patients for t in timings], float)
        cost = np.array([t.share for t in timings]) * 1e6
        if len(timings) < 2:
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
    advance = advance or (lambda line: None)
    source = LoopedRecords([simulate_demo()], config.n_leads)
    model = BatchedModel(load_model())
    model.warm_up()
    warm_up(model, n_leads=config.n_leads)
    timings = []
    for n in config.dsp_sizes:
        advance(f"signal path, {n} patients")
        timings.append(asyncio.run(_measure(DSP, n, source, model, config)))
    missed = None
    for n in config.sizes:
        advance(f"ward, {n} patients")
        timings.append(asyncio.run(_measure(WARD, n, source, model, config, url)))
        if not timings[-1].holds(config.deadline_ms):
            missed = n
            break
    largest = WardThroughput(config=config, timings=tuple(timings)).largest(WARD)
    if missed is not None and largest:
        middle = (largest + missed) // 2
        advance(f"ward, {middle} patients")
        timings.append(asyncio.run(_measure(WARD, middle, source, model, config, url)))
    return WardThroughput(config=config, timings=tuple(timings), is_sent=url is not None)


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
    source = _TimedTurns(LoopedSource(records, names, seconds=seconds, config=unpaced))
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
        turn_ms=tuple(measured * MS),
        added_ms=tuple(added_latencies(measured, config.turns) * MS),
        events=source.events[-1] - source.events[settled],
        share=float(measured.sum()) / (len(measured) * config.turns.turn_s),
        row_bytes=ward.rows.bytes_per_row,
    )


class _TimedTurns:
    """A source that notes the CPU time that each of its turns takes."""

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
        """Yield each turn, due now, and note the CPU time spent until the next is asked for."""
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
    """A host that admits patients to a ward and does nothing else."""

    def __init__(self, ward: Ward) -> None:
        self._ward = ward

    def open(self, info: StreamInfo, **_: object) -> None:
        """Admit the patient."""
        self._ward.admit(info.source)

    def silent(self, source: str, *, is_silent: bool) -> None:
        """Ignore that: records never end."""

    def close(self, source: str) -> "asyncio.Task[None]":
        """Refuse: no patient's stream ends while it is measured."""
        raise NotImplementedError(f"{source} can't be closed while it is measured")


async def _run_ward(ward: Ward, source: _TimedTurns, model: BatchedModel, url: str | None) -> None:
    """Run the whole ward, each turn until its messages are delivered."""
    sink = _Encoding() if url is None else _Delivering(url, ward=WARD_NAME)
    config = RunnerConfig(shows_samples=False, yield_every_s=0.0)
    runner = Runner(source, model, [sink], ward=ward, config=config, ledger=LEDGER)
    source.n_events = lambda: runner.sessions.totals.events
    await runner.run()


class _Encoding(QuietSink):
    """A sink that encodes messages and sends none."""

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Encode an event."""
        dumps(to_payload(message, info))


class _Delivering(MqttPublisher):
    """A publisher that waits in each turn until the broker has acknowledged everything."""

    async def drain(self) -> None:
        """Wait for every acknowledgement."""
        self.tell_active()
        await self.delivered()


def added_latencies(durations_s: NDArray[np.float64], turns: TurnConfig) -> NDArray[np.float64]:
    """Return how long after a sample was due the turn that took it ended.

    Parameters
    ----------
    durations_s : ndarray
        CPU time of each turn.
    turns : TurnConfig
        How turns follow each other.

    Returns
    -------
    ndarray, twice as long
        For the newest and the oldest sample of each turn.
    """
    ended_s, latencies_s = 0.0, []
    for number, duration_s in enumerate(durations_s):
        due_s = (number + 1) * turns.turn_s
        ended_s = max(ended_s, due_s) + duration_s
        latencies_s += [ended_s - due_s, ended_s - due_s + turns.tick_s]
    return np.array(latencies_s)
