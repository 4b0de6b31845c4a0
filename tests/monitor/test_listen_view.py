import json

import pytest
from sample_events import alarm, gap, labeled_beat, published, rhythm_event, stream_info

from classifier.labels import Label
from streamer.core.events import Event
from streamer.messages.payload import dumps, to_payload, topic_of
from streamer.messages.received import Received, receive
from streamer.monitor.listen_view import to_json, to_line


def received(event: Event, **changes: object) -> Received:
    payload = {**to_payload(published(event), stream_info()), **changes}
    return receive(topic_of(payload), dumps(payload))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            labeled_beat(sample=3600),
            "22:13:30.000  208         0:10.00  V        "
            "ventricular ectopic beat, p 0.80, RR 800 ms, 75/min",
        ),
        (
            labeled_beat(sample=36000, revision=0, rr_s=()),
            "22:15:00.000  208         1:40.00  V        "
            "ventricular ectopic beat, p 0.80, provisional",
        ),
        (
            labeled_beat(sample=3600, label=None, late=True, rr_s=()),
            "22:13:30.000  208         0:10.00  ?        beat without label, budget missed",
        ),
        (
            labeled_beat(sample=0, label=Label.Q, probabilities=(), reason="no signal", rr_s=()),
            "22:13:20.000  208         0:00.00  Q        beat that can't be judged, no signal",
        ),
        (
            rhythm_event(),
            "22:13:21.000  208         0:01.00  rhythm   sinus rhythm, 75/min",
        ),
        (
            alarm(),
            "22:13:22.000  208         0:02.00  ALARM    "
            f"{alarm().rhythm.value}, high priority, 3 beats",
        ),
        (
            gap(start=720),
            "22:13:22.000  208         0:02.00  gap      no usable signal: flat, for 1.0 s",
        ),
    ],
)
def test_lines(event: Event, line: str) -> None:
    assert to_line(received(event)).plain() == line


def test_status_line() -> None:
    payload = {
        "type": "status", "source": "208", "state": "offline", "reason": "connection lost",
        "training_record": True, "shed": 3, "time": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    line = to_line(receive("ecg/208/status", dumps(payload)))
    assert line.what == "offline"
    assert line.detail == "connection lost, training record, 3 messages shed"


def test_alert_lines() -> None:
    payload = {
        "type": "alert", "source": "208", "seq": 7, "condition": "ventricular couplet",
        "priority": "low", "beats": [720, 900], "occurrences": 3,
        "time": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    line = to_line(receive("ecg/208/alerts", dumps(payload)))
    assert (line.what, line.style) == ("ALERT", "cyan")
    assert line.detail == (
        "ventricular couplet, low priority, 2 beats, 3 times since the last alert of it"
    )
    active = {"type": "active", "source": "208", "alerts": [{"condition": "x\x1b"}, 7]}
    assert to_line(receive("ecg/208/alerts/active", dumps(active))).detail == "?"
    seen = {"type": "acknowledge", "source": "208"}
    assert to_line(receive("ecg/208/alerts/ack", dumps(seen))).detail == "every alert"


def test_what_is_too_long_goes_on_in_its_column() -> None:
    line = to_line(received(alarm()))
    before, what, after = line.parts_within(70)
    rows = (before + what + after).split("\n")
    assert len(rows) > 1
    assert all(len(row) <= 70 for row in rows)
    assert all(row[: len(before + what) + 2].isspace() for row in rows[1:])
    assert " ".join(row[len(before + what) + 2 :] for row in rows) == line.detail
    assert line.parts_within(200) == line.parts()


@pytest.mark.parametrize("odd", [None, [], {}, "x", True, 1e300, -1, 0])
def test_odd_fields_never_break_a_line(odd: object) -> None:
    for event in (labeled_beat(), rhythm_event(), alarm(), gap()):
        fixed = {"type", "source", "seq"}
        names = set(to_payload(published(event), stream_info())) - fixed
        for name in names:
            assert "\n" not in to_line(received(event, **{name: odd})).plain()
        assert to_line(received(event, **dict.fromkeys(names, odd))).source == "208"


def test_json_is_one_ascii_line_with_unknown_fields() -> None:
    payload = rb'{"source":"208","type":"rhythm","seq":0,"mood":"\ud800\u009b\n"}'
    line = to_json(receive("ecg/208/rhythm", payload))
    assert json.loads(line)["mood"] == "\ud800\u009b\n"
    assert line.isascii()
    assert "\n" not in line
