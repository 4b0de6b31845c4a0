"""The AsyncAPI 3.0 document of all topics and messages, made from the code that sends them.

``python -m streamer.messages.asyncapi > docs/mqtt/asyncapi.json`` writes it anew.
"""

import json
import sys
from importlib import metadata
from typing import Any, Final

from streamer.messages.payload import MAIN_KIND, TOPIC_PREFIX, MessageType, TopicKind
from streamer.messages.schema import SCHEMAS

Document = dict[str, Any]

RETAINED: Final = frozenset({MessageType.STATUS, MessageType.ACTIVE})
RECEIVED: Final = frozenset({MessageType.ACKNOWLEDGE})
"""Types that the publisher reads."""
SUMMARIES: Final[dict[MessageType, str]] = {
    MessageType.BEAT: "A beat with its label: provisional (revision 0), then confirmed (1).",
    MessageType.RHYTHM: "The rhythm changed.",
    MessageType.ALARM: "The rhythm tracker found something that a person should look at.",
    MessageType.GAP: "A stretch without a usable signal.",
    MessageType.ALERT: "The alert policy calls for attention; carries the seq of its event.",
    MessageType.STATUS: "How the source stands with its broker; retained, and the last will.",
    MessageType.STATISTICS: "Latencies so far: what a beat costs; shed first when time is short.",
    MessageType.ACTIVE: "Alerts that are not over or not acknowledged; retained.",
    MessageType.ACKNOWLEDGE: "A person has seen one active alert, or all of them.",
}
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
        "operations": {
            f"{_verb(kind_of_message)}_{kind_of_message}": _operation(kind_of_message)
            for kind_of_message in MessageType
        },
        "components": {"messages": {str(name): _message(name) for name in MessageType}},
    }


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
        "summary": SUMMARIES[name],
        "messages": [{"$ref": f"{channel}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": name in RETAINED}},
    }


def _message(name: MessageType) -> Document:
    schema = {key: value for key, value in SCHEMAS[name].items() if key != "$schema"}
    return {"name": str(name), "summary": SUMMARIES[name], "payload": schema}


def to_text() -> str:
    """Encode the document as the file in docs/mqtt holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(to_text())
