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
from typing import Final

from streamer.core.errors import BrokerError

HOST: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.02
_STOP_TIMEOUT_S: Final = 30.0
_SYSTEM_FOLDER: Final = "/usr/sbin"
"""Debian puts the broker there, where a user's PATH doesn't look."""


@contextlib.contextmanager
def running_mosquitto() -> Iterator[str]:
    """Hold a broker; yields its URL.

    Raises
    ------
    BrokerError
        If Mosquitto isn't installed or doesn't start.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_FOLDER])
    executable = shutil.which("mosquitto", path=search)
    if executable is None:
        raise BrokerError(
            "mosquitto is not installed; install it (Debian: apt-get install mosquitto), "
            "or name a running broker with --mqtt URL"
        )
    with tempfile.TemporaryDirectory(prefix="ecg-stream-") as folder:
        port = _free_port()
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} {HOST}\nallow_anonymous true\npersistence false\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nlog_dest none\nset_tcp_nodelay true\n"
        )
        with subprocess.Popen([executable, "-c", str(config)]) as process:
            try:
                _wait_until_it_answers(process, port)
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError(f"mosquitto ended at once with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
            return
        time.sleep(_POLL_S)
    raise BrokerError(f"mosquitto didn't answer within {_START_TIMEOUT_S:g} s")
