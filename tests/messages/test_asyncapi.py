"""The AsyncAPI document says what the code does, and JSON Schema is applied to all of it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from message_schema import schema
from sample_events import one_of_each, published, stream_info

from streamer.messages.alerting import alert_message
from streamer.messages.asyncapi import document, to_text
from streamer.messages.payload import MAIN_KIND, to_payload, topic_of
from streamer.messages.wire import MessageType, dumps
from streamer.rhythm.alerting.policy import AlertPolicy

FILE = Path(__file__).parents[2] / "docs" / "mqtt" / "asyncapi.json"


def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text() == to_text(), (
        "run python -m streamer.messages.asyncapi > docs/mqtt/asyncapi.json"
    )


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    if isinstance(value, list):
        return [ref for item in value for ref in references(item)]
    return []


def resolve(root: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        root = root[part]
    return root


def test_every_reference_leads_somewhere() -> None:
    made = document()
    found = references(made)
    assert len(found) >= 3 * len(MessageType)
    for reference in found:
        assert resolve(made, reference)


def test_every_message_has_a_channel_an_operation_and_a_schema() -> None:
    made = document()
    assert set(made["components"]["messages"]) == {str(m) for m in MessageType}
    addresses = {channel["address"] for channel in made["channels"].values()}
    assert addresses == {f"ecg/{{source}}/{kind}" for kind in MAIN_KIND.values()}
    assert len(made["operations"]) == len(MessageType)
    for name, message in made["components"]["messages"].items():
        form = resolve(made, message["payload"]["$ref"])
        assert form["properties"]["type"] == {"enum": [name]}
        assert form["description"] == message["summary"]


def test_every_field_is_described() -> None:
    """In its own words, by its type, or by a name and unit that say all."""
    plain = {"type", "schema", "beats", "leads", "alerts", "budget_ms", "latched", "acknowledged"}
    forms = document()["components"]["schemas"]
    bare = {
        f"{name}.{field}"
        for name, form in forms.items()
        for field, its in form["properties"].items()
        if "description" not in its and field not in plain
    }
    assert bare == {"WardStatisticsMessage.lost_samples"}


@pytest.mark.parametrize("kind", MessageType)
def test_schemas_are_schemas(kind: MessageType) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    # AsyncAPI's own schema objects are a superset of draft 7.
    for form in document()["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(form)


def test_events_and_alerts_pass_and_newer_ones_with_more_fields_too() -> None:
    policy, info = AlertPolicy(360.0), stream_info()
    made = document()
    seen = set()
    for seq, event in enumerate(one_of_each()):
        messages = [to_payload(published(event, seq=seq), info)]
        if (alert := policy.push(event)) is not None:
            messages.append(alert_message(alert, messages[0], info))
        for message in messages:
            decoded = json.loads(dumps(message))
            form = made["components"]["messages"][message.type]["payload"]
            jsonschema.validate(decoded, {**form, "components": made["components"]})
            jsonschema.validate({**decoded, "mood": "new"}, schema(message.type))
            seen.add(topic_of(message))
    assert {t.removeprefix("ecg/208/") for t in seen} == {
        "beats", "rhythm", "alarms", "gaps", "alerts",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"type": "acknowledge", "source": "208"}, True),
        ({"type": "acknowledge", "source": "208", "condition": "ventricular tachycardia"}, True),
        ({"type": "acknowledge", "source": "208", "condition": 7}, False),
        ({"type": "acknowledge", "source": "a/b"}, False),
        ({"type": "acknowledge"}, False),
    ],
)
def test_acknowledgements(message: dict[str, object], valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(schema(MessageType.ACKNOWLEDGE))
    assert validator.is_valid(message) == valid
