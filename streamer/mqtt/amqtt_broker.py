"""The broker of the amqtt library, made to lose nothing at the end.

Only `streamer.mqtt.broker` imports this, and late: amqtt takes a while to load.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin

from streamer.mqtt.access import Credentials

_POLL_S = 0.01
_CLOSE_TIMEOUT_S = 1.0
_QUIET = 5
"""Looks at which no message must be seen."""
_TYPE = 0xF0
_DISCONNECT = 0xE0
_ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets those in who know the one user name and password."""

    @dataclass
    class Config:
        """What amqtt hands on to the plugin."""

        username: str = ""
        password: str = field(default="", repr=False)

    async def authenticate(self, *, session: Any) -> bool:
        """Compare in a time that doesn't tell how much was right."""
        config = self.context.config
        right = bool(config.username and config.password)
        for given, wanted in (
            (session.username, config.username),
            (session.password, config.password),
        ):
            right &= hmac.compare_digest(str(given or "").encode(), wanted.encode())
        return right


class SmallBroker(Broker):  # type: ignore[misc]
    """An amqtt broker that lets in anyone, or those who know a password.

    Parameters
    ----------
    host : str
        Address of the interface to listen on.
    port : int
        Where to listen.
    demanded : Credentials or None
        What clients must present; None is for loopback only.

    It differs from its base in two things. amqtt forgets the messages of a client that says
    goodbye although it has acknowledged them already, so the last beats of a fast replay would
    be gone: here the goodbye waits for its turn. And amqtt leaves the socket of a client that was
    killed open: here it is closed.
    """

    def __init__(self, host: str, port: int, demanded: Credentials | None) -> None:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        plugins: dict[str, dict[str, Any]] = {_ANONYMOUS: {"allow_anonymous": True}}
        if demanded is not None:
            login = {"username": demanded.username, "password": demanded.password}
            plugins = {f"{__name__}.{PasswordPlugin.__name__}": login}
        super().__init__(
            {"listeners": {"default": {"type": "tcp", "bind": place}}, "plugins": plugins}
        )
        self._clients: set[asyncio.Task[Any]] = set()

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Serve one client from its connection to its end."""
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        # asyncio started this task and mistakes its cancellation for a failure; it ends either way.
        with contextlib.suppress(asyncio.CancelledError):
            try:
                patient = _PatientReader(reader, self.passed_on)
                await self.external_connected(patient, StreamWriterAdapter(writer), listener_name)
            finally:
                await _close(writer)

    async def shutdown(self) -> None:
        """Stop, and wait for the clients' tasks, which the base leaves to themselves."""
        await super().shutdown()
        if self._clients:
            await asyncio.wait(set(self._clients), timeout=2 * _CLOSE_TIMEOUT_S)

    async def settle(self, timeout_s: float) -> None:
        """Wait until subscribers have acknowledged everything, or the time is over."""
        quiet = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                # Between two queues a message is nowhere to be seen for a moment.
                while quiet < _QUIET:
                    quiet = 0 if self._is_busy() else quiet + 1
                    await asyncio.sleep(_POLL_S)

    async def passed_on(self) -> None:
        """Wait until what clients have sent is on its way to subscribers, within a bound."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                while any(  # noqa: ASYNC110 - amqtt has no event for it
                    not session.delivered_message_queue.empty() for session in self._connected()
                ):
                    await asyncio.sleep(0)

    def _is_busy(self) -> bool:
        """Whether a message is seen on its way through, or to a subscriber that is there."""
        return any(
            not session.delivered_message_queue.empty() or session.inflight_out
            for session in self._connected()
        )

    def _connected(self) -> list[Any]:
        sessions = [session for session, _ in self.sessions.values()]
        return [session for session in sessions if session.transitions.state == "connected"]


class _PatientReader(StreamReaderAdapter):  # type: ignore[misc]
    """Lets a client's goodbye be read only once its messages are passed on.

    amqtt reads a packet's type, each digit of its length, and its body by calls of their own.
    """

    def __init__(
        self, reader: asyncio.StreamReader, passed_on: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(reader)
        self.passed_on = passed_on
        self.body = 0
        """Bytes of the packet that are still to come, once its length is known."""
        self.shift: int | None = None
        """Place of the next digit of the length; None outside of it."""

    async def read(self, n: int = -1) -> bytes:
        """Read as the base does."""
        data: bytes = await super().read(n)
        if self.shift is not None and data:
            self.body += (data[0] & 0x7F) << self.shift
            self.shift = self.shift + 7 if data[0] & 0x80 else None
        elif self.body > 0:
            self.body -= len(data)
        elif data:
            self.shift = 0
            if data[0] & _TYPE == _DISCONNECT:
                await self.passed_on()
        return data


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is buffered, within a bound, and let the socket go."""
    writer.close()
    try:
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), _CLOSE_TIMEOUT_S)
    finally:
        writer.transport.abort()
