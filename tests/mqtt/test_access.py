"""Addresses and credentials."""

from pathlib import Path

import pytest

from streamer.core.errors import BrokerError
from streamer.mqtt.access import Address, Credentials, parse_url


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


def test_a_password_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    environment = {"ECG_STREAM_MQTT_USERNAME": "a", "ECG_STREAM_MQTT_PASSWORD_FILE": str(secret)}
    assert Credentials.from_environment(environment).password == "s3cret"
    with pytest.raises(BrokerError, match="both set; unset one"):
        Credentials.from_environment({**environment, "ECG_STREAM_MQTT_PASSWORD": "x"})
    secret.write_text("\n")
    with pytest.raises(BrokerError, match="it is empty"):
        Credentials.from_environment(environment)
    secret.unlink()
    with pytest.raises(BrokerError, match="No such file"):
        Credentials.from_environment(environment)
