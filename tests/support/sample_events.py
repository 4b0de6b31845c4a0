"""Events for the tests of what publishes them."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from classifier.labels import Label
from streamer.core.events import (
    Alarm,
    AlarmState,
    Beat,
    Event,
    Gap,
    GapReason,
    LabeledBeat,
    Priority,
    Published,
    Rhythm,
    RhythmEvent,
    RPeak,
    StreamInfo,
)
from streamer.messages.payload import to_payload, utc_time
from streamer.messages.samples import SampleMessage
from streamer.messages.source_status import (
    ConnectionState,
    DeliveryCounts,
    status_payload,
)
from streamer.messages.wire import (
    SCHEMA_VERSION,
    AlertMessage,
    StatisticsMessage,
    WardStatisticsMessage,
    dumps,
)


def stream_info(source: str = "208", started_at: float = 1_700_000_000.0) -> StreamInfo:
    return StreamInfo(
        source=source,
        fs=360.0,
        leads=("MLII", "V1"),
        first_sample=0,
        n_samples=650_000,
        training_record=True,
        started_at=started_at,
    )


def labeled_beat(
    sample: int = 3600,
    label: Label | None = Label.V,
    *,
    revision: int = 1,
    rr_s: Sequence[float] = (0.8,),
    late: bool = False,
    reason: str | None = None,
    probabilities: tuple[float, ...] = (0.1, 0.05, 0.8, 0.05),
) -> LabeledBeat:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.25, decided_at=sample + 60, search_back=False, quality=0.9
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=np.zeros((1, 256), np.float32),
        rr_s=np.array(rr_s, np.float32),
        decided_at=sample + 127,
    )
    return LabeledBeat(
        beat=beat,
        label=label,
        probabilities=probabilities if label is not None else (),
        revision=revision,
        decided_at=sample + 127,
        late=late,
        reason=reason,
    )


def published(event: Event, seq: int = 0, compute_ms: float = 1.5) -> Published:
    return Published(seq=seq, event=event, compute_ms=compute_ms)


def rhythm_event(onset: int = 360) -> RhythmEvent:
    return RhythmEvent(
        rhythm=Rhythm.SINUS,
        onset=onset,
        decided_at=onset + 1800,
        heart_rate_bpm=74.987,
        beats=(onset, onset + 300),
    )


def alarm(
    onset: int = 720,
    state: AlarmState = AlarmState.MOMENT,
    rhythm: Rhythm = Rhythm.VENTRICULAR_TACHYCARDIA,
    priority: Priority = Priority.HIGH,
) -> Alarm:
    return Alarm(
        rhythm=rhythm,
        priority=priority,
        onset=onset,
        decided_at=onset + 500,
        beats=(onset, onset + 150, onset + 300),
        state=state,
    )


def over(onset: int = 720, decided_at: int = 3600) -> Alarm:
    """End what `alarm` began."""
    ended = alarm(onset, AlarmState.OVER)
    return dataclasses.replace(ended, decided_at=decided_at, beats=())


def gap(start: int = 1000) -> Gap:
    return Gap(start=start, stop=start + 360, reason=GapReason.FLAT, decided_at=start + 400)


def one_of_each() -> list[Event]:
    """Every kind of event, the odd forms of beats included."""
    return [
        labeled_beat(),
        labeled_beat(revision=0),
        labeled_beat(label=Label.N, rr_s=()),
        labeled_beat(label=None, revision=0, late=True),
        labeled_beat(label=Label.Q, probabilities=(), reason="signal lost"),
        rhythm_event(),
        alarm(),
        gap(),
    ]


def labeled(sample: int, decided_at: int, revision: int = 0) -> LabeledBeat:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=decided_at, search_back=False, quality=1.0
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=np.zeros((1, 256), np.float32),
        rr_s=np.zeros(0, np.float32),
        decided_at=decided_at,
    )
    return LabeledBeat(
        beat=beat, label=None, probabilities=(), revision=revision, decided_at=decided_at
    )


def fields(event: Event, seq: int = 0, source: str = "208") -> dict[str, Any]:
    """What a receiver finds in an event's message."""
    found: dict[str, Any] = json.loads(
        dumps(to_payload(published(event, seq), stream_info(source)))
    )
    return found


def alert_fields(seq: int = 0, source: str = "208", **changes: object) -> dict[str, Any]:
    message = AlertMessage(
        schema=SCHEMA_VERSION,
        source=source,
        fs=360.0,
        time=utc_time(0.0),
        seq=seq,
        sample=720,
        decided_at=1220,
        compute_ms=1.5,
        condition="ventricular couplet",
        priority="low",
        beats=[720, 900],
        provisional=False,
        latched=False,
        occurrences=1,
    )
    return {**json.loads(dumps(message)), **changes}


def status_fields(source: str = "208", **changes: object) -> dict[str, Any]:
    message = status_payload(
        stream_info(source),
        DeliveryCounts(events=0, waiting=0),
        state=ConnectionState.ONLINE,
        reason=None,
        now=0.0,
        first_seq=0,
    )
    return {**json.loads(message), **changes}


def statistics_message(source: str = "208") -> StatisticsMessage:
    return StatisticsMessage(
        schema=SCHEMA_VERSION,
        source=source,
        fs=360.0,
        time=utc_time(0.0),
        budget_ms=500.0,
        beats=7,
        late=1,
        overload=0,
        decision_delay_ms={"median": 200.0, "p99": 400.0},
        compute_ms={"median": None},
        latency_ms={"median": 201.0, "p99": 412.3},
    )


def samples_json(message: SampleMessage) -> bytes:
    """Live samples in the form for makers."""
    leads = message.samples.astype(float).tolist()
    fields = {"seq": message.seq, "first_sample": message.first_sample, "fs": message.fs}
    return dumps({**fields, "mv": leads, "leads": message.leads})


def ward_statistics_message(name: str = "ward") -> WardStatisticsMessage:
    return WardStatisticsMessage(
        schema=SCHEMA_VERSION,
        source=name,
        time=utc_time(0.0),
        patients=2,
        beats=7,
        late=1,
        unlabelled=1,
        budget_ms=500.0,
        added_ms={"median": 20.0, "p99": None},
        late_ticks=0,
        rejected={"not JSON": 3},
        lost_samples=36,
        duplicates=1,
        reordered=2,
        clock_drift_ppm={"bed4": 12.5, "bed5": None},
    )
