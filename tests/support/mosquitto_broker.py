"""A real Mosquitto on a free loopback port, for tests that kill and restart it."""

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final, Self

START_TIMEOUT_S = 60.0
POLL_S = 0.01
PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, which would take a port unasked."""
HOST: Final = "127.0.0.1"

_CLAIMS: list[socket.socket] = []
_TURNS = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """Port that nobody listens on, and that no other test is given, in this process or another.

    UDP knows the same numbers and nobody here speaks it: a UDP socket, held until this process
    ends, is the claim.
    """
    for turn in _TURNS:
        port = PORTS[turn % len(PORTS)]
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((HOST, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        return port
    raise AssertionError("the count never ends")


class Mosquitto:
    """One broker; keeps its port over restarts."""

    def __init__(
        self,
        executable: str,
        folder: Path,
        *,
        password_file: Path | None = None,
        config: str | None = None,
    ) -> None:
        self.port = free_port()
        self._executable = executable
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / f"mosquitto-{self.port}.conf"
        access = f"password_file {password_file}" if password_file else "allow_anonymous true"
        text = (
            config.replace("PORT", str(self.port))
            if config is not None
            else f"listener {self.port} {HOST}\n{access}\npersistence false\n"
            # Read only when root starts it: it could not read the password file as another user.
            "max_queued_messages 0\nlog_dest none\nuser root\n"
        )
        self._config.write_text(text)
        self._ports = [int(port) for port in re.findall(r"^listener (\d+)", text, re.MULTILINE)]

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        """Start it, and wait until it answers on every listener: they open one after the other."""
        command = [self._executable, "-c", str(self._config)]
        self._process = subprocess.Popen(command)  # noqa: ASYNC220 - killed without a loop too
        assert self.port in self._ports
        async with asyncio.timeout(START_TIMEOUT_S):
            for port in self._ports:
                while not await _answers(port):
                    assert self._process.poll() is None, "mosquitto ended at once"
                    await asyncio.sleep(POLL_S)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
