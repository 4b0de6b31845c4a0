"""Versions of MQTT, and what version 5 says about a message beside its content."""

import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from streamer.messages.wire import SCHEMA_VERSION

CONTENT_TYPE: Final = "application/json"
AUTO: Final = "auto"
_NO_PROPERTIES: Final = b"\x00"


class Version(StrEnum):
    """Versions of the protocol."""

    V5 = "5"
    V311 = "3.1.1"


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
    properties = new_properties(PacketTypes.WILLMESSAGE if will else PacketTypes.PUBLISH)
    properties.ContentType = CONTENT_TYPE
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = list(fields.items())
    if expires_in_s is not None:
        properties.MessageExpiryInterval = max(1, round(expires_in_s))
    return properties


@functools.lru_cache(maxsize=32)
def packed_properties(version: Version, kind: str) -> bytes:
    """Pack the properties of a message that doesn't expire, as `Connection.send` takes them.

    `kind` is the `type` of its payload; a message without one is no JSON and gets none.
    """
    if version is not Version.V5:
        return b""
    properties = message_properties(version, user_properties(kind)) if kind else None
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
