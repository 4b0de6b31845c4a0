"""The AsyncAPI 3.0 document of all topics and messages, made from the code that sends them.

``python -m streamer.messages.asyncapi > docs/mqtt/asyncapi.json`` writes it anew.
"""

import inspect
import json
import sys
from importlib import metadata
from typing import Any, Final

import msgspec

from streamer.messages.payload import MAIN_KIND, TOPIC_PREFIX, TopicKind
from streamer.messages.wire import TYPES, MessageType

Document = dict[str, Any]

RETAINED: Final = frozenset({MessageType.STATUS, MessageType.ACTIVE})
RECEIVED: Final = frozenset({MessageType.ACKNOWLEDGE})
"""Types that the publisher reads."""
_RULES: Final = {
    # Only a late beat may lack its label.
    MessageType.BEAT: {
        "if": {"properties": {"label": {"const": None}}},
        "then": {"properties": {"late": {"const": True}}},
    }
}
"""What a type of message asks for beyond the form of its fields."""
_DESCRIPTION: Final = """\
Streaming ECG beat labels. Not a medical device.

Delivery is at least once (QoS 1) and in order; a receiver drops what it has seen by
(`source`, `seq`). Receivers ignore fields that they don't know. With MQTT 5 each message has the
content type `application/json` and the user properties `schema` and `type`, and alerts have a
message expiry.
"""


def document() -> Document:
    """Make the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ecg-stream over MQTT",
            "version": metadata.version("ecg-stream"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "localhost:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5",
                "description": "Any MQTT 5 or 3.1.1 broker.",
            }
        },
        "channels": {_channel(kind): _channel_of(kind) for kind in TopicKind if _types(kind)},
        "operations": {f"{_verb(name)}_{name}": _operation(name) for name in MessageType},
        "components": {
            "messages": {str(name): _message(name) for name in MessageType},
            "schemas": _schemas(),
        },
    }


def _schemas() -> Document:
    """JSON Schemas; objects may hold more fields: later versions add some."""
    _, found = msgspec.json.schema_components(
        TYPES.values(), ref_template="#/components/schemas/{name}"
    )
    for kind, rules in _RULES.items():
        found[TYPES[kind].__name__] |= rules
    return found


def _types(kind: TopicKind) -> list[MessageType]:
    return [name for name, its_kind in MAIN_KIND.items() if its_kind is kind]


def _channel(kind: TopicKind) -> str:
    return kind.replace("/", "_")


def _channel_of(kind: TopicKind) -> Document:
    return {
        "address": f"{TOPIC_PREFIX}/{{source}}/{kind}",
        "parameters": {"source": {"description": "Name of the source, such as a record or a bed."}},
        "messages": {str(name): {"$ref": f"#/components/messages/{name}"} for name in _types(kind)},
    }


def _verb(name: MessageType) -> str:
    return "receive" if name in RECEIVED else "send"


def _operation(name: MessageType) -> Document:
    channel = f"#/channels/{_channel(MAIN_KIND[name])}"
    return {
        "action": _verb(name),
        "channel": {"$ref": channel},
        "summary": _summary(name),
        "messages": [{"$ref": f"{channel}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": name in RETAINED}},
    }


def _message(name: MessageType) -> Document:
    return {
        "name": str(name),
        "summary": _summary(name),
        "payload": {"$ref": f"#/components/schemas/{TYPES[name].__name__}"},
    }


def _summary(name: MessageType) -> str:
    return inspect.getdoc(TYPES[name]) or ""


def to_text() -> str:
    """Encode the document as the file in docs/mqtt holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(to_text())
