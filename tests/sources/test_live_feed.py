"""A live source in the place of a record: `ecg-stream replay mqtt://HOST/SOURCE`."""

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import ECG_STREAM
from mosquitto_broker import Mosquitto
from mqtt_subscriber import WAIT_S
from sample_events import stream_info
from stage_cases import ecg

from replay.chunk import Chunk
from streamer.core.events import StreamInfo
from streamer.messages.samples import SampleMessage, encode
from streamer.mqtt.client import MqttClient
from streamer.mqtt.publisher import MqttPublisher
from streamer.sources.live import LiveConfig
from streamer.sources.live_feed import LiveFeed, is_live, parse_source
from streamer.sources.track import TrackConfig

FS = 360.0
PATIENT = LiveConfig(silent_s=np.inf, track=TrackConfig(wait_s=WAIT_S), is_eager=True)


def message(seq: int, *, fs: float = FS, leads: int = 2, first: int = 1000) -> bytes:
    start = first + 36 * seq
    index = np.arange(start, start + 36, dtype=np.float32)
    samples = np.stack([index * (k + 1) for k in range(leads)])
    return encode(SampleMessage(seq=seq, first_sample=start, fs=fs, samples=samples))


def test_names_of_live_sources() -> None:
    assert is_live("mqtt://localhost/bed4")
    assert not is_live("mitdb/208")
    assert parse_source("mqtt://h:1884/bed4") == ("mqtt://h:1884", "bed4")
    assert parse_source("mqtts://h/bed.4") == ("mqtts://h:8883", "bed.4")


@pytest.mark.parametrize("url", ["mqtt://h", "mqtt://h/", "mqtt:///bed", "mqtt://h/a/b", "bed4"])
def test_what_names_none(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_source(url)


class Host:
    """Keeps what was opened."""

    def __init__(self) -> None:
        self.infos: list[StreamInfo] = []

    def open(self, info: StreamInfo, **_: Any) -> None:
        self.infos.append(info)

    def silent(self, source: str, *, is_silent: bool) -> None: ...

    def close(self, source: str) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(0))


async def chunks(feed: LiveFeed, host: Host, samples: int) -> list[Chunk]:
    """Take chunks until so many samples have come."""
    found: list[Chunk] = []
    feed.begin(host)
    async with asyncio.timeout(WAIT_S):
        async for turn in feed.turns():
            found += [chunk for piece in turn.pieces.values() for chunk in piece.chunks]
            if sum(chunk.samples.shape[1] for chunk in found) >= samples:
                break
    return found


@pytest.mark.mosquitto
@pytest.mark.parametrize("leads", [1, 2, 3])
async def test_samples_come_in_order_from_the_first_message_on(
    mosquitto: str, tmp_path: Path, leads: int
) -> None:
    notices: list[str] = []
    async with Mosquitto(mosquitto, tmp_path) as broker:
        maker = MqttClient(broker.url)
        host = Host()
        feed = LiveFeed(f"{broker.url}/bed4", config=PATIENT, on_notice=notices.append)
        await maker.start()
        beginning = asyncio.create_task(feed.connect())
        async with asyncio.timeout(WAIT_S):
            while not notices:  # noqa: ASYNC110 - a plain list
                await asyncio.sleep(0.01)
            # Another source, and what is none, begin nothing.
            maker.queue("ecg/bed5/samples", message(0))
            maker.queue("ecg/bed4/samples", b"nonsense")
            maker.queue("ecg/bed4/samples", message(0, fs=1.0))
            maker.queue("ecg/bed4/samples", message(0, leads=leads))
            await beginning
        for seq in (2, 1, 1, 3):
            maker.queue("ecg/bed4/samples", message(seq, leads=leads))
        found = await chunks(feed, host, 4 * 36)
        await feed.close()
        await maker.close()
    assert (feed.fs, host.infos[0].first_sample, feed.name) == (FS, 1000, "bed4")
    assert feed.leads == ("lead1", "lead2")[:leads]
    samples = np.concatenate([chunk.samples for chunk in found], axis=1)
    assert samples.shape == (min(leads, 2), 4 * 36)
    np.testing.assert_array_equal(samples[0], np.arange(1000, 1000 + 4 * 36))


@pytest.mark.mosquitto
async def test_after_a_while_it_is_said_which_sources_there_are_instead(
    mosquitto: str, tmp_path: Path
) -> None:
    notices: list[str] = []
    async with Mosquitto(mosquitto, tmp_path) as broker:
        maker, publisher = MqttClient(broker.url), MqttPublisher(broker.url)
        feed = LiveFeed(f"{broker.url}/bed4", config=PATIENT, on_notice=notices.append)
        await maker.start()
        publisher.open(stream_info("bed6"))
        await publisher.start()
        waiting = asyncio.create_task(feed.connect(say_after_s=0.1))
        async with asyncio.timeout(WAIT_S):
            while len(notices) < 2:
                maker.queue("ecg/bed5/samples", message(0))
                await asyncio.sleep(0.05)
            maker.queue("ecg/bed4/samples", message(0))
            await waiting
        for client in (feed, maker, publisher):
            await client.close()
    assert notices[1] == (
        "no samples on ecg/bed4/samples after 0.1 s, still waiting; samples come from bed5; "
        "events, but no samples, from bed6"
    )


@pytest.mark.mosquitto
async def test_a_source_that_starts_anew_ends_the_stream_with_what_had_come(
    mosquitto: str, tmp_path: Path
) -> None:
    notices: list[str] = []
    async with Mosquitto(mosquitto, tmp_path) as broker:
        maker = MqttClient(broker.url)
        host = Host()
        feed = LiveFeed(f"{broker.url}/bed4", config=PATIENT, on_notice=notices.append)
        await maker.start()
        beginning = asyncio.create_task(feed.connect())
        async with asyncio.timeout(WAIT_S):
            while not notices:  # noqa: ASYNC110 - a plain list
                await asyncio.sleep(0.01)
            for seq in (0, 1):
                maker.queue("ecg/bed4/samples", message(seq))
            await beginning
            maker.queue("ecg/bed4/samples", message(0, fs=250.0))
            maker.queue("ecg/bed4/samples", message(1, fs=250.0))
            feed.begin(host)
            turns = [turn async for turn in feed.turns()]
            found = [c for turn in turns for piece in turn.pieces.values() for c in piece.chunks]
        await feed.close()
        await maker.close()
    assert sum(chunk.samples.shape[1] for chunk in found) == 2 * 36
    assert "bed4 has started anew" in notices[-1]


@pytest.mark.mosquitto
async def test_replay_plays_a_live_source(mosquitto: str, tmp_path: Path) -> None:
    samples = ecg(round(12 * FS), FS)
    events = tmp_path / "events.jsonl"
    async with Mosquitto(mosquitto, tmp_path) as broker:
        maker = MqttClient(broker.url)
        await maker.start()
        command = [*ECG_STREAM, "replay", f"{broker.url}/bed4"]
        replay = await asyncio.create_subprocess_exec(
            *command, "--mqtt", "off", "--events", str(events),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert replay.stderr is not None
        assert b"waiting for samples on ecg/bed4/samples" in await replay.stderr.readline()
        for seq, start in enumerate(range(0, samples.shape[1], 36)):
            piece = np.ascontiguousarray(samples[:, start : start + 36])
            payload = encode(SampleMessage(seq=seq, first_sample=start, fs=FS, samples=piece))
            maker.queue("ecg/bed4/samples", payload)
        # A new run of the source ends the replay as its end would.
        maker.queue("ecg/bed4/samples", message(0, fs=250.0))
        _, errors = await asyncio.wait_for(replay.communicate(), 5 * WAIT_S)
        await maker.close()
    assert replay.returncode == 0, errors.decode()
    found = [json.loads(line) for line in events.read_text().splitlines()]
    beats = [event for event in found if event["type"] == "beat" and event["revision"] == 1]
    assert len(beats) >= 11
    assert {event["source"] for event in found} == {"bed4"}


def test_a_pace_makes_no_sense_for_a_live_source(capsys: pytest.CaptureFixture[str]) -> None:
    from streamer.commands.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["replay", "mqtt://127.0.0.1:1/bed4", "--speed", "2"])
    assert caught.value.code == 2
    assert "comes at its own pace" in capsys.readouterr().err
    assert main(["replay", "mqtt://127.0.0.1:1/bed4"]) == 1
    assert "can't be used" in capsys.readouterr().err


@pytest.mark.mosquitto
async def test_waiting_for_a_source_ends_with_ctrl_c(mosquitto: str, tmp_path: Path) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker:
        replay = await asyncio.create_subprocess_exec(
            *ECG_STREAM, "replay", f"{broker.url}/bed4", "--mqtt", "off",
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert replay.stderr is not None
        await replay.stderr.readline()
        replay.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(replay.communicate(), WAIT_S)
    assert replay.returncode == 130
    assert b"Traceback" not in errors
