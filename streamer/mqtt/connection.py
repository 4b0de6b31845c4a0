"""What all who talk to a broker share: one connection, in either version of the protocol."""

import asyncio
import contextlib
import logging
import socket
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes

from streamer.mqtt.access import Address, Credentials, TlsFiles, tls_context
from streamer.mqtt.packet_socket import PacketSocket, TakeMessages
from streamer.mqtt.protocol import AUTO, VERSION_REFUSED, Version, new_properties

_LOGGER: Final = logging.getLogger(__name__)
# Lost connections are reported in our own words; programs may listen to the library's.
_LOGGER.addHandler(logging.NullHandler())

_CLOSED_EARLY: Final = "it closed the connection without an answer"
_LEAVE_S: Final = 1.0  # That the end of a connection may take.


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


def client_identifier(role: str) -> str:
    """Name for one connection; unique: a broker drops the older of two equal ones."""
    return f"ecg-stream-{role}-{uuid.uuid4().hex[:8]}"


class PacketSocketContext(ssl.SSLContext):
    """What aiomqtt takes for a TLS context, or for none; puts a `PacketSocket` around its socket.

    `ended` is done as soon as the connection has ended.
    """

    def __new__(cls, tls: ssl.SSLContext | None) -> "PacketSocketContext":
        """Make a context for a client."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.tls = tls
        self.on_messages: TakeMessages | None = None
        self.has_properties = self.defers = False
        self.socket: PacketSocket | None = None
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> Any:
        """Return ours around a socket, which is encrypted if there is TLS."""
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, *args, **options)
        self.socket = PacketSocket(sock, self.loop, self.ended)
        # From the first byte on: what a session has kept comes right behind the welcome.
        self.socket.on_messages, self.socket.defers = self.on_messages, self.defers
        self.socket.has_properties = self.has_properties
        return self.socket


class Connection(aiomqtt.Client):
    """aiomqtt's client on a socket of ours, which publishes in bulk and knows what the broker says.

    Attributes
    ----------
    version : Version
        Protocol spoken.
    context : PacketSocketContext
    """

    def __init__(
        self,
        address: Address,
        *,
        version: Version,
        tls: TlsFiles | None = None,
        **options: Any,
    ) -> None:
        self.version = version
        self.context = PacketSocketContext(tls_context(tls) if address.tls else None)
        self.context.has_properties = version is Version.V5
        protocol = aiomqtt.ProtocolVersion.V5 if version is Version.V5 else None
        super().__init__(
            address.host,
            address.port,
            protocol=protocol,
            logger=_LOGGER,
            tls_context=self.context,
            **options,
        )

    @property
    def socket(self) -> PacketSocket:
        """What it publishes through, once it is connected."""
        if self.context.socket is None:
            raise aiomqtt.MqttError("not connected")
        return self.context.socket

    async def open(self) -> None:
        """Connect.

        Raises
        ------
        aiomqtt.MqttError
            If the broker can't be reached or refuses us.
        """
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            either: set[asyncio.Future[Any]] = {entering, self.context.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The thread that connects can't be interrupted.
            await asyncio.wait({entering})
            if not entering.cancelled():
                entering.exception()
            raise
        if not entering.done() and self.socket.is_welcome is None:
            # aiomqtt would wait for the answer until its time-out.
            entering.cancel()
            await asyncio.gather(entering, return_exceptions=True)
            raise aiomqtt.MqttError(_CLOSED_EARLY)
        try:
            await entering
        except ValueError as error:
            # A name that no resolver takes ("a..b") is a UnicodeError, which aiomqtt lets pass.
            raise aiomqtt.MqttError(str(error)) from error
        self.socket.ends_session = self.version is Version.V5 and not self.context.defers

    async def leave(self) -> None:
        """Say goodbye.

        Raises
        ------
        aiomqtt.MqttError
            If that fails.
        """
        await self.__aexit__(None, None, None)

    async def abandon(self, *, was_open: bool) -> None:
        """Leave nothing open, whatever has happened; a broken or failed connection does that."""
        sock = self.context.socket
        if sock is None:
            return
        sock.abort()
        await asyncio.wait({self.context.ended}, timeout=_LEAVE_S)
        if was_open:  # Nobody may have waited for the error that this end is.
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    async for _ in self.messages:
                        pass


@contextlib.asynccontextmanager
async def _entered(client: Connection) -> AsyncIterator[None]:
    """Connect and say goodbye; leave nothing open."""
    was_open = False
    try:
        await client.open()
        was_open = True
        yield
        await client.leave()
    finally:
        await client.abandon(was_open=was_open)


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
    on_messages: TakeMessages | None = None,
    defers: bool = False,
) -> AsyncIterator[Connection]:
    """Hold one connection to a broker.

    Left without an exception, it says goodbye. Left with one (cancellation included), it drops
    the socket without a word, so that the broker publishes the last will.

    Parameters
    ----------
    address, identifier, credentials, config, version, tls, will, on_messages, defers
        Where, as whom and how; the last two as `PacketSocket` has them.
    in_flight : int
        Messages that may be unacknowledged in either direction.
    session_s : int
        How long the broker keeps our subscriptions and their messages when we are away; MQTT 5
        only: in 3.1.1 nothing would ever end the session of a client that has gone.
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
        properties = new_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_s
        properties.ReceiveMaximum = in_flight
        dialect = {"clean_start": not resume, "properties": properties}
    client = Connection(
        address,
        version=version,
        tls=tls,
        username=credentials.username,
        password=credentials.password,
        identifier=identifier,
        will=will,
        timeout=config.timeout_s,
        keepalive=config.keepalive_s,
        **dialect,
    )
    client.context.on_messages, client.context.defers = on_messages, defers
    async with _entered(client):
        yield client


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
            tls=tls,
            identifier=client_identifier("probe"),
            timeout=config.timeout_s,
        )
        try:
            async with _entered(probe):
                pass
        except MqttConnectError as error:
            if str(error.rc) == VERSION_REFUSED:
                if not self._may_change:
                    raise
                self.current = Version.V311
        self._settled = True
        return self.current
