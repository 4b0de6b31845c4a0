"""The one place where an event becomes JSON, for MQTT and for event files alike.

Every message is one flat object. Readers ignore fields that they don't know; `schema` rises only
when a field changes its meaning or goes away. `streamer.messages.schema` states each message's
form.

Every event is published once, on the topic of its kind, and delivered at least once: a receiver
drops what it has seen by (`source`, `seq`). With an outbox on disk numbers go on from run to run;
without one each run starts at 0, and a new run shows in `started_at` and `first_seq` of `status`.
An alert says something about an event and carries that event's `seq`; on `alerts` each `seq` stands
once at most.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

import orjson

from classifier.labels import MODEL_LABELS
from streamer.core.events import Alarm, Gap, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.core.heart_rate import HeartRateConfig, heart_rate_bpm

SCHEMA_VERSION: Final = 1
TOPIC_PREFIX: Final = "ecg"

Payload = dict[str, object]

_MICROS: Final = 1_000_000
_LABELS: Final = tuple(label.value for label in MODEL_LABELS)
_SCALES: Final = tuple(10.0**digits for digits in range(8))
_RATE: Final = HeartRateConfig()
_SOURCE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadConfig:
    """How numbers are rounded; finer digits would be noise."""

    digits: int = 4
    """Decimals of probabilities, mV, ms and quality: finer than one ADC step or sample."""
    rate_digits: int = 2
    """Decimals of heart rates, 1/min."""


CONFIG: Final = PayloadConfig()


class MessageType(StrEnum):
    """What a payload's `type` may be."""

    BEAT = "beat"
    RHYTHM = "rhythm"
    ALARM = "alarm"
    GAP = "gap"
    ALERT = "alert"
    STATUS = "status"
    STATISTICS = "stats"
    ACTIVE = "active"
    ACKNOWLEDGE = "acknowledge"


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
    MessageType.ACTIVE: TopicKind.ACTIVE,
    MessageType.ACKNOWLEDGE: TopicKind.ACKNOWLEDGE,
}
"""Where each type of message is published."""
_KIND_OF: Final[dict[object, TopicKind]] = {kind.value: where for kind, where in MAIN_KIND.items()}
"""The same by the `type` of a payload, which is plain text."""


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


def to_payload(message: Published, info: StreamInfo) -> Payload:
    """Turn one event into a JSON-ready object.

    Parameters
    ----------
    message : Published
        An event with its samples in the source's own index.
    info : StreamInfo
        The source it comes from.

    Returns
    -------
    dict
        Plain `str`, `int`, `float`, `bool`, `None`, lists and dicts; no number is NaN or infinite.
    """
    event = message.event
    match event:
        case LabeledBeat():
            kind, sample, fields = MessageType.BEAT, event.beat.rpeak.sample, _beat(event)
        case RhythmEvent():
            kind, sample, fields = MessageType.RHYTHM, event.onset, _rhythm(event)
        case Alarm():
            kind, sample, fields = MessageType.ALARM, event.onset, _alarm(event)
        case Gap():
            kind, sample, fields = MessageType.GAP, event.start, _gap(event)
    return {
        "schema": SCHEMA_VERSION,
        "type": kind.value,
        "source": info.source,
        "seq": int(message.seq),
        "sample": int(sample),
        "decided_at": int(event.decided_at),
        "fs": float(info.fs),
        "time": sample_time(sample, info),
        "compute_ms": _number(message.compute_ms),
        **fields,
    }


def dumps(payload: Payload) -> bytes:
    """Encode as compact UTF-8 JSON with sorted keys; NaN and infinity become null."""
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)


def topic(source: str, kind: TopicKind, prefix: str = TOPIC_PREFIX) -> str:
    """Topic of one kind of message of one source."""
    return f"{prefix}/{source}/{kind}"


def topic_of(payload: Mapping[str, object], prefix: str = TOPIC_PREFIX) -> str:
    """Topic on which a payload is published."""
    return topic(str(payload["source"]), _KIND_OF[payload["type"]], prefix)


def sample_time(sample: int, info: StreamInfo) -> str:
    """UTC time of a sample, as if played in real time."""
    return utc_time(info.started_at + (sample - info.first_sample) / info.fs)


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


def _beat(event: LabeledBeat) -> Payload:
    rpeak, rr_s = event.beat.rpeak, event.beat.rr_s
    names = _LABELS[: len(event.probabilities)]
    return {
        "label": None if event.label is None else event.label.value,
        "probabilities": {
            name: _number(value) for name, value in zip(names, event.probabilities, strict=True)
        },
        "revision": int(event.revision),
        "rr_ms": _number(1000.0 * float(rr_s[-1])) if len(rr_s) else None,
        "heart_rate_bpm": _number(heart_rate_bpm(rr_s.tolist(), 1.0, _RATE), CONFIG.rate_digits),
        "amplitude_mv": _number(rpeak.amplitude_mv),
        "quality": _number(rpeak.quality),
        "search_back": bool(rpeak.search_back),
        "late": bool(event.late),
        "reason": event.reason,
    }


def _rhythm(event: RhythmEvent) -> Payload:
    return {
        "rhythm": event.rhythm.value,
        "heart_rate_bpm": _number(event.heart_rate_bpm, CONFIG.rate_digits),
        "beats": _samples(event.beats),
    }


def _alarm(event: Alarm) -> Payload:
    return {
        "rhythm": event.rhythm.value,
        "priority": event.priority.name.lower(),
        "beats": _samples(event.beats),
    }


def _gap(event: Gap) -> Payload:
    return {"stop": int(event.stop), "reason": event.reason.value, "ongoing": event.ongoing}


def _samples(beats: Iterable[int]) -> list[int]:
    return [int(sample) for sample in beats]


def _number(value: float | None, digits: int = CONFIG.digits) -> float | None:
    """Round; None for what JSON can't say."""
    if value is None:
        return None
    # Several times as quick as `round(value, digits)`, which is exact about halves.
    scaled = float(value) * _SCALES[digits]
    return round(scaled) / _SCALES[digits] if math.isfinite(scaled) else None
