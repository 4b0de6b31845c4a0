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
from pathlib import Path
from random import Random

from streamer.bench.faults.link import Link
from streamer.bench.faults.parts import Broker, Publisher, Subscriber, busy
from streamer.bench.faults.plan import Fault, FaultsConfig, plan
from streamer.bench.faults.report import FaultsResult, judge, silences


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
    mended: list[tuple[Fault, float]] = field(default_factory=list)
    """When each fault was over."""

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
        self.mended.append((fault, time.monotonic()))

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


async def measure_faults(
    config: FaultsConfig, advance: Callable[[str], None] = lambda _: None
) -> FaultsResult:
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
        async with (
            busy(config.load),
            Link(broker.port) as link,
            Link(broker.port) as subscriber_link,
        ):
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


def _judge(scene: _Scene, published: int, accepted: Sequence[int], seconds: float) -> FaultsResult:
    events = scene.subscriber.events
    lost, doubled, disordered = judge(events, published)
    return FaultsResult(
        seed=scene.config.seed,
        load=scene.config.load,
        faults=scene.counts,
        published=published,
        received=len(events),
        lost=lost,
        doubled=doubled,
        disordered=disordered,
        malformed=scene.subscriber.malformed,
        reused=len(accepted) - len(set(accepted)),
        silences_s=silences(scene.mended, scene.subscriber.came_s),
        seconds=seconds,
    )
