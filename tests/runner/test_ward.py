"""A ward as a program: live samples through a real broker, snapshots, kill -9 and resume."""

import asyncio
import dataclasses
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ECG_STREAM
from mqtt_subscriber import WAIT_S
from stage_cases import N_LEADS, SumModel, ecg, same

from replay.chunk import Chunk
from replay.simulate.record import SimulatedRecord
from streamer.core.errors import SnapshotError
from streamer.core.events import (
    Alarm,
    AlarmState,
    Event,
    LabeledBeat,
    Priority,
    Published,
    Rhythm,
    StreamInfo,
)
from streamer.messages.guard import Rejection
from streamer.messages.samples import SampleMessage, encode
from streamer.patient.chain import Chain
from streamer.patient.snapshot_file import read_snapshot, write_snapshot
from streamer.patient.ward import Ward
from streamer.runner.runner import Runner
from streamer.sinks.sink import Sink
from streamer.sources.live import LiveConfig, LiveSource
from streamer.sources.looped import LoopedRecords, LoopedSource, TurnConfig, patient_names
from streamer.sources.source import Source
from streamer.sources.track import TrackConfig

FS = 360.0
TIMEOUT_S = 300
# What is missing is missed by the messages behind it, however slow this machine is.
PATIENT = LiveConfig(
    silent_s=TIMEOUT_S,
    track=TrackConfig(wait_s=TIMEOUT_S),
    turns=TurnConfig(tick_s=0.01),
)
LEADS = ("a", "b")
COMMAND = (*ECG_STREAM, "ward")
FROM_THE_CLOCK = ("time", "compute_ms")


def alone(samples: np.ndarray[Any, np.dtype[np.float32]], start: int = 0) -> list[Event]:
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    return chain.push(Chunk(start=start, samples=samples)) + chain.flush()


class Collected:
    """A sink that keeps events by source, in order, with their numbers checked."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.count: dict[str, int] = {}

    async def start(self) -> None: ...

    def open(self, info: StreamInfo) -> None:
        self.events.setdefault(info.source, [])

    def observe(self, info: StreamInfo, chunk: Chunk) -> None: ...

    def publish(self, info: StreamInfo, message: Published) -> None:
        assert message.seq == self.count.get(info.source, 0)
        event = message.event
        self.count[info.source] = message.seq + 1
        if isinstance(event, LabeledBeat):
            # A burst of samples is late by the clock, which is no matter here.
            if event.label is None:
                return
            event = dataclasses.replace(event, late=False)
        self.events[info.source].append(event)

    def close_source(self, source: str) -> None: ...

    async def drain(self) -> None: ...

    async def close(self) -> None: ...


def runner(source: Source, *sinks: Sink, snapshots: Path | None = None) -> Runner:
    model = SumModel()
    return Runner(source, model, sinks, ward=Ward(model, n_leads=N_LEADS), snapshots=snapshots)


def test_records_are_looped_from_a_place_of_its_own_for_each_patient() -> None:
    signal = np.arange(1000, dtype=np.float32)
    record = SimulatedRecord(
        name="count", fs=FS, leads=("a", "b"), signal=np.stack([signal, -signal])
    )
    looped = LoopedRecords([record, record])
    block = looped.read(np.array([0, 10, 990]), 20)
    assert block.shape == (3, 2, 20)
    for patient, start in enumerate((0, 10, 990)):
        expected = (start + patient * 7919 + np.arange(20)) % 1000
        np.testing.assert_array_equal(block[patient, 0], expected)
        np.testing.assert_array_equal(block[patient, 1], -expected)


def test_patients_are_named_after_their_records() -> None:
    assert patient_names(("100", "208"), 5) == ["100", "208", "100.2", "208.2", "100.3"]


async def test_a_looped_ward_publishes_what_chains_alone_would() -> None:
    records = [
        SimulatedRecord(
            name=f"r{k}", fs=FS, leads=("a", "b"), signal=ecg(round(40 * FS), FS, seed=k)
        )
        for k in range(2)
    ]
    published = Collected()
    looped = LoopedRecords(records)
    source = LoopedSource(
        looped, ["r0", "r1", "r0.2"], seconds=12.0, config=TurnConfig(is_paced=False)
    )
    await runner(source, published).run()
    samples = looped.read(np.zeros(3, np.int64), round(12 * FS))
    for k, name in enumerate(("r0", "r1", "r0.2")):
        assert same(published.events[name], alone(samples[k]))


def test_a_snapshot_comes_back_from_its_file(tmp_path: Path) -> None:
    ward = Ward(SumModel(), n_leads=N_LEADS)
    ward.admit("bed")
    samples = ecg(4000, FS)
    ward.label(ward.push_chunks({"bed": [Chunk(start=0, samples=samples)]}))
    ward.label(ward.settle("bed"))
    snapshot = ward.snapshot("bed")
    path = tmp_path / "bed.snapshot"
    write_snapshot(path, {"chain": snapshot, "next_sample": 4000})
    found = read_snapshot(path)
    assert found["next_sample"] == 4000
    other = Ward(SumModel(), n_leads=N_LEADS)
    other.admit("bed")
    other.restore("bed", found["chain"])
    more = {"bed": [Chunk(start=4000, samples=ecg(2000, FS, seed=3))]}
    assert same(
        [e.event for e in other.label(other.push_chunks(more))],
        [e.event for e in ward.label(ward.push_chunks(more))],
    )
    assert path.stat().st_size < 64 * 1024
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"x\x9c\xab\x8e\x05\x00\x01\x15\x00\xb9"])
def test_a_damaged_snapshot_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bed.snapshot"
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match="remove it to start that patient anew"):
        read_snapshot(path)


def ward_command(*arguments: str) -> list[str]:
    return [
        *COMMAND,
        *("demo", "demo:2"),
        *("--patients", "3", "--speed", "max", "--mqtt", "off"),
        *("--snapshot-every", "2", *arguments),
    ]


def events_of(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Events by source and number; a number that comes twice must be the same event."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            continue  # What kill -9 cut short.
        event = {k: v for k, v in json.loads(line).items() if k not in FROM_THE_CLOCK}
        key = (event["source"], event["seq"])
        # In another batch the last digits of a probability may differ.
        event.pop("probabilities", None)
        assert found.setdefault(key, event) == event
    return found


def test_after_kill_9_the_events_are_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, broken, folder = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl", tmp_path / "state"
    seconds = ("--seconds", "60")
    subprocess.run(
        ward_command("--events", str(whole), *seconds),
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    command = ward_command("--events", str(broken), "--snapshots", str(folder))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while not (broken.exists() and broken.stat().st_size > 15_000):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(folder.glob("*.snapshot"))) == 3
    torn = broken.read_bytes()
    broken.write_bytes(torn[: torn.rfind(b"\n") + 1])
    subprocess.run([*command, *seconds], check=True, capture_output=True, timeout=TIMEOUT_S)
    expected, found = events_of(whole), events_of(broken)
    for source in {source for source, _ in expected}:
        numbers = sorted(n for s, n in found if s == source)
        assert numbers == list(range(len(numbers)))
        # The resumed run plays on beyond the end of the whole one, whose last events its end made.
        last = max(n for s, n in expected if s == source) - 4
        assert [found[source, n] for n in range(last)] == [expected[source, n] for n in range(last)]


async def test_live_samples_are_labelled_and_losses_become_gaps() -> None:
    """Two makers: one loses a message, one sends everything twice and swaps neighbours."""
    signals = {name: ecg(round(12 * FS), FS, seed=k) for k, name in enumerate(("lossy", "messy"))}
    size, published = 36, Collected()
    source = LiveSource(LEADS, config=PATIENT)
    run = runner(source, published)
    running = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    now_s = asyncio.get_running_loop().time()
    for name, signal_ in signals.items():
        for message in _sent(name, signal_, size):
            source.receive(name, message, now_s)
    source.receive("odd", b"nonsense", now_s)
    last = {"lossy": 12 * 360, "messy": 12 * 360}
    async with asyncio.timeout(WAIT_S):
        while {n: live.track.next_sample for n, live in source.patients.items()} != last:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while any(live.pending for live in source.patients.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    lossy, messy = (source.patients[name].track.counts for name in ("lossy", "messy"))
    run.stop()
    await running
    assert source.rejected == {Rejection.INVALID: 1}
    assert lossy.lost_samples == size
    assert (messy.lost_samples, messy.reordered > 0, messy.duplicates > 0) == (0, True, True)
    assert same(published.events["messy"], alone(signals["messy"]))
    chain = Chain(fs=FS, n_leads=N_LEADS, model=SumModel())
    before, after = signals["lossy"][:, : 40 * size], signals["lossy"][:, 41 * size :]
    expected = chain.push(Chunk(start=0, samples=np.ascontiguousarray(before)))
    expected += chain.push(Chunk(start=41 * size, samples=np.ascontiguousarray(after)))
    assert same(published.events["lossy"], expected + chain.flush())


async def test_a_damaged_snapshot_of_a_live_source_ends_the_run_in_words(tmp_path: Path) -> None:
    (tmp_path / "bed.snapshot").write_bytes(b"nonsense")
    published = Collected()
    source = LiveSource(LEADS, config=PATIENT)
    running = asyncio.create_task(runner(source, published, snapshots=tmp_path).run())
    await asyncio.sleep(0)
    now_s = asyncio.get_running_loop().time()
    for name in ("other", "bed"):
        samples = np.zeros((N_LEADS, 36), np.float32)
        payload = encode(SampleMessage(seq=0, first_sample=0, fs=FS, samples=samples))
        source.receive(name, payload, now_s)
    with pytest.raises(SnapshotError, match="remove it to start that patient anew"):
        await running
    assert list(published.events) == ["other"]


def _sent(name: str, signal_: np.ndarray[Any, np.dtype[np.float32]], size: int) -> list[bytes]:
    messages = [
        encode(SampleMessage(seq=k, first_sample=s, fs=FS, samples=signal_[:, s : s + size]))
        for k, s in enumerate(range(0, signal_.shape[1], size))
    ]
    order = list(range(len(messages)))
    if name == "lossy":
        order.remove(40)
    elif name == "messy":
        order[1:-1] = [n + 1 if n % 2 else n - 1 for n in order[1:-1]]
        order = [n for n in order for _ in range(2)]
    return [messages[number] for number in order]


async def test_a_source_that_starts_anew_ends_and_begins_again() -> None:
    signal_ = ecg(round(6 * FS), FS)
    published = Collected()
    source = LiveSource(LEADS, config=PATIENT)
    run = runner(source, published)
    running = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    now_s = asyncio.get_running_loop().time()
    messages = _sent("lossy", signal_, 36)
    for _ in range(2):
        for message in messages:
            source.receive("bed", message, now_s)
        async with asyncio.timeout(WAIT_S):
            while "bed" not in source.patients or source.patients["bed"].pending:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        published.count["bed"] = published.count.get("bed", 0)
    run.stop()
    await running


async def test_a_source_that_falls_silent_is_told_and_goes_on_when_it_is_back() -> None:
    """A technical alarm that begins and ends; the rhythm knows of a gap only, if there is one."""
    signal_ = ecg(round(12 * FS), FS)
    published = Collected()
    source = LiveSource(LEADS, config=dataclasses.replace(PATIENT, silent_s=0.05))
    run = runner(source, published)
    running = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    messages = _sent("whole", signal_, 36)

    def told() -> list[Alarm]:
        return [
            event
            for event in published.events.get("bed", [])
            if isinstance(event, Alarm) and event.rhythm is Rhythm.NO_SIGNAL
        ]

    async with asyncio.timeout(WAIT_S):
        for half in (messages[:60], messages[60:]):
            for message in half:
                source.receive("bed", message, asyncio.get_running_loop().time())
            while not (told() and told()[-1].state is AlarmState.ONGOING):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert run.sessions["bed"].alerts.ongoing_onset(Rhythm.NO_SIGNAL) is not None
    assert source.remove("bed")
    async with asyncio.timeout(WAIT_S):
        while "bed" in run.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    run.stop()
    await running
    states = [alarm.state for alarm in told()]
    assert states == [AlarmState.ONGOING, AlarmState.OVER] * (len(states) // 2)
    last = told()[-2:]
    assert {alarm.onset for alarm in last} == {60 * 36 * 2 - 1}
    assert last[0].priority is Priority.MEDIUM
    rest = [event for event in published.events["bed"] if event not in told()]
    assert same(rest, alone(signal_))


class Numbers:
    """What a publisher remembers beside the patients: numbers of events, and who goes on."""

    def __init__(self, next_seq: int) -> None:
        self.next = next_seq
        self.resumed: list[str] = []

    def next_seq(self, source: str) -> int:
        return self.next

    def resume(self, source: str) -> None:
        self.resumed.append(source)

    def keep(self) -> None: ...


@pytest.mark.parametrize(("lost", "expected"), [(0, "snapshot"), (720, "published")])
async def test_a_stopped_ward_goes_on_and_uses_no_number_twice(
    tmp_path: Path, lost: int, expected: str
) -> None:
    """Where samples were lost other events follow, so they need numbers of their own."""
    signal_ = ecg(round(12 * FS), FS)
    first = Collected()
    source = LiveSource(LEADS, config=PATIENT)
    model = SumModel()
    run = Runner(
        source,
        model,
        [first],
        ward=Ward(model, n_leads=N_LEADS),
        snapshots=tmp_path,
        memory=Numbers(0),
    )
    await _play_live(run, source, signal_[:, :2160], 0)
    assert (tmp_path / "bed.snapshot").exists()
    published = first.count["bed"]
    second = Collected()
    second.count["bed"] = {"snapshot": published, "published": published + 5}[expected]
    again, memory = LiveSource(LEADS, config=PATIENT), Numbers(published + 5)
    run = Runner(
        again,
        model,
        [second],
        ward=Ward(model, n_leads=N_LEADS),
        snapshots=tmp_path,
        memory=memory,
    )
    start = 2160 + lost
    await _play_live(run, again, signal_[:, start:], start)
    assert memory.resumed == ["bed"]
    if not lost:
        whole = [e for e in alone(signal_) if isinstance(e, LabeledBeat)][:-1]
        found = [e for e in first.events["bed"] + second.events["bed"] if type(e) is LabeledBeat]
        assert same(found, whole[: len(found)])
        assert len(found) >= len(whole) - 2


async def _play_live(run: Runner, source: LiveSource, samples: Any, start: int) -> None:
    """Send samples, and stop once they are taken."""
    running = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    now_s = asyncio.get_running_loop().time()
    for seq, first in enumerate(range(0, samples.shape[1], 36)):
        piece = np.ascontiguousarray(samples[:, first : first + 36])
        message = SampleMessage(seq=seq, first_sample=start + first, fs=FS, samples=piece)
        source.receive("bed", encode(message), now_s)
    async with asyncio.timeout(WAIT_S):
        while source.patients["bed"].pending:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
    run.stop()
    await running
