"""What publisher and listener share: one connection to a broker, in either protocol version.

Only the `mqtt_*` modules, those that publish and those that subscribe know aiomqtt; what aiomqtt
and paho don't offer in public is touched in `streamer.mqtt.client` alone.
"""

import contextlib
import itertools
import logging
import math
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from streamer.mqtt.access import Credentials, TlsFiles, tls_context
from streamer.mqtt.address import Address, parse_url
from streamer.mqtt.client import Connection, Version, entered
from streamer.mqtt.errors import (
    VERSION_REFUSED,
    MessageRefusedError,
    explain,
    is_login_refused,
    is_refused,
    unreachable,
)

__all__ = [
    "AUTO",
    "Address",
    "Connection",
    "ConnectionConfig",
    "MessageRefusedError",
    "Version",
    "Versions",
    "backoff",
    "client_identifier",
    "connect",
    "explain",
    "is_login_refused",
    "is_refused",
    "message_properties",
    "parse_url",
    "unreachable",
]

_LOGGER: Final = logging.getLogger(__name__)
# Lost connections are reported in our own words; a program that wants the library's may listen.
_LOGGER.addHandler(logging.NullHandler())

CONTENT_TYPE: Final = "application/json"
AUTO: Final = "auto"


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


@contextlib.asynccontextmanager
async def connect(
    address: Address,
    *,
    identifier: str,
    credentials: Credentials,
    config: ConnectionConfig,
    version: Version = Version.V311,
    tls: TlsFiles | None = None,
    will: aiomqtt.Will | None = None,
    in_flight: int = 20,
    session_s: int = 0,
    resume: bool = False,
) -> AsyncIterator[Connection]:
    """Hold one connection to a broker.

    Left without an exception, it says goodbye. Left with one (cancellation included), it drops
    the socket without a word, so that the broker publishes the last will.

    Parameters
    ----------
    address, identifier, credentials, config, version, tls, will
        Where, as whom and how.
    in_flight : int
        Messages that may be unacknowledged in either direction.
    session_s : int
        How long the broker keeps our subscriptions and their messages when we are away; MQTT 5
        only, since in 3.1.1 nothing would ever end the session of a client that has gone.
    resume : bool
        Whether to go on with such a session.

    Raises
    ------
    aiomqtt.MqttError
        If the broker can't be reached, refuses us, or the goodbye fails.
    BrokerError
        If the files for TLS can't be used.
    """
    dialect: dict[str, Any] = {"clean_session": True}
    if version is Version.V5:
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_s
        properties.ReceiveMaximum = in_flight
        dialect = {"clean_start": not resume, "properties": properties}
    client = Connection(
        address,
        version=version,
        username=credentials.username,
        password=credentials.password,
        logger=_LOGGER,
        identifier=identifier,
        will=will,
        timeout=config.timeout_s,
        keepalive=config.keepalive_s,
        # No limit: who sends keeps his own, and paho would look through all messages in flight at
        # each acknowledgement.
        max_inflight_messages=0,
        tls_context=tls_context(tls) if address.tls else None,
        **dialect,
    )
    client.pending_calls_threshold = in_flight
    async with entered(client):
        yield client


def message_properties(
    version: Version,
    fields: Mapping[str, str],
    *,
    expires_in_s: float | None = None,
    will: bool = False,
) -> Properties | None:
    """Say what a JSON message is, and how long it is worth reading; None before MQTT 5.

    Topic aliases are not used: a topic is a few percent of a message.
    """
    if version is not Version.V5:
        return None
    properties = _properties(PacketTypes.WILLMESSAGE if will else PacketTypes.PUBLISH)
    properties.ContentType = CONTENT_TYPE
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = list(fields.items())
    if expires_in_s is not None:
        properties.MessageExpiryInterval = max(1, round(expires_in_s))
    return properties


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


class Versions:
    """Which protocol version to speak: the one asked for, or 5 unless the broker refuses it.

    Parameters
    ----------
    option : str
        `auto`, `5` or `3.1.1`.

    Raises
    ------
    ValueError
        If it is none of these.
    """

    def __init__(self, option: str = AUTO) -> None:
        if option != AUTO and option not in set(Version):
            raise ValueError(f"MQTT version {option!r} is unknown; expected 5, 3.1.1 or {AUTO}")
        self._may_change = option == AUTO
        self.current = Version.V5 if option == AUTO else Version(option)
        self._settled = self.current is Version.V311

    async def settle(
        self,
        address: Address,
        config: ConnectionConfig,
        tls: TlsFiles | None = None,
    ) -> Version:
        """Ask the broker, the first time, and return the version to speak.

        The question is a connection without properties, last will or login: a broker that knows
        only 3.1.1 would read these as something else and wait for more. A broker that refuses it
        for another reason than the version has understood it.

        Raises
        ------
        aiomqtt.MqttError
            If the broker can't be reached, or refuses the version that was asked for.
        """
        if self._settled:
            return self.current
        probe = Connection(
            address,
            version=Version.V5,
            logger=_LOGGER,
            identifier=client_identifier("probe"),
            timeout=config.timeout_s,
            tls_context=tls_context(tls) if address.tls else None,
        )
        try:
            async with entered(probe):
                pass
        except MqttConnectError as error:
            if str(error.rc) == VERSION_REFUSED:
                if not self._may_change:
                    raise
                self.current = Version.V311
        self._settled = True
        return self.current
