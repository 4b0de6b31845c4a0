import asyncio
import json
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from message_schema import schema
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import PATIENT, QUICK, WAIT_S, Collector, begin, subscriber
from sample_events import alarm, labeled_beat, one_of_each, published, rhythm_event, stream_info

from classifier.labels import Label
from streamer.core.errors import BrokerError
from streamer.core.events import EctopyCondition, Rhythm
from streamer.messages.wire import MessageType, dumps
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.broker import EmbeddedBroker
from streamer.mqtt.connection import connect
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.outbox import MemoryOutbox
from streamer.mqtt.protocol import Version
from streamer.mqtt.publisher import ClientConfig, ConnectionState, MqttPublisher

QUIET_BEAT = labeled_beat(label=Label.N)


@pytest.fixture
async def real_broker(mosquitto: str, tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(mosquitto, tmp_path) as broker:
        yield broker


@pytest.fixture(
    params=["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)],
)
async def broker_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Each kind of broker in turn."""
    if request.param == "mosquitto":
        async with Mosquitto(request.getfixturevalue("mosquitto"), tmp_path) as broker:
            yield broker.url
        return
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    embedded = EmbeddedBroker(free_port())
    await embedded.start()
    yield embedded.url
    await embedded.stop()


def quick_sink(url: str, **options: object) -> MqttPublisher:
    return MqttPublisher(
        url,
        credentials=Credentials(),
        connection_config=QUICK,
        random_source=random.Random(1),
        **{"config": PATIENT, **options},
    )


def ended(count: int):
    """EctopyCondition: the source went offline after so many events."""
    return lambda c: any(s["state"] == "offline" and s["events"] == count for s in c.of("status"))


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


@pytest.mark.mosquitto
async def test_a_broker_killed_in_mid_stream_costs_no_message(real_broker: Mosquitto) -> None:
    notices: list[str] = []
    count, kill_at = 900, (200, 500)
    async with subscriber(real_broker.url) as seen:
        sink = quick_sink(real_broker.url, on_notice=notices.append)
        await begin(sink, stream_info())
        for seq in range(count):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
            if seq in kill_at:
                # In mid-flight: the queue is being sent and not all of it is acknowledged.
                sent, reconnects, connections = sink.sent, sink.reconnects, seen.connections
                await wait_until(lambda n=sent: sink.sent > n)
                real_broker.kill()
                await real_broker.start()
                await wait_until(lambda n=reconnects: sink.reconnects > n)
                await seen.wait_for(lambda c, n=connections: c.connections > n)
        await sink.close()
        await seen.wait_for(ended(count))
    assert sink.reconnects == len(kill_at)
    assert (sink.shed, sink.undelivered, sink.queued) == (0, 0, 0)
    assert sink.sent == count
    assert len(notices) == 2 * len(kill_at)
    assert "is lost (" in notices[0]
    assert "is back" in notices[1]


@pytest.mark.mosquitto
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_one_kill_of_a_broker_without_persistence_costs_no_event(
    real_broker: Mosquitto, version: str
) -> None:
    """Its subscribers come back later than the publisher, and their sessions are gone."""
    slow = replace(QUICK, backoff_first_s=0.5, backoff_cap_s=0.5)
    notices: list[str] = []
    count, kill_at = 300, 150
    async with subscriber(real_broker.url, config=slow) as seen:
        sink = quick_sink(
            real_broker.url,
            version=version,
            on_notice=notices.append,
            config=replace(PATIENT, settle_s=2.0),
        )
        await begin(sink, stream_info())
        for seq in range(count):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
            await asyncio.sleep(0.005)
            if seq == kill_at:
                real_broker.kill()
                await real_broker.start()
        await sink.close()
        await seen.wait_for(ended(count))
    assert seen.unique_seqs("beats") == list(range(count))
    assert sink.reconnects == 1
    assert ("has lost its sessions" in notices[1]) == (version == "5")


async def wait_until(condition) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.mosquitto
async def test_after_an_outage_the_stream_goes_on_in_order_without_holes(
    real_broker: Mosquitto,
) -> None:
    gate = asyncio.Event()

    async def sleep_until_the_subscriber_is_back(_: float) -> None:
        await gate.wait()

    count = 400
    async with subscriber(real_broker.url) as seen:
        sink = quick_sink(real_broker.url, sleep=sleep_until_the_subscriber_is_back)
        await begin(sink, stream_info())
        for seq in range(count // 2):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
        await seen.wait_for(lambda c: len(c.of("beats")) > 20)
        real_broker.kill()
        await wait_until(lambda: sink.state is ConnectionState.OFFLINE)
        for seq in range(count // 2, count):
            sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
        connections = seen.connections
        await real_broker.start()
        await seen.wait_for(lambda c: c.connections > connections)
        before = len(seen.messages)
        gate.set()
        await sink.close()
        await seen.wait_for(ended(count))
    first_part = [p["seq"] for t, p in seen.messages[:before] if t.endswith("/beats")]
    assert first_part == list(range(len(first_part)))
    # What the broker had acknowledged but not passed on when it died comes again, from the
    # oldest that is kept; this broker keeps nothing on disk.
    after = [p["seq"] for t, p in seen.messages[before:] if t.endswith("/beats")]
    assert after == list(range(count))
    assert seen.unique_seqs("beats") == list(range(count))
    assert (sink.shed, sink.sent) == (0, count)


@pytest.mark.mosquitto
async def test_when_the_queue_is_full_the_oldest_is_shed_and_counted(
    real_broker: Mosquitto,
) -> None:
    gate = asyncio.Event()
    sink = quick_sink(real_broker.url, queue_size=10, sleep=lambda _: gate.wait())
    await begin(sink, stream_info())
    real_broker.kill()
    await wait_until(lambda: sink.state is ConnectionState.OFFLINE)
    for seq in range(25):
        sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
    assert (sink.queued, sink.shed) == (10, 15)
    sink.publish(stream_info(), published(labeled_beat(revision=0), seq=25))
    assert (sink.queued, sink.shed) == (10, 16), "a provisional label is worth less than old news"
    await real_broker.start()
    async with subscriber(real_broker.url) as seen:
        gate.set()
        await sink.close()
        await seen.wait_for(ended(26))
    assert seen.seqs("beats") == list(range(15, 25))
    assert seen.of("status")[-1]["shed"] == 16
    assert seen.of("status")[-1]["shed_by_rank"]["provisional"] == 1
    # The sink is closed while it catches up, so it may have no time left to call itself online.
    assert [state for state in seen.states() if state != "online"] == ["degraded", "offline"]
    jsonschema.validate(seen.of("status")[0], schema(MessageType.STATUS))
    assert seen.of("status")[0]["reason"] == "10 messages behind"


@pytest.mark.mosquitto
async def test_closing_gives_up_on_a_dead_broker_and_counts_what_is_left(
    real_broker: Mosquitto,
) -> None:
    sink = quick_sink(real_broker.url, config=ClientConfig(flush_timeout_s=0.2))
    await begin(sink, stream_info())
    real_broker.kill()
    await wait_until(lambda: sink.state is ConnectionState.OFFLINE)
    for seq in range(3):
        sink.publish(stream_info(), published(QUIET_BEAT, seq=seq))
    async with asyncio.timeout(WAIT_S):
        await sink.close()
    assert sink.undelivered == 3
    assert sink.last_error


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


async def test_an_absent_broker_is_one_clear_line() -> None:
    port = free_port()
    sink = quick_sink(f"mqtt://127.0.0.1:{port}")
    with pytest.raises(BrokerError, match=r"Connection refused.*--mqtt off") as caught:
        await begin(sink, stream_info())
    assert f"mqtt://127.0.0.1:{port}" in str(caught.value)
    assert "\n" not in str(caught.value)
    await sink.close()


async def test_a_host_that_no_name_server_knows() -> None:
    with pytest.raises(BrokerError, match="can't be used"):
        await begin(quick_sink("mqtt://a..b"), stream_info())


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        hung_up.set()

    hung_up = asyncio.Event()
    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    config = replace(QUICK, timeout_s=0.05)
    sink = MqttPublisher(
        f"mqtt://127.0.0.1:{port}", credentials=Credentials(), connection_config=config
    )
    try:
        with pytest.raises(BrokerError, match="timed out"):
            await begin(sink, stream_info())
        await asyncio.wait_for(hung_up.wait(), WAIT_S)
    finally:
        silent.close()


@pytest.mark.mosquitto
async def test_wrong_credentials_are_refused_clearly(mosquitto: str, tmp_path: Path) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    passwords = tmp_path / "passwords"
    make = await asyncio.create_subprocess_exec(tool, "-b", "-c", passwords, "bed4", "right")
    assert await make.wait() == 0
    async with Mosquitto(mosquitto, tmp_path, password_file=passwords) as broker:
        for credentials in (Credentials(), Credentials(username="bed4", password="wrong")):
            sink = MqttPublisher(broker.url, credentials=credentials, connection_config=QUICK)
            with pytest.raises(BrokerError, match=r"refuses us: .*ECG_STREAM_MQTT_PASSWORD") as e:
                await begin(sink, stream_info())
            assert "wrong" not in str(e.value)
        welcome = Credentials(username="bed4", password="right")
        sink = MqttPublisher(broker.url, credentials=welcome, connection_config=QUICK)
        await begin(sink, stream_info())
        assert sink.state is ConnectionState.ONLINE
        await sink.close()


async def test_a_tls_set_up_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError("no certificates")

    monkeypatch.setattr("streamer.mqtt.access.ssl.create_default_context", fail)
    sink = quick_sink("mqtts://127.0.0.1:1")
    with pytest.raises(BrokerError, match="no certificates"):
        await asyncio.wait_for(begin(sink, stream_info()), WAIT_S)


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


def durable(folder: Path, capacity: int = 1000) -> DiskOutbox:
    return DiskOutbox(capacity, outbox_path(folder, "208"))


@pytest.mark.mosquitto
async def test_an_outbox_on_disk_waits_for_a_broker_and_goes_on_after_a_restart(
    real_broker: Mosquitto, tmp_path: Path
) -> None:
    real_broker.kill()
    notices: list[str] = []
    first = quick_sink(
        real_broker.url,
        outbox=durable(tmp_path),
        on_notice=notices.append,
        config=ClientConfig(flush_timeout_s=0.01),
    )
    await begin(first, stream_info())
    for seq in range(30):
        first.publish(stream_info(), published(QUIET_BEAT, seq=seq))
    await first.close()
    assert (first.sent, first.undelivered, first.is_durable) == (0, 30, True)
    assert "is away (" in notices[0]

    await real_broker.start()
    async with subscriber(real_broker.url) as seen:
        outbox = durable(tmp_path)
        assert outbox.next_seq("208") == 30
        second = quick_sink(real_broker.url, outbox=outbox)
        await begin(second, stream_info(started_at=1_700_000_500.0))
        with pytest.raises(ValueError, match=r"event 29 of 208 was published before; go on at 30"):
            second.publish(stream_info(), published(QUIET_BEAT, seq=29))
        for seq in range(30, 40):
            second.publish(stream_info(), published(QUIET_BEAT, seq=seq))
        await second.close()
        await seen.wait_for(ended(40))
    assert seen.seqs("beats") == list(range(40))
    assert {s["first_seq"] for s in seen.of("status")} == {30}


async def test_a_reset_connection_right_after_the_start_loses_nothing(tmp_path: Path) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = MqttPublisher(
        f"mqtt://127.0.0.1:{port}",
        outbox=durable(tmp_path),
        credentials=Credentials(),
        config=ClientConfig(flush_timeout_s=0.01),
        connection_config=replace(QUICK, timeout_s=0.05),
    )
    await begin(sink, stream_info())
    sink.publish(stream_info(), published(QUIET_BEAT))
    await sink.close()
    server.close()
    outbox = durable(tmp_path)
    assert outbox.unacknowledged == 1
    outbox.close()


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


async def test_an_unknown_protocol_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'4' is unknown; expected 5, 3\.1\.1 or auto"):
        quick_sink("mqtt://127.0.0.1:1", version="4")


async def test_a_version_that_the_broker_does_not_speak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    embedded = EmbeddedBroker(free_port())
    await embedded.start()
    try:
        with pytest.raises(BrokerError, match="Unsupported protocol version; try another --mqtt-v"):
            await begin(quick_sink(embedded.url, version="5"), stream_info())
    finally:
        await embedded.stop()


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
async def test_ten_minutes_without_a_broker_at_full_rate_cost_nothing(
    real_broker: Mosquitto, tmp_path: Path
) -> None:
    """Two revisions of every beat at 200/min for ten minutes, and some alarms."""
    gate = asyncio.Event()
    outbox = durable(tmp_path, capacity=100_000)
    sink = quick_sink(real_broker.url, outbox=outbox, sleep=lambda _: gate.wait())
    await begin(sink, stream_info())
    real_broker.kill()
    await wait_until(lambda: sink.state is ConnectionState.OFFLINE)
    count = 2 * 200 * 10
    for seq in range(count):
        event = alarm() if seq % 500 == 0 else labeled_beat(label=Label.N, revision=seq % 2)
        sink.publish(stream_info(), published(event, seq=seq))
    assert sink.queued >= count
    await real_broker.start()
    async with subscriber(real_broker.url) as seen:
        gate.set()
        await sink.close()
        await seen.wait_for(ended(count))
    seqs = [p["seq"] for p in (*seen.of("beats"), *seen.of("alarms"))]
    assert sorted(set(seqs)) == list(range(count))
    assert seen.unique_seqs("beats") == sorted(seen.unique_seqs("beats"))
    assert (sink.shed, sink.undelivered) == (0, 0)


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
