"""Every message in one definition, which gives encoder, checked decoder and JSON Schema.

Every message is one object. Readers ignore fields that they don't know and take words that they
don't know for text, so that versions can mix; `schema` rises only when a field changes its meaning
or goes away. A field that is added later has a default, so that older messages stay readable.

Every event is published once, on the topic of its kind, and delivered at least once: a receiver
drops what it has seen by (`source`, `seq`). With an outbox on disk numbers go on from run to run;
without one each run starts at 0, and a new run shows in `started_at` and `first_seq` of `status`.
An alert says something about an event and carries that event's `seq`; on `alerts` each `seq` stands
once at most.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import GapReason, Priority, Rhythm
from streamer.messages.outgoing import Rank
from streamer.rhythm.ectopy import Condition

SCHEMA_VERSION: Final = 1
MAX_INTEGER: Final = 2**53
"""Largest that JSON readers agree on (RFC 8259, section 6)."""
MAX_INDEX: Final = 1 << 60
"""Leaves room for arithmetic on sample indices in 64 bits."""
QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
"""Those of latencies that are published."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class MessageType(StrEnum):
    """What a message's `type` may be."""

    BEAT = "beat"
    RHYTHM = "rhythm"
    ALARM = "alarm"
    GAP = "gap"
    ALERT = "alert"
    STATUS = "status"
    STATISTICS = "stats"
    WARD_STATISTICS = "ward-stats"
    ACTIVE = "active"
    ACKNOWLEDGE = "acknowledge"


def _said(description: str, **schema: Any) -> Meta:
    return Meta(description=description, extra_json_schema=schema or None)


def _words(description: str, words: Iterable[str | None]) -> Meta:
    """Name the words that this version says; the decoder lets later ones pass."""
    return _said(description, enum=list(words))


def _keys(description: str, names: Iterable[str]) -> Meta:
    return _said(description, propertyNames={"enum": list(names)})


Text = Annotated[str, Meta(max_length=256)]
Source = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="name of the source, as in the topic",
    ),
]
Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        max_length=27,
        description="UTC, ISO 8601",
    ),
]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Sample = Annotated[
    int, Meta(ge=-MAX_INDEX, le=MAX_INDEX, description="sample index at the source's fs")
]
Number = Annotated[float, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
NotNegative = Annotated[float, Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[float, Meta(gt=0, le=MAX_INTEGER)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[Positive | None, _said("1/min")]
RhythmName = Annotated[Text, _words("name of the rhythm", Rhythm)]
PriorityName = Annotated[
    Text, _words("in the sense of IEC 60601-1-8", [item.name.lower() for item in Priority])
]
ConditionName = Annotated[
    Text, _words("what an alert is about", sorted({*map(str, Condition), *map(str, Rhythm)}))
]
Quantiles = Annotated[
    dict[str, NotNegative | None], _keys("ms; null while nothing was measured", QUANTILES)
]


class Message(Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What each message says.

    Sorted by name when encoded, `type` included.
    """

    source: Source

    @property
    def type(self) -> MessageType:
        """Which one it is."""
        return MessageType(str(self.__struct_config__.tag))


class _Dated(Message, frozen=True, kw_only=True):
    """What says when; of the present unless it is an event."""

    schema: Annotated[int, Meta(extra_json_schema={"const": SCHEMA_VERSION})]
    time: Time


class _OfSource(_Dated, frozen=True, kw_only=True):
    fs: Annotated[Positive, _said("sampling frequency of the source, Hz")]


class EventMessage(_OfSource, frozen=True, kw_only=True):
    """An event, or what is said about one."""

    seq: Annotated[Count, _said("counts a source's events from 0, without holes")]
    sample: Sample
    decided_at: Annotated[Sample, _said("sample whose arrival made it known")]
    compute_ms: Annotated[NotNegative | None, _said("ms")]


class BeatMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.BEAT.value):
    """A beat with its label: provisional (revision 0), then confirmed (1)."""

    label: Annotated[Text | None, _words("null only when late", [*map(str, Label), None])]
    probabilities: Annotated[
        dict[str, Unit | None],
        _keys("by label; empty without a label", [str(label) for label in MODEL_LABELS]),
    ]
    revision: Annotated[int, Meta(ge=0, le=1, description="0 provisional, 1 confirmed")]
    rr_ms: Annotated[Positive | None, _said("ms; interval that ends at this beat")]
    heart_rate_bpm: Rate
    amplitude_mv: Annotated[Number | None, _said("mV, signed")]
    quality: Annotated[Unit | None, _said("0 noise to 1 clean")]
    search_back: Annotated[bool, _said("found by looking back over a long silence")]
    late: Annotated[bool, _said("the latency budget was missed")]
    reason: Annotated[
        Text | None,
        _said(
            "why the label is Q; `overload` also where a confirmed label repeats the provisional "
            "one for lack of time"
        ),
    ]


class RhythmMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.RHYTHM.value):
    """The rhythm changed."""

    rhythm: RhythmName
    heart_rate_bpm: Rate
    beats: list[Sample]


class AlarmMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.ALARM.value):
    """The rhythm tracker found something that a person should look at."""

    rhythm: RhythmName
    priority: PriorityName
    beats: list[Sample]


class GapMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.GAP.value):
    """Samples without a usable signal."""

    stop: Annotated[Sample, _said("one past the last unusable sample (so far)")]
    reason: Annotated[Text, _words("why they are lost or unusable", GapReason)]
    ongoing: Annotated[bool, _said("a second message tells its end")]


class AlertMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.ALERT.value):
    """The alert policy calls for attention; carries the seq of its event."""

    seq: Annotated[Count, _said("of the event that raised it")]
    condition: ConditionName
    priority: PriorityName
    beats: list[Sample]
    provisional: Annotated[bool, _said("labels may still change")]
    latched: Annotated[bool, _said("stays active until acknowledged")]
    occurrences: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_INTEGER,
            description="findings since the last alert of this condition, this one included",
        ),
    ]


class StatusMessage(_OfSource, frozen=True, kw_only=True, tag=MessageType.STATUS.value):
    """How the source stands with its broker; retained, and the last will."""

    state: Annotated[Text, _words("of the connection", ["online", "degraded", "offline"])]
    reason: Annotated[Text | None, _said("why it is offline or degraded")]
    started_at: Annotated[Time, _said("UTC, ISO 8601; differs for each run of a source")]
    leads: Annotated[list[Text], _said("names, primary first")]
    first_sample: Sample
    n_samples: Annotated[Count | None, _said("how many will be played; null when live")]
    training_record: Annotated[bool, _said("the shipped model was trained on it")]
    first_seq: Annotated[
        Count,
        _said(
            "seq of this run's first event; above 0 when numbers go on from the run before",
        ),
    ]
    events: Annotated[Count, _said("one past the highest seq so far")]
    waiting: Annotated[Count, _said("messages that wait to be sent")]
    shed: Annotated[Count, _said("messages dropped so far because the queue was full")]
    shed_by_rank: Annotated[
        dict[str, Count],
        _keys("the same, from what goes first to what goes last", [r.name.lower() for r in Rank]),
    ]
    expired: Annotated[Count, _said("messages dropped because they had become stale")]
    # A ward has one connection, and so one last will: that on its own status.
    via: Annotated[
        Source | UnsetType, _said("the ward that publishes for this source: offline with it")
    ] = UNSET


class StatisticsMessage(_OfSource, frozen=True, kw_only=True, tag=MessageType.STATISTICS.value):
    """Latencies so far: what a beat costs; shed first when time is short."""

    budget_ms: Positive
    beats: Annotated[Count, _said("beats published so far")]
    late: Annotated[Count, _said("those whose first label missed the budget")]
    overload: Annotated[Count, _said("those whose confirmed label there was no time to work out")]
    decision_delay_ms: Annotated[Quantiles, _said("signal time from R peak to decision")]
    compute_ms: Annotated[Quantiles, _said("until the label was out")]
    latency_ms: Annotated[Quantiles, _said("the sum of both")]


class WardStatisticsMessage(
    _Dated, frozen=True, kw_only=True, tag=MessageType.WARD_STATISTICS.value
):
    """Figures of a whole ward, under its own name; shed first when time is short."""

    patients: Annotated[Count, _said("sources that are there")]
    beats: Annotated[Count, _said("beats published so far")]
    late: Annotated[Count, _said("those whose first label missed the budget")]
    unlabelled: Annotated[Count, _said("those of them that were first published without a label")]
    budget_ms: Positive
    added_ms: Annotated[Quantiles, _said("what the ward adds to the decision delay")]
    late_ticks: Annotated[Count, _said("turns that began late")]
    rejected: Annotated[dict[str, Count], _said("messages turned away, by reason")]
    lost_samples: Count
    duplicates: Annotated[Count, _said("messages with samples that had come before")]
    reordered: Annotated[Count, _said("messages with samples that came out of order")]
    clock_drift_ppm: Annotated[dict[str, Number | None], _said("clock of each source against ours")]


class ActiveAlert(Struct, frozen=True, kw_only=True):
    """One alert that is not over or not acknowledged."""

    condition: ConditionName
    priority: PriorityName
    sample: Sample
    decided_at: Sample
    time: Time
    latched: bool
    acknowledged: bool
    ended: Annotated[bool, _said("over, but not acknowledged")]


class ActiveMessage(_OfSource, frozen=True, kw_only=True, tag=MessageType.ACTIVE.value):
    """Alerts that are not over or not acknowledged; retained."""

    rejected: Annotated[Count, _said("acknowledgements that were turned away so far")]
    alerts: list[ActiveAlert]


class AcknowledgeMessage(Message, frozen=True, kw_only=True, tag=MessageType.ACKNOWLEDGE.value):
    """A person has seen one active alert, or all of them."""

    condition: Annotated[Text | None, _said("null is all of them")] = None


AnyMessage = (
    BeatMessage
    | RhythmMessage
    | AlarmMessage
    | GapMessage
    | AlertMessage
    | StatusMessage
    | StatisticsMessage
    | WardStatisticsMessage
    | ActiveMessage
    | AcknowledgeMessage
)
TYPES: Final[dict[MessageType, type[Message]]] = {
    MessageType(str(form.__struct_config__.tag)): form for form in get_args(AnyMessage)
}
"""The form of each type of message."""

_RULES: Final = {
    # Only a late beat may lack its label.
    MessageType.BEAT: {
        "if": {"properties": {"label": {"const": None}}},
        "then": {"properties": {"late": {"const": True}}},
    }
}
_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final[msgspec.json.Decoder[AnyMessage]] = msgspec.json.Decoder(AnyMessage)


class MalformedError(ValueError):
    """Bytes that are none of our messages."""


def dumps(message: object) -> bytes:
    """Encode as compact UTF-8 JSON with sorted keys; NaN and infinity become null."""
    return _ENCODER.encode(message)


def loads(data: bytes) -> AnyMessage:
    """Decode and check a message; fields that we don't know are left out.

    Raises
    ------
    MalformedError
        If it is none of ours; `__cause__` is msgspec's own error.
    """
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from error


def components(reference: str) -> dict[str, Any]:
    """Return the JSON Schema of every message and of its parts, by the names of their classes.

    Parameters
    ----------
    reference : str
        How one refers to another, with its `{name}`.
    """
    _, found = msgspec.json.schema_components(TYPES.values(), ref_template=reference)
    for kind, rules in _RULES.items():
        found[TYPES[kind].__name__] |= rules
    return found


def schema(kind: MessageType) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one type of message.

    Objects may hold more fields than stated there: later versions add some.
    """
    parts = msgspec.json.schema(TYPES[kind])["$defs"]
    own = parts.pop(TYPES[kind].__name__) | _RULES.get(kind, {})
    return {"$schema": _DIALECT, **own, "$defs": parts}
