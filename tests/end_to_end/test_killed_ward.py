"""A ward that is killed while a sender over TCP goes on: every beat is published, each once."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from command import ECG_STREAM
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import Collector, subscriber

from replay.records import open_record
from streamer import Chain, LabeledBeat

SENDER = Path(__file__).parents[2] / "docs" / "examples" / "send_samples.py"
FS = 360
SECONDS = 60
SPEED = 8
START_S = 150.0
"""On a machine with much else to do, until the network and the kernels are there."""


@asynccontextmanager
async def ward(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *ECG_STREAM, "ward", "--live", "--no-monitor", *options,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def labels(seen: Collector) -> dict[int, tuple[int, int, str]]:
    """Labelled beats by number: R peak, revision, label; what MQTT repeats must be the same."""
    found: dict[int, tuple[int, int, str]] = {}
    for beat in seen.of("beats"):
        if beat["label"] is not None:
            content = (beat["sample"], beat["revision"], beat["label"])
            assert found.setdefault(beat["seq"], content) == content
    return found


@pytest.mark.mosquitto
async def test_kill_9_costs_no_beat_of_a_sender_that_keeps_what_is_not_safe(
    mosquitto: str, tmp_path: Path
) -> None:
    chunk = next(open_record("demo").chunks(size=SECONDS * FS))
    events = Chain(fs=FS, n_leads=2).push(chunk)
    beats = [event for event in events if isinstance(event, LabeledBeat)]
    expected = sorted((b.beat.rpeak.sample, b.revision, str(b.label)) for b in beats)
    lines = "".join(f"{one!r} {two!r}\n" for one, two in chunk.samples.T.tolist())
    port = free_port()
    async with (
        Mosquitto(mosquitto, tmp_path) as broker,
        subscriber(broker.url, "ecg/bed4/beats") as seen,
    ):
        options = (
            *("--mqtt", broker.url, "--tcp", str(port), "--budget-ms", "60000"),
            *("--outbox", str(tmp_path / "outbox")),
            *("--snapshots", str(tmp_path / "state"), "--snapshot-every", "5"),
        )
        async with ward(*options) as first:
            sender = await asyncio.create_subprocess_exec(
                sys.executable, str(SENDER), "--fs", str(FS), "--speed", str(SPEED), "--keep",
                "--wait", "900",
                "--to", f"127.0.0.1:{port}", stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert sender.stdin is not None
            sender.stdin.write(lines.encode())
            sender.stdin.close()
            await seen.wait_for(lambda c: len(c.of("beats")) > 60, START_S)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        n_before = len(labels(seen))
        assert n_before < len(expected)
        async with ward(*options):
            await seen.wait_for(lambda c: len(labels(c)) >= len(expected), START_S)
            _, said = await asyncio.wait_for(sender.communicate(), START_S)
    assert (sender.returncode, said) == (0, b"")
    assert sorted(labels(seen).values())[: len(expected)] == expected
    assert len(set(labels(seen).values())) == len(labels(seen))
