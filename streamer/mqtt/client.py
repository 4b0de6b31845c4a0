"""aiomqtt's client with what it leaves out.

What aiomqtt and paho don't offer in public is touched in this file alone.
"""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from itertools import takewhile
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from streamer.mqtt.address import Address

_CLOSED_EARLY: Final = "it closed the connection without an answer"
_MOST_IN_FLIGHT: Final = 65_535
"""MQTT 5, section 3.2.2.3.3: what holds where the broker names no limit."""
_AT_LEAST_ONCE: Final = 1
_SENT: Final = MQTTMessage()
"""Stands for every message in flight; who sent one keeps it until it is acknowledged."""
_SENT.qos = _AT_LEAST_ONCE
_ACKNOWLEDGED: Final = struct.Struct("!HH")
_PLAIN_PUBACK: Final = 0x4002
"""Type and length of a PUBACK that brings the message's number and nothing else: success, in either
version (MQTT 5, section 3.4.2.1)."""
_TYPE: Final = 0xF0
_PUBLISH: Final = 0x30
_WRITTEN: Final = 262_144
"""Bytes written at a time, about."""
_GATHER_S: Final = 0.002
"""For so long acknowledgements gather before they are read."""
_PEEKED: Final = 2000 * _ACKNOWLEDGED.size


class Version(StrEnum):
    """Versions of the protocol."""

    V5 = "5"
    V311 = "3.1.1"


class Connection(aiomqtt.Client):
    """aiomqtt's client, and what it doesn't tell of MQTT 5: the broker's limit and its refusals.

    Attributes
    ----------
    version : Version
        Protocol spoken.
    receive_maximum : int
        Messages that the broker lets us have in flight.
    refusal : str or None
        Why the broker refused one of our messages, in its words.
    on_acknowledged : callable
        Gets the number of each message that the broker has; see `send`.
    """

    def __init__(self, address: Address, *, version: Version, **options: Any) -> None:
        self.version = version
        self.receive_maximum = _MOST_IN_FLIGHT
        self.refusal: str | None = None
        self.on_acknowledged: Callable[[int], None] = lambda number: None
        protocol = aiomqtt.ProtocolVersion.V5 if version is Version.V5 else None
        super().__init__(address.host, address.port, protocol=protocol, **options)
        self._read_packets = self._client.loop_read
        self._client.loop_read = self._read  # type: ignore[method-assign]

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Hand over a message at QoS 1 without waiting; return its number.

        For thousands a second: aiomqtt's `publish` costs a task each, paho's a lock.
        """
        client = self._client
        number = int(client._mid_generate())
        client._out_messages[number] = _SENT
        client._inflight_messages += 1
        client._send_publish(number, topic.encode(), payload, _AT_LEAST_ONCE, retain)
        return number

    def _read(self, max_packets: int = 1) -> Any:
        """Take all acknowledgements that wait at once, and leave the rest to paho.

        It reads and unpacks them one by one, which takes longer than sending the messages.
        """
        client = self._client
        # An encrypted connection can't be looked into; nor may a packet be half read.
        if type(client._sock) is socket.socket and client._in_packet["command"] == 0:
            numbers = taken_acknowledgements(client._sock)
            for number in numbers:
                self._take_acknowledgement(number)
            if numbers:
                self._pause_reading(client._sock)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
        return self._read_packets(max_packets)

    def _pause_reading(self, sock: socket.socket) -> None:
        """Let acknowledgements gather: the broker sends each by itself."""
        self._loop.remove_reader(sock.fileno())
        self._loop.call_later(_GATHER_S, self._resume_reading, sock)

    def _resume_reading(self, sock: socket.socket) -> None:
        if self._client._sock is sock and sock.fileno() >= 0:
            self._loop.add_reader(sock.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            self._client.loop_read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection is broken
            self._break(error)

    def _break(self, error: Exception) -> None:
        if not self._disconnected.done():
            self._disconnected.set_exception(error)

    def _take_acknowledgement(self, number: int) -> None:
        """Do what paho and aiomqtt do about a PUBACK."""
        if self._client._out_messages.pop(number, None) is None:
            return
        self._client._inflight_messages -= 1
        self.on_acknowledged(number)
        pending = self._pending_publishes.pop(number, None)
        if pending is not None:
            pending.set()

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        self.receive_maximum = getattr(properties, "ReceiveMaximum", None) or _MOST_IN_FLIGHT
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        """Notice an end before the answer too, for which aiomqtt would wait until its time-out."""
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(_CLOSED_EARLY))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._watch_for_room, client, sock)

    def _watch_for_room(self, client: Any, sock: Any) -> None:
        """Write when the socket can take more, if it is still open when the loop comes to it.

        aiomqtt remembers the bare number of the socket, by then perhaps that of no socket or of
        another one.
        """
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write, client)

    def _write(self, client: Any) -> None:
        try:
            join(client._out_packet)
            client.loop_write()
        except Exception as error:  # noqa: BLE001 - whatever it is, the connection is broken
            self._break(error)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any
    ) -> None:
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        self.on_acknowledged(mid)
        super()._on_publish(client, userdata, mid, reason_code, properties)


def taken_acknowledgements(sock: socket.socket) -> list[int]:
    """Take from the socket the plain acknowledgements that come next; return their numbers."""
    with contextlib.suppress(OSError):  # nothing has come, or paho will find what is wrong
        waiting = sock.recv(_PEEKED, socket.MSG_PEEK)
        packets = _ACKNOWLEDGED.iter_unpack(waiting[: len(waiting) // 4 * 4])
        plain = takewhile(lambda packet: packet[0] == _PLAIN_PUBACK, packets)
        numbers = [number for _, number in plain]
        if numbers:
            sock.recv(len(numbers) * _ACKNOWLEDGED.size)
        return numbers
    return []


def join(packets: deque[dict[str, Any]]) -> None:
    """Make one of the messages that wait to be written, up to the first that isn't at QoS 1.

    paho writes each by itself, and the calls to the system take longer than all the rest.
    """
    joined: list[bytes] = []
    size = 0
    while packets and size < _WRITTEN:
        if (packets[0]["command"] & _TYPE) != _PUBLISH or packets[0]["qos"] != 1:
            break
        packet = packets.popleft()
        joined.append(packet["packet"][packet["pos"] :])
        size += len(joined[-1])
    if joined:
        whole = b"".join(joined)
        packets.appendleft({**packet, "pos": 0, "to_process": len(whole), "packet": whole})


@contextlib.asynccontextmanager
async def entered(client: Connection) -> AsyncIterator[None]:
    """Connect and say goodbye; leave nothing open."""
    try:
        await _enter(client)
        yield
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
