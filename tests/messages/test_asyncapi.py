"""The AsyncAPI document says what the code does, and JSON Schema is applied to all of it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sample_events import one_of_each, published, stream_info

from streamer.messages.alerting import alert_payload
from streamer.messages.asyncapi import document, to_text
from streamer.messages.payload import MAIN_KIND, MessageType, dumps, to_payload, topic_of
from streamer.messages.schema import SCHEMAS
from streamer.rhythm.alert_policy import AlertPolicy

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
    assert set(made["components"]["messages"]) == set(SCHEMAS) == {str(m) for m in MessageType}
    addresses = {channel["address"] for channel in made["channels"].values()}
    assert addresses == {f"ecg/{{source}}/{kind}" for kind in MAIN_KIND.values()}
    assert len(made["operations"]) == len(MessageType)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    # AsyncAPI's own schema objects are a superset of draft 7.
    jsonschema.Draft7Validator.check_schema(document()["components"]["messages"][name]["payload"])


def test_events_and_alerts_pass_and_newer_ones_with_more_fields_too() -> None:
    policy, info = AlertPolicy(360.0), stream_info()
    made = document()["components"]["messages"]
    seen = set()
    for seq, event in enumerate(one_of_each()):
        payloads = [to_payload(published(event, seq=seq), info)]
        if (alert := policy.push(event)) is not None:
            payloads.append(alert_payload(alert, payloads[0], info))
        for payload in payloads:
            decoded = json.loads(dumps(payload))
            jsonschema.validate(decoded, made[decoded["type"]]["payload"])
            jsonschema.validate({**decoded, "mood": "new"}, SCHEMAS[decoded["type"]])
            seen.add(topic_of(decoded))
    assert {t.removeprefix("ecg/208/") for t in seen} == {
        "beats", "rhythm", "alarms", "gaps", "alerts",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"type": "acknowledge", "source": "208"}, True),
        ({"type": "acknowledge", "source": "208", "condition": "ventricular run"}, True),
        ({"type": "acknowledge", "source": "208", "condition": 7}, False),
        ({"type": "acknowledge", "source": "a/b"}, False),
        ({"type": "acknowledge"}, False),
    ],
)
def test_acknowledgements(message: dict[str, object], valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS["acknowledge"])
    assert validator.is_valid(message) == valid
