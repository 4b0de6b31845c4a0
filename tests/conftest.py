"""Fixtures that several test modules share."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from streamer.mqtt.broker import EmbeddedBroker

# A machine that has much else to do may take its time over an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def _required(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


def _database(name: str) -> Path:
    for folder in os.environ.get("ECG_STREAM_DATA", "").split(os.pathsep):
        path = Path(folder) / name
        if folder and path.is_dir():
            return path
    reason = f"database {name} not found in ECG_STREAM_DATA"
    if _required("ECG_STREAM_REQUIRE_DATA"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mitdb() -> Path:
    """Folder of the MIT-BIH Arrhythmia Database."""
    return _database("mitdb")


@pytest.fixture(scope="session")
def nstdb() -> Path:
    """Folder of the MIT-BIH Noise Stress Test Database."""
    return _database("nstdb")


@pytest.fixture(scope="session")
def svdb() -> Path:
    """Folder of the MIT-BIH Supraventricular Arrhythmia Database."""
    return _database("svdb")


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of the mosquitto broker."""
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if path is None:
        reason = "mosquitto is not installed"
        if _required("ECG_STREAM_REQUIRE_MOSQUITTO"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep notes of brokers to this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
async def embedded(own_cache: None) -> AsyncIterator["EmbeddedBroker"]:
    """Run the embedded broker."""
    from mosquitto_broker import free_port

    from streamer.mqtt.broker import EmbeddedBroker

    broker = EmbeddedBroker(free_port())
    await broker.start()
    yield broker
    await broker.stop()
