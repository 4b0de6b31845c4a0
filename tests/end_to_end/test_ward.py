"""A whole ward, as `ecg-stream ward` runs it, among strangers that send it anything."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from message_schema import schema
from mosquitto_broker import Mosquitto
from mqtt_subscriber import WAIT_S
from sample_events import stream_info
from stage_cases import ecg

from streamer.bench.faults.strangers import malformed
from streamer.messages.samples import SampleMessage, encode
from streamer.messages.wire import MessageType
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.client import MqttClient
from streamer.mqtt.connection import ConnectionConfig, connect
from streamer.mqtt.publisher import MqttPublisher
from streamer.runner.options import WardOptions
from streamer.runner.ward import WardRun

FS = 360.0
BLOCK = 36
START_S = 300.0
"""On a machine with much else to do, until the network and the kernels are there."""


async def messages(url: str, topic: str) -> AsyncIterator[dict[str, Any]]:
    """Yield what is published on a topic, from the moment on at which this is subscribed."""
    connection = connect(
        parse_url(url), identifier="", credentials=Credentials(), config=ConnectionConfig()
    )
    async with connection as client:
        await client.subscribe(topic, qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            yield json.loads(message.payload)


async def first(url: str, topic: str, condition: Any) -> dict[str, Any]:
    async for message in messages(url, topic):
        if condition(message):
            return message
    raise AssertionError("the connection ended")


@pytest.mark.mosquitto
async def test_what_strangers_send_stops_neither_the_ward_nor_its_statistics(
    mosquitto: str, tmp_path: Path
) -> None:
    rng = random.Random(1)
    signal = ecg(round(8 * FS), FS)
    blocks = [
        encode(SampleMessage(seq=k, first_sample=s, fs=FS, samples=signal[:, s : s + BLOCK]))
        for k, s in enumerate(range(0, signal.shape[1], BLOCK))
    ]
    async with Mosquitto(mosquitto, tmp_path) as broker:
        ward = WardRun(WardOptions(live=True, mqtt=broker.url))
        run = asyncio.create_task(ward.run())
        online = first(broker.url, "ecg/ward/status", lambda m: m["state"] == "online")
        await asyncio.wait_for(online, START_S)
        beats = asyncio.create_task(
            first(broker.url, "ecg/good/beats", lambda m: m["seq"] >= 10 and m["revision"])
        )
        statistics = asyncio.create_task(
            first(broker.url, "ecg/ward/stats", lambda m: m["rejected"])
        )
        strangers = MqttClient(broker.url)
        await strangers.start()
        strangers.queue("ecg/x/samples", b"hello")
        for block in blocks:
            strangers.queue("ecg/good/samples", block)
            for topic in ("ecg/x/samples", "ecg/y/samples", "ecg/good/alerts/ack"):
                strangers.queue(topic, malformed(rng, block, 12))
        _, figures = await asyncio.wait_for(asyncio.gather(beats, statistics), WAIT_S)
        jsonschema.validate(figures, schema(MessageType.WARD_STATISTICS))
        assert not run.done()
        ward.stop()
        assert await asyncio.wait_for(run, WAIT_S) == 0
        await strangers.close()


@pytest.mark.mosquitto
async def test_a_ward_without_sources_says_what_it_waits_for_and_who_is_there(
    mosquitto: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("streamer.sources.live_inputs.WAIT_S", 1.0)
    async with Mosquitto(mosquitto, tmp_path) as broker:
        publisher = MqttPublisher(broker.url)
        publisher.open(stream_info("bed6"))
        await publisher.start()
        ward = WardRun(WardOptions(live=True, mqtt=broker.url, monitor=False))
        run = asyncio.create_task(ward.run())
        online = first(broker.url, "ecg/ward/status", lambda m: m["state"] == "online")
        await asyncio.wait_for(online, START_S)
        said = ""
        async with asyncio.timeout(WAIT_S):
            while "still waiting" not in said:
                said += capsys.readouterr().err
                await asyncio.sleep(0.05)
        ward.stop()
        assert await asyncio.wait_for(run, WAIT_S) == 0
        await publisher.close()
    assert "no samples after 1 s, still waiting" in said
    assert "no source sends samples there; events, but no samples, from bed6" in said
