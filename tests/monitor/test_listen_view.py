import json

import pytest
from sample_events import (
    alarm,
    alert_fields,
    fields,
    gap,
    labeled_beat,
    published,
    rhythm_event,
    statistics_message,
    status_fields,
    stream_info,
)

from classifier.labels import Label
from streamer.core.events import Event
from streamer.messages.payload import to_payload, topic_of
from streamer.messages.received import Received, receive
from streamer.messages.wire import MalformedError, dumps, loads
from streamer.monitor.listen_view import Line, Lines, to_json

NOW_S = 1_700_000_000.25


def to_line(message: Received, arrived_at: float) -> Line:
    return Lines().line(message, arrived_at)


def received(event: Event, **changes: object) -> Received:
    name = topic_of(to_payload(published(event), stream_info()))
    return receive(name, dumps({**fields(event), **changes}))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            labeled_beat(sample=3600),
            "22:13:20.250  208         0:10.35  V        "
            "ventricular ectopic beat, at 0:10.00, p 0.80, RR 800 ms, 75/min",
        ),
        (
            labeled_beat(sample=36000, revision=0, rr_s=()),
            "22:13:20.250  208         1:40.35  V        "
            "ventricular ectopic beat, at 1:40.00, p 0.80, provisional",
        ),
        (
            labeled_beat(sample=3600, label=None, late=True, rr_s=()),
            "22:13:20.250  208         0:10.35  ?        "
            "beat without label, budget missed, at 0:10.00",
        ),
        (
            labeled_beat(sample=0, label=Label.Q, probabilities=(), reason="no signal", rr_s=()),
            "22:13:20.250  208         0:00.35  Q        "
            "beat that can't be judged, at 0:00.00, no signal",
        ),
        (
            rhythm_event(),
            "22:13:20.250  208         0:06.00  rhythm   sinus rhythm, since 0:01.00, 75/min",
        ),
        (
            alarm(),
            "22:13:20.250  208         0:03.39  ALARM    "
            f"{alarm().rhythm.value}, since 0:02.00, high priority, 3 beats",
        ),
        (
            gap(start=720),
            "22:13:20.250  208         0:03.11  gap      "
            "no usable signal: flat, since 0:02.00, for 1.0 s",
        ),
    ],
)
def test_lines(event: Event, line: str) -> None:
    assert to_line(received(event), NOW_S).plain() == line


def test_status_line() -> None:
    payload = status_fields(state="offline", reason="connection lost", shed=3)
    line = to_line(receive("ecg/208/status", dumps(payload)), NOW_S)
    assert line.what == "offline"
    assert line.detail == "connection lost, training record, 3 messages shed"


def test_statistics_line() -> None:
    line = to_line(receive("ecg/208/stats", dumps(statistics_message())), NOW_S)
    assert (line.what, line.detail) == ("stats", "7 beats, 1 late, p99 412 ms")


def test_alert_lines() -> None:
    line = to_line(receive("ecg/208/alerts", dumps(alert_fields(occurrences=3))), NOW_S)
    assert (line.what, line.style) == ("ALERT", "cyan")
    assert line.detail == (
        "ventricular couplet, since 0:02.00, low priority, 2 beats, "
        "3 times since the last alert of it"
    )
    active = {**fields(gap()), "type": "active", "rejected": 0, "alerts": []}
    assert to_line(receive("ecg/208/alerts/active", dumps(active)), NOW_S).detail == "no alert"
    seen = {"type": "acknowledge", "source": "208"}
    assert to_line(receive("ecg/208/alerts/ack", dumps(seen)), NOW_S).detail == "every alert"


def test_when_it_became_known_never_goes_back_within_a_run() -> None:
    lines = Lines()

    def positions(*samples: int) -> list[str]:
        return [lines.line(received(alarm(onset)), NOW_S).position for onset in samples]

    assert positions(360, 720, 540) == ["0:02.39", "0:03.39", "0:03.39"]
    lines.line(receive("ecg/208/status", dumps(status_fields())), NOW_S)
    assert positions(0) == ["0:01.39"]


def test_what_is_too_long_goes_on_in_its_column() -> None:
    line = to_line(received(alarm()), NOW_S)
    before, what, after = line.parts_within(70)
    rows = (before + what + after).split("\n")
    assert len(rows) > 1
    assert all(len(row) <= 70 for row in rows)
    assert all(row[: len(before + what) + 2].isspace() for row in rows[1:])
    assert " ".join(row[len(before + what) + 2 :] for row in rows) == line.detail
    assert line.parts_within(200) == line.parts()


@pytest.mark.parametrize("odd", [None, [], {}, "x", True, 1e300, -1, 0, "\x1b]0;t\x07\n"])
def test_odd_fields_never_break_a_line(odd: object) -> None:
    for event in (labeled_beat(), rhythm_event(), alarm(), gap()):
        for name in fields(event):
            try:
                line = to_line(received(event, **{name: odd}), NOW_S)
            except MalformedError:
                continue
            assert line.plain().isprintable()


def test_text_of_strangers_reaches_no_terminal_raw() -> None:
    nasty = "a\x1b]0;owned\x07\n\u202e\x9b2J"
    cases = [
        ("rhythm", {**fields(rhythm_event()), "rhythm": nasty}),
        ("alarms", {**fields(alarm()), "rhythm": nasty, "priority": nasty}),
        ("gaps", {**fields(gap()), "reason": nasty}),
        ("beats", {**fields(labeled_beat()), "label": nasty, "reason": nasty}),
        ("alerts", alert_fields(condition=nasty)),
        ("status", status_fields(state=nasty, reason=nasty)),
        ("alerts/ack", {"type": "acknowledge", "source": "208", "condition": nasty}),
    ]
    for kind, payload in cases:
        message = receive(f"ecg/208/{kind}", dumps(payload))
        line = to_line(message, NOW_S)
        assert line.plain().isprintable()
        assert "a?]0;owned????2J" in line.plain()
        assert to_json(message).isprintable()


def test_json_is_one_ascii_line_with_unknown_fields() -> None:
    payload = dumps(fields(rhythm_event()))[:-1] + rb',"mood":"\u202e\u009b\n"}'
    line = to_json(receive("ecg/208/rhythm", payload))
    assert json.loads(line)["mood"] == "\u202e\u009b\n"
    assert loads(line.encode()) == loads(payload)
    assert line.isascii()
    assert "\n" not in line
