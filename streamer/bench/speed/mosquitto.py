"""A real Mosquitto for the benchmarks, on a free loopback port, and a subscriber of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from streamer.core.errors import BrokerError

HOST: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02
_STOP_TIMEOUT_S: Final = 30.0
_SYSTEM_FOLDER: Final = "/usr/sbin"
"""Debian puts the broker there, where a user's PATH doesn't look."""


def mosquitto_command(folder: Path, port: int, *settings: str, advice: str = "") -> list[str]:
    """Write a configuration into a folder, and return the command that starts the broker with it.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed; `advice` says what else can be done.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_FOLDER])
    executable = shutil.which("mosquitto", path=search)
    if executable is None:
        raise BrokerError(
            f"mosquitto is not installed; install it (Debian: apt-get install mosquitto){advice}"
        )
    config = folder / "mosquitto.conf"
    common = (f"listener {port} {HOST}", "allow_anonymous true", "log_dest none")
    config.write_text("\n".join((*common, "max_queued_messages 0", *settings, "")))
    return [executable, "-c", str(config)]


@contextlib.contextmanager
def running_mosquitto() -> Iterator[str]:
    """Hold a broker; yields its URL.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed or doesn't start.
    """
    quick = ("persistence false", "max_inflight_messages 0", "set_tcp_nodelay true")
    advice = ", or name a running broker with --mqtt URL"
    with tempfile.TemporaryDirectory(prefix="ecg-stream-") as folder:
        port = free_port()
        command = mosquitto_command(Path(folder), port, *quick, advice=advice)
        with subprocess.Popen(command) as process:
            try:
                wait_until_it_answers(process, port)
                yield f"mqtt://{HOST}:{port}"
            finally:
                _end(process)


def broker(url: str | None) -> contextlib.AbstractContextManager[str]:
    """Hold a broker for a block that gets its URL: the one at `url`, or a Mosquitto of its own."""
    return running_mosquitto() if url is None else contextlib.nullcontext(url)


@contextlib.contextmanager
def running_subscriber(url: str, output: Path) -> Iterator[None]:
    """Hold a process that notes in `output` when it has each message; it is listening already."""
    command = [sys.executable, "-P", "-m", "streamer.bench.speed.subscriber", url, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            line = b"" if process.stdout is None else process.stdout.readline()
            if line.strip() != b"ready":
                raise BrokerError(f"the subscriber can't listen to {url}")
            yield
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(process: "subprocess.Popen[Any]", port: int) -> None:
    """Return once a broker takes connections.

    Raises
    ------
    BrokerError
        If it ends instead, or takes too long.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError(f"mosquitto ended at once with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
            return
        time.sleep(_POLL_S)
    raise BrokerError(f"mosquitto didn't answer within {_START_TIMEOUT_S:g} s")
