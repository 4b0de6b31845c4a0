import json
from pathlib import Path

import pytest
from sample_events import alarm, gap, labeled_beat, over, published, rhythm_event, stream_info

from classifier.labels import Label
from streamer.commands.cli import main
from streamer.core.events import AlarmState, Event
from streamer.messages.event_lines import read_events
from streamer.messages.fhir import (
    FINDINGS,
    FhirConfig,
    bundle,
    observations,
    to_lines,
)
from streamer.messages.payload import to_payload
from streamer.messages.wire import dumps

CONFIG = FhirConfig(patient="p-1")


def lines(events: list[Event]) -> list[bytes]:
    return [
        dumps(to_payload(published(event, seq=seq), stream_info())) + b"\n"
        for seq, event in enumerate(events)
    ]


def two_minutes() -> list[Event]:
    """120 s of beats, 72/min in the first and 90/min in the second minute, both revisions."""
    events: list[Event] = []
    for minute, rr_s in enumerate((60 / 72, 60 / 90)):
        for beat in range(round(60 / rr_s)):
            sample = round((minute * 60 + beat * rr_s) * 360)
            events += [
                labeled_beat(sample, Label.N, rr_s=[rr_s] * 8, revision=revision)
                for revision in (0, 1)
            ]
    return events


def exported(events: list[Event], config: FhirConfig = CONFIG) -> list[dict[str, object]]:
    return list(observations(read_events(lines(events)), config))


def test_heart_rate_is_one_median_a_minute() -> None:
    found = exported(two_minutes())
    assert [o["valueQuantity"]["value"] for o in found] == [72.0, 90.0]  # type: ignore[index]
    assert {o["code"]["coding"][0]["code"] for o in found} == {"8867-4"}  # type: ignore[index]
    first = found[0]["effectivePeriod"]
    assert first["start"] == "2023-11-14T22:13:20.000000Z"  # type: ignore[index]
    assert first["end"].startswith("2023-11-14T22:14:19")  # type: ignore[index]
    every = FhirConfig(patient="p-1", every_s=30.0)
    assert len(exported(two_minutes(), every)) == 4


def test_rhythm_and_alarms_are_findings() -> None:
    rhythm, raised = exported([rhythm_event(), gap(), alarm()])
    assert rhythm["valueCodeableConcept"]["coding"][0]["code"] == FINDINGS["sinus rhythm"]  # type: ignore[index]
    assert raised["valueCodeableConcept"]["text"] == alarm().rhythm.value  # type: ignore[index]
    assert raised["interpretation"] == [{"text": "alarm, high priority"}]


def test_an_alarm_that_goes_on_is_one_finding_with_its_end() -> None:
    ongoing = alarm(state=AlarmState.ONGOING)
    (found,) = exported([ongoing, labeled_beat(rr_s=()), over(decided_at=720 + 360 * 90)])
    began = "2023-11-14T22:13:22.000000Z"
    assert found["effectivePeriod"] == {"start": began, "end": "2023-11-14T22:14:52.000000Z"}
    assert found["interpretation"] == [{"text": "alarm, high priority"}]
    (open_end,) = exported([ongoing])
    assert open_end["effectivePeriod"] == {"start": began}
    observation = pytest.importorskip("fhir.resources.R4B.observation")
    for resource in (found, open_end):
        observation.Observation.model_validate(resource)


def test_every_resource_passes_the_reference_validator() -> None:
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    events = [*two_minutes(), rhythm_event(), alarm(), gap()]
    made = bundle(exported(events))
    parsed = bundles.Bundle.model_validate_json(json.dumps(made))
    assert [e.resource.__class__.__name__ for e in parsed.entry] == ["Observation"] * 4
    assert parsed.entry[0].resource.status == "preliminary"


def test_the_validator_finds_fault() -> None:
    """So that the test above can fail."""
    observation = pytest.importorskip("fhir.resources.R4B.observation")
    [good, _] = exported(two_minutes())
    observation.Observation.model_validate(good)
    for bad in ({"status": None}, {"valueQuantity": {"value": "fast"}}, {"mood": 1}):
        with pytest.raises(ValueError, match="validation error"):
            observation.Observation.model_validate({**good, **bad})


def test_the_same_event_keeps_its_id_and_different_ones_differ() -> None:
    events = [*two_minutes(), rhythm_event(), alarm()]
    ids = [o["id"] for o in exported(events)]
    assert ids == [o["id"] for o in exported(events)]
    assert len(set(ids)) == len(ids)
    assert set(ids).isdisjoint(o["id"] for o in exported(events, FhirConfig(patient="p-2")))


def test_nothing_in_nothing_out() -> None:
    assert exported([]) == []
    assert exported([labeled_beat(rr_s=())]) == [], "no rate is known before the second beat"
    assert list(to_lines([])) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", r"line 2 is no event \(JSON is malformed"),
        (b"[]", "line 2 is no event"),
        (b'{"seq":1}', "missing required field `type`"),
        (b'{"type":"beat","revision":1}', "missing required field"),
        (b'{"type":"rhythm"}', "missing required field"),
    ],
)
def test_what_is_no_event(line: bytes, words: str) -> None:
    good = lines([labeled_beat()])[0]
    with pytest.raises(ValueError, match=words):
        list(observations(read_events([good, line]), CONFIG))


def test_a_type_of_a_later_version_is_passed_over() -> None:
    good = lines([rhythm_event()])
    later = [b'{"type":"respiration","rate":14}\n', b"\n"]
    assert len(list(observations(read_events([*later, *good]), CONFIG))) == 1


@pytest.mark.parametrize("patient", ["", "a b", "a/b", "é"])
def test_a_patient_id_that_is_none(patient: str) -> None:
    with pytest.raises(ValueError, match="is no FHIR id"):
        FhirConfig(patient=patient)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events, out = tmp_path / "events.jsonl", tmp_path / "out.json"
    events.write_bytes(b"".join(lines(two_minutes())))
    command = ["export", "fhir", str(events), "--patient", "p-1"]
    assert main([*command, "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())["entry"]) == 2
    assert main([*command, "--ndjson", "--every", "30s"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main([*command, "--out", str(tmp_path / "no" / "dir")]) == 1
    assert "choose another file with --out" in capsys.readouterr().err
    assert main(["export", "fhir", str(tmp_path / "none"), "--patient", "p"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
