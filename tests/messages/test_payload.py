import json
import math
import subprocess
import sys
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_schema import schema
from sample_events import (
    alarm,
    fields,
    gap,
    labeled_beat,
    one_of_each,
    over,
    published,
    rhythm_event,
    stream_info,
)

from classifier.labels import Label
from streamer.core.events import AlarmState, Event, Gap, GapReason
from streamer.messages.payload import (
    TopicKind,
    check_source,
    to_payload,
    topic,
    topic_of,
    utc_time,
)
from streamer.messages.wire import AlarmMessage, MessageType, dumps, loads


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_every_message_keeps_its_schema_and_has_no_field_beyond_it(event: Event) -> None:
    found = fields(event)
    form = schema(found["type"])
    jsonschema.validate(found, form)
    assert set(form["required"]) <= set(found) <= set(form["properties"])


def test_a_change_of_leads_names_the_new_ones() -> None:
    gap = Gap(start=5, stop=6, reason=GapReason.LEADS, decided_at=6, leads=("V5", "V1"))
    found = fields(gap)
    assert (found["reason"], found["leads"]) == ("leads changed", ["V5", "V1"])
    jsonschema.validate(found, schema("gap"))
    assert "leads" not in fields(replace(gap, reason=GapReason.LOST, leads=()))


@pytest.mark.parametrize("kind", MessageType)
def test_schemas_are_valid_and_refuse_a_missing_field(kind: MessageType) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    with pytest.raises(jsonschema.ValidationError, match="required property"):
        jsonschema.validate({"type": kind.value}, schema(kind))


def test_whoever_only_listens_loads_nothing_heavy() -> None:
    code = (
        "import sys, streamer.mqtt.listen, streamer.monitor.listen_view as _; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"numba", "scipy", "torch", "rich"} & set(loaded.stdout.split())


def test_a_beat_without_label_must_be_late() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(fields(labeled_beat(label=None, late=False)), schema(MessageType.BEAT))


def test_beat_fields() -> None:
    event = labeled_beat(sample=7200, rr_s=[2.0, *[0.75] * 5, 0.5, 0.5, 0.25])
    assert fields(event, seq=7) == {
        "schema": 1,
        "type": "beat",
        "source": "208",
        "seq": 7,
        "sample": 7200,
        "decided_at": 7327,
        "fs": 360.0,
        "time": "2023-11-14T22:13:40.000000Z",
        "compute_ms": 1.5,
        "label": "V",
        "probabilities": {"N": 0.1, "S": 0.05, "V": 0.8, "F": 0.05},
        "revision": 1,
        "rr_ms": 250.0,
        "heart_rate_bpm": 96.0,
        "amplitude_mv": 1.25,
        "quality": 0.9,
        "search_back": False,
        "late": False,
        "reason": None,
    }


def test_heart_rate_forgets_all_but_the_last_intervals() -> None:
    assert fields(labeled_beat(rr_s=[2.0] * 20 + [0.5] * 8))["heart_rate_bpm"] == 120.0


def test_first_beat_has_neither_interval_nor_rate() -> None:
    found = fields(labeled_beat(rr_s=()))
    assert (found["rr_ms"], found["heart_rate_bpm"]) == (None, None)


def test_time_counts_from_the_first_sample_played() -> None:
    info = replace(stream_info(started_at=0.0), first_sample=3600)
    payload = to_payload(published(rhythm_event(onset=3690)), info)
    assert payload.time == "1970-01-01T00:00:00.250000Z"


def test_rhythm_alarm_and_gap_fields() -> None:
    rhythm = fields(rhythm_event())
    assert (rhythm["rhythm"], rhythm["heart_rate_bpm"]) == ("sinus rhythm", 74.99)
    assert rhythm["beats"] == [360, 660]
    raised = fields(alarm())
    assert (raised["sample"], raised["priority"]) == (720, "high")
    lost = fields(gap())
    assert (lost["sample"], lost["stop"], lost["reason"]) == (1000, 1360, "flat")


def test_numpy_numbers_become_plain_ones() -> None:
    event = replace(alarm(), onset=np.int64(5), beats=(np.int64(5), np.int64(9)))
    payload = to_payload(published(event, compute_ms=np.float64(0.5)), stream_info())
    assert json.loads(dumps(payload))["beats"] == [5, 9]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_become_null(bad: float) -> None:
    beat = labeled_beat(rr_s=[bad], probabilities=(bad, 0.0, 1.0, 0.0))
    payload = json.loads(dumps(to_payload(published(beat, compute_ms=bad), stream_info())))
    assert payload["rr_ms"] is None
    assert payload["compute_ms"] is None
    assert payload["probabilities"]["N"] is None
    assert dumps({"b": [bad], "a": {"x": bad}}) == b'{"a":{"x":null},"b":[null]}'


def test_encoding_is_compact_sorted_and_utf8() -> None:
    assert dumps({"b": 1.5, "a": "µ"}) == '{"a":"µ","b":1.5}'.encode()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (labeled_beat(label=Label.V), "beats"),
        (labeled_beat(label=Label.V, revision=0), "beats"),
        (rhythm_event(), "rhythm"),
        (alarm(), "alarms"),
        (gap(), "gaps"),
    ],
)
def test_topics(event: Event, kind: str) -> None:
    payload = to_payload(published(event), stream_info())
    assert topic_of(payload) == f"ecg/208/{kind}"
    assert topic_of(payload, prefix="ward/3") == f"ward/3/208/{kind}"


def test_topic_of_status() -> None:
    assert topic("demo", TopicKind.STATUS) == "ecg/demo/status"


@pytest.mark.parametrize("name", ["208", "demo", "bed-4", "a.b_C-9", "x" * 64])
def test_source_names_that_fit(name: str) -> None:
    assert check_source(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a#", "-x", "$SYS", "a b", "é", "x" * 65])
def test_source_names_that_do_not(name: str) -> None:
    with pytest.raises(ValueError, match="choose another name"):
        check_source(name)


@settings(deadline=None)
@given(st.lists(st.floats(0.2, 3.0), min_size=1, max_size=30))
def test_heart_rate_lies_between_the_extremes(rr_s: list[float]) -> None:
    rate = fields(labeled_beat(rr_s=rr_s))["heart_rate_bpm"]
    rates = [60.0 / np.float32(rr) for rr in rr_s[-8:]]
    assert min(rates) - 0.01 <= rate <= max(rates) + 0.01


def test_every_event_has_the_same_head() -> None:
    head = {"schema", "type", "source", "seq", "sample", "decided_at", "fs", "time", "compute_ms"}
    assert all(head < set(fields(event)) for event in one_of_each())


def test_an_alarm_says_whether_it_goes_on_and_an_older_one_was_a_moment() -> None:
    ongoing, ended = fields(alarm(state=AlarmState.ONGOING)), fields(over())
    assert (ongoing["state"], ended["state"]) == ("ongoing", "over")
    # What ends is found by these.
    assert [ended[key] for key in ("rhythm", "sample")] == [
        ongoing[key] for key in ("rhythm", "sample")
    ]
    del ongoing["state"]
    older = loads(dumps(ongoing))
    assert isinstance(older, AlarmMessage)
    assert older.state == AlarmState.MOMENT


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1e9 + 0.25, "2001-09-09T01:46:40.250000Z"),
        (59.9999997, "1970-01-01T00:01:00.000000Z"),
    ],
)
def test_times_are_utc_to_the_microsecond(seconds: float, expected: str) -> None:
    assert utc_time(seconds) == expected
