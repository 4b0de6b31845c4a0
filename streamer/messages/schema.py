"""JSON Schema (draft 2020-12) of every message that the program publishes.

Objects may hold more fields than stated here: later versions add some, and readers ignore them.
"""

from typing import Any, Final

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import GapReason, Priority, Rhythm
from streamer.messages.outgoing import Rank
from streamer.messages.payload import SCHEMA_VERSION, MessageType
from streamer.rhythm.alert_policy import Condition

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_SAMPLE: Final[Schema] = {"type": "integer", "description": "sample index at the source's fs"}
_SAMPLES: Final[Schema] = {"type": "array", "items": _SAMPLE}
_RATE: Final[Schema] = {"type": ["number", "null"], "exclusiveMinimum": 0, "description": "1/min"}
_UNIT: Final[Schema] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TIME: Final[Schema] = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
    "description": "UTC, ISO 8601",
}
_RHYTHM: Final[Schema] = {"enum": [rhythm.value for rhythm in Rhythm]}
_PRIORITY: Final[Schema] = {
    "enum": [priority.name.lower() for priority in Priority],
    "description": "in the sense of IEC 60601-1-8",
}
_CONDITION: Final[Schema] = {
    "enum": sorted({*(item.value for item in Condition), *(rhythm.value for rhythm in Rhythm)})
}
_TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}

_ENVELOPE: Final[Schema] = {
    "schema": {"const": SCHEMA_VERSION},
    "source": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    "fs": {"type": "number", "exclusiveMinimum": 0, "description": "Hz"},
    "time": _TIME,
}
_EVENT: Final[Schema] = {
    **_ENVELOPE,
    "seq": {**_COUNT, "description": "counts a source's events from 0, without holes"},
    "sample": _SAMPLE,
    "decided_at": {**_SAMPLE, "description": "sample whose arrival made it known"},
    "compute_ms": {"type": ["number", "null"], "minimum": 0, "description": "ms"},
}


def _object(kind: MessageType, fields: Schema) -> Schema:
    """Describe an object that has all of `fields` and perhaps more."""
    properties = {"type": {"const": kind.value}, **fields}
    return {
        "$schema": _DIALECT,
        "title": f"ecg-stream {kind.value}",
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
    }


BEAT: Final[Schema] = _object(
    MessageType.BEAT,
    {
        **_EVENT,
        "label": {"enum": [*(label.value for label in Label), None]},
        "probabilities": {
            "type": "object",
            "properties": {label.value: _UNIT for label in MODEL_LABELS},
            "additionalProperties": False,
        },
        "revision": {"enum": [0, 1], "description": "0 provisional, 1 confirmed"},
        "rr_ms": {"type": ["number", "null"], "exclusiveMinimum": 0, "description": "ms"},
        "heart_rate_bpm": _RATE,
        "amplitude_mv": {"type": ["number", "null"], "description": "mV, signed"},
        "quality": {**_UNIT, "description": "0 noise to 1 clean"},
        "search_back": {"type": "boolean"},
        "late": {"type": "boolean", "description": "the latency budget was missed"},
        "reason": {
            **_TEXT_OR_NULL,
            "description": "why the label is Q; `overload` also where a confirmed label repeats "
            "the provisional one for lack of time",
        },
    },
)
# Only a late beat may lack its label.
BEAT["if"] = {"properties": {"label": {"const": None}}}
BEAT["then"] = {"properties": {"late": {"const": True}}}

RHYTHM: Final[Schema] = _object(
    MessageType.RHYTHM,
    {**_EVENT, "rhythm": _RHYTHM, "heart_rate_bpm": _RATE, "beats": _SAMPLES},
)

ALARM: Final[Schema] = _object(
    MessageType.ALARM,
    {
        **_EVENT,
        "rhythm": _RHYTHM,
        "priority": _PRIORITY,
        "beats": _SAMPLES,
    },
)

GAP: Final[Schema] = _object(
    MessageType.GAP,
    {
        **_EVENT,
        "stop": {**_SAMPLE, "description": "one past the last unusable sample (so far)"},
        "reason": {"enum": [reason.value for reason in GapReason]},
        "ongoing": {"type": "boolean", "description": "a second message tells its end"},
    },
)

ALERT: Final[Schema] = _object(
    MessageType.ALERT,
    {
        **_EVENT,
        "seq": {**_COUNT, "description": "of the event that raised it"},
        "condition": _CONDITION,
        "priority": _PRIORITY,
        "beats": _SAMPLES,
        "provisional": {"type": "boolean", "description": "labels may still change"},
        "latched": {"type": "boolean", "description": "stays active until acknowledged"},
        "occurrences": {
            "type": "integer",
            "minimum": 1,
            "description": "findings since the last alert of this condition, this one included",
        },
    },
)

_ITEM: Final[Schema] = {
    "condition": _CONDITION,
    "priority": _PRIORITY,
    "sample": _SAMPLE,
    "decided_at": _SAMPLE,
    "time": _TIME,
    "latched": {"type": "boolean"},
    "acknowledged": {"type": "boolean"},
    "ended": {"type": "boolean", "description": "over, but not acknowledged"},
}

ACTIVE: Final[Schema] = _object(
    MessageType.ACTIVE,
    {
        **_ENVELOPE,
        "rejected": {**_COUNT, "description": "acknowledgements that were turned away so far"},
        "alerts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": _ITEM,
                "required": sorted(_ITEM),
            },
        },
    },
)

ACKNOWLEDGE: Final[Schema] = {
    **_object(
        MessageType.ACKNOWLEDGE,
        {
            "source": _ENVELOPE["source"],
            "condition": {**_TEXT_OR_NULL, "maxLength": 256, "description": "null is all of them"},
        },
    ),
    "required": ["source", "type"],
}

STATUS: Final[Schema] = _object(
    MessageType.STATUS,
    {
        **_ENVELOPE,
        "state": {"enum": ["online", "degraded", "offline"]},
        "reason": {**_TEXT_OR_NULL, "description": "why it is offline or degraded"},
        "started_at": {**_TIME, "description": "UTC, ISO 8601; differs for each run of a source"},
        "leads": {"type": "array", "items": {"type": "string"}},
        "first_sample": _SAMPLE,
        "n_samples": {"type": ["integer", "null"], "minimum": 0},
        "training_record": {"type": "boolean"},
        "first_seq": {
            **_COUNT,
            "description": "seq of this run's first event; above 0 when numbers go on from the "
            "run before",
        },
        "events": {**_COUNT, "description": "one past the highest seq so far"},
        "waiting": {**_COUNT, "description": "messages that wait to be sent"},
        "shed": {**_COUNT, "description": "messages dropped so far because the queue was full"},
        "shed_by_rank": {
            "type": "object",
            "properties": {rank.name.lower(): _COUNT for rank in Rank},
            "description": "the same, from what goes first to what goes last",
        },
        "expired": {**_COUNT, "description": "messages dropped because they had become stale"},
    },
)
# A ward has one connection, and so one last will: that on its own status.
STATUS["properties"]["via"] = {
    **_ENVELOPE["source"],
    "description": "the ward that publishes for this source: offline with it",
}

_QUANTILES: Final[Schema] = {
    "type": "object",
    "properties": {
        name: {"type": ["number", "null"], "minimum": 0}
        for name in ("median", "p95", "p99", "p99.9", "max")
    },
    "description": "ms; null while nothing was measured",
}

STATISTICS: Final[Schema] = _object(
    MessageType.STATISTICS,
    {
        **_ENVELOPE,
        "budget_ms": {"type": "number", "exclusiveMinimum": 0},
        "beats": {**_COUNT, "description": "beats published so far"},
        "late": {**_COUNT, "description": "those whose first label missed the budget"},
        "overload": {
            **_COUNT,
            "description": "those whose confirmed label there was no time to work out",
        },
        "decision_delay_ms": {**_QUANTILES, "description": "signal time from R peak to decision"},
        "compute_ms": {**_QUANTILES, "description": "until the label was out"},
        "latency_ms": {**_QUANTILES, "description": "the sum of both"},
    },
)

SCHEMAS: Final[dict[str, Schema]] = {
    MessageType.BEAT.value: BEAT,
    MessageType.RHYTHM.value: RHYTHM,
    MessageType.ALARM.value: ALARM,
    MessageType.GAP.value: GAP,
    MessageType.ALERT.value: ALERT,
    MessageType.STATUS.value: STATUS,
    MessageType.STATISTICS.value: STATISTICS,
    MessageType.ACTIVE.value: ACTIVE,
    MessageType.ACKNOWLEDGE.value: ACKNOWLEDGE,
}
"""By the `type` of the message."""
