"""Keeps a connection to a broker: makes it, makes it anew whenever it breaks, and ends it."""

import asyncio
import contextlib
import itertools
import math
import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

import aiomqtt

from streamer.messages.source_status import ConnectionState
from streamer.mqtt.access import Credentials, TlsFiles, parse_url
from streamer.mqtt.connection import (
    Connection,
    ConnectionConfig,
    Versions,
    client_identifier,
    connect,
)
from streamer.mqtt.protocol import AUTO, Version, explain, is_login_refused, unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Bounds."""

    in_flight: int = 2000
    """Messages sent but not acknowledged: hides the broker's delay at thousands a second."""
    drain_to: int = 200
    """Queue length at which a replay that isn't in real time may go on."""
    flush_timeout_s: float = 5.0
    """How long `close` waits for the queue to empty."""
    settle_s: float = 2.0
    """How long a broker that has lost our session is given, before anything is sent again: its
    other clients have to come back too, and what comes before them is lost to them."""


class LinkOptions(TypedDict, total=False):
    """How to reach a broker, and what tests inject."""

    credentials: Credentials | None
    """From the environment by default."""
    tls: TlsFiles | None
    """For `mqtts`; the system's authorities by default."""
    version: str
    """MQTT version: `5`, `3.1.1`, or `auto` (5 unless the broker refuses it), the default."""
    on_notice: Callable[[str], None] | None
    """Gets one line when the broker is lost, when it is back, and when it refuses something."""
    config: ClientConfig | None
    connection_config: ConnectionConfig | None
    sleep: Callable[[float], Awaitable[None]]
    random_source: random.Random | None
    wall_time: Callable[[], float]
    permit: Callable[[], None] | None
    """Called before each connection."""
    keeps_session: bool
    """Whether the broker keeps what we are to read while we are away, for a day, and has it
    acknowledged only once its readers have it (MQTT 5)."""


_DAY_S: Final = 86_400


def backoff(config: ConnectionConfig, random_source: random.Random) -> Iterator[float]:
    """Yield, without end, seconds to wait before each next attempt.

    Doubles up to a cap. Each is drawn from the upper half of its range, so that the clients of a
    restarted broker don't all come back at once.
    """
    for attempt in itertools.count():
        # Beyond this exponent the cap rules anyway; without it the power would overflow.
        exponent = min(attempt, math.ceil(math.log2(config.backoff_cap_s / config.backoff_first_s)))
        longest = min(
            config.backoff_cap_s, config.backoff_first_s * config.backoff_factor**exponent
        )
        yield longest * random_source.uniform(0.5, 1.0)


class Link(ABC):
    """A connection to one broker through all its failures.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]`, or `mqtts://...` for TLS.
    client_id : str, optional
        Name shown in the broker's log; unique by default.
    session_s : int
        How long the broker keeps our subscriptions when we are away (MQTT 5).
    advice : str
        What to do about a broker that can't be used from the start.
    **options
        See `LinkOptions`.

    Attributes
    ----------
    state : ConnectionState
    reconnects : int
        How often a lost connection came back.
    last_error : str or None
        Why the connection was last lost.

    Raises
    ------
    ValueError
        If `url` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str | None,
        session_s: int,
        advice: str,
        **options: Unpack[LinkOptions],
    ) -> None:
        self.address = parse_url(url)
        self.state = ConnectionState.CONNECTING
        self.reconnects = 0
        self.last_error: str | None = None
        self._client_id = client_id or client_identifier("client")
        self._permit = options.get("permit") or (lambda: None)
        self._defers = options.get("keeps_session", False)
        self._session_s = _DAY_S if self._defers else session_s
        self._advice = advice
        self._credentials = options.get("credentials") or Credentials.from_environment(os.environ)
        self._tls = options.get("tls")
        self._versions = Versions(options.get("version", AUTO))
        self._notice = options.get("on_notice") or (lambda line: None)
        self._config = options.get("config") or ClientConfig()
        self._times = options.get("connection_config") or ConnectionConfig()
        self._sleep = options.get("sleep", asyncio.sleep)
        self._random = options.get("random_source") or random.Random()
        self._wall_time = options.get("wall_time", time.time)
        self._worker: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        """Set whenever there may be something to do."""
        self._settled = asyncio.Event()
        """Set whenever something was done."""
        self._is_closing = False
        self._held_until_s = 0.0

    @property
    def url(self) -> str:
        """Address of the broker."""
        return self.address.url

    @property
    @abstractmethod
    def n_waiting(self) -> int:
        """Messages to send."""

    @property
    @abstractmethod
    def is_durable(self) -> bool:
        """Whether what is undelivered at the end waits on disk for the next start."""

    @property
    @abstractmethod
    def _is_idle(self) -> bool:
        """Whether nothing is left to do."""

    @abstractmethod
    async def _serve(self, connection: Connection) -> None:
        """Use a connection until we are closing and all is done; MqttError when it breaks."""

    @abstractmethod
    def _on_messages(self, messages: list[tuple[str, bytes]]) -> None:
        """Take topics and payloads that came together."""

    def _will(self, version: Version) -> aiomqtt.Will | None:
        """Return what the broker is to publish when it loses us."""
        return None

    async def start(self) -> None:
        """Connect.

        With an outbox on disk a broker that can't be reached is waited for in the background.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._worker = asyncio.create_task(self._work(), name="mqtt-client")
        self._worker.add_done_callback(lambda _: self._settled.set())
        await asyncio.wait({self._worker, self._first}, return_when=asyncio.FIRST_COMPLETED)
        if not self._first.done():
            self._worker.result()
        self._first.result()

    async def close(self) -> None:
        """Finish, within `flush_timeout_s`, and leave."""
        self._is_closing = True
        self._wake.set()
        try:
            if self._worker is not None:
                await self._end(self._worker)
        finally:
            self.state = ConnectionState.OFFLINE

    async def _end(self, worker: "asyncio.Task[None]") -> None:
        """Give the worker its time, then cancel it; only a programming error comes out."""
        idle = self.state is ConnectionState.OFFLINE and self._is_idle
        await asyncio.wait({worker}, timeout=0 if idle else self._config.flush_timeout_s)
        worker.cancel()
        result = (await asyncio.gather(worker, return_exceptions=True))[0]
        if isinstance(result, Exception):
            raise result

    async def _work(self) -> None:
        """Connect, serve, and do it again whenever the connection breaks."""
        delays = backoff(self._times, self._random)
        while True:
            connected = False
            self._permit()
            try:
                version = await self._versions.settle(self.address, self._times, self._tls)
                async with self._connect(version) as connection:
                    connected = True
                    self._connected(connection)
                    await self._serve(connection)
                return
            except aiomqtt.MqttError as error:
                if not self._may_retry(error):
                    return
                self._lost(error)
            if self._is_closing and self._is_idle:
                return
            if connected:
                delays = backoff(self._times, self._random)
            await self._sleep(next(delays))

    def _connect(self, version: Version) -> contextlib.AbstractAsyncContextManager[Connection]:
        return connect(
            self.address,
            identifier=self._client_id,
            credentials=self._credentials,
            config=self._times,
            version=version,
            tls=self._tls,
            will=self._will(version),
            in_flight=self._config.in_flight,
            session_s=self._session_s,
            resume=self._session_s > 0,
            on_messages=self._on_messages,
            defers=self._defers,
        )

    def _may_retry(self, error: aiomqtt.MqttError) -> bool:
        """Whether to go on; before the first success only if a disk keeps what is published."""
        if self._first is None or self._first.done():
            return True
        if self.is_durable and not is_login_refused(error):
            self._notice(f"MQTT broker {self.url} is away ({explain(error)}); trying again")
            self._first.set_result(None)
            return True
        self._first.set_exception(unreachable(self.address, error, self._advice))
        return False

    def _lost(self, error: aiomqtt.MqttError) -> None:
        was_online = self.state in {ConnectionState.ONLINE, ConnectionState.DEGRADED}
        self.state = ConnectionState.OFFLINE
        self.last_error = explain(error)
        if was_online:
            self._notice(f"MQTT broker {self.url} is lost ({self.last_error}); trying again")

    def _connected(self, connection: Connection) -> None:
        """Say so, and give a broker that has forgotten us time for its other clients."""
        was_offline = self.state is ConnectionState.OFFLINE
        self.state = ConnectionState.ONLINE
        if not was_offline:
            return
        self.reconnects += 1
        has_lost = not connection.socket.session_present
        is_known = connection.version is Version.V5 and self._session_s > 0
        lost = " but has lost its sessions, as without persistence" if has_lost and is_known else ""
        self._notice(f"MQTT broker {self.url} is back{lost}; {self.n_waiting} messages to send")
        if has_lost:
            self._held_until_s = asyncio.get_running_loop().time() + self._config.settle_s
