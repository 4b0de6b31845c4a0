"""A ward over MQTT: each source as if it had a connection of its own, on a real broker."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest
from command import ECG_STREAM
from mosquitto_broker import Mosquitto
from mqtt_subscriber import PATIENT, QUICK, WAIT_S, Collector, subscriber
from sample_events import alarm, labeled_beat, over, published, stream_info

from classifier.labels import Label
from streamer.core.events import AlarmState, Event, Rhythm
from streamer.messages.wire import dumps
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.connection import connect
from streamer.mqtt.disk_outbox import DiskOutbox, outbox_path
from streamer.mqtt.publisher import WARD, WARD_OUTBOX, ClientConfig, MqttPublisher
from streamer.patient.snapshot_file import read_snapshot, write_snapshot
from streamer.rhythm.alerting.patients import PatientAlerts

pytestmark = pytest.mark.mosquitto


def publish(publisher: MqttPublisher, source: str, event: Event, seq: int) -> None:
    publisher.publish(stream_info(source), published(event, seq=seq))


def statuses(seen: Collector, source: str) -> list[tuple[str, str | None]]:
    of_source = [p for p in seen.of("status") if p["source"] == source]
    return [(payload["state"], payload["reason"]) for payload in of_source]


async def test_each_source_has_events_alerts_and_status_of_its_own(
    mosquitto: str, tmp_path: Path
) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        publisher = MqttPublisher(broker.url, ward="east", config=PATIENT)
        await publisher.start()
        for source, first_seq in (("a", 0), ("b", 40)):
            publisher.open(stream_info(source), first_seq=first_seq)
        publish(publisher, "a", alarm(), 0)
        publish(publisher, "b", labeled_beat(label=Label.N), 40)
        publisher.tell_active()
        publisher.close_source("a")
        await publisher.close()
        await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, "east"))
    assert statuses(seen, "a") == [("online", None), ("offline", "finished")]
    assert statuses(seen, "b") == [("online", None)]
    assert statuses(seen, "east") == [("online", None), ("offline", "finished")]
    of_sources = [p for p in seen.of("status") if p["source"] != "east"]
    assert {p["via"] for p in of_sources} == {"east"}
    assert [(p["first_seq"], p["events"]) for p in of_sources] == [(0, 0), (40, 40), (0, 1)]
    (alert,) = seen.of("alerts")
    assert (alert["source"], alert["seq"], alert["condition"]) == (
        "a",
        0,
        Rhythm.VENTRICULAR_TACHYCARDIA,
    )
    active = [(p["source"], [a["condition"] for a in p["alerts"]]) for p in seen.of("active")]
    assert ("a", [Rhythm.VENTRICULAR_TACHYCARDIA]) in active
    assert ("b", []) in active


async def test_an_acknowledgement_reaches_the_source_that_it_is_for(
    mosquitto: str, tmp_path: Path
) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        publisher = MqttPublisher(broker.url, ward=WARD, config=PATIENT)
        await publisher.start()
        for source in "ab":
            publisher.open(stream_info(source))
            publish(publisher, source, alarm(), 0)
            publish(publisher, source, labeled_beat(label=Label.N), 1)
        publisher.tell_active()
        async with connect(
            parse_url(broker.url), identifier="nurse", credentials=Credentials(), config=QUICK
        ) as nurse:
            for data in (b"\xff", dumps({"type": "acknowledge", "source": "a"})):
                await nurse.publish("ecg/a/alerts/ack", data, qos=1)
            await nurse.publish("ecg/nobody/alerts/ack", b"{}", qos=1)

        def active(source: str) -> list[object]:
            return [p["alerts"] for p in seen.of("active") if p["source"] == source]

        async with asyncio.timeout(WAIT_S):
            while not active("a") or active("a")[-1]:
                publisher.tell_active()
                await asyncio.sleep(0.01)
        assert len(active("b")) == 1
        assert active("b")[-1]
        await publisher.close()


async def test_an_acknowledgement_is_one_thing_wherever_it_is_given(
    mosquitto: str, tmp_path: Path
) -> None:
    """One from a screen is published; one from the network is on the screens."""
    alerts = PatientAlerts()
    vt, vf = Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.VENTRICULAR_FIBRILLATION
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        publisher = MqttPublisher(broker.url, ward=WARD, config=PATIENT, alerts=alerts)
        await publisher.start()
        publisher.open(stream_info("a"))
        publish(publisher, "a", alarm(state=AlarmState.ONGOING), 0)
        publish(publisher, "a", alarm(state=AlarmState.ONGOING, rhythm=vf), 1)
        publisher.tell_active()
        assert alerts.acknowledge("a", vt) == 1

        def standing() -> dict[str, tuple[bool, bool]]:
            return {
                a["condition"]: (a["acknowledged"], a["ended"])
                for a in (seen.of("active") or [{"alerts": []}])[-1]["alerts"]
            }

        await seen.wait_for(lambda _: standing() == {vt: (True, False), vf: (False, False)})
        async with connect(
            parse_url(broker.url), identifier="nurse", credentials=Credentials(), config=QUICK
        ) as nurse:
            data = dumps({"type": "acknowledge", "source": "a", "condition": vf})
            await nurse.publish("ecg/a/alerts/ack", data, qos=1)
        await seen.wait_for(lambda _: standing() == {vt: (True, False), vf: (True, False)})
        assert all(one.acknowledged for one in alerts["a"].active)
        publish(publisher, "a", over(), 2)
        publisher.tell_active()
        await seen.wait_for(lambda _: standing() == {vf: (True, False)})
        await publisher.close()


async def test_after_an_outage_the_broker_knows_again_how_all_stand(
    mosquitto: str, tmp_path: Path
) -> None:
    """The broker keeps nothing on disk: what was retained is gone with it."""
    notices: list[str] = []
    async with Mosquitto(mosquitto, tmp_path) as broker:
        publisher = MqttPublisher(broker.url, ward=WARD, config=PATIENT, on_notice=notices.append)
        await publisher.start()
        publisher.open(stream_info("a"))
        publish(publisher, "a", alarm(), 0)
        publisher.tell_active()
        broker.kill()
        await broker.start()
        async with subscriber(broker.url) as seen:
            await seen.wait_for(lambda c: statuses(c, "a") and statuses(c, "ward"))
            publisher.tell_active()
            await seen.wait_for(lambda c: c.of("active"))
            await publisher.close()
        # What the dead broker hadn't acknowledged comes as well.
        assert set(statuses(seen, "a")) == {("online", None)}
        assert seen.of("active")[0]["alerts"][0]["condition"] == Rhythm.VENTRICULAR_TACHYCARDIA
    lost, back = notices
    assert "is lost (" in lost
    assert "is back" in back


async def test_alerts_that_nobody_has_acknowledged_survive_the_ward(
    mosquitto: str, tmp_path: Path
) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        killed = MqttPublisher(broker.url, ward=WARD, config=PATIENT)
        killed.open(stream_info("a"))
        publish(killed, "a", alarm(), 0)
        publish(killed, "a", labeled_beat(label=Label.N), 1)
        saved = tmp_path / "a.snapshot"
        write_snapshot(saved, {"alerts": killed.alerts["a"].state()})

        alerts = PatientAlerts()
        alerts.open(stream_info("a")).restore(read_snapshot(saved)["alerts"])
        resumed = MqttPublisher(broker.url, ward=WARD, config=PATIENT, alerts=alerts)
        await resumed.start()
        resumed.open(stream_info("a"), first_seq=2)
        resumed.tell_active()
        await resumed.close()
        await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, "ward"))
    (active,) = seen.of("active")
    assert [(a["condition"], a["ended"]) for a in active["alerts"]] == [
        (Rhythm.VENTRICULAR_TACHYCARDIA, True)
    ]


async def test_what_goes_on_and_what_nobody_has_seen_outlive_kill_9_with_an_outbox(
    mosquitto: str, tmp_path: Path
) -> None:
    """Nothing is closed: the process is gone after its last turn."""
    vf = Rhythm.VENTRICULAR_FIBRILLATION

    def publisher(url: str, folder: Path) -> MqttPublisher:
        outbox = DiskOutbox(100, outbox_path(folder, WARD), config=WARD_OUTBOX)
        return MqttPublisher(url, ward=WARD, outbox=outbox, config=PATIENT)

    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        killed = publisher(broker.url, tmp_path / "a")
        killed.open(stream_info("a", started_at=1_600_000_000.0))
        publish(killed, "a", alarm(), 0)
        publish(killed, "a", alarm(state=AlarmState.ONGOING, rhythm=vf), 1)
        publish(killed, "a", alarm(onset=1000, rhythm=Rhythm.ASYSTOLE), 2)
        killed.alerts.acknowledge("a", Rhythm.ASYSTOLE)
        killed.tell_active()
        shutil.copytree(tmp_path / "a", tmp_path / "b")

        again = publisher(broker.url, tmp_path / "b")
        await again.start()
        again.open(stream_info("a"))
        again.tell_active()
        await seen.wait_for(lambda c: c.of("active"))
        assert again.next_seq("a") == 3
        publish(again, "a", labeled_beat(3600, Label.N), 3)
        publish(again, "a", labeled_beat(3600 + 31 * 360, Label.N), 4)
        again.tell_active()
        await again.close()
        await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, "ward"))
        killed._outbox.close()
    first, last = seen.of("active")[0], seen.of("active")[-1]
    named = [(a["condition"], a["ended"], a["acknowledged"]) for a in first["alerts"]]
    # That it is over is not said before it is known.
    assert named == [(vf, False, False), (Rhythm.VENTRICULAR_TACHYCARDIA, True, False)]
    assert {a["time"] for a in first["alerts"]} == {"2020-09-13T12:26:42.000000Z"}
    assert [(a["condition"], a["ended"]) for a in last["alerts"]] == [
        (vf, True),
        (Rhythm.VENTRICULAR_TACHYCARDIA, True),
    ]


async def test_a_killed_ward_is_offline_by_its_last_will(mosquitto: str, tmp_path: Path) -> None:
    # Its statistics are no message of a source, so only status is listened to.
    async with (
        Mosquitto(mosquitto, tmp_path) as broker,
        subscriber(broker.url, "ecg/+/status") as seen,
    ):
        ward = await asyncio.create_subprocess_exec(
            *ECG_STREAM, "ward", "demo", "demo:2", "--name", "west",
            "--mqtt", broker.url, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        # It may have a signal path to compile first.
        await seen.wait_for(lambda c: statuses(c, "demo") and statuses(c, "demo-2"), 5 * WAIT_S)
        ward.send_signal(signal.SIGKILL)
        await ward.wait()
        await seen.wait_for(lambda c: ("offline", "connection lost") in statuses(c, "west"))
    assert statuses(seen, "west")[0] == ("online", None)


async def test_a_ward_with_an_outbox_on_disk_goes_on_where_it_was_killed(
    mosquitto: str, tmp_path: Path
) -> None:
    path = outbox_path(tmp_path, WARD)
    async with Mosquitto(mosquitto, tmp_path) as broker:
        broker.kill()
        killed = MqttPublisher(
            broker.url,
            ward=WARD,
            outbox=DiskOutbox(1000, path, config=WARD_OUTBOX),
            config=ClientConfig(flush_timeout_s=0.01),
            connection_config=QUICK,
        )
        await killed.start()
        for source, count in (("a", 30), ("b", 20)):
            killed.open(stream_info(source))
            for seq in range(count):
                publish(killed, source, labeled_beat(label=Label.N), seq)
        await killed.close()
        assert (killed.undelivered, killed.is_durable) == (50, True)

        await broker.start()
        async with subscriber(broker.url) as seen:
            resumed = MqttPublisher(
                broker.url,
                ward=WARD,
                outbox=DiskOutbox(1000, path, config=WARD_OUTBOX),
                config=PATIENT,
            )
            assert [resumed.next_seq(source) for source in "abc"] == [30, 20, 0]
            await resumed.start()
            for source in "ab":
                resumed.open(stream_info(source))
                with pytest.raises(ValueError, match="was published before; go on at"):
                    publish(resumed, source, labeled_beat(label=Label.N), 5)
                publish(resumed, source, labeled_beat(label=Label.N), resumed.next_seq(source))
            await resumed.close()
            await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, WARD))
    for source, count in (("a", 31), ("b", 21)):
        beats = [p["seq"] for p in seen.of("beats") if p["source"] == source]
        assert beats == list(range(count))
    first = {p["source"]: p["first_seq"] for p in seen.of("status") if p["state"] == "online"}
    assert first == {WARD: 0, "a": 30, "b": 20}


async def test_a_source_that_goes_on_from_a_snapshot_says_where(
    mosquitto: str, tmp_path: Path
) -> None:
    async with Mosquitto(mosquitto, tmp_path) as broker, subscriber(broker.url) as seen:
        publisher = MqttPublisher(broker.url, ward=WARD, config=PATIENT)
        await publisher.start()
        publisher.open(stream_info("a"))
        publish(publisher, "a", labeled_beat(label=Label.N), 17)
        publisher.close_source("a")
        publisher.open(stream_info("a"))
        await publisher.delivered()
        publish(publisher, "a", labeled_beat(label=Label.N), 0)
        await publisher.close()
        await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, WARD))
    of_a = [(p["state"], p["first_seq"]) for p in seen.of("status") if p["source"] == "a"]
    assert ("online", 17) in of_a
    assert of_a[-1] == ("online", 0)
    assert seen.seqs("beats") == [17, 0]


async def test_a_refused_message_of_one_source_does_not_end_the_others(
    mosquitto: str, tmp_path: Path
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite ecg/#\ntopic deny ecg/evil/beats\n")
    rules.chmod(0o600)
    config = (
        f"listener PORT 127.0.0.1\nallow_anonymous true\nacl_file {rules}\nuser root\n"
        "log_dest none\n"
    )
    notices: list[str] = []
    async with (
        Mosquitto(mosquitto, tmp_path, config=config) as broker,
        subscriber(broker.url) as seen,
    ):
        publisher = MqttPublisher(
            broker.url, ward=WARD, config=PATIENT, version="5", on_notice=notices.append
        )
        await publisher.start()
        for source in ("evil", "good"):
            publisher.open(stream_info(source))
            publish(publisher, source, labeled_beat(label=Label.N), 0)
        await publisher.close()
        await seen.wait_for(lambda c: ("offline", "finished") in statuses(c, WARD))
    assert [p["source"] for p in seen.of("beats")] == ["good"]
    assert publisher.reconnects == 0
    assert "refuses a message: Not authorized" in notices[0]
