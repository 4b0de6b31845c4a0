import asyncio
import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from message_schema import schema
from mosquitto_broker import Mosquitto
from mqtt_subscriber import (
    PATIENT,
    QUICK,
    WAIT_S,
    Collector,
    begin,
    ended,
    quick_sink,
    subscriber,
    wait_until,
)
from sample_events import alarm, labeled_beat, one_of_each, published, rhythm_event, stream_info

from classifier.labels import Label
from streamer.core.events import EctopyCondition, Rhythm
from streamer.messages.wire import MessageType, dumps
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.connection import connect
from streamer.mqtt.outbox import MemoryOutbox
from streamer.mqtt.protocol import Version
from streamer.mqtt.publisher import ConnectionState

QUIET_BEAT = labeled_beat(label=Label.N)


async def test_every_message_arrives_once_in_order_and_keeps_its_schema(broker_url: str) -> None:
    async with subscriber(broker_url) as seen:
        sink = quick_sink(broker_url)
        await begin(sink, stream_info())
        events = one_of_each() * 5
        for seq, event in enumerate(events):
            sink.publish(stream_info(), published(event, seq=seq))
        await sink.close()
        await seen.wait_for(ended(len(events)))
    for _, payload in seen.messages:
        jsonschema.validate(payload, schema(payload["type"]))
    derived = {"alert", "status", "active"}
    main = [p["seq"] for _, p in seen.messages if p["type"] not in derived]
    assert main == list(range(len(events)))
    assert all(t.startswith("ecg/208/") for t, _ in seen.messages)
    assert seen.states() == ["online", "offline"]
    # The first V beat of all, and the tracker's run in each round.
    alerts = seen.of("alerts")
    assert [alert["condition"] for alert in alerts[:2]] == [
        EctopyCondition.V_FIRST,
        Rhythm.VENTRICULAR_TACHYCARDIA,
    ]
    assert len(alerts) == 1 + 5
    assert len(set(seen.seqs("alerts"))) == len(alerts)
    assert (sink.sent, sink.queued) == (len(events) + len(alerts), 0)
    assert (sink.shed, sink.undelivered) == (0, 0)
    assert sink.state is ConnectionState.OFFLINE


async def test_a_full_speed_replay_loses_nothing(broker_url: str) -> None:
    count = 600
    async with subscriber(broker_url) as seen:
        sink = quick_sink(broker_url, queue_size=50, config=replace(PATIENT, drain_to=20))
        await begin(sink, stream_info())
        for seq in range(count):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
            await sink.drain()
        await sink.close()
        await seen.wait_for(ended(count))
    assert seen.seqs("beats") == list(range(count))
    assert sink.shed == 0


async def test_status_is_retained_for_late_subscribers(broker_url: str) -> None:
    sink = quick_sink(broker_url)
    await begin(sink, stream_info())
    async with subscriber(broker_url) as seen:
        await seen.wait_for(lambda c: c.states() == ["online"])
    await sink.close()
    async with subscriber(broker_url) as seen:
        await seen.wait_for(lambda c: c.states() == ["offline"])
    assert seen.of("status")[0]["reason"] == "finished"


SUPPORT = str(Path(__file__).parents[1] / "support")
PUBLISHER = """
    import asyncio, sys
    sys.path.insert(0, {tests!r})
    from sample_events import labeled_beat, published, stream_info
    from streamer.mqtt.publisher import MqttPublisher

    async def main():
        sink = MqttPublisher({url!r})
        sink.open(stream_info())
        await sink.start()
        sink.publish(stream_info(), published(labeled_beat()))
        await asyncio.Event().wait()

    asyncio.run(main())
"""


async def test_a_killed_publisher_leaves_its_last_will(broker_url: str) -> None:
    script = textwrap.dedent(PUBLISHER.format(tests=SUPPORT, url=broker_url))
    async with subscriber(broker_url) as seen:
        publisher = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        await seen.wait_for(lambda c: len(c.of("alerts")) == 1)
        publisher.kill()
        await publisher.wait()
        await seen.wait_for(lambda c: c.states() == ["online", "offline"])
    will = seen.of("status")[-1]
    assert will["reason"] == "connection lost"
    jsonschema.validate(will, schema(MessageType.STATUS))


@pytest.mark.mosquitto
async def test_mosquitto_sub_receives_every_beat(real_broker: Mosquitto) -> None:
    executable = shutil.which("mosquitto_sub")
    if executable is None:
        pytest.skip("mosquitto_sub is not installed")
    arguments = ["-p", str(real_broker.port), "-t", "ecg/+/beats", "-t", "ecg/+/status"]
    process = await asyncio.create_subprocess_exec(
        executable, *arguments, "-q", "1", "-C", "52", "-W", f"{WAIT_S:g}", stdout=subprocess.PIPE
    )
    try:
        # mosquitto_sub doesn't tell when it has subscribed; a retained status does.
        sink = quick_sink(real_broker.url)
        await begin(sink, stream_info())
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        for seq in range(50):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
        await sink.close()
        rest, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    finally:
        if process.returncode is None:
            process.kill()
    lines = [json.loads(line) for line in [first, *rest.splitlines()]]
    assert [p["seq"] for p in lines if p["type"] == "beat"] == list(range(50))


async def test_a_source_name_that_is_no_topic_level_is_refused() -> None:
    with pytest.raises(ValueError, match="choose another name"):
        await begin(quick_sink("mqtt://127.0.0.1:1"), stream_info(source="a/b"))


async def test_a_sink_that_was_never_started_closes_quietly() -> None:
    sink = quick_sink("mqtt://127.0.0.1:1")
    sink.open(stream_info())
    sink.publish(stream_info(), published(alarm()))
    await sink.drain()
    await sink.close()
    assert sink.state is ConnectionState.OFFLINE


async def test_counters_while_the_sink_works(broker_url: str) -> None:
    sink = quick_sink(broker_url)
    assert sink.state is ConnectionState.CONNECTING
    await begin(sink, stream_info())
    assert sink.state is ConnectionState.ONLINE
    sink.publish(stream_info(), published(rhythm_event()))
    assert sink.queued == 1
    await wait_until(lambda: sink.sent == 1)
    assert sink.queued == 0
    await sink.close()


def test_collector_keeps_first_occurrences() -> None:
    seen = Collector()
    seen.messages = [("ecg/x/beats", {"seq": n}) for n in (0, 1, 0, 1, 2)]
    assert seen.unique_seqs("beats") == [0, 1, 2]


@pytest.mark.mosquitto
@pytest.mark.parametrize("version", ["5", "3.1.1", "auto"])
async def test_both_protocol_versions(real_broker: Mosquitto, version: str) -> None:
    executable = shutil.which("mosquitto_sub")
    if executable is None:
        pytest.skip("mosquitto_sub is not installed")
    sink = quick_sink(real_broker.url, version=version)
    await begin(sink, stream_info())
    sink.publish(stream_info(), published(QUIET_BEAT))
    await sink.close()
    process = await asyncio.create_subprocess_exec(
        executable, "-V", "5", "-p", str(real_broker.port), "-t", "ecg/208/status",
        "-C", "1", "-W", f"{WAIT_S:g}", "-F", "%C %P %p", stdout=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    described = output.startswith(b"application/json schema:1 type:status ")
    assert described == (version != "3.1.1")
    assert output.strip().endswith(b"}")


async def test_a_person_acknowledges_a_latched_alert(broker_url: str) -> None:
    async with subscriber(broker_url) as seen:
        sink = quick_sink(broker_url)
        await begin(sink, stream_info())
        sink.publish(stream_info(), published(alarm()))
        sink.publish(stream_info(), published(QUIET_BEAT, seq=1))
        await seen.wait_for(lambda c: any(a["alerts"] for a in c.of("active")))
        latched = seen.of("active")[-1]["alerts"][0]
        assert (latched["condition"], latched["latched"]) == (Rhythm.VENTRICULAR_TACHYCARDIA, True)
        async with connect(
            parse_url(broker_url), identifier="nurse", credentials=Credentials(), config=QUICK
        ) as nurse:
            good = {
                "type": "acknowledge",
                "source": "208",
                "condition": Rhythm.VENTRICULAR_TACHYCARDIA,
            }
            for data in (b"\xff", b"{}", dumps({**good, "source": "209"}), dumps(good)):
                await nurse.publish("ecg/208/alerts/ack", data, qos=1)
        await seen.wait_for(lambda c: c.of("active")[-1]["alerts"] == [])
        assert seen.of("active")[-1]["rejected"] == 3
        for payload in [p for _, p in seen.messages if p.get("type") in set(MessageType)]:
            if payload["type"] == "active":
                jsonschema.validate(payload, schema(MessageType.ACTIVE))
        await sink.close()


@pytest.mark.mosquitto
async def test_alerts_expire_with_mqtt_5_and_events_do_not(real_broker: Mosquitto) -> None:
    executable = shutil.which("mosquitto_sub")
    if executable is None:
        pytest.skip("mosquitto_sub is not installed")
    process = await asyncio.create_subprocess_exec(
        executable, "-V", "5", "-p", str(real_broker.port), "-q", "1", "-t", "ecg/208/status",
        "-t", "ecg/208/alerts", "-t", "ecg/208/alarms", "-C", "3", "-W", f"{WAIT_S:g}",
        "-F", "%t %E", stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    sink = quick_sink(real_broker.url)
    await begin(sink, stream_info())
    lines = [await asyncio.wait_for(process.stdout.readline(), WAIT_S)]
    sink.publish(stream_info(), published(alarm()))
    rest, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    await sink.close()
    expiry = {}
    for line in (lines[0] + rest).decode().splitlines():
        topic, _, seconds = line.partition(" ")
        expiry[topic] = seconds
    assert expiry["ecg/208/alarms"] == expiry["ecg/208/status"] == ""
    assert 3600 - WAIT_S <= int(expiry["ecg/208/alerts"]) <= 3600


@pytest.mark.mosquitto
async def test_no_more_is_in_flight_than_the_broker_allows(mosquitto: str, tmp_path: Path) -> None:
    config = "listener PORT 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 3\n"
    async with Mosquitto(mosquitto, tmp_path, config=config) as broker:
        async with connect(
            parse_url(broker.url),
            identifier="x",
            credentials=Credentials(),
            config=QUICK,
            version=Version.V5,
        ) as client:
            assert client.socket.receive_maximum == 3
        outbox = MemoryOutbox(1000)
        sink = quick_sink(broker.url, outbox=outbox)
        await begin(sink, stream_info())
        most = 0
        for seq in range(100):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
            await sink.drain()
            most = max(most, len(outbox._in_flight))
        await sink.close()
    assert sink.sent == 100
    assert 1 <= most <= 3
