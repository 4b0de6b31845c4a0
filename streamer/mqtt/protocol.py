"""MQTT itself: its versions, the properties of a message, a few packets, and refusals in words.

Packets are written and read as in MQTT 5, section 3; 3.1.1 has the same without properties.
"""

import contextlib
import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from streamer.core.errors import BrokerError
from streamer.messages.wire import SCHEMA_VERSION
from streamer.mqtt.access import PASSWORD_VARIABLE, USERNAME_VARIABLE, Address

CONTENT_TYPE: Final = "application/json"
AUTO: Final = "auto"
_NO_PROPERTIES: Final = b"\x00"

VERSION_REFUSED: Final = "Unsupported protocol version"
_LOGIN_REFUSED: Final = ("Bad user name or password", "Not authorized")
"""As paho names the return codes 4 and 5 of CONNACK."""
_NO_REASON: Final = "Unspecified error"
"""As paho names an end of stream."""

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
_AT_LEAST_ONCE: Final = 0x02
_PUBLISH: Final = b"\x32"
_PUBLISH_RETAINED: Final = b"\x33"
"""At QoS 1."""
PUBACK: Final = 0x40
DISCONNECT: Final = 0xE0
TYPE: Final = 0xF0
END_SESSION: Final = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"
"""A DISCONNECT of MQTT 5 with a session expiry of 0: nothing need be kept for us."""
FAILURE: Final = 0x80
"""MQTT 5, section 2.4: reason codes from here on are refusals; so it is in a SUBACK of 3.1.1."""


class MessageRefusedError(aiomqtt.MqttError):
    """The broker doesn't take what we publish."""


class Version(StrEnum):
    """Versions of the protocol."""

    V5 = "5"
    V311 = "3.1.1"


def message_properties(
    version: Version,
    fields: Mapping[str, str],
    *,
    expires_in_s: int | None = None,
    will: bool = False,
) -> Properties | None:
    """Say what a JSON message is, and how long it is worth reading; None before MQTT 5.

    Topic aliases are not used: a topic is a few percent of a message.
    """
    if version is not Version.V5:
        return None
    properties = new_properties(PacketTypes.WILLMESSAGE if will else PacketTypes.PUBLISH)
    properties.ContentType = CONTENT_TYPE
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = list(fields.items())
    if expires_in_s is not None:
        properties.MessageExpiryInterval = expires_in_s
    return properties


@functools.lru_cache(maxsize=128)
def packed_properties(version: Version, kind: str, expires_in_s: int | None = None) -> bytes:
    """Pack the properties of a message, as `PacketSocket.publish` takes them.

    `kind` is the `type` of its payload; a message without one is no JSON and gets none.
    """
    if version is not Version.V5:
        return b""
    fields = user_properties(kind)
    properties = message_properties(version, fields, expires_in_s=expires_in_s) if kind else None
    return _NO_PROPERTIES if properties is None else pack(properties)


def pack(properties: Properties | None) -> bytes:
    """Encode properties; nothing in 3.1.1."""
    return b"" if properties is None else bytes(properties.pack())  # type: ignore[no-untyped-call]


def user_properties(kind: str) -> dict[str, str]:
    """Return enough to route a message without opening it."""
    return {"schema": str(SCHEMA_VERSION), "type": kind}


def new_properties(packet_type: int) -> Properties:
    """Return an empty set of properties for one type of packet."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def publish_packet(
    topic: str, payload: bytes, number: int, *, retain: bool, properties: bytes
) -> bytes:
    """Encode a message at QoS 1; `properties` as MQTT 5 packs them, empty in 3.1.1."""
    name = topic.encode()
    size = 4 + len(name) + len(properties) + len(payload)
    return b"".join(
        (
            _PUBLISH_RETAINED if retain else _PUBLISH,
            packed_length(size),
            len(name).to_bytes(2),
            name,
            number.to_bytes(2),
            properties,
            payload,
        )
    )


def read_publish(packet: bytearray, *, has_properties: bool) -> tuple[str, bytes | None, bytes]:
    """Return topic, number (None at QoS 0) and payload of a message.

    Raises
    ------
    ValueError
        If it is malformed.
    """
    at = _length_end(packet, 1)
    end = at + 2 + int.from_bytes(packet[at : at + 2])
    topic = packet[at + 2 : end].decode()  # A UnicodeDecodeError is a ValueError.
    number = None
    if packet[0] & _AT_LEAST_ONCE:
        number, end = bytes(packet[end : end + 2]), end + 2
    if has_properties:
        start = _length_end(packet, end)
        end = start + _read_length(packet[end:start])
    if end > len(packet):
        raise ValueError("malformed message")
    return topic, number, bytes(packet[end:])


def _length_end(packet: bytearray, at: int) -> int:
    """Return where a length of several bytes ends."""
    while at < len(packet) and packet[at] & 0x80:
        at += 1
    return at + 1


def _read_length(digits: bytearray) -> int:
    return sum((digit & 0x7F) << 7 * place for place, digit in enumerate(digits))


def receive_maximum(connack: bytearray) -> int | None:
    """Return how many messages the broker lets us have in flight; None if it doesn't say."""
    properties: Any = new_properties(PacketTypes.CONNACK)
    with contextlib.suppress(Exception):  # paho complains of it.
        properties.unpack(bytes(connack[4:]))
    return getattr(properties, "ReceiveMaximum", None)


def refusal(reason: int) -> str:
    """Return in words why a broker refuses a message."""
    return str(ReasonCode(PacketTypes.PUBACK, identifier=reason))


def packed_length(size: int) -> bytes:
    """Write the length of the rest of a packet (MQTT 5, section 1.5.5)."""
    if size < 0x80:
        return bytes((size,))
    if size < 0x4000:
        return bytes((size & 0x7F | 0x80, size >> 7))
    digits = bytearray()
    while size >= 0x80:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return bytes(digits)


def packet_end(data: bytearray, start: int) -> int | None:
    """Return where the packet that starts there ends; None if it hasn't come whole.

    Raises
    ------
    ValueError
        If its length is none.
    """
    size = shift = 0
    for index in range(start + 1, start + 5):
        if index >= len(data):
            return None
        size |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            end = index + 1 + size
            return end if end <= len(data) else None
        shift += 7
    raise ValueError("malformed length")


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
    """Whether the broker rejects our credentials or messages, which no waiting cures."""
    if isinstance(error, MessageRefusedError):
        return True
    return isinstance(error, MqttConnectError) and str(error.rc) in _LOGIN_REFUSED


def is_refused(code: Any) -> bool:
    """Whether one code of a SUBACK says no, in either version of the protocol."""
    return bool(getattr(code, "is_failure", code == FAILURE))


def unreachable(address: Address, error: BaseException, advice: str) -> BrokerError:
    """Make the one-line error for a broker that can't be used from the start."""
    if isinstance(error, MessageRefusedError):
        advice = f"ask for the right to publish there, or {advice}"
    elif isinstance(error, MqttConnectError) and str(error.rc) == VERSION_REFUSED:
        advice = f"try another --mqtt-version, or {advice}"
    elif isinstance(error, MqttConnectError):
        advice = f"check {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}, or {advice}"
    else:
        advice = f"start a broker there, or {advice}"
    return BrokerError(f"MQTT broker {address.url} can't be used: {explain(error)}; {advice}")
