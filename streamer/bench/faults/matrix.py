"""The fault matrix: hurt a real broker, its network and the publisher, and count what gets lost.

A Mosquitto with persistence, a publisher process with an outbox on disk, and a subscriber that has
a session and drops repeats by `seq`; publisher and subscriber each reach the broker over a link
that can be cut, frozen or left half open. One fault after the other strikes at a random moment
with a random length, all drawn from one seed. In the end every event that the publisher ever
accepted must have come once, with its own number, in order.
"""

import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from streamer.bench.faults.link import Link
from streamer.bench.faults.parts import Broker, Publisher, Subscriber
from streamer.bench.faults.publisher import SAMPLES_APART


class Fault(StrEnum):
    """What can be done."""

    BROKER_KILL = "kill -9 the broker"
    BROKER_RESTART = "restart the broker"
    BROKER_STOP = "SIGSTOP the broker"
    PUBLISHER_KILL = "kill -9 the publisher"
    PUBLISHER_STOP = "SIGSTOP the publisher"
    LINK_CUT = "reset the publisher's connection"
    LINK_FREEZE = "partition the publisher"
    LINK_STRAND = "leave the publisher half open"
    SUBSCRIBER_CUT = "reset the subscriber's connection"
    SUBSCRIBER_FREEZE = "partition the subscriber"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsConfig:
    """Size of the matrix."""

    faults: int = 200
    seed: int = 1
    rate: float = 100.0
    """Events a second; one patient has about three."""
    calm_s: tuple[float, float] = (0.02, 0.4)
    """Between two faults."""
    length_s: tuple[float, float] = (0.02, 1.5)
    """How long the broker is down, a process stopped, a link frozen."""
    calm_events: int = 100
    """Events to see after the last fault."""
    end_timeout_s: float = 90.0
    """How long everything may take to arrive at the end."""

    def __post_init__(self) -> None:
        if self.faults < 1 or self.rate <= 0:
            raise ValueError("--faults and --rate must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsReport:
    """What came of it."""

    seed: int
    faults: Counter[Fault]
    published: int
    """Events that the publisher accepted."""
    received: int
    """Messages of events that came, repeats included."""
    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    """Numbers that stood for two events, or events that came under two numbers."""
    disordered: int
    """Events whose first copy came after that of a later one."""
    malformed: int
    reused: int
    """Numbers that the publisher accepted twice."""
    seconds: float

    @property
    def repeats(self) -> int:
        """Copies that a subscriber drops by their number."""
        return self.received - (self.published - len(self.lost))

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled, out of order or damaged."""
        return not (self.lost or self.doubled or self.disordered or self.malformed or self.reused)


@dataclass(slots=True)
class _Scene:
    """Everything that takes part."""

    broker: Broker
    publisher: Publisher
    subscriber: Subscriber
    link: Link
    subscriber_link: Link
    random: Random
    config: FaultsConfig
    counts: Counter[Fault] = field(default_factory=Counter)

    async def pause(self, bounds: tuple[float, float]) -> None:
        await asyncio.sleep(self.random.uniform(*bounds))

    async def strike(self, fault: Fault) -> None:
        """Let one fault happen, and mend it."""
        self.counts[fault] += 1
        match fault:
            case Fault.BROKER_KILL:
                await self._restart_broker(signal.SIGKILL)
            case Fault.BROKER_RESTART:
                await self._restart_broker(signal.SIGTERM)
            case Fault.BROKER_STOP:
                await self._stop(self.broker)
            case Fault.PUBLISHER_KILL:
                await self.publisher.end(signal.SIGKILL)
                self.publisher.start()
            case Fault.PUBLISHER_STOP:
                await self._stop(self.publisher)
            case Fault.LINK_CUT:
                self.link.cut()
            case Fault.LINK_FREEZE:
                await self._freeze(self.link)
            case Fault.LINK_STRAND:
                self.link.strand()
            case Fault.SUBSCRIBER_CUT:
                self.subscriber_link.cut()
            case Fault.SUBSCRIBER_FREEZE:
                await self._freeze(self.subscriber_link)

    async def _restart_broker(self, number: signal.Signals) -> None:
        await self.broker.end(number)
        await self.pause(self.config.length_s)
        self.broker.start()
        await self.broker.until_ready()

    async def _stop(self, process: Broker | Publisher) -> None:
        process.send(signal.SIGSTOP)
        await self.pause(self.config.length_s)
        process.send(signal.SIGCONT)

    async def _freeze(self, link: Link) -> None:
        link.freeze()
        await self.pause(self.config.length_s)
        link.thaw()


def plan(config: FaultsConfig) -> list[Fault]:
    """Draw the faults: each kind about equally often, in random order."""
    kinds = list(Fault)
    faults = [kinds[i % len(kinds)] for i in range(config.faults)]
    Random(config.seed).shuffle(faults)
    return faults


async def measure_faults(
    config: FaultsConfig, advance: Callable[[str], None] = lambda _: None
) -> FaultsReport:
    """Run the matrix.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed, or a part ends by itself.
    TimeoutError
        If in the end not everything arrives in time to be counted.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ecg-stream-faults-") as name:
        folder = Path(name)
        broker = Broker(folder)
        broker.start()
        async with Link(broker.port) as link, Link(broker.port) as subscriber_link:
            scene = _Scene(
                broker=broker,
                publisher=Publisher(link.url, folder, config.rate),
                subscriber=Subscriber(subscriber_link.url, config.seed),
                link=link,
                subscriber_link=subscriber_link,
                random=Random(config.seed + 1),
                config=config,
            )
            following = asyncio.create_task(scene.subscriber.run(), name="subscriber")
            try:
                published = await _play(scene, advance)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                for process in (scene.publisher, broker):
                    process.send(signal.SIGCONT)
                    await process.end(signal.SIGKILL)
        accepted = [int(line) for line in scene.publisher.accepted.read_text().split()]
    return _judge(scene, published, accepted, time.monotonic() - started)


async def _play(scene: _Scene, advance: Callable[[str], None]) -> int:
    """Set up, strike, mend, and return how many events there were."""
    config, subscriber = scene.config, scene.subscriber
    await scene.broker.until_ready()
    await _until(subscriber, lambda: subscriber.connections > 0, config.end_timeout_s)
    scene.broker.save()
    scene.publisher.start()
    await _until(subscriber, lambda: bool(subscriber.events), config.end_timeout_s)
    for fault in plan(config):
        await scene.pause(config.calm_s)
        await scene.strike(fault)
        scene.broker.check()
        scene.publisher.check()
        advance(fault.value)
    # The publisher must have come up again before it can be told to end in order.
    enough = len(subscriber.events) + config.calm_events
    await _until(subscriber, lambda: len(subscriber.events) >= enough, config.end_timeout_s)
    published = int(await scene.publisher.end(signal.SIGTERM))
    await _until(subscriber, lambda: subscriber.finished == published, config.end_timeout_s)
    return published


async def _until(subscriber: Subscriber, condition: Callable[[], bool], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            subscriber.changed.clear()
            await subscriber.changed.wait()


def _judge(scene: _Scene, published: int, accepted: Sequence[int], seconds: float) -> FaultsReport:
    events = scene.subscriber.events
    lost, doubled, disordered = judge(events, published)
    return FaultsReport(
        seed=scene.config.seed,
        faults=scene.counts,
        published=published,
        received=len(events),
        lost=lost,
        doubled=doubled,
        disordered=disordered,
        malformed=scene.subscriber.malformed,
        reused=len(accepted) - len(set(accepted)),
        seconds=seconds,
    )


def judge(
    events: Sequence[tuple[int, int]], published: int
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """De-duplicate by number and compare with what was published.

    Parameters
    ----------
    events : sequence of (seq, sample)
        As they came.
    published : int
        Their number; event n is to have sample n * SAMPLES_APART.

    Returns
    -------
    lost, doubled : tuple of int
        Numbers.
    disordered : int
    """
    first: dict[int, int] = {}
    doubled = set()
    disordered, highest = 0, -1
    for seq, sample in events:
        if sample != seq * SAMPLES_APART or not 0 <= seq < published:
            doubled.add(seq)
        if seq not in first:
            first[seq] = sample
            disordered += seq < highest
            highest = max(highest, seq)
    lost = tuple(seq for seq in range(published) if seq not in first)
    return lost, tuple(sorted(doubled)), disordered


def lines(report: FaultsReport) -> list[str]:
    """Say it in words."""
    total = sum(report.faults.values())
    result = [f"fault matrix, seed {report.seed}: {total} faults in {report.seconds:.0f} s"]
    result += [f"  {count:4d}  {fault.value}" for fault, count in sorted(report.faults.items())]
    result += [
        f"{report.published} events published, {report.received} messages received, "
        f"{report.repeats} of them repeats",
        f"after de-duplication by (source, seq): {len(report.lost)} lost, "
        f"{len(report.doubled)} doubled, {report.disordered} out of order, "
        f"{report.malformed} malformed, {report.reused} numbers used twice",
        "passed" if report.passed else "FAILED",
    ]
    return result


def to_json(report: FaultsReport) -> dict[str, Any]:
    """Every number, for a file."""
    return {
        "seed": report.seed,
        "faults": {fault.name.lower(): count for fault, count in sorted(report.faults.items())},
        "published": report.published,
        "received": report.received,
        "repeats": report.repeats,
        "lost": list(report.lost),
        "doubled": list(report.doubled),
        "disordered": report.disordered,
        "malformed": report.malformed,
        "reused": report.reused,
        "seconds": report.seconds,
        "passed": report.passed,
    }
