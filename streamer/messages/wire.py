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

from enum import StrEnum
from typing import Annotated, Final, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import AlarmState, GapReason
from streamer.messages.fields import (
    MAX_INTEGER,
    ConditionName,
    Count,
    NotNegative,
    Number,
    Positive,
    PriorityName,
    Quantiles,
    Rate,
    RhythmName,
    Sample,
    Source,
    Text,
    Time,
    Unit,
    keys,
    said,
    words,
)
from streamer.messages.outgoing import Rank

SCHEMA_VERSION: Final = 1


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


class Message(Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What each message says.

    Sorted by name when encoded, `type` included.
    """

    source: Source

    @property
    def type(self) -> MessageType:
        """Which one it is."""
        return _TYPE_OF[type(self)]


class _Dated(Message, frozen=True, kw_only=True):
    """What says when; of the present unless it is an event."""

    schema: Annotated[int, Meta(extra_json_schema={"const": SCHEMA_VERSION})]
    time: Time


class _OfSource(_Dated, frozen=True, kw_only=True):
    fs: Annotated[Positive, said("sampling frequency of the source, Hz")]


class EventMessage(_OfSource, frozen=True, kw_only=True):
    """An event, or what is said about one."""

    seq: Annotated[Count, said("counts a source's events from 0, without holes")]
    sample: Sample
    decided_at: Annotated[Sample, said("sample whose arrival made it known")]
    compute_ms: Annotated[NotNegative | None, said("ms")]


class BeatMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.BEAT.value):
    """A beat with its label: provisional (revision 0), then confirmed (1)."""

    label: Annotated[Text | None, words("null only when late", [*map(str, Label), None])]
    probabilities: Annotated[
        dict[str, Unit | None],
        keys("by label; empty without a label", [str(label) for label in MODEL_LABELS]),
    ]
    revision: Annotated[int, Meta(ge=0, le=1, description="0 provisional, 1 confirmed")]
    rr_ms: Annotated[Positive | None, said("ms; interval that ends at this beat")]
    heart_rate_bpm: Rate
    amplitude_mv: Annotated[Number | None, said("mV, signed")]
    quality: Annotated[Unit | None, said("0 noise to 1 clean")]
    search_back: Annotated[bool, said("found by looking back over a long silence")]
    late: Annotated[bool, said("the latency budget was missed")]
    reason: Annotated[
        Text | None,
        said(
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
    """Something that a person should look at has begun, or is over."""

    rhythm: RhythmName
    priority: PriorityName
    beats: list[Sample]
    state: Annotated[
        Text,
        words("moment: over once it was known; ongoing: over tells its end later", AlarmState),
    ] = AlarmState.MOMENT.value


class GapMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.GAP.value):
    """Samples without a usable signal."""

    stop: Annotated[Sample, said("one past the last unusable sample (so far)")]
    reason: Annotated[Text, words("why they are lost or unusable", GapReason)]
    ongoing: Annotated[bool, said("a second message tells its end")]
    leads: Annotated[list[Text] | UnsetType, said("used from now on, if they changed")] = UNSET


class AlertMessage(EventMessage, frozen=True, kw_only=True, tag=MessageType.ALERT.value):
    """The alert policy calls for attention; carries the seq of its event."""

    seq: Annotated[Count, said("of the event that raised it")]
    condition: ConditionName
    priority: PriorityName
    beats: list[Sample]
    provisional: Annotated[bool, said("labels may still change")]
    latched: Annotated[bool, said("stays active until acknowledged")]
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

    state: Annotated[Text, words("of the connection", "online degraded unwatched offline".split())]
    reason: Annotated[Text | None, said("why it is offline or degraded")]
    started_at: Annotated[Time, said("UTC, ISO 8601; differs for each run of a source")]
    leads: Annotated[list[Text], said("names, primary first")]
    first_sample: Sample
    n_samples: Annotated[Count | None, said("how many will be played; null when live")]
    training_record: Annotated[bool, said("the shipped model was trained on it")]
    first_seq: Annotated[
        Count,
        said(
            "seq of this run's first event; above 0 when numbers go on from the run before",
        ),
    ]
    events: Annotated[Count, said("one past the highest seq so far")]
    waiting: Annotated[Count, said("messages that wait to be sent")]
    shed: Annotated[Count, said("messages dropped so far because the queue was full")]
    shed_by_rank: Annotated[
        dict[str, Count],
        keys("the same, from what goes first to what goes last", [r.name.lower() for r in Rank]),
    ]
    expired: Annotated[Count, said("messages dropped because they had become stale")]
    # A ward has one connection, and so one last will: that on its own status.
    via: Annotated[
        Source | UnsetType, said("the ward that publishes for this source: offline with it")
    ] = UNSET


class StatisticsMessage(_OfSource, frozen=True, kw_only=True, tag=MessageType.STATISTICS.value):
    """Latencies so far: what a beat costs; shed first when time is short."""

    budget_ms: Positive
    beats: Annotated[Count, said("beats published so far")]
    late: Annotated[Count, said("those whose first label missed the budget after the start")]
    overload: Annotated[Count, said("those whose confirmed label there was no time to work out")]
    decision_delay_ms: Annotated[Quantiles, said("signal time from R peak to decision")]
    compute_ms: Annotated[Quantiles, said("until the label was out")]
    latency_ms: Annotated[Quantiles, said("the sum of both")]


class WardStatisticsMessage(
    _Dated, frozen=True, kw_only=True, tag=MessageType.WARD_STATISTICS.value
):
    """Figures of a whole ward, under its own name; shed first when time is short."""

    patients: Annotated[Count, said("sources that are there")]
    beats: Annotated[Count, said("beats published so far")]
    late: Annotated[Count, said("those whose first label missed the budget after the start")]
    unlabelled: Annotated[Count, said("those of them that were first published without a label")]
    budget_ms: Positive
    added_ms: Annotated[Quantiles, said("what the ward adds to the decision delay")]
    late_ticks: Annotated[Count, said("turns that began late")]
    rejected: Annotated[dict[str, Count], said("messages turned away, by reason")]
    lost_samples: Count
    duplicates: Annotated[Count, said("messages with samples that had come before")]
    reordered: Annotated[Count, said("messages with samples that came out of order")]
    clock_drift_ppm: Annotated[dict[str, Number | None], said("clock of each source against ours")]


class ActiveAlert(Struct, frozen=True, kw_only=True):
    """One alert that is not over or not acknowledged."""

    condition: ConditionName
    priority: PriorityName
    sample: Sample
    decided_at: Sample
    time: Time
    latched: bool
    acknowledged: bool
    ended: Annotated[bool, said("over, but not acknowledged")]


class ActiveMessage(_OfSource, frozen=True, kw_only=True, tag=MessageType.ACTIVE.value):
    """Alerts that are not over or not acknowledged; retained."""

    rejected: Annotated[Count, said("acknowledgements that were turned away so far")]
    alerts: list[ActiveAlert]


class AcknowledgeMessage(Message, frozen=True, kw_only=True, tag=MessageType.ACKNOWLEDGE.value):
    """A person has seen one active alert, or all of them."""

    condition: Annotated[Text | None, said("null is all of them")] = None
    remove: Annotated[
        bool, said("take the source off the ward too, if no samples come from it")
    ] = False


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
_TYPE_OF: Final = {form: kind for kind, form in TYPES.items()}

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
