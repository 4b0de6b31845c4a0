import random
from itertools import islice, pairwise

import pytest
from aiomqtt import MqttError
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from streamer.core.errors import BrokerError
from streamer.mqtt.access import Address, Credentials, parse_url
from streamer.mqtt.connection import ConnectionConfig, backoff, client_identifier
from streamer.mqtt.protocol import explain, is_login_refused


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://localhost", Address(host="localhost", port=1883)),
        ("mqtt://10.0.0.7:1884/", Address(host="10.0.0.7", port=1884)),
        ("mqtts://broker.example", Address(host="broker.example", port=8883, tls=True)),
        ("mqtt://[::1]:1883", Address(host="::1", port=1883)),
    ],
)
def test_urls(url: str, address: Address) -> None:
    assert parse_url(url) == address
    assert parse_url(address.url) == address


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "localhost:1883", "http://x", "http://x:80", "mqtt://", "mqtt://x:port", "mqtt://x:99999",
     "mqtt://x/topic", "mqtt://x?a=b", "mqtt://[::1"],
)  # fmt: skip
def test_refused_urls(url: str) -> None:
    with pytest.raises(ValueError, match="expected mqtt://HOST"):
        parse_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="ECG_STREAM_MQTT_PASSWORD") as caught:
        parse_url("mqtt://me:s3cret@host")
    assert "s3cret" not in str(caught.value)


def test_credentials_come_from_the_environment_and_hide_the_password() -> None:
    credentials = Credentials.from_environment(
        {"ECG_STREAM_MQTT_USERNAME": "bed4", "ECG_STREAM_MQTT_PASSWORD": "s3cret"}
    )
    assert (credentials.username, credentials.password) == ("bed4", "s3cret")
    assert "s3cret" not in f"{credentials!r} {credentials}"
    assert Credentials.from_environment({}) == Credentials()


def test_a_password_needs_a_username() -> None:
    with pytest.raises(BrokerError, match="set ECG_STREAM_MQTT_USERNAME too"):
        Credentials.from_environment({"ECG_STREAM_MQTT_PASSWORD": "x"})


def test_backoff_grows_to_its_cap_with_jitter() -> None:
    config = ConnectionConfig(backoff_first_s=0.5, backoff_cap_s=4.0)
    delays = list(islice(backoff(config, random.Random(3)), 5000))
    for delay, longest in zip(delays, [0.5, 1.0, 2.0, 4.0, 4.0, 4.0], strict=False):
        assert longest / 2 <= delay <= longest
    assert all(2.0 <= delay <= 4.0 for delay in delays[3:])
    assert all(a != b for a, b in pairwise(delays))


def test_identifiers_differ() -> None:
    assert client_identifier("replay") != client_identifier("replay")


def test_ends_of_connections_are_explained_in_words() -> None:
    for cause, words in [
        (MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=128)), "it closed the conn"),
        (MqttCodeError(ReasonCode(PacketTypes.DISCONNECT, identifier=141)), "keep alive timeout"),
        (ConnectionResetError(104, "Connection reset by peer"), "reset by peer"),
    ]:
        error = MqttError("Disconnected during message iteration")
        error.__cause__ = cause
        assert words in explain(error)
    assert explain(MqttError("Operation timed out")) == "Operation timed out"


def test_only_a_rejected_login_is_hopeless() -> None:
    def refusal(identifier: int) -> MqttConnectError:
        return MqttConnectError(ReasonCode(PacketTypes.CONNACK, identifier=identifier))

    bad_password, not_authorized, busy = refusal(134), refusal(135), refusal(136)
    assert is_login_refused(bad_password)
    assert is_login_refused(not_authorized)
    assert not is_login_refused(busy)
    assert not is_login_refused(MqttError("Operation timed out"))
    assert explain(busy).startswith("it refuses us: Server unavailable")
