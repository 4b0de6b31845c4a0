"""The one place where an event becomes a message, for MQTT and for event files; and its topic."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from msgspec import UNSET

from classifier.labels import MODEL_LABELS, Label
from streamer.core.events import Alarm, Gap, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.core.heart_rate import HeartRateConfig, heart_rate_bpm
from streamer.messages.fields import SOURCE_PATTERN
from streamer.messages.wire import (
    SCHEMA_VERSION,
    AlarmMessage,
    BeatMessage,
    EventMessage,
    GapMessage,
    Message,
    MessageType,
    RhythmMessage,
)

TOPIC_PREFIX: Final = "ecg"

_MICROS: Final = 1_000_000
_LABELS: Final = tuple(label.value for label in MODEL_LABELS)
_NAMES: Final = {label: label.value for label in Label} | {None: None}
_RATE: Final = HeartRateConfig()
_SCALE: Final = 10.0**4
"""Parts of probabilities, mV, ms and quality that are kept: finer than an ADC step or sample."""
_RATE_SCALE: Final = 10.0**2
"""Parts of heart rates, 1/min; finer digits would be noise."""
_TOPICS: Final = 32_768
"""Topics that are kept as they were written: those of a few thousand sources."""
_SOURCE_NAME: Final = re.compile(SOURCE_PATTERN, re.ASCII)
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME: Final = 64


SaidKey = tuple[str | int | bool, ...]


class TopicKind(StrEnum):
    """End of a topic, `<prefix>/<source>/<kind>`."""

    BEATS = "beats"
    RHYTHM = "rhythm"
    ALARMS = "alarms"
    """What the rhythm tracker found."""
    GAPS = "gaps"
    ALERTS = "alerts"
    """What a person should look at, by the alert policy."""
    STATUS = "status"
    """Retained."""
    STATISTICS = "stats"
    ACTIVE = "alerts/active"
    """Alerts that are not over; retained."""
    ACKNOWLEDGE = "alerts/ack"
    """Read by the publisher."""


MAIN_KIND: Final = {
    MessageType.BEAT: TopicKind.BEATS,
    MessageType.RHYTHM: TopicKind.RHYTHM,
    MessageType.ALARM: TopicKind.ALARMS,
    MessageType.GAP: TopicKind.GAPS,
    MessageType.ALERT: TopicKind.ALERTS,
    MessageType.STATUS: TopicKind.STATUS,
    MessageType.STATISTICS: TopicKind.STATISTICS,
    MessageType.WARD_STATISTICS: TopicKind.STATISTICS,
    MessageType.ACTIVE: TopicKind.ACTIVE,
    MessageType.ACKNOWLEDGE: TopicKind.ACKNOWLEDGE,
}
"""Where each type of message is published."""


def check_source(name: str) -> str:
    """Return `name` if it may stand in a topic.

    Raises
    ------
    ValueError
        If it holds anything but letters, digits, '.', '_' and '-' (MQTT's '/', '+' and '#' above
        all), starts with a sign, is empty or longer than 64 characters.
    """
    if not _SOURCE_NAME.fullmatch(name):
        raise ValueError(
            f"source name {name!r} can't be used in MQTT topics: expected 1 to 64 ASCII letters, "
            "digits, '.', '_' or '-', starting with a letter or digit; choose another name"
        )
    return name


def source_name(text: str) -> str:
    """Make a name fit for a topic: letters, digits, '.', '_' and '-' only."""
    return _NOT_IN_NAMES.sub("-", text).lstrip("._-")[:_MAX_NAME] or "record"


@lru_cache(maxsize=_TOPICS)
def topic(source: str, kind: TopicKind, prefix: str = TOPIC_PREFIX) -> str:
    """Topic of one kind of message of one source."""
    return f"{prefix}/{source}/{kind}"


def topic_of(message: Message, prefix: str = TOPIC_PREFIX) -> str:
    """Topic on which a message is published."""
    return topic(message.source, MAIN_KIND[message.type], prefix)


def to_payload(message: Published, info: StreamInfo) -> EventMessage:
    """Turn one event into its message; no number in it is NaN or infinite.

    Parameters
    ----------
    message : Published
        An event with its samples in the source's own index.
    info : StreamInfo
        The source it comes from.
    """
    event = message.event
    match event:
        case LabeledBeat():
            return _beat(event, message, info)
        case RhythmEvent():
            return _rhythm(event, _envelope(message, event.onset, info))
        case Alarm():
            return _alarm(event, _envelope(message, event.onset, info))
        case Gap():
            return _gap(event, _envelope(message, event.start, info))


def said_key(message: EventMessage) -> SaidKey:
    """Return what tells an event from all others of its source, whenever it is worked out.

    Its number and what the clock says of it may differ the second time.
    """
    key: SaidKey = (message.type.value, message.sample, message.decided_at)
    match message:
        case BeatMessage():
            return (*key, message.revision, message.label is None)
        case RhythmMessage():
            return (*key, message.rhythm)
        case AlarmMessage():
            return (*key, message.rhythm, message.state)
        case GapMessage():
            return (*key, message.stop, message.reason, message.ongoing)
    raise TypeError(f"{message.type} is no event")


def sample_time(sample: int, info: StreamInfo) -> str:
    """UTC time of a sample, as if played in real time."""
    return utc_time(info.wall_time_s(sample))


def utc_time(seconds: float) -> str:
    """ISO 8601 UTC time, to the microsecond, of seconds since the epoch."""
    whole = math.floor(seconds)
    micros = round((seconds - whole) * _MICROS)
    if micros == _MICROS:
        whole, micros = whole + 1, 0
    return f"{_whole_second(whole)}.{micros:06d}Z"


@lru_cache(maxsize=128)
def _whole_second(seconds: int) -> str:
    """Write a second, which many events share, without its time zone."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat().removesuffix("+00:00")


def _envelope(message: Published, sample: int, info: StreamInfo) -> dict[str, Any]:
    return {
        "schema": SCHEMA_VERSION,
        "source": info.source,
        "seq": int(message.seq),
        "sample": int(sample),
        "decided_at": int(message.event.decided_at),
        "fs": float(info.fs),
        "time": sample_time(sample, info),
        "compute_ms": _number(message.compute_ms),
    }


def _beat(event: LabeledBeat, message: Published, info: StreamInfo) -> BeatMessage:
    rpeak, rr_s = event.beat.rpeak, event.beat.rr_s.tolist()
    # Without `_envelope`: nearly all messages are of beats.
    return BeatMessage(
        schema=SCHEMA_VERSION,
        source=info.source,
        seq=int(message.seq),
        sample=int(rpeak.sample),
        decided_at=int(event.decided_at),
        fs=float(info.fs),
        time=sample_time(rpeak.sample, info),
        compute_ms=_number(message.compute_ms),
        label=_NAMES[event.label],
        probabilities=_probabilities(event.probabilities),
        revision=int(event.revision),
        rr_ms=_number(1000.0 * rr_s[-1]) if rr_s else None,
        heart_rate_bpm=_number(heart_rate_bpm(rr_s, 1.0, _RATE), _RATE_SCALE),
        amplitude_mv=_number(rpeak.amplitude_mv),
        quality=_number(rpeak.quality),
        search_back=bool(rpeak.search_back),
        late=bool(event.late),
        reason=event.reason,
    )


def _probabilities(values: Sequence[float]) -> dict[str, float | None]:
    # Those of the network are finite; a sum that isn't shows that one of them isn't.
    if math.isfinite(sum(values)):
        return {
            label: round(value * _SCALE) / _SCALE
            for label, value in zip(_LABELS, values, strict=False)
        }
    return dict(zip(_LABELS, map(_number, values), strict=False))


def _rhythm(event: RhythmEvent, envelope: dict[str, Any]) -> RhythmMessage:
    return RhythmMessage(
        **envelope,
        rhythm=event.rhythm.value,
        heart_rate_bpm=_number(event.heart_rate_bpm, _RATE_SCALE),
        beats=_samples(event.beats),
    )


def _alarm(event: Alarm, envelope: dict[str, Any]) -> AlarmMessage:
    return AlarmMessage(
        **envelope,
        rhythm=event.rhythm.value,
        priority=event.priority.name.lower(),
        beats=_samples(event.beats),
        state=event.state.value,
    )


def _gap(event: Gap, envelope: dict[str, Any]) -> GapMessage:
    return GapMessage(
        **envelope,
        stop=int(event.stop),
        reason=event.reason.value,
        ongoing=event.ongoing,
        leads=list(event.leads) or UNSET,
    )


def _samples(beats: Iterable[int]) -> list[int]:
    return [int(sample) for sample in beats]


def _number(value: float | None, scale: float = _SCALE) -> float | None:
    """Round to a part of `scale`; None for what JSON can't say."""
    if value is None:
        return None
    # Several times as quick as `round(value, digits)`, which is exact about halves.
    scaled = float(value) * scale
    return round(scaled) / scale if math.isfinite(scaled) else None
