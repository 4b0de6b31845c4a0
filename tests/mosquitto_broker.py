"""A real Mosquitto on a free loopback port, for tests that kill and restart it."""

import asyncio
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

START_TIMEOUT_S = 10.0
POLL_S = 0.01


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        self._config.write_text(
            config.replace("PORT", str(self.port))
            if config is not None
            else f"listener {self.port} 127.0.0.1\n{access}\npersistence false\n"
            # Read only when root starts it: it could not read the password file as another user.
            "max_queued_messages 0\nlog_dest none\nuser root\n"
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        command = [self._executable, "-c", str(self._config)]
        self._process = subprocess.Popen(command)  # noqa: ASYNC220 - killed without a loop too
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self._answers():
                assert self._process.poll() is None, "mosquitto ended at once"
                await asyncio.sleep(POLL_S)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True
