"""One record by every way into a ward: the beats and labels are those of its WFDB files."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ECG_STREAM
from lsl_outlet import Outlet
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import WAIT_S, subscriber
from numpy.typing import NDArray
from wfdb_files import write_wfdb

from replay.records import open_record
from streamer import Chain, LabeledBeat
from streamer.messages.samples import SampleMessage, encode
from streamer.mqtt.client import MqttClient

FS = 360.0
SECONDS = 20
BLOCK = 36
START_S = 300.0
"""On a machine with much else to do, until the network and the kernels are there."""
WAYS = ("over-lsl", "over-mqtt", "over-tcp", "stdin")

Beat = tuple[int, int, str]
"""R peak, revision and label."""


def whole(folder: Path) -> tuple[NDArray[np.float32], set[Beat]]:
    """Return a record's signal, and its beats, as its WFDB files have them."""
    record = open_record("demo")
    write_wfdb(record, folder)
    read = open_record(str(folder / record.name))
    chunk = next(read.chunks(size=round(SECONDS * FS)))
    events = Chain(fs=read.fs, n_leads=2).push(chunk)
    beats = [event for event in events if isinstance(event, LabeledBeat)]
    return chunk.samples, {(b.beat.rpeak.sample, b.revision, str(b.label)) for b in beats}


def messages(samples: NDArray[np.float32]) -> Iterator[bytes]:
    for seq, first in enumerate(range(0, samples.shape[1], BLOCK)):
        piece = samples[:, first : first + BLOCK]
        yield encode(SampleMessage(seq=seq, first_sample=first, fs=FS, samples=piece))


def framed(samples: NDArray[np.float32]) -> bytes:
    return b"".join(len(one).to_bytes(4, "little") + one for one in messages(samples))


def beats_of(path: Path, first: dict[str, int]) -> dict[str, set[Beat]]:
    """Labelled beats of each source, counted from its first sample.

    A busy machine may publish one without its label first.
    """
    found: dict[str, set[Beat]] = {name: set() for name in WAYS}
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if not line.endswith("\n"):
            continue
        event = json.loads(line)
        if event["type"] == "beat" and event["label"] is not None:
            name = event["source"]
            beat = (event["sample"] - first[name], event["revision"], event["label"])
            found[name].add(beat)
    return found


async def until(condition: Callable[[], Any], limit_s: float = WAIT_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.05)


def markers_of(name: str) -> Any:
    import pylsl

    (info,) = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(timeout=WAIT_S)
    return inlet


@pytest.mark.mosquitto
async def test_lsl_mqtt_tcp_and_pipe_give_the_beats_of_the_wfdb_files(
    mosquitto: str, tmp_path: Path
) -> None:
    pytest.importorskip("pylsl")
    samples, expected = whole(tmp_path)
    assert len(expected) > 30
    outlet, port, path = Outlet(FS, name="over lsl"), free_port(), tmp_path / "events.jsonl"
    markers = f"markers of {outlet.now_s}"
    async with (
        Mosquitto(mosquitto, tmp_path) as broker,
        subscriber(broker.url, "ecg/+/status") as seen,
    ):
        ward = await asyncio.create_subprocess_exec(
            *ECG_STREAM, "ward", "--live", "--no-monitor", "--mqtt", broker.url,
            "--tcp", str(port), "--stdin", "frames", "--lsl", "over%20lsl",
            "--lsl-markers", markers, "--events", str(path),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await seen.wait_for(lambda c: c.of("status"), START_S)
        await until(lambda: outlet.has_reader)
        inlet = await asyncio.to_thread(markers_of, markers)
        began_s = outlet.now_s
        for first in range(0, samples.shape[1], BLOCK):
            outlet.send(samples[:, first : first + BLOCK])
        maker = MqttClient(broker.url)
        await maker.start()
        for message in messages(samples):
            maker.queue("ecg/over-mqtt/samples", message)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"over-tcp\n" + framed(samples))
        assert ward.stdin is not None
        ward.stdin.write(framed(samples))
        # An LSL stream is indexed by its time stamps.
        first = dict.fromkeys(WAYS, 0) | {"over-lsl": round(began_s * FS)}
        await until(lambda: all(expected <= one for one in beats_of(path, first).values()))
        stamps = await asyncio.to_thread(read_markers, inlet, len(expected) // 2 - 5)
        ward.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(ward.wait(), WAIT_S) in {0, 128 + signal.SIGTERM}
        writer.close()
        await maker.close()
    for name, beats in beats_of(path, first).items():
        last = max(sample for sample, _, _ in expected)
        assert {beat for beat in beats if beat[0] < last} <= expected, name
    confirmed = {sample for sample, revision, _ in expected if revision == 1}
    at = np.array([began_s + sample / FS for sample in sorted(confirmed)])
    for stamp in stamps:
        assert np.abs(at - stamp).min() < 1e-3


def read_markers(inlet: Any, n: int) -> list[float]:
    """Return the stamps of so many beats that came over LSL."""
    stamps: list[float] = []
    while len(stamps) < n:
        (text, source), stamp = inlet.pull_sample(timeout=WAIT_S)
        if source == "over-lsl" and text.startswith("beat "):
            stamps.append(stamp)
    return stamps
