"""The few packets of MQTT that we write and read ourselves, by the standard (MQTT 5, section 3)."""

import struct
from typing import Final

CONNACK: Final = 0x20
_PUBLISH_ONCE_OR_MORE: Final = 0x32
PUBACK: Final = 0x40
DISCONNECT: Final = 0xE0
TYPE: Final = 0xF0
END_SESSION: Final = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"
"""A DISCONNECT of MQTT 5 with a session expiry of 0: nothing need be kept for us."""
FAILURE: Final = 0x80
"""MQTT 5, section 2.4: reason codes from here on are refusals."""


def publish_packet(
    topic: str, payload: bytes, number: int, *, retain: bool, properties: bytes
) -> bytes:
    """Encode a message at QoS 1; `properties` as MQTT 5 packs them, empty in 3.1.1."""
    name = topic.encode()
    size = 4 + len(name) + len(properties) + len(payload)
    return b"".join(
        (
            bytes((_PUBLISH_ONCE_OR_MORE | retain,)),
            packed_length(size),
            struct.pack("!H", len(name)),
            name,
            struct.pack("!H", number),
            properties,
            payload,
        )
    )


def packed_length(size: int) -> bytes:
    """Write the length of the rest of a packet (MQTT 5, section 1.5.5)."""
    if size < 0x80:
        return bytes((size,))
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
