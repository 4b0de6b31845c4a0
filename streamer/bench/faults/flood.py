"""A flood of malformed messages beside good sources: what these lose, and how late they become.

A ward, a process of its own, labels live sources that send over MQTT in real time. After a calm
while strangers send it what is none of ours: on topics for samples, on the acknowledgements of the
good sources, and over TCP. A beat's delay is the time from the sending of the sample that decided
its first label until that label is here. In the end every source must have had the very beats that
its samples have without a ward or a flood.
"""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.simulate.demo import simulate_demo
from streamer.bench.faults.good_source import BLOCK, LEADS, Source
from streamer.bench.faults.parts import Broker, Process
from streamer.bench.faults.strangers import flood
from streamer.bench.speed.mosquitto import HOST, free_port
from streamer.core.errors import BrokerError
from streamer.core.events import CHAIN_FS
from streamer.messages.payload import TopicKind
from streamer.messages.source_status import ConnectionState
from streamer.messages.wire import BeatMessage, StatusMessage, loads
from streamer.mqtt.client import SAMPLES, MqttClient
from streamer.mqtt.publisher import WARD
from streamer.sources.looped import LoopedRecords

_BLOCK_S: Final = BLOCK / CHAIN_FS
_POLL_S: Final = 0.05
_START_S: Final = 300.0
"""For a ward whose kernels have to be compiled first."""
_END_S: Final = 60.0
_QUIET_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodConfig:
    """Size of the flood."""

    messages: int = 100_000
    sources: int = 10
    rate: float = 1000.0
    """Malformed messages a second."""
    calm_s: float = 30.0
    """Before the flood."""
    tail_s: float = 5.0
    """After it."""
    most_added_ms: float = 50.0
    """By which the flood may raise the 99th percentile of the delay."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.messages < 1 or self.sources < 1 or self.rate <= 0:
            raise ValueError("--messages, --sources and --rate must be above 0")


@dataclass(slots=True)
class FloodResult:
    """What came of it."""

    config: FloodConfig
    sources: list[Source]
    flood_s: tuple[float, float]
    """When the flood began and ended."""
    n_tcp: int = 0

    def delays_ms(self, *, in_flood: bool) -> NDArray[np.float64]:
        """Return the delays of all sources' first labels before or in the flood."""
        begin_s, end_s = self.flood_s if in_flood else (0.0, self.flood_s[0])
        delays = [source.delays_ms(begin_s, end_s) for source in self.sources]
        return np.concatenate(delays) if delays else np.zeros(0)


async def measure_flood(config: FloodConfig) -> FloodResult:
    """Run a ward, its sources and the flood.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed, or a part ends by itself.
    TimeoutError
        If the ward doesn't start or end in time.
    """
    records = LoopedRecords([simulate_demo()], LEADS)
    n = round((config.calm_s + 2 * config.messages / config.rate + 60.0) * CHAIN_FS)
    signals = records.read(np.zeros(config.sources, np.int64), n)
    sources = [Source(f"good{k}", signal_of) for k, signal_of in enumerate(signals)]
    tcp_port = free_port()
    with tempfile.TemporaryDirectory(prefix="ecg-stream-flood-") as folder:
        broker = Broker(Path(folder))
        broker.start()
        url = f"mqtt://{HOST}:{broker.port}"
        ward = Process([
            *(sys.executable, "-P", "-m", "streamer.commands.cli", "ward", "--live"),
            *("--mqtt", url, "--tcp", str(tcp_port), "--no-monitor"),
        ])  # fmt: skip
        try:
            await broker.until_ready()
            return await _play(config, url, tcp_port, ward, sources)
        finally:
            for process in (ward, broker):
                await process.end(signal.SIGKILL)


async def _play(
    config: FloodConfig, url: str, tcp_port: int, ward: Process, sources: list[Source]
) -> FloodResult:
    follower = _Follower(sources)
    client = MqttClient(
        url, readers={TopicKind.BEATS: follower.take_beat, TopicKind.STATUS: follower.take_status}
    )
    sender, strangers = MqttClient(url), MqttClient(url)
    for one in (client, sender, strangers):
        await one.start()
    ward.start()
    loop = asyncio.get_running_loop()
    async with _closing(client, sender, strangers):
        await follower.until(ConnectionState.ONLINE, _START_S, ward)
        sending = asyncio.create_task(_send(sender, sources), name="sources")
        await asyncio.sleep(config.calm_s)
        began_s = loop.time()
        n_tcp = await flood(
            strangers,
            tcp_port,
            sources,
            messages=config.messages,
            rate=config.rate,
            seed=config.seed,
        )
        result = FloodResult(config, sources, (began_s, loop.time()), n_tcp)
        await asyncio.sleep(config.tail_s)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await follower.until_quiet(_END_S)
        ward.check()
        ward.send(signal.SIGTERM)
        await follower.until(ConnectionState.OFFLINE, _END_S)
        await asyncio.sleep(1.0)
    return result


@contextlib.asynccontextmanager
async def _closing(*clients: MqttClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for client in clients:
            await client.close()


class _Follower:
    """Takes what the ward publishes."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = {source.name: source for source in sources}
        self._state = ""
        self._came_s = 0.0

    def take_beat(self, name: str, payload: bytes, now_s: float) -> None:
        """Note a beat of a good source."""
        message = loads(payload)
        source = self._sources.get(name)
        if source is None or not isinstance(message, BeatMessage):
            return
        self._came_s = now_s
        source.seqs.append(message.seq)
        source.beats[message.sample, message.revision] += 1
        if message.revision == 0 and message.label is not None:
            source.came_s.append((message.decided_at // BLOCK, now_s))

    def take_status(self, name: str, payload: bytes, _: float) -> None:
        """Note how the ward stands."""
        message = loads(payload)
        if name == WARD and isinstance(message, StatusMessage):
            self._state = message.state

    async def until_quiet(self, timeout_s: float) -> None:
        """Wait until no beat has come for a while: the ward has caught up."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            while True:
                quiet_s = loop.time() - self._came_s
                if quiet_s >= _QUIET_S:
                    return
                await asyncio.sleep(_QUIET_S - quiet_s)

    async def until(self, state: str, timeout_s: float, process: Process | None = None) -> None:
        """Wait until the ward says that state."""
        async with asyncio.timeout(timeout_s):
            while self._state != state:
                if process is not None:
                    process.check()
                await asyncio.sleep(_POLL_S)


async def _send(sender: MqttClient, sources: list[Source]) -> None:
    """Have every source send its samples in real time, one after the other within each block."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    n_blocks = sources[0].signal.shape[1] // BLOCK
    for block in range(n_blocks):
        for number, source in enumerate(sources):
            due_s = began_s + (block + 1 + number / len(sources)) * _BLOCK_S
            await asyncio.sleep(max(due_s - loop.time(), 0.0))
            sender.queue(source.topic(SAMPLES), source.block(block))
            source.sent_s.append(loop.time())
    raise BrokerError("the flood took longer than the sources' signals last")
