"""What publisher and listener share: broker address, credentials, connection, back-off.

Beside this file only `streamer.sinks.mqtt`, which publishes, and `streamer.listen`, which
subscribes, know aiomqtt.
"""

import asyncio
import contextlib
import itertools
import logging
import math
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttCodeError, MqttConnectError

from streamer.errors import BrokerError

USERNAME_VARIABLE: Final = "ECG_STREAM_MQTT_USERNAME"
PASSWORD_VARIABLE: Final = "ECG_STREAM_MQTT_PASSWORD"

_LOGGER: Final = logging.getLogger(__name__)
# Lost connections are reported in our own words; a program that wants the library's may listen.
_LOGGER.addHandler(logging.NullHandler())

_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""The ports that IANA assigned to MQTT and to MQTT over TLS."""


_LOGIN_REFUSED: Final = ("Bad user name or password", "Not authorized")
"""As paho names the return codes 4 and 5 of CONNACK."""
_NO_REASON: Final = "Unspecified error"
"""As paho names an end of stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """Times that rule a connection; long enough for a hospital's network, short for a person."""

    timeout_s: float = 10.0
    """How long CONNACK, PUBACK or SUBACK may take before the connection counts as lost."""
    keepalive_s: int = 15
    """Silence after which a half-open connection is found out (within 1.5 times this)."""
    backoff_first_s: float = 0.25
    backoff_cap_s: float = 5.0
    backoff_factor: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """The address as `parse_url` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we say we are; kept out of URLs, logs and `repr`."""

    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Credentials":
        """Read username and password from the environment.

        Raises
        ------
        BrokerError
            If there is a password but no username.
        """
        username = environment.get(USERNAME_VARIABLE) or None
        password = environment.get(PASSWORD_VARIABLE) or None
        if password is not None and username is None:
            raise BrokerError(f"{PASSWORD_VARIABLE} is set; set {USERNAME_VARIABLE} too")
        return cls(username=username, password=password)


def parse_url(url: str) -> Address:
    """Read `mqtt://host[:port]` or `mqtts://host[:port]` (TLS).

    Raises
    ------
    ValueError
        If the URL has another form; credentials in it are refused, and not repeated.
    """
    if "@" in url:
        raise ValueError(
            "an MQTT URL must not hold a username or password, where others can read them; "
            f"set {USERNAME_VARIABLE} and {PASSWORD_VARIABLE} in the environment"
        )
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        rest = parts.path.removeprefix("/") + parts.query + parts.fragment
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or rest:
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(
            f"{url!r} is no MQTT URL; expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT], "
            "such as mqtt://localhost:1883"
        ) from None
    return Address(host=parts.hostname, port=port, tls=parts.scheme == "mqtts")


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


def client_identifier(role: str) -> str:
    """Name for one connection; unique, since a broker drops the older of two equal ones."""
    return f"ecg-stream-{role}-{uuid.uuid4().hex[:8]}"


def explain(error: BaseException) -> str:
    """Say in a few words why a connection failed or ended."""
    if isinstance(error, MqttConnectError):
        return f"it refuses us: {error.rc}"
    cause = error.__cause__
    if isinstance(cause, MqttCodeError):
        reason = str(cause.rc)
        return "it closed the connection" if reason == _NO_REASON else reason.lower()
    return str(cause or error) or type(error).__name__


def is_login_refused(error: BaseException) -> bool:
    """Whether the broker rejects our credentials, which no waiting cures."""
    return isinstance(error, MqttConnectError) and str(error.rc) in _LOGIN_REFUSED


def unreachable(address: Address, error: BaseException, advice: str) -> BrokerError:
    """Make the one-line error for a broker that can't be used from the start."""
    if isinstance(error, MqttConnectError):
        advice = f"check {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}, or {advice}"
    else:
        advice = f"start a broker there, or {advice}"
    return BrokerError(f"MQTT broker {address.url} can't be used: {explain(error)}; {advice}")


@contextlib.asynccontextmanager
async def connect(
    address: Address,
    *,
    identifier: str,
    credentials: Credentials,
    config: ConnectionConfig,
    will: aiomqtt.Will | None = None,
    in_flight: int = 20,
) -> AsyncIterator[aiomqtt.Client]:
    """Hold one connection to a broker, with a clean session.

    Left without an exception, it says goodbye. Left with one (cancellation included), it drops
    the socket without a word, so that the broker publishes the last will.

    Raises
    ------
    aiomqtt.MqttError
        If the broker can't be reached, refuses us, or the goodbye fails.
    """
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=credentials.username,
        password=credentials.password,
        logger=_LOGGER,
        identifier=identifier,
        clean_session=True,
        will=will,
        timeout=config.timeout_s,
        keepalive=config.keepalive_s,
        max_inflight_messages=in_flight,
        tls_context=ssl.create_default_context() if address.tls else None,
    )
    client.pending_calls_threshold = in_flight
    try:
        await _enter(client)
        yield client
        await client.__aexit__(None, None, None)
    finally:
        await _abandon(client)


async def _enter(client: aiomqtt.Client) -> None:
    """Connect; a cancellation waits, because the thread that connects can't be interrupted."""
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait({entering})
        if not entering.cancelled():
            entering.exception()
        raise
    except ValueError as error:
        # A host name that no resolver takes ("a..b") is a UnicodeError, which aiomqtt lets pass.
        raise aiomqtt.MqttError(str(error)) from error


async def _abandon(client: aiomqtt.Client) -> None:
    """Close what aiomqtt leaves open after a failed attempt or a broken connection.

    It has no public call for that: a CONNACK that never came leaves its socket, reader and
    timer task behind, and an error that nobody waited for is logged at garbage collection.
    """
    client._client._sock_close()
    timer = client._misc_task
    if timer is not None:
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
    disconnected = client._disconnected
    if disconnected.done() and not disconnected.cancelled():
        disconnected.exception()


async def until_lost(client: aiomqtt.Client) -> None:
    """Wait until the connection breaks.

    Raises
    ------
    aiomqtt.MqttError
        When it does.
    """
    async for _ in client.messages:
        pass
