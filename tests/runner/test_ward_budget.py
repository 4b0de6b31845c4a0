"""Late beats of a ward are told of before a slow network is asked, and counted once."""

import asyncio
from typing import Any

import numpy as np
import pytest
from stage_cases import N_LEADS, SumModel, ecg, same
from virtual_time import run_virtually

from classifier.inputs.features import FloatArray
from replay.chunk import Chunk
from replay.simulate.record import SimulatedRecord
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.patient.chain import Chain
from streamer.patient.ward import Ward
from streamer.runner.beds import Beds
from streamer.runner.ward_budget import BatchPace
from streamer.runner.ward_run import WardRun
from streamer.sources.looped import LoopedRecords

FS = 360.0


def test_a_batch_is_expected_to_take_what_the_last_ones_took() -> None:
    pace = BatchPace()
    assert pace.expected_s(10) == 0.0
    for n, took_s in ((10, 0.1), (12, 0.1), (8, 5.0)):
        pace.ask(n, 100.0)
        pace.answered(100.0 + took_s)
    assert pace.expected_s(10) == pytest.approx(0.1)
    assert pace.expected_s(30) == pytest.approx(0.3)
    assert pace.expected_s(1) == pytest.approx(0.1), "a small batch has its price too"
    pace.answered(500.0)
    assert pace.expected_s(10) == pytest.approx(0.1)


class SlowModel(SumModel):
    """Stands still for as long as a batch takes, on the loop's virtual clock."""

    def __init__(self, slow_s: float) -> None:
        super().__init__()
        self.slow_s = slow_s

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        loop: Any = asyncio.get_running_loop()
        loop._virtual.now_s += self.slow_s
        return super().decide(embedding, features)


class Outcome:
    """Beats in the order in which they were published, with the time of day."""

    def __init__(self) -> None:
        self.messages: list[tuple[Published, float]] = []

    def __call__(self, info: StreamInfo, message: Published) -> None:
        now_s = asyncio.get_running_loop().time()
        assert message.seq == len(self.messages)
        self.messages.append((message, now_s))

    def beats(self) -> list[LabeledBeat]:
        return [m.event for m, _ in self.messages if isinstance(m.event, LabeledBeat)]


async def play(slow_s: float) -> tuple[Outcome, Beds]:
    signal = ecg(round(20 * FS), FS)
    record = SimulatedRecord(name="r", fs=FS, leads=("a", "b"), signal=signal)
    out = Outcome()
    beds = Beds(out)
    run = WardRun(Ward(SlowModel(slow_s), n_leads=N_LEADS), beds)
    await run.run_looped(LoopedRecords([record]), ["r"], seconds=20.0)
    return out, beds


def labels(beats: list[LabeledBeat]) -> list[tuple[Any, ...]]:
    found = [beat for beat in beats if beat.label is not None]
    return [(b.beat.rpeak.sample, b.revision, b.label, b.decided_at) for b in found]


def test_a_quick_network_has_every_label_at_once() -> None:
    out, beds = run_virtually(play(0.001))
    assert beds.totals.unlabelled == 0
    assert None not in [beat.label for beat in out.beats()]


def test_a_slow_network_delays_labels_but_no_beat() -> None:
    quick, _ = run_virtually(play(0.001))
    slow, beds = run_virtually(play(0.2))
    assert labels(slow.beats()) == labels(quick.beats())
    told = [beat for beat in slow.beats() if beat.label is None]
    assert len(told) == beds.totals.unlabelled > 5
    assert all(beat.late and beat.revision == 0 for beat in told)
    samples = {beat.beat.rpeak.sample for beat in slow.beats()}
    assert beds.totals.beats == len(samples)
    late = {beat.beat.rpeak.sample for beat in slow.beats() if beat.revision == 0 and beat.late}
    assert beds.totals.late == len(late)
    first = next(
        at_s
        for message, at_s in slow.messages
        if isinstance(message.event, LabeledBeat) and message.event.label is None
    )
    answer = next(
        at_s
        for message, at_s in slow.messages
        if isinstance(message.event, LabeledBeat)
        and message.event.label is not None
        and message.event.beat.rpeak.sample == told[0].beat.rpeak.sample
    )
    assert answer - first == pytest.approx(0.2, abs=0.01)


def test_the_events_are_those_of_a_chain_but_for_being_late() -> None:
    out, _ = run_virtually(play(0.001))
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    samples = np.ascontiguousarray(ecg(round(20 * FS), FS))
    expected = chain.push(Chunk(start=0, samples=samples)) + chain.flush()
    beats = [event for event in expected if isinstance(event, LabeledBeat)]
    assert labels(out.beats()) == labels(beats)
    assert same([type(m.event) for m, _ in out.messages], [type(event) for event in expected])
