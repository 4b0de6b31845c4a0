"""What keeps a client from connecting, in words."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import (
    QUICK,
    WAIT_S,
    begin,
    quick_sink,
)
from sample_events import stream_info

from streamer.core.errors import BrokerError
from streamer.mqtt.access import Credentials
from streamer.mqtt.broker import EmbeddedBroker
from streamer.mqtt.publisher import ConnectionState, MqttPublisher


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
