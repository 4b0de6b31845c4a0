"""The broker of the amqtt library, made to lose nothing at the end.

Only `streamer.mqtt.broker` imports this, and late: amqtt takes a while to load.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin

from streamer.mqtt.access import Credentials

_POLL_S = 0.01
_CLOSE_TIMEOUT_S = 1.0
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
                await super().stream_connected(reader, writer, listener_name)
            finally:
                await _close(writer)

    async def shutdown(self) -> None:
        """Stop, and wait for the clients' tasks, which the base leaves to themselves."""
        await super().shutdown()
        if self._clients:
            await asyncio.wait(set(self._clients), timeout=2 * _CLOSE_TIMEOUT_S)

    async def settle(self, timeout_s: float) -> None:
        """Wait until subscribers have acknowledged everything, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._is_busy():  # noqa: ASYNC110 - amqtt has no event for it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return

    def _is_busy(self) -> bool:
        """Whether a message is still on its way through, or to a subscriber that is there."""
        return not self._broadcast_queue.empty() or any(
            not session.delivered_message_queue.empty() or session.inflight_out
            for session, _ in self.sessions.values()
            if session.transitions.state == "connected"
        )

    async def _client_message_loop(self, client_session: Any, handler: Any) -> None:
        handler.wait_disconnect = _after_deliveries(client_session, handler.wait_disconnect)
        await super()._client_message_loop(client_session, handler)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is buffered, within a bound, and let the socket go."""
    writer.close()
    try:
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), _CLOSE_TIMEOUT_S)
    finally:
        writer.transport.abort()


def _after_deliveries(
    session: Any,
    wait_disconnect: Callable[[], Awaitable[Any]],
) -> Callable[[], Awaitable[Any]]:
    """Wrap the wait for a client's goodbye so that its messages are passed on first."""

    async def wait() -> Any:
        packet = await wait_disconnect()
        while not session.delivered_message_queue.empty():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        return packet

    return wait
