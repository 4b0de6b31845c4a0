"""The runner with a source, a ward and sinks made for the test."""

import asyncio
import os
import signal
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo_ward import INFO, EchoWard, beat_at, played, zeros
from sample_events import labeled
from stage_cases import SumModel

from replay.chunk import Chunk
from replay.errors import RecordFormatError
from streamer.core.errors import OutputError
from streamer.core.events import Gap, Published, StreamInfo
from streamer.messages.samples import SampleMessage, encode
from streamer.patient.ward import Ward
from streamer.runner.run_config import RunnerConfig
from streamer.runner.runner import Runner
from streamer.sinks.jsonl import JsonLinesSink
from streamer.sinks.sink import QuietSink
from streamer.sources.live import LiveSource


def runner(
    chunks: AsyncIterable[Chunk],
    sinks: Sequence[Any],
    *,
    ward: Any = None,
    paced: bool = True,
    **options: Any,
) -> Runner:
    source = played(chunks, is_real_time=paced)
    return Runner(source, SumModel(), sinks, ward=ward or EchoWard(), **options)


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

    async def start(self) -> None:
        self._maybe_fail("start")
        self.calls.append("start")

    def open(self, info: StreamInfo) -> None:
        assert info == INFO

    def close_source(self, source: str) -> None:
        assert source == INFO.source

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        self._maybe_fail("observe")
        self.samples_seen += chunk.samples.shape[1]

    def publish(self, info: StreamInfo, message: Published) -> None:
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


async def endless() -> AsyncIterator[Chunk]:
    """Play 35 samples, then wait for a sample that never comes."""
    async for chunk in zeros(35):
        yield chunk
    await asyncio.Event().wait()


def seqs(sink: RecordingSink) -> list[int]:
    return [message.seq for message in sink.messages]


async def test_every_sink_gets_every_event_once_in_order() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    report = await runner(zeros(100), sinks).run()
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
    playing = runner(zeros(100), [bad, good], paced=False, on_failure=told.append)
    report = await playing.run()
    assert seqs(good) == list(range(11))
    assert report.failures == tuple(told) == (f"{where} failed on purpose",)
    assert bad.calls == ["start", "close"]


async def test_an_unexpected_error_in_a_sink_is_named() -> None:
    class Broken(RecordingSink):
        def publish(self, info: StreamInfo, message: Published) -> None:
            raise KeyError("column")

    good = RecordingSink()
    report = await runner(zeros(100), [Broken(), good]).run()
    assert seqs(good) == list(range(11))
    assert report.failures == ("Broken failed: KeyError: 'column'",)


async def test_a_sink_that_does_not_close_holds_up_nobody() -> None:
    bad, hung, good = RecordingSink(fail_in="close"), RecordingSink(fail_in="hang"), RecordingSink()
    config = RunnerConfig(close_timeout_s=0.0)
    report = await runner(zeros(10), [bad, hung, good], config=config).run()
    assert good.calls == ["start", "close"]
    assert sorted(report.failures) == [
        "RecordingSink did not finish within 0 s",
        "close failed on purpose",
    ]


async def test_a_sink_that_cannot_start_ends_the_run_and_closes_those_before_it() -> None:
    first, bad, never = RecordingSink(), RecordingSink(fail_in="start"), RecordingSink()
    with pytest.raises(OutputError, match="start failed"):
        await runner(zeros(10), [first, bad, never]).run()
    assert first.calls == ["start", "close"]
    assert never.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_run_as_the_end_of_the_source_would(number: signal.Signals) -> None:
    class Interrupting(RecordingSink):
        def publish(self, info: StreamInfo, message: Published) -> None:
            super().publish(info, message)
            if message.seq == 3:
                os.kill(os.getpid(), number)

    sink, ward = Interrupting(), EchoWard()
    report = await asyncio.wait_for(runner(endless(), [sink], ward=ward).run(), 60)
    assert report.interrupted
    assert ward.finished == ["test"]
    assert seqs(sink) == [0, 1, 2, 3, 4]
    assert sink.calls == ["start", "close"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_a_stop_before_the_first_sample_plays_nothing() -> None:
    playing = runner(zeros(100), [])
    playing.stop()
    report = await playing.run()
    assert report.interrupted
    assert report.n_samples == 0


async def test_cancelling_the_run_still_closes_the_sinks() -> None:
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[Chunk]:
        async for chunk in zeros(35):
            yield chunk
        waiting.set()
        await asyncio.Event().wait()

    sink = RecordingSink()
    task = asyncio.create_task(runner(stuck(), [sink]).run())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sink.calls == ["start", "close"]


async def test_a_damaged_source_is_reported_after_its_events_are_out() -> None:
    async def damaged() -> AsyncIterator[Chunk]:
        async for chunk in zeros(35):
            yield chunk
        raise RecordFormatError("ends early")

    sink = RecordingSink()
    with pytest.raises(RecordFormatError, match="ends early"):
        await runner(damaged(), [sink]).run()
    assert seqs(sink) == [0, 1, 2, 3, 4]
    assert sink.calls == ["start", "close"]


async def test_latency_is_decision_delay_plus_compute_time() -> None:
    class Delayed(EchoWard):
        """Beats whose decision takes 100, 490 and 510 ms of signal."""

        def steps(self, chunk: Chunk) -> list[Gap]:
            delays = {0: [10], 7: [49], 14: [51]}.get(chunk.start, [])
            return [beat_at(chunk.start, chunk.start + delay) for delay in delays]

        def finish(self, source: str) -> list[Any]:
            return []

    sink = RecordingSink()
    report = await runner(zeros(21), [sink], ward=Delayed()).run()
    assert all(0.0 <= message.compute_ms < 10_000.0 for message in sink.messages)
    assert report.n_beats == 3
    assert report.n_late >= 1


async def test_only_an_unpaced_run_waits_for_its_sinks() -> None:
    paced, unpaced = RecordingSink(), RecordingSink()
    await runner(zeros(100), [paced]).run()
    await runner(zeros(100), [unpaced], paced=False).run()
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
    config = RunnerConfig(yield_every_s=0.0)
    await runner(zeros(700), [], paced=False, config=config).run()
    task.cancel()
    assert turns >= 100


async def test_json_lines_are_on_disk_before_the_sink_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(path)
    await sink.start()
    sink.publish(INFO, Published(seq=0, event=labeled(10, 20), compute_ms=1.0))
    assert path.read_bytes().count(b"\n") == 1
    await sink.close()
    await sink.close()


async def test_a_full_disk_is_one_line() -> None:
    sink = JsonLinesSink("/dev/full")
    await sink.start()
    with pytest.raises(OutputError, match="can't write events to /dev/full: No space left"):
        sink.publish(INFO, Published(seq=0, event=labeled(10, 20), compute_ms=1.0))
    with pytest.raises(OutputError, match="No space left"):
        await sink.close()


async def test_an_unwritable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another file with --events"):
        await JsonLinesSink(tmp_path / "missing" / "events.jsonl").start()


async def test_a_fault_in_statistics_costs_the_patients_nothing() -> None:
    def broken(now_s: float) -> None:
        raise TypeError("Dict key must be str")

    sink, failures = RecordingSink(), list[str]()
    playing = runner(zeros(100), [sink], on_turn=broken, on_failure=failures.append)
    report = await playing.run()
    assert seqs(sink) == list(range(11))
    assert report.failures == ("statistics failed: TypeError: Dict key must be str",)
    assert failures == list(report.failures)


async def test_an_end_by_a_fault_is_no_orderly_one() -> None:
    async def damaged() -> AsyncIterator[Chunk]:
        async for chunk in zeros(35):
            yield chunk
        raise RecordFormatError("ends early")

    faults: list[str] = []
    with pytest.raises(RecordFormatError):
        await runner(damaged(), [], on_fault=lambda: faults.append("fault")).run()
    assert faults == ["fault"]
    await runner(zeros(35), [], on_fault=lambda: faults.append("none")).run()
    assert faults == ["fault"]


async def test_a_source_that_comes_while_sinks_start_is_opened_at_all_of_them() -> None:
    opened: list[str] = []
    silence = np.zeros((len(INFO.leads), 36), np.float32)

    class Sender(QuietSink):
        """Its broker sends samples as soon as it is connected."""

        async def start(self) -> None:
            message = SampleMessage(seq=0, first_sample=0, fs=360.0, samples=silence)
            source.receive("early", encode(message), asyncio.get_running_loop().time())

        def open(self, info: StreamInfo) -> None:
            opened.append(info.source)

    source = LiveSource(INFO.leads, seconds=0.05)
    model = SumModel()
    ward = Ward(model, n_leads=len(INFO.leads))
    report = await Runner(source, model, [Sender(), Sender()], ward=ward).run()
    assert opened == ["early", "early"]
    assert report.failures == ()
