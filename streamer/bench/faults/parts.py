"""The broker, publisher and subscriber of the fault matrix, each ready to be hurt."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, Final

import aiomqtt

from streamer.bench.faults.publisher import IMPATIENT
from streamer.bench.speed.mosquitto import (
    free_port,
    mosquitto_command,
    wait_until_it_answers,
)
from streamer.core.errors import BrokerError
from streamer.messages.payload import TOPIC_PREFIX
from streamer.messages.received import receive
from streamer.messages.source_status import FINISHED
from streamer.messages.wire import AlertMessage, EventMessage, MalformedError, StatusMessage
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.connection import connect
from streamer.mqtt.link import backoff
from streamer.mqtt.protocol import Version

_SESSION_S: Final = 3600


class Process:
    """A child process that can be killed, stopped and continued."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, if it doesn't run."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def check(self) -> None:
        """Complain if it ended by itself.

        Raises
        ------
        BrokerError
            If it did.
        """
        if self._process is not None and self._process.poll() is not None:
            raise BrokerError(f"{self._command[0]} ended with code {self._process.returncode}")

    async def end(self, number: signal.Signals) -> str:
        """Send a signal that ends it, wait for the end, and return what it printed."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.send_signal(number)
        output, _ = await asyncio.to_thread(process.communicate)
        if number is not signal.SIGKILL and process.returncode != 0:
            raise BrokerError(f"{self._command[0]} ended with code {process.returncode}: {output}")
        return output


@contextlib.asynccontextmanager
async def busy(n: int) -> AsyncIterator[None]:
    """Hold n processes that do nothing but take time."""
    processes = [Process([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            await process.end(signal.SIGKILL)


class Broker(Process):
    """A real Mosquitto that keeps its sessions on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = mosquitto_command(
            folder,
            self.port,
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            # Read only when root starts it: it could not write the folder as another user.
            "user root",
        )
        super().__init__(command)

    async def until_ready(self) -> None:
        """Wait until it takes connections.

        Raises
        ------
        BrokerError
            If it ends instead.
        """
        if self._process is not None:
            await asyncio.to_thread(wait_until_it_answers, self._process, self.port)

    def save(self) -> None:
        """Have it write its sessions at once."""
        self.send(signal.SIGUSR1)


class Publisher(Process):
    """`streamer.bench.faults.publisher` as a process."""

    def __init__(self, url: str, folder: Path, rate: float) -> None:
        self.accepted = folder / "accepted"
        module = "streamer.bench.faults.publisher"
        arguments = [url, str(folder / "outbox"), str(self.accepted), str(rate)]
        super().__init__([sys.executable, "-P", "-m", module, *arguments])


class Subscriber:
    """Takes everything with a session that outlives connections.

    Attributes
    ----------
    events : list of (seq, sample)
        Every event that came on a main topic, in order, repeats included.
    finished : int or None
        `events` of the last orderly end.
    """

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._random = Random(seed)
        self.events: list[tuple[int, int]] = []
        self.came_s: list[float] = []
        """When each of them came, on the clock of `time.monotonic`."""
        self.malformed = 0
        self.connections = 0
        self.finished: int | None = None
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled, whatever happens to the connection."""
        delays = backoff(IMPATIENT, self._random)
        while True:
            before = self.connections
            try:
                await self._follow()
            except aiomqtt.MqttError:
                if self.connections > before:
                    delays = backoff(IMPATIENT, self._random)
                await asyncio.sleep(next(delays))

    async def _follow(self) -> None:
        async with connect(
            parse_url(self._url),
            identifier="ecg-stream-faults-subscriber",
            credentials=Credentials(),
            config=IMPATIENT,
            version=Version.V5,
            session_s=_SESSION_S,
            resume=True,
        ) as client:
            await client.subscribe(f"{TOPIC_PREFIX}/#", qos=1)
            self.connections += 1
            self.changed.set()
            async for message in client.messages:
                self._take(str(message.topic), message.payload)

    def _take(self, topic: str, data: Any) -> None:
        try:
            message = receive(topic, data).message
        except MalformedError:
            self.malformed += 1
            return
        if isinstance(message, StatusMessage) and message.reason == FINISHED:
            self.finished = message.events
        elif isinstance(message, EventMessage) and not isinstance(message, AlertMessage):
            self.events.append((message.seq, message.sample))
            self.came_s.append(time.monotonic())
        self.changed.set()
