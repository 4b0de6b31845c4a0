"""Measure how long a beat takes to reach a subscriber.

One record is replayed at real time in this process, through a real Mosquitto, to a subscriber in a
process of its own on the same machine, so that both read one clock.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import BeatModel, load_model
from replay.player import Player
from replay.record import Record
from replay.records import open_record
from streamer.bench.speed.mosquitto import broker, running_subscriber
from streamer.core.errors import StreamerError
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.messages.payload import source_name
from streamer.mqtt.publisher import MqttPublisher
from streamer.patient.patients import WardConfig
from streamer.patient.ward import Ward
from streamer.patient.warm_up import warm_up
from streamer.runner.process import calm_memory
from streamer.runner.replay import START_LEAD_S
from streamer.runner.run_config import RunnerConfig, RunReport
from streamer.runner.runner import Runner
from streamer.signal.detector.qrs_detector import DetectorConfig
from streamer.sinks.sink import QuietSink
from streamer.sources.paced import PacedSource

LEARN_S: Final = DetectorConfig().learn_s
_MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySettings:
    """What is replayed."""

    record: str = "208"
    seconds: float = 60.0
    start_s: float = 0.0
    budget_ms: float = 500.0
    mqtt: str | None = None
    """A broker that runs already; None starts Mosquitto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResults:
    """Latencies in ms, one value a beat, of its provisional label."""

    settings: LatencySettings
    decision_delay: NDArray[np.float64]
    compute: NDArray[np.float64]
    end_to_end: NDArray[np.float64]
    excess: NDArray[np.float64]
    """End-to-end latency minus decision delay, of the same beat."""
    sampling: NDArray[np.float64]
    """How late samples were handed to the chain, behind their schedule; one value a sample."""
    confirmed: NDArray[np.float64]
    """End-to-end latency of confirmed labels."""
    n_lost: int
    """Messages that were published but never received."""
    n_late_at_start: int
    """Late beats of the time that the detector learns from; it can't find them sooner."""
    run: RunReport


class _KeptBeats(QuietSink):
    """A sink that keeps each label as it was published."""

    def __init__(self) -> None:
        self.messages: list[Published] = []

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Keep beats."""
        if isinstance(message.event, LabeledBeat):
            self.messages.append(message)


def measure_latency(settings: LatencySettings) -> LatencyResults:
    """Replay and measure.

    Raises
    ------
    BrokerError
        If there is no broker.
    ReplayError
        If the record can't be found.
    """
    record, model = open_record(settings.record), load_model()
    warm_up(model, n_leads=len(record.leads), fs=record.fs)
    with tempfile.TemporaryDirectory(prefix="ecg-stream-") as folder:
        output = Path(folder) / "received.jsonl"
        with broker(settings.mqtt) as url:
            return _measure(settings, record, model, url, output)


def _measure(
    settings: LatencySettings, record: Record, model: BeatModel, url: str, output: Path
) -> LatencyResults:
    kept = _KeptBeats()
    with running_subscriber(url, output), calm_memory():
        info, run, lateness_ms = asyncio.run(_replay(settings, record, model, url, kept))
    received = _received(output, info.source)
    return _report(settings, info, kept.messages, received, lateness_ms, run)


class _Timed(Player):
    """A player that notes, when asked for the time a sample was due, how late it is."""

    def __init__(self, record: Record, *, start: int, stop: int) -> None:
        super().__init__(record, start=start, stop=stop)
        self.lateness_ms: dict[int, float] = {}

    def due(self, sample: int) -> float | None:
        """Return when a sample was due."""
        due = super().due(sample)
        if due is not None:
            self.lateness_ms[sample] = (time.monotonic() - due) * _MS
        return due


async def _replay(
    settings: LatencySettings,
    record: Record,
    model: BeatModel,
    url: str,
    kept: _KeptBeats,
) -> tuple[StreamInfo, RunReport, list[float]]:
    start = round(settings.start_s * record.fs)
    stop = min(start + round(settings.seconds * record.fs), record.n_samples)
    player = _Timed(record, start=start, stop=stop)
    wall_s, clock_s = time.time(), time.monotonic()
    player.begin_at = clock_s + START_LEAD_S
    info = StreamInfo(
        source=source_name(record.name),
        fs=record.fs,
        leads=record.leads,
        first_sample=start,
        n_samples=player.n_samples,
        training_record=False,
        started_at=wall_s + START_LEAD_S,
    )
    ward = Ward(model, n_leads=len(record.leads), config=WardConfig(poll_s=0.0))
    runner = Runner(
        PacedSource(player, info),
        model,
        [kept, MqttPublisher(url)],
        ward=ward,
        config=RunnerConfig(budget_ms=settings.budget_ms),
    )
    return info, await runner.run(), list(player.lateness_ms.values())


def _received(output: Path, source: str) -> dict[int, float]:
    """Return when each event was first received, by sequence number."""
    received_s: dict[int, float] = {}
    for line in output.read_text().splitlines():
        time_s, topic, payload = json.loads(line)
        if topic.split("/")[1] == source and topic.endswith("/beats"):
            received_s.setdefault(json.loads(payload)["seq"], time_s)
    return received_s


def _report(
    settings: LatencySettings,
    info: StreamInfo,
    messages: Sequence[Published],
    received: Mapping[int, float],
    lateness_ms: Sequence[float],
    run: RunReport,
) -> LatencyResults:
    last = info.first_sample + (info.n_samples or 0) - 1
    values: dict[str, list[float]] = {name: [] for name in ("delay", "compute", "end", "confirmed")}
    seen: set[int] = set()
    for message in messages:
        event = message.event
        if not isinstance(event, LabeledBeat) or message.seq not in received:
            continue
        sample = event.beat.rpeak.sample
        played_s = info.wall_time_s(sample)
        end_ms = (received[message.seq] - played_s) * _MS
        if event.decided_at >= last:
            continue  # The end of the stream decided, not its samples.
        if event.revision:
            values["confirmed"].append(end_ms)
        elif sample not in seen:
            seen.add(sample)
            values["delay"].append((event.decided_at - sample) / info.fs * _MS)
            values["compute"].append(message.compute_ms)
            values["end"].append(end_ms)
    if not seen:
        raise StreamerError(
            f"no beat of {settings.record} reached the subscriber; replay more with --seconds"
        )
    delay, end = np.array(values["delay"]), np.array(values["end"])
    return LatencyResults(
        settings=settings,
        decision_delay=delay,
        compute=np.array(values["compute"]),
        end_to_end=end,
        excess=end - delay,
        sampling=np.array(lateness_ms),
        confirmed=np.array(values["confirmed"]),
        n_lost=sum(message.seq not in received for message in messages),
        n_late_at_start=_late_at_start(messages, info),
        run=run,
    )


def _late_at_start(messages: Sequence[Published], info: StreamInfo) -> int:
    beats = [message.event for message in messages if isinstance(message.event, LabeledBeat)]
    learned = info.first_sample + LEARN_S * info.fs
    late = {beat.beat.rpeak.sample for beat in beats if beat.late}
    return sum(sample < learned for sample in late)
