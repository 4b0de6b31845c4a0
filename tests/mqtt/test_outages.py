"""What an outage of the broker, the network or the publisher costs: no event."""

import asyncio
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
    begin,
    ended,
    quick_sink,
    subscriber,
    wait_until,
)
from sample_events import alarm, labeled_beat, published, stream_info

from classifier.labels import Label
from streamer.messages.wire import MessageType
from streamer.mqtt.access import Credentials
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.publisher import ClientConfig, ConnectionState, MqttPublisher

QUIET_BEAT = labeled_beat(label=Label.N)


def durable(folder: Path, capacity: int = 1000) -> DiskOutbox:
    return DiskOutbox(capacity, outbox_path(folder, "208"))


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
