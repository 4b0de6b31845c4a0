"""The example configuration in docs/mqtt under attack, on a real Mosquitto, with TLS."""

import asyncio
import logging
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import PATIENT, QUICK, WAIT_S, begin
from sample_events import (
    alarm,
    alert_fields,
    labeled_beat,
    published,
    statistics_message,
    stream_info,
)

from streamer.core.errors import BrokerError
from streamer.messages.received import Received
from streamer.messages.wire import StatusMessage, dumps
from streamer.mqtt.access import Credentials, TlsFiles, parse_url, tls_context
from streamer.mqtt.client import MqttClient
from streamer.mqtt.connection import connect
from streamer.mqtt.listen import Listener, ListenOptions
from streamer.mqtt.protocol import Version
from streamer.mqtt.publisher import ClientConfig, MqttPublisher

DOCS = Path(__file__).parents[2] / "docs" / "mqtt"
SETTINGS = {"config": PATIENT, "connection_config": QUICK}
PASSWORDS = {"bed4": "pw4", "bed5": "pw5", "display": "pwd", "staff": "pws", "ward": "pww"}

pytestmark = pytest.mark.mosquitto


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificate(folder: Path, name: str, common_name: str, *extra: str) -> None:
    """Make a key and a certificate signed by the authority in the same folder."""
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={common_name}",
    )  # fmt: skip
    (folder / "extensions").write_text("\n".join(extra))
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "2", "-out", f"{name}.crt", "-extfile", "extensions",
    )  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory, mosquitto: str) -> Path:
    """Two authorities, the broker's certificate, and clients' certificates."""
    if shutil.which("openssl") is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("openssl or mosquitto_passwd is not installed")
    folder = tmp_path_factory.mktemp("keys")
    stranger = folder / "stranger"
    stranger.mkdir()
    for place in (folder, stranger):
        openssl(
            place, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test CA",
        )  # fmt: skip
        make_certificate(place, "bed4", "bed4")
    make_certificate(folder, "server", "127.0.0.1", "subjectAltName=IP:127.0.0.1")
    for name, password in PASSWORDS.items():
        create = [] if (folder / "passwords").exists() else ["-c"]
        command = ["mosquitto_passwd", "-b", *create, str(folder / "passwords"), name, password]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Ward:
    """A running broker with the example configuration."""

    password_url: str
    certificate_url: str
    keys: Path

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(ca=self.keys / "ca.crt")

    def sink(self, user: str | None, **options: object) -> MqttPublisher:
        credentials = Credentials(username=user, password=PASSWORDS[user] if user else None)
        settings = {"tls": self.tls, "credentials": credentials, **SETTINGS}
        return MqttPublisher(self.password_url, **{**settings, **options})


@pytest.fixture
async def ward(keys: Path, mosquitto: str, tmp_path: Path) -> AsyncIterator[Ward]:
    text = (DOCS / "mosquitto.conf").read_text()
    certificate_port = free_port()
    text = text.replace("/etc/mosquitto/ecg-stream/acl", str(DOCS / "acl"))
    text = text.replace("/etc/mosquitto/ecg-stream", str(keys))
    text = text.replace("/var/lib/mosquitto/", f"{tmp_path}/")
    text = text.replace("listener 8883", "listener PORT 127.0.0.1")
    text = text.replace("listener 8884", f"listener {certificate_port} 127.0.0.1")
    assert "/etc/" not in text
    # Read only when root starts it: it could not read the keys as another user.
    async with Mosquitto(mosquitto, tmp_path, config=f"{text}\nuser root\nlog_dest none\n") as b:
        yield Ward(f"mqtts://127.0.0.1:{b.port}", f"mqtts://127.0.0.1:{certificate_port}", keys)


async def refusal(sink: MqttPublisher, source: str = "bed4") -> str:
    """Start, which must fail; return the one line."""
    with pytest.raises(BrokerError) as caught:
        await asyncio.wait_for(begin(sink, stream_info(source)), WAIT_S)
    await sink.close()
    message = str(caught.value)
    assert "\n" not in message
    assert not any(password in message for password in PASSWORDS.values())
    return message


async def works(sink: MqttPublisher, source: str = "bed4") -> None:
    await begin(sink, stream_info(source))
    sink.publish(stream_info(source), published(labeled_beat()))
    await sink.close()
    assert (sink.undelivered, sink.reconnects) == (0, 0)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_source_publishes_under_its_own_name(ward: Ward, version: str) -> None:
    await works(ward.sink("bed4", version=version))


async def test_nobody_is_let_in_without_a_name(ward: Ward) -> None:
    assert "refuses us: Not authorized" in await refusal(ward.sink(None))


async def test_a_wrong_password_is_refused(ward: Ward) -> None:
    sink = ward.sink("bed4", credentials=Credentials(username="bed4", password="pw5"))
    assert "refuses us" in await refusal(sink)


@pytest.mark.parametrize("user", ["bed5", "display", "staff"])
async def test_nobody_publishes_under_the_name_of_another(ward: Ward, user: str) -> None:
    assert re.search("refuses .*Not authorized", await refusal(ward.sink(user)))


async def test_a_broker_that_our_authority_did_not_sign_is_not_talked_to(ward: Ward) -> None:
    stranger = TlsFiles(ca=ward.keys / "stranger" / "ca.crt")
    assert "certificate verify failed" in await refusal(ward.sink("bed4", tls=stranger))
    assert "certificate verify failed" in await refusal(ward.sink("bed4", tls=None))


async def test_a_certificate_for_another_host_is_refused(
    keys: Path, mosquitto: str, tmp_path: Path
) -> None:
    make_certificate(keys, "other", "127.0.0.9", "subjectAltName=IP:127.0.0.9")
    config = (
        f"listener PORT 127.0.0.1\nallow_anonymous true\ncertfile {keys}/other.crt\n"
        f"keyfile {keys}/other.key\nuser root\nlog_dest none\n"
    )
    async with Mosquitto(mosquitto, tmp_path, config=config) as broker:
        sink = MqttPublisher(
            f"mqtts://127.0.0.1:{broker.port}",
            tls=TlsFiles(ca=keys / "ca.crt"),
            credentials=Credentials(),
            **SETTINGS,
        )
        assert "IP address mismatch" in await refusal(sink)


async def test_without_tls_nothing_gets_through(ward: Ward) -> None:
    plain = MqttPublisher(
        ward.password_url.replace("mqtts", "mqtt"),
        credentials=Credentials(username="bed4", password="pw4"),
        **SETTINGS,
        version="3.1.1",
    )
    await refusal(plain)


def with_certificate(ward: Ward, place: Path) -> MqttPublisher:
    tls = TlsFiles(ca=ward.keys / "ca.crt", certificate=place / "bed4.crt", key=place / "bed4.key")
    return MqttPublisher(ward.certificate_url, tls=tls, credentials=Credentials(), **SETTINGS)


async def test_a_client_certificate_is_name_enough(ward: Ward) -> None:
    await works(with_certificate(ward, ward.keys))
    assert "refuses" in await refusal(with_certificate(ward, ward.keys), source="bed5")


async def test_a_certificate_of_a_stranger_or_none_is_refused(ward: Ward) -> None:
    await refusal(with_certificate(ward, ward.keys / "stranger"))
    none = MqttPublisher(ward.certificate_url, tls=ward.tls, credentials=Credentials(), **SETTINGS)
    await refusal(none)


async def test_a_display_can_read_but_not_forge(ward: Ward) -> None:
    """A forged alert of the display is refused, and no subscriber gets it."""
    shown: list[Received] = []
    noticed = asyncio.Event()
    listening = Listener(
        ListenOptions(url=ward.password_url, count=2, tls=ward.tls),
        show=shown.append,
        notice=lambda line: noticed.set(),
        credentials=Credentials(username="display", password="pwd"),
        config=QUICK,
    )
    task = asyncio.create_task(listening.run())
    await asyncio.wait_for(noticed.wait(), WAIT_S)
    async with connect(
        parse_url(ward.password_url),
        identifier="forger",
        credentials=Credentials(username="display", password="pwd"),
        config=QUICK,
        version=Version.V5,
        tls=ward.tls,
    ) as forger:
        forged = dumps(alert_fields(source="bed4", condition="asystole"))
        await forger.publish("ecg/bed4/alerts", forged, qos=1)
        assert forger.socket.refusal == "Not authorized"
        await forger.publish("ecg/bed4/alerts/ack", b"{}", qos=1)
        assert forger.socket.refusal == "Not authorized"
    sink = ward.sink("bed4")
    await begin(sink, stream_info("bed4"))
    await sink.close()
    await asyncio.wait_for(task, WAIT_S)
    states = [r.message.state for r in shown if isinstance(r.message, StatusMessage)]
    assert states == ["online", "offline"]


async def test_a_source_may_publish_statistics_too(ward: Ward) -> None:
    """With MQTT 5 a refusal would cost the connection."""
    sink = ward.sink("bed4", version="5", config=ClientConfig())
    await begin(sink, stream_info("bed4"))
    sink.publish_statistics(statistics_message("bed4"))
    await sink.close()
    assert (sink.undelivered, sink.reconnects, sink.last_error) == (0, 0, None)


async def test_a_ward_labels_what_a_source_sends_and_no_other_sends_in_its_name(ward: Ward) -> None:
    came: list[tuple[str, bytes]] = []
    arrived = asyncio.Event()

    def take(source: str, payload: bytes, _: float) -> None:
        came.append((source, payload))
        if payload == b"last":
            arrived.set()

    def login(user: str) -> Credentials:
        return Credentials(username=user, password=PASSWORDS[user])

    labelling = MqttPublisher(
        ward.password_url, ward="ward", on_samples=take, tls=ward.tls, credentials=login("ward")
    )
    shown: list[Received] = []
    display = Listener(
        ListenOptions(url=ward.password_url, count=3, tls=ward.tls, source="bed4"),
        show=shown.append,
        notice=lambda line: listening.set(),
        credentials=login("display"),
        config=QUICK,
    )
    listening = asyncio.Event()
    task = asyncio.create_task(display.run())
    await asyncio.wait_for(listening.wait(), WAIT_S)
    await labelling.start()
    for user, last in (("bed5", b"forged"), ("bed4", b"last")):
        maker = MqttClient(ward.password_url, tls=ward.tls, credentials=login(user))
        await maker.start()
        maker.queue("ecg/bed4/samples", last)
        await maker.close()
    await asyncio.wait_for(arrived.wait(), WAIT_S)
    assert came == [("bed4", b"last")]
    labelling.open(stream_info("bed4"))
    labelling.publish(stream_info("bed4"), published(alarm()))
    labelling.close_source("bed4")
    await labelling.close()
    await asyncio.wait_for(task, WAIT_S)
    assert [r.message.type for r in shown] == ["status", "alert", "status"]


async def test_no_secret_is_logged(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sink = ward.sink("bed4")
    await works(sink)
    await refusal(ward.sink("bed5"))
    text = caplog.text + repr(sink.__dict__)
    assert not any(password in text for password in PASSWORDS.values())


@pytest.mark.parametrize("name", ["ca.crt", "bed4.crt"])
def test_tls_files_that_are_none(keys: Path, tmp_path: Path, name: str) -> None:
    bad = tmp_path / name
    files = TlsFiles(ca=bad) if name == "ca.crt" else TlsFiles(certificate=bad, key=bad)
    with pytest.raises(BrokerError, match=f"{name} does not exist"):
        tls_context(files)
    bad.write_text("nonsense")
    with pytest.raises(BrokerError, match="expected PEM files") as caught:
        tls_context(files)
    assert "\n" not in str(caught.value)


def test_an_encrypted_key_does_not_ask_on_the_terminal(keys: Path, tmp_path: Path) -> None:
    openssl(
        keys, "ec", "-in", "bed4.key", "-aes256", "-passout", "pass:x",
        "-out", str(tmp_path / "encrypted.key"),
    )  # fmt: skip
    files = TlsFiles(certificate=keys / "bed4.crt", key=tmp_path / "encrypted.key")
    with pytest.raises(BrokerError, match="unencrypted key"):
        tls_context(files)


@pytest.mark.parametrize("command", ["replay", "listen"])
def test_no_option_takes_a_secret(command: str) -> None:
    from streamer.commands.cli import build_parser

    parser = build_parser(command)
    subparsers = next(a for a in parser._actions if a.dest == "command")
    options = [o for a in subparsers.choices[command]._actions for o in a.option_strings]
    assert not [o for o in options if re.search("pass|user|secret|token", o)]
