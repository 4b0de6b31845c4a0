"""Brokers for the tests of this room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto, free_port

from streamer.mqtt.broker import EmbeddedBroker


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
