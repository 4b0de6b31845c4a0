"""A subscriber for tests: collects everything, and survives a broker that dies."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import jsonschema
from message_schema import schema
from sample_events import one_of_each, published, stream_info

from streamer.core.events import StreamInfo
from streamer.messages.wire import MessageType
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.connection import ConnectionConfig, connect
from streamer.mqtt.link import backoff
from streamer.mqtt.publisher import ClientConfig, MqttPublisher

VALIDATORS = {kind.value: jsonschema.Draft202012Validator(schema(kind)) for kind in MessageType}
WAIT_S = 60.0
"""For what comes at once, on a machine that has much else to do."""
QUICK = ConnectionConfig(timeout_s=WAIT_S, backoff_first_s=0.01, backoff_cap_s=0.05)
PATIENT = ClientConfig(flush_timeout_s=10 * WAIT_S, settle_s=0.05)
"""For a sink that is closed and must have sent everything."""


class Collector:
    """What came, in order: (topic, payload)."""

    def __init__(self) -> None:
        self.invalid: list[str] = []
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.connections = 0
        self._changed = asyncio.Condition()

    async def add(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/ack"):
            return  # Anybody may write there; it needn't be ours.
        message = json.loads(payload)
        if topic.startswith("ecg/"):
            validator = VALIDATORS[message["type"]]
            self.invalid += [
                f"{topic}: {error.message}" for error in validator.iter_errors(message)
            ]
        async with self._changed:
            self.messages.append((topic, message))
            self._changed.notify_all()

    async def connected(self) -> None:
        async with self._changed:
            self.connections += 1
            self._changed.notify_all()

    async def wait_for(self, condition: Any, timeout_s: float = WAIT_S) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [payload for topic, payload in self.messages if topic.endswith(f"/{kind}")]

    def seqs(self, kind: str) -> list[int]:
        return [payload["seq"] for payload in self.of(kind)]

    def unique_seqs(self, kind: str) -> list[int]:
        """In the order in which each was seen first."""
        return list(dict.fromkeys(self.seqs(kind)))

    def states(self) -> list[str]:
        return [payload["state"] for payload in self.of("status")]


async def begin(publisher: MqttPublisher, info: StreamInfo) -> None:
    """Publish for one source."""
    publisher.open(info)
    await publisher.start()


@asynccontextmanager
async def subscriber(
    url: str, topics: str = "ecg/#", config: ConnectionConfig = QUICK
) -> AsyncIterator[Collector]:
    collector = Collector()
    task = asyncio.create_task(_collect(url, topics, collector, config))
    try:
        await collector.wait_for(lambda c: c.connections)
        yield collector
        assert collector.invalid == [], "every message keeps its schema"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _collect(url: str, topics: str, collector: Collector, config: ConnectionConfig) -> None:
    for delay in backoff(config, random.Random(1)):
        try:
            async with connect(
                parse_url(url), identifier="", credentials=Credentials(), config=config
            ) as client:
                await client.subscribe(topics, qos=1)
                await collector.connected()
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    await collector.add(str(message.topic), message.payload)
        except aiomqtt.MqttError:
            await asyncio.sleep(delay)


def quick_sink(url: str, **options: object) -> MqttPublisher:
    return MqttPublisher(
        url,
        credentials=Credentials(),
        connection_config=QUICK,
        random_source=random.Random(1),
        **{"config": PATIENT, **options},
    )


def ended(count: int):
    """Condition: the source went offline after so many events."""
    return lambda c: any(s["state"] == "offline" and s["events"] == count for s in c.of("status"))


async def wait_until(condition) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def patient_sink(url: str) -> MqttPublisher:
    return MqttPublisher(url, credentials=Credentials(), config=PATIENT, connection_config=QUICK)


async def play(url: str, count: int = 1, source: str = "208") -> None:
    """Publish one run with every kind of event, `count` times over."""
    publisher = patient_sink(url)
    await begin(publisher, stream_info(source))
    for seq, event in enumerate(one_of_each() * count):
        publisher.publish(stream_info(source), published(event, seq=seq))
    await publisher.close()
