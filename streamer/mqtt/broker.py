"""The embedded broker: with nothing configured, subscribers on this machine still get everything.

It runs in a thread with an event loop of its own, so that neither a slow subscriber delays the
replay nor a busy replay makes subscribers time out. It listens on loopback and asks nobody for a
name there; on another interface it starts only with a user name and a password, and asks for them.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import threading
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from streamer.core.errors import BrokerError
from streamer.mqtt.access import (
    PASSWORD_VARIABLE,
    USERNAME_VARIABLE,
    Address,
    Credentials,
    parse_url,
)
from streamer.mqtt.local_address import (
    DEFAULT_PORT,
    HOST,
    choose_port,
    reached_at,
    remove_note,
    write_note,
)

DEFAULT_URL: Final = f"mqtt://{HOST}:{DEFAULT_PORT}"
EMBEDDED: Final = "embedded"
OFF: Final = "off"

_MAX_PORT: Final = 65_535
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """Bounds of starting and stopping."""

    start_timeout_s: float = 15.0
    """Loading amqtt on a slow machine takes seconds."""
    settle_timeout_s: float = 2.0
    """How long subscribers may take to acknowledge the last messages."""
    stop_timeout_s: float = 5.0


class EmbeddedBroker:
    """An MQTT 3.1.1 broker, on loopback unless told otherwise.

    Parameters
    ----------
    port : int, optional
        Where to listen. By default 1883, or any free port when that is taken.
    host : str
        Address of the interface to listen on.
    credentials : Credentials, optional
        What clients must present, if the interface isn't loopback; from the environment by default.
    config : BrokerConfig, optional
        Bounds of starting and stopping.

    Raises
    ------
    ValueError
        If `port` is not between 1 and 65535, or `host` is no address.
    BrokerError
        If others could reach it and no user name and password are set.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        host: str = HOST,
        credentials: Credentials | None = None,
        config: BrokerConfig | None = None,
    ) -> None:
        if port is not None and not 1 <= port <= _MAX_PORT:
            raise ValueError(f"port {port} is out of range; expected 1 to {_MAX_PORT}")
        self._host = host
        self._demanded = _demanded(host, credentials)
        self._wanted = port
        self._config = config or BrokerConfig()
        self._address: Address | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Address to connect to.

        Raises
        ------
        BrokerError
            If the broker doesn't run.
        """
        if self._address is None:
            raise BrokerError("the embedded broker doesn't run; start it first")
        return self._address.url

    async def start(self) -> None:
        """Listen, and leave a note for `ecg-stream listen` of where.

        Raises
        ------
        BrokerError
            If the port that was asked for is in use, or nothing can be started at all.
        """
        port = choose_port(self._host, self._wanted)
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        await asyncio.to_thread(_load_amqtt)
        self._thread = threading.Thread(
            target=self._run, args=(port, loop, ready), name="embedded-broker", daemon=True
        )
        self._thread.start()
        try:
            await asyncio.wait_for(ready, self._config.start_timeout_s)
        except TimeoutError:
            await self.stop()
            raise BrokerError(
                f"the embedded broker didn't start within {self._config.start_timeout_s:g} s; "
                "name a broker with --mqtt URL, or go without: --mqtt off"
            ) from None
        self._address = Address(host=reached_at(self._host), port=port)
        write_note(self._address.url)

    async def stop(self) -> None:
        """Let subscribers have the last messages, within a bound, and close; harmless twice."""
        if self._address is not None:
            remove_note(self._address.url)
            self._address = None
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended by itself.
                self._loop.call_soon_threadsafe(self._stopping.set)
        bound_s = self._config.settle_timeout_s + self._config.stop_timeout_s
        await asyncio.to_thread(thread.join, bound_s)

    def _run(
        self, port: int, caller: asyncio.AbstractEventLoop, ready: asyncio.Future[None]
    ) -> None:
        """Body of the thread."""
        level = _silence(logging.getLogger("amqtt"))
        try:
            asyncio.run(self._serve(port, caller, ready))
        except Exception as error:  # noqa: BLE001 - amqtt wraps and adds to what went wrong
            failure = BrokerError(
                f"the embedded broker can't listen on {self._host}:{port}: {error}; "
                "name a broker with --mqtt URL, or go without: --mqtt off"
            )
            _tell(caller, ready, failure)
        finally:
            logging.getLogger("amqtt").setLevel(level)

    async def _serve(
        self, port: int, caller: asyncio.AbstractEventLoop, ready: asyncio.Future[None]
    ) -> None:
        from streamer.mqtt.amqtt_broker import SmallBroker  # noqa: PLC0415

        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_log_quietly)
        broker = SmallBroker(self._host, port, self._demanded)
        await broker.start()
        _tell(caller, ready, None)
        await self._stopping.wait()
        await broker.settle(self._config.settle_timeout_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), self._config.stop_timeout_s)


@contextlib.asynccontextmanager
async def broker_for(option: str) -> AsyncIterator[str | None]:
    """Hold what `--mqtt` asks for: `off`, `embedded`, `embedded:[HOST:]PORT` or a URL.

    Yields
    ------
    str or None
        Where to publish; None for `off`.

    Raises
    ------
    ValueError
        If the option is none of these.
    BrokerError
        If the embedded broker can't start.
    """
    if option == OFF:
        yield None
    elif option == EMBEDDED or option.startswith(f"{EMBEDDED}:"):
        broker = _embedded(option)
        await broker.start()
        try:
            yield broker.url
        finally:
            await broker.stop()
    else:
        yield check_option(option)


def check_option(option: str) -> str:
    """Return a value of `--mqtt` unchanged if it makes sense, before anything is started.

    Raises
    ------
    ValueError
        If it is not `off`, `embedded`, `embedded:[HOST:]PORT` or a URL.
    BrokerError
        If it asks for an embedded broker that others could reach, without a password.
    """
    if option == OFF:
        return option
    if option == EMBEDDED or option.startswith(f"{EMBEDDED}:"):
        _embedded(option)
        return option
    try:
        parse_url(option)
    except ValueError as error:
        raise ValueError(f"--mqtt: {error}; or embedded, embedded:PORT, off") from None
    return option


def _embedded(option: str) -> EmbeddedBroker:
    """Read `embedded`, `embedded:PORT` or `embedded:HOST:PORT`."""
    _, colon, place = option.partition(":")
    if not colon:
        return EmbeddedBroker()
    host, _, port = place.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"--mqtt {option}: {port!r} is no port; expected embedded:[HOST:]PORT")
    return EmbeddedBroker(int(port), host=host.strip("[]") or HOST)


def _demanded(host: str, credentials: Credentials | None) -> Credentials | None:
    """Return what clients must present: nothing on loopback, never nothing elsewhere."""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return None
    except ValueError:
        raise ValueError(
            f"{host!r} is no address of an interface; expected one such as 127.0.0.1 or 0.0.0.0"
        ) from None
    credentials = credentials or Credentials.from_environment(os.environ)
    if credentials.username is None or credentials.password is None:
        raise BrokerError(
            f"an embedded broker on {host} would be open to others; set {USERNAME_VARIABLE} and "
            f"{PASSWORD_VARIABLE} in the environment, or stay on {HOST}"
        )
    return credentials


def _load_amqtt() -> None:
    """Import amqtt without the warnings that it raises about itself and its dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import streamer.mqtt.amqtt_broker  # noqa: F401, PLC0415


def _silence(logger: logging.Logger) -> int:
    """Keep a library's log off the terminal; return the level it had."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    return level


def _log_quietly(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Keep what goes wrong inside amqtt's tasks (a client that vanished) off the terminal."""
    _LOGGER.debug("in the embedded broker: %s", context.get("message"))


def _tell(
    caller: asyncio.AbstractEventLoop, ready: asyncio.Future[None], failure: BrokerError | None
) -> None:
    """Answer the loop that waits for the thread."""

    def answer() -> None:
        if ready.done():
            return
        if failure is None:
            ready.set_result(None)
        else:
            ready.set_exception(failure)

    with contextlib.suppress(RuntimeError):  # The caller's loop is gone already.
        caller.call_soon_threadsafe(answer)
