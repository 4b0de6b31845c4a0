"""The engine with a source, a chain and sinks made for the test."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from sample_events import labeled

from replay.chunk import Chunk
from replay.errors import RecordFormatError
from streamer.core.errors import OutputError
from streamer.core.events import Event, Published, StreamInfo
from streamer.core.stage import Snapshot
from streamer.runner.engine import Engine, EngineConfig
from streamer.sinks.jsonl import JsonLinesSink

INFO = StreamInfo(
    source="test",
    fs=100.0,
    leads=("MLII",),
    first_sample=0,
    n_samples=None,
    training_record=False,
    started_at=0.0,
)


class EchoChain:
    """A beat for every sample that is a multiple of ten, and one at the end of the stream."""

    def __init__(self) -> None:
        self.last = -1
        self.flushed = 0

    def push(self, item: Chunk) -> list[Event]:
        self.last = item.stop - 1
        return [labeled(n, self.last) for n in range(item.start, item.stop) if n % 10 == 0]

    def flush(self) -> list[Event]:
        self.flushed += 1
        return [labeled(self.last, self.last)]

    def reset(self) -> None:
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        raise NotImplementedError

    def restore(self, snapshot: Snapshot) -> None:
        raise NotImplementedError


class RecordingSink:
    """Keeps all that it is given; fails wherever the test says."""

    def __init__(self, *, fail_in: str | None = None, at_seq: int = 0) -> None:
        self.fail_in = fail_in
        self.at_seq = at_seq
        self.messages: list[Published] = []
        self.samples_seen = 0
        self.drains = 0
        self.calls: list[str] = []

    def _maybe_fail(self, where: str) -> None:
        if self.fail_in == where:
            raise OutputError(f"{where} failed on purpose")

    async def start(self, info: StreamInfo) -> None:
        self._maybe_fail("start")
        self.calls.append("start")

    def observe(self, chunk: Chunk) -> None:
        self._maybe_fail("observe")
        self.samples_seen += chunk.samples.shape[1]

    def publish(self, message: Published) -> None:
        if message.seq >= self.at_seq:
            self._maybe_fail("publish")
        self.messages.append(message)

    async def drain(self) -> None:
        self._maybe_fail("drain")
        self.drains += 1

    async def close(self) -> None:
        self.calls.append("close")
        self._maybe_fail("close")
        if self.fail_in == "hang":
            await asyncio.Event().wait()


async def source(n: int, size: int = 7) -> AsyncIterator[Chunk]:
    for start in range(0, n, size):
        stop = min(start + size, n)
        yield Chunk(start=start, samples=np.zeros((1, stop - start), np.float32))


async def endless() -> AsyncIterator[Chunk]:
    """Play 35 samples, then wait for a sample that never comes."""
    async for chunk in source(35):
        yield chunk
    await asyncio.Event().wait()


def seqs(sink: RecordingSink) -> list[int]:
    return [message.seq for message in sink.messages]


async def test_every_sink_gets_every_event_once_in_order() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    report = await Engine(source(100), EchoChain(), sinks, INFO).run()
    for sink in sinks:
        assert seqs(sink) == list(range(11))
        assert sink.samples_seen == 100
        assert sink.calls == ["start", "close"]
    assert (report.n_samples, report.n_events, report.n_beats) == (100, 11, 11)
    assert not report.interrupted
    assert report.failures == ()


@pytest.mark.parametrize("where", ["publish", "observe", "drain"])
async def test_a_failing_sink_costs_the_others_nothing(where: str) -> None:
    bad, good = RecordingSink(fail_in=where, at_seq=3), RecordingSink()
    told: list[str] = []
    engine = Engine(
        source(100), EchoChain(), [bad, good], INFO, paced=False, on_failure=told.append
    )
    report = await engine.run()
    assert seqs(good) == list(range(11))
    assert report.failures == tuple(told) == (f"{where} failed on purpose",)
    assert bad.calls == ["start", "close"]


async def test_an_unexpected_error_in_a_sink_is_named() -> None:
    class Broken(RecordingSink):
        def publish(self, message: Published) -> None:
            raise KeyError("column")

    good = RecordingSink()
    report = await Engine(source(100), EchoChain(), [Broken(), good], INFO).run()
    assert seqs(good) == list(range(11))
    assert report.failures == ("Broken failed: KeyError: 'column'",)


async def test_a_sink_that_does_not_close_holds_up_nobody() -> None:
    bad, hung, good = RecordingSink(fail_in="close"), RecordingSink(fail_in="hang"), RecordingSink()
    config = EngineConfig(close_timeout_s=0.0)
    report = await Engine(source(10), EchoChain(), [bad, hung, good], INFO, config=config).run()
    assert good.calls == ["start", "close"]
    assert sorted(report.failures) == [
        "RecordingSink did not finish within 0 s",
        "close failed on purpose",
    ]


async def test_a_sink_that_cannot_start_ends_the_run_and_closes_those_before_it() -> None:
    first, bad, never = RecordingSink(), RecordingSink(fail_in="start"), RecordingSink()
    with pytest.raises(OutputError, match="start failed"):
        await Engine(source(10), EchoChain(), [first, bad, never], INFO).run()
    assert first.calls == ["start", "close"]
    assert never.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_run_as_the_end_of_the_source_would(number: signal.Signals) -> None:
    class Interrupting(RecordingSink):
        def publish(self, message: Published) -> None:
            super().publish(message)
            if message.seq == 3:
                os.kill(os.getpid(), number)

    sink, chain = Interrupting(), EchoChain()
    report = await asyncio.wait_for(Engine(endless(), chain, [sink], INFO).run(), 60)
    assert report.interrupted
    assert chain.flushed == 1
    assert seqs(sink) == [0, 1, 2, 3, 4]
    assert sink.calls == ["start", "close"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_a_stop_before_the_first_sample_plays_nothing() -> None:
    engine = Engine(source(100), EchoChain(), [], INFO)
    engine.stop()
    report = await engine.run()
    assert report.interrupted
    assert report.n_samples == 0


async def test_cancelling_the_run_still_closes_the_sinks() -> None:
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[Chunk]:
        async for chunk in source(35):
            yield chunk
        waiting.set()
        await asyncio.Event().wait()

    sink = RecordingSink()
    task = asyncio.create_task(Engine(stuck(), EchoChain(), [sink], INFO).run())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.calls == ["start", "close"]


async def test_a_damaged_source_is_reported_after_its_events_are_out() -> None:
    async def damaged() -> AsyncIterator[Chunk]:
        async for chunk in source(35):
            yield chunk
        raise RecordFormatError("ends early")

    sink = RecordingSink()
    with pytest.raises(RecordFormatError, match="ends early"):
        await Engine(damaged(), EchoChain(), [sink], INFO).run()
    assert seqs(sink) == [0, 1, 2, 3, 4]
    assert sink.calls == ["start", "close"]


async def test_latency_is_decision_delay_plus_compute_time() -> None:
    class Delayed(EchoChain):
        """Beats whose decision takes 100, 490 and 500 ms of signal."""

        def push(self, item: Chunk) -> list[Event]:
            delays = {0: [10], 7: [49], 14: [50]}.get(item.start, [])
            return [labeled(item.start, item.start + delay) for delay in delays]

        def flush(self) -> list[Event]:
            return [labeled(30, 99, revision=1)]

    readings = [0.0]

    def clock() -> float:
        readings.append(readings[-1] + 0.005)
        return readings[-1]

    sink = RecordingSink()
    report = await Engine(source(21), Delayed(), [sink], INFO, clock=clock).run()
    assert [message.compute_ms for message in sink.messages] == pytest.approx([5.0] * 4)
    assert (report.n_beats, report.n_late) == (3, 1)


async def test_only_an_unpaced_run_waits_for_its_sinks() -> None:
    paced, unpaced = RecordingSink(), RecordingSink()
    await Engine(source(100), EchoChain(), [paced], INFO).run()
    await Engine(source(100), EchoChain(), [unpaced], INFO, paced=False).run()
    assert paced.drains == 0
    assert unpaced.drains == 10


async def test_other_tasks_get_their_turn_in_an_unpaced_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    config = EngineConfig(yield_every_s=0.0)
    await Engine(source(700), EchoChain(), [], INFO, paced=False, config=config).run()
    task.cancel()
    assert turns >= 100


async def test_json_lines_are_on_disk_before_the_sink_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(path)
    await sink.start(INFO)
    sink.publish(Published(seq=0, event=labeled(10, 20), compute_ms=1.0))
    assert path.read_bytes().count(b"\n") == 1
    await sink.close()
    await sink.close()


async def test_a_full_disk_is_one_line() -> None:
    sink = JsonLinesSink("/dev/full")
    await sink.start(INFO)
    with pytest.raises(OutputError, match="can't write events to /dev/full: No space left"):
        sink.publish(Published(seq=0, event=labeled(10, 20), compute_ms=1.0))
    with pytest.raises(OutputError, match="No space left"):
        await sink.close()


async def test_an_unwritable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another file with --events"):
        await JsonLinesSink(tmp_path / "missing" / "events.jsonl").start(INFO)
