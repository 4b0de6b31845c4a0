import asyncio
import json
import logging
import socket
import threading
from pathlib import Path

import pytest
from mosquitto_broker import free_port
from mqtt_subscriber import PATIENT, QUICK, WAIT_S, begin, subscriber
from sample_events import labeled_beat, published, stream_info

from classifier.labels import Label
from streamer.core.errors import BrokerError
from streamer.mqtt import local_address
from streamer.mqtt.access import Credentials
from streamer.mqtt.broker import BrokerConfig, EmbeddedBroker, broker_for, check_option
from streamer.mqtt.local_address import read_note, remove_note, write_note
from streamer.mqtt.publisher import MqttPublisher


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


async def test_it_listens_on_loopback_only_and_stops_cleanly() -> None:
    port = free_port()
    threads = threading.active_count()
    broker = EmbeddedBroker(port)
    await broker.start()
    assert broker.url == f"mqtt://127.0.0.1:{port}"
    assert is_listening(port)
    # All of 127/8 is loopback: a broker bound to every interface would answer here as well.
    assert not is_listening(port, "127.0.0.2")
    await broker.stop()
    await broker.stop()
    assert not is_listening(port)
    assert not [t for t in threading.enumerate() if t.name == "embedded-broker"]
    assert threading.active_count() <= threads + 1  # asyncio keeps one worker thread
    with pytest.raises(BrokerError, match="start it first"):
        _ = broker.url


async def test_the_same_port_serves_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        async with broker_for(f"embedded:{port}") as url, subscriber(str(url)):
            pass


async def test_a_port_asked_for_and_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            await EmbeddedBroker(port).start()
    assert f"--mqtt mqtt://127.0.0.1:{port}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert read_note() is None


async def test_a_taken_default_port_is_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(local_address, "DEFAULT_PORT", port)
        async with broker_for("embedded") as url:
            assert url not in {None, f"mqtt://127.0.0.1:{port}"}
            assert read_note() == url
    assert read_note() is None


async def test_a_free_default_port_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(local_address, "DEFAULT_PORT", port)
    async with broker_for("embedded") as url:
        assert url == f"mqtt://127.0.0.1:{port}"


async def test_a_broker_that_fails_to_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # The port is lost between the check and the start.
        monkeypatch.setattr(local_address, "_is_free", lambda port, host: True)
        with pytest.raises(BrokerError, match=r"can't listen on 127\.0\.0\.1.*--mqtt off"):
            await EmbeddedBroker(taken.getsockname()[1]).start()


async def test_nothing_is_lost_when_all_stops_right_after_the_last_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    count = 300
    caplog.set_level(logging.DEBUG, "streamer.mqtt.broker")
    broker = EmbeddedBroker(free_port(), config=BrokerConfig(settle_timeout_s=WAIT_S))
    await broker.start()
    async with subscriber(broker.url) as seen:
        sink = MqttPublisher(
            broker.url, credentials=Credentials(), config=PATIENT, connection_config=QUICK
        )
        await begin(sink, stream_info())
        for seq in range(count):
            sink.publish(stream_info(), published(labeled_beat(label=Label.N), seq=seq))
        await sink.close()
        await broker.stop()
        await seen.wait_for(lambda c: c.states() == ["online", "offline"])
    assert seen.seqs("beats") == list(range(count))
    assert seen.of("status")[-1]["reason"] == "finished"
    assert [
        r.getMessage() for r in caplog.records if r.name in {"asyncio", "streamer.mqtt.broker"}
    ] == []


async def test_strangers_and_broken_packets_do_not_disturb_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with broker_for(f"embedded:{free_port()}") as url:
        assert url is not None
        port = int(url.rpartition(":")[2])
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\x7f", b"\x00" * 100):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            writer.close()
            await writer.wait_closed()
        async with subscriber(url) as seen:
            sink = MqttPublisher(
                url, credentials=Credentials(), config=PATIENT, connection_config=QUICK
            )
            await begin(sink, stream_info())
            await sink.close()
            await seen.wait_for(lambda c: len(c.states()) == 2)
    assert capfd.readouterr().err == ""
    assert logging.getLogger("amqtt").level == logging.NOTSET


async def test_off_and_urls() -> None:
    async with broker_for("off") as url:
        assert url is None
    async with broker_for("mqtt://10.1.2.3:1884") as url:
        assert url == "mqtt://10.1.2.3:1884"


@pytest.mark.parametrize("option", ["off", "embedded", "embedded:1884", "mqtts://host"])
def test_options(option: str) -> None:
    assert check_option(option) == option


@pytest.mark.parametrize(
    "option", ["", "on", "embedded:", "embedded:x", "embedded:0", "embedded:70000", "host:1883"]
)
def test_refused_options(option: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_option(option)


def test_a_note_is_read_while_its_writer_lives_and_removed_by_it_alone(own_cache: Path) -> None:
    write_note("mqtt://127.0.0.1:5000")
    assert read_note() == "mqtt://127.0.0.1:5000"
    remove_note("mqtt://127.0.0.1:6000")
    assert read_note() == "mqtt://127.0.0.1:5000"
    remove_note("mqtt://127.0.0.1:5000")
    assert read_note() is None
    assert list((own_cache / "ecg-stream").iterdir()) == []


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        "{}",
        json.dumps({"url": "mqtt://127.0.0.1:5000", "pid": 2**40}),
        json.dumps({"url": "mqtt://127.0.0.1:5000", "pid": "x"}),
        json.dumps({"url": "nonsense", "pid": 1}),
    ],
)
def test_stale_or_broken_notes_are_ignored(note: str, own_cache: Path) -> None:
    write_note("mqtt://127.0.0.1:5000")
    local_address._note_path().write_text(note)
    assert read_note() is None


def test_a_folder_that_can_not_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    write_note("mqtt://127.0.0.1:5000")
    remove_note("mqtt://127.0.0.1:5000")
    assert read_note() is None


OTHERS = ["0.0.0.0", "::", "192.168.7.7"]


@pytest.mark.parametrize("host", OTHERS)
def test_an_interface_that_others_reach_needs_a_password(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USERNAME", "PASSWORD", "PASSWORD_FILE"):
        monkeypatch.delenv(f"ECG_STREAM_MQTT_{name}", raising=False)
    with pytest.raises(BrokerError, match=r"open to others; set ECG_STREAM_MQTT_USERNAME and"):
        check_option(f"embedded:{host}:1883")
    with pytest.raises(BrokerError, match="open to others"):
        EmbeddedBroker(1883, host=host, credentials=Credentials(username="ward"))
    EmbeddedBroker(1883, host=host, credentials=Credentials(username="ward", password="x"))
    assert check_option("embedded:127.0.0.1:1883")


async def test_beyond_loopback_only_the_right_password_lets_in() -> None:
    right = Credentials(username="ward", password="s3cret")
    broker = EmbeddedBroker(free_port(), host="0.0.0.0", credentials=right)
    await broker.start()
    try:
        wrong = [
            Credentials(),
            Credentials(username="ward", password="secret"),
            Credentials(username="ward", password=""),
            Credentials(username="s3cret", password="s3cret"),
        ]
        for credentials in wrong:
            sink = MqttPublisher(
                broker.url, credentials=credentials, config=PATIENT, connection_config=QUICK
            )
            with pytest.raises(BrokerError, match="refuses us") as caught:
                await begin(sink, stream_info())
            assert "cret" not in str(caught.value)
        sink = MqttPublisher(broker.url, credentials=right, config=PATIENT, connection_config=QUICK)
        await begin(sink, stream_info())
        await sink.close()
    finally:
        await broker.stop()


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'ward' is no address of an interface"):
        check_option("embedded:ward:1883")


async def test_an_address_of_another_machine() -> None:
    login = Credentials(username="a", password="b")
    with pytest.raises(BrokerError, match=r"192\.0\.2\.1 is no address of this machine"):
        await EmbeddedBroker(free_port(), host="192.0.2.1", credentials=login).start()
