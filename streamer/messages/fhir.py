"""Events as HL7 FHIR R4 Observations: heart rate, rhythm and alarms.

Codes are LOINC for what was observed and SNOMED CT for what was found (those of the 2021
PhysioNet/Computing in Cardiology Challenge, doi:10.23919/CinC53138.2021.9662687); a finding without
a code there is told as text. Everything is `preliminary`: no person has looked at it.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Final

from streamer.core.events import AlarmState
from streamer.messages.payload import utc_time
from streamer.messages.wire import (
    AlarmMessage,
    AnyMessage,
    BeatMessage,
    EventMessage,
    RhythmMessage,
)

Resource = dict[str, Any]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_HEART_RATE_PROFILE: Final = "http://hl7.org/fhir/StructureDefinition/heartrate"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecg-stream/observation")

FINDINGS: Final[dict[str, str]] = {
    "sinus rhythm": "426783006",
    "sinus bradycardia": "426177001",
    "sinus tachycardia": "427084000",
    "bradycardia": "426627000",
    "atrial fibrillation": "164889003",
    "ventricular bigeminy": "11157007",
    "ventricular trigeminy": "251180001",
    "ventricular tachycardia": "164895002",
    "ventricular fibrillation": "164896001",
    "supraventricular tachycardia": "426761007",
}
"""SNOMED CT codes by the name of the rhythm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirConfig:
    """How events become observations."""

    patient: str
    """Logical id of the Patient resource."""
    every_s: float = 60.0
    """Period of heart rates; each is the median over it."""

    def __post_init__(self) -> None:
        if not self.patient or not all(
            c.isascii() and (c.isalnum() or c in "-.") for c in self.patient
        ):
            raise ValueError(
                f"patient {self.patient!r} is no FHIR id: expected letters, digits, '-' and '.'"
            )
        if not self.every_s > 0:
            raise ValueError(f"period is {self.every_s:g} s; expected more than 0")


def observations(events: Iterable[AnyMessage], config: FhirConfig) -> Iterator[Resource]:
    """Turn events into Observation resources, as they are complete.

    An alarm that goes on is one observation, made at its end; one without an end comes last.
    """
    period: list[BeatMessage] = []
    ongoing: dict[tuple[str, str, int], AlarmMessage] = {}
    for event in events:
        if isinstance(event, BeatMessage) and event.revision == 1:
            if period and event.sample - period[0].sample >= config.every_s * event.fs:
                yield from _heart_rate(period, config)
                period = []
            period.append(event)
        elif isinstance(event, AlarmMessage) and event.state != AlarmState.MOMENT:
            key = (event.source, event.rhythm, event.sample)
            if event.state == AlarmState.OVER:
                yield _lasting(ongoing.pop(key, event), event, config)
            else:
                ongoing[key] = event
        elif isinstance(event, RhythmMessage | AlarmMessage):
            yield _finding(event, config)
    yield from _heart_rate(period, config)
    for alarm in ongoing.values():
        yield _lasting(alarm, None, config)


def bundle(resources: Iterable[Resource]) -> Resource:
    """Put resources into a Bundle of type collection."""
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            for resource in resources
        ],
    }


def to_lines(resources: Iterable[Resource]) -> Iterator[str]:
    """Encode as newline-delimited JSON, the form of FHIR bulk data."""
    for resource in resources:
        yield json.dumps(resource, separators=(",", ":"))


def _heart_rate(beats: list[BeatMessage], config: FhirConfig) -> Iterator[Resource]:
    """Make one observation of the median rate, or none where no rate is known."""
    rates = [beat.heart_rate_bpm for beat in beats if beat.heart_rate_bpm is not None]
    if not rates:
        return
    first, last = beats[0], beats[-1]
    yield _observation(first, "rate", config) | {
        "meta": {"profile": [_HEART_RATE_PROFILE]},
        "category": [_category("vital-signs", "Vital Signs")],
        "code": _concept(LOINC, "8867-4", "Heart rate"),
        "effectivePeriod": {"start": first.time, "end": last.time},
        "valueQuantity": {
            "value": round(median(rates), 1),
            "unit": "beats/minute",
            "system": UCUM,
            "code": "/min",
        },
    }


def _finding(event: RhythmMessage | AlarmMessage, config: FhirConfig) -> Resource:
    """Make an observation of a rhythm, or of an alarm with its priority as interpretation."""
    name = event.rhythm
    value: Resource = {"text": name}
    if name in FINDINGS:
        value = _concept(SNOMED, FINDINGS[name], name)
    observation = _observation(event, event.type, config) | {
        "category": [_category("procedure", "Procedure")],
        "code": _concept(LOINC, "8884-9", "Heart rate rhythm"),
        "effectiveDateTime": event.time,
        "valueCodeableConcept": value,
    }
    if isinstance(event, AlarmMessage):
        observation["interpretation"] = [{"text": f"alarm, {event.priority} priority"}]
    return observation


def _lasting(alarm: AlarmMessage, end: AlarmMessage | None, config: FhirConfig) -> Resource:
    """Make an observation of an alarm that went on until `end`, or beyond the last event."""
    observation = _finding(alarm, config)
    observation["effectivePeriod"] = {"start": observation.pop("effectiveDateTime")}
    if end is not None:
        began = datetime.fromisoformat(end.time).timestamp()
        over = utc_time(began + (end.decided_at - end.sample) / end.fs)
        observation["effectivePeriod"]["end"] = over
    return observation


def _observation(event: EventMessage, kind: str, config: FhirConfig) -> Resource:
    """Start an observation; its id is the same whenever the same event is exported."""
    name = f"{config.patient}/{event.source}/{event.time}/{event.seq}/{kind}"
    return {
        "resourceType": "Observation",
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "status": "preliminary",
        "subject": {"reference": f"Patient/{config.patient}"},
        "device": {"display": f"ecg-stream, source {event.source} (not a medical device)"},
    }


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _category(code: str, display: str) -> Resource:
    return {"coding": [{"system": _CATEGORY, "code": code, "display": display}]}
