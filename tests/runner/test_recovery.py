"""A live ward that is killed at any moment: what it publishes, over all its processes."""

import asyncio
import dataclasses
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mqtt_subscriber import WAIT_S
from stage_cases import N_LEADS, SumModel, ecg, same

from replay.chunk import Chunk
from streamer.core.events import Event, LabeledBeat, Published, StreamInfo
from streamer.messages.payload import SaidKey, to_payload
from streamer.messages.samples import SampleMessage, encode
from streamer.mqtt.outbox import MemoryOutbox
from streamer.mqtt.said import Said
from streamer.mqtt.sources import addressed, rank_of
from streamer.patient.chain import Chain
from streamer.patient.journal import Journal
from streamer.patient.ward import Ward
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.sinks.sink import QuietSink
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.looped import TurnConfig
from streamer.sources.track import TrackConfig

FS, SIZE, SECONDS = 360.0, 36, 20
CONFIG = LiveConfig(
    silent_s=WAIT_S, track=TrackConfig(wait_s=WAIT_S), turns=TurnConfig(tick_s=0.001, groups=1)
)


class Publisher(QuietSink):
    """Keeps in the journal what it says; keeps for ever what a broker would have."""

    def __init__(self, journal: Journal, sent: dict[int, Event]) -> None:
        self.outbox = MemoryOutbox(100_000)
        self._said = Said(journal, self.outbox)
        self.sent = sent

    def publish(self, info: StreamInfo, message: Published) -> None:
        payload = to_payload(message, info)
        put = addressed(payload, "ecg", rank_of(payload))
        self._said.put([put], info.source, message.seq + 1)
        assert message.seq not in self.sent
        self.sent[message.seq] = message.event

    @property
    def n_delivered(self) -> int:
        return self._said.n_put

    def next_seq(self, source: str) -> int:
        return self.outbox.next_seq(source)

    def recall(self, source: str, records: Any) -> None:
        self._said.recall(source, records)

    def said(self, source: str) -> set[SaidKey]:
        return self._said.take_keys(source)

    def keep(self) -> None: ...

    def resume(self, source: str) -> None: ...


def messages(signal: Any) -> list[bytes]:
    return [
        encode(SampleMessage(seq=n, first_sample=s, fs=FS, samples=signal[:, s : s + SIZE]))
        for n, s in enumerate(range(0, signal.shape[1], SIZE))
    ]


async def live(
    folder: Path, sent: dict[int, Event], payloads: list[bytes], *, is_last: bool
) -> Path:
    """Run one process until it has taken these messages; return what is left when it is killed."""
    journal = Journal(folder / "journal")
    publisher, model = Publisher(journal, sent), SumModel()
    source = LiveSource(("a", "b"), config=CONFIG, journal=journal)
    run = Runner(
        source,
        model,
        [publisher],
        ward=Ward(model, n_leads=N_LEADS),
        config=RunnerConfig(snapshot_every_s=1.0, budget_ms=1e6),
        snapshots=folder,
        memory=publisher,
        journal=journal,
    )
    source.begin(run)
    for name in journal.sources():
        source.recall(name, run.recall(name))
    running = asyncio.create_task(run.run())
    last = 0
    for payload in payloads:
        await asyncio.sleep(0.002)  # Some turns pass, and some snapshots are written.
        source.receive("bed", payload, asyncio.get_running_loop().time())
        last = source.patients["bed"].track.next_sample or 0
    if is_last:
        async with asyncio.timeout(WAIT_S):
            while run.sessions["bed"].last_sample + 1 < last:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        run.stop()
        await running
        return folder
    left = as_it_is(folder)
    publisher.sent = {}  # What a cancelled run does on its way out, a killed one doesn't.
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return left


def as_it_is(folder: Path) -> Path:
    """Copy what is on disk at this moment, which is what kill -9 would leave."""
    left = folder.with_name(f"{folder.name}x")
    while True:
        try:
            shutil.copytree(folder, left, ignore=shutil.ignore_patterns("*.writing"))
        except (shutil.Error, FileNotFoundError):  # A snapshot was being written.
            shutil.rmtree(left)
        else:
            return left


@pytest.mark.parametrize("seed", range(3))
async def test_a_ward_that_is_killed_says_everything_once(tmp_path: Path, seed: int) -> None:
    """Numbers without a hole, none used twice, and the events of a chain that was never hurt."""
    chance = random.Random(seed)
    signal = ecg(round(SECONDS * FS), FS, seed=seed)
    payloads = messages(signal)
    sent: dict[int, Event] = {}
    acknowledged, folder = 0, tmp_path / "state"
    folder.mkdir()
    n_snapshots = 0
    for cut in [*sorted(chance.sample(range(20, len(payloads)), 4)), len(payloads)]:
        # The broker sends what was not acknowledged once more; here everything was.
        again = max(acknowledged - chance.randrange(3), 0)
        folder = await live(folder, sent, payloads[again:cut], is_last=cut == len(payloads))
        acknowledged = cut
        n_snapshots += (folder / "bed.snapshot").exists()
    assert n_snapshots > 1
    assert sorted(sent) == list(range(len(sent)))
    events = [sent[n] for n in sorted(sent)]
    found = [dataclasses.replace(e, late=False) if type(e) is LabeledBeat else e for e in events]
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    expected = chain.push(Chunk(start=0, samples=np.ascontiguousarray(signal)))
    assert len(expected) > 40
    assert same(found[: len(expected)], expected)
    assert len(found) <= len(expected) + 1
