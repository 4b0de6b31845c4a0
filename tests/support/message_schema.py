"""JSON Schema of each type of message, as docs/mqtt/asyncapi.json publishes it."""

from typing import Any, Final

from streamer.messages.asyncapi import document
from streamer.messages.wire import TYPES, MessageType

_COMPONENTS: Final = document()["components"]


def schema(kind: MessageType) -> dict[str, Any]:
    return {**_COMPONENTS["schemas"][TYPES[kind].__name__], "components": _COMPONENTS}
