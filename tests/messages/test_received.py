import json

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_schema import schema
from sample_events import (
    alarm,
    alert_fields,
    fields,
    labeled_beat,
    one_of_each,
    published,
    rhythm_event,
    statistics_message,
    status_fields,
    stream_info,
    ward_statistics_message,
)

from streamer.messages.payload import to_payload, topic_of
from streamer.messages.received import (
    MAX_PAYLOAD_BYTES,
    MAX_REMEMBERED,
    Freshness,
    SourceTrack,
    receive,
)
from streamer.messages.wire import (
    AlarmMessage,
    EventMessage,
    MalformedError,
    StatusMessage,
    dumps,
    loads,
)


def rhythm(seq: int) -> EventMessage:
    return to_payload(published(rhythm_event(), seq), stream_info())


def alert(seq: int) -> EventMessage:
    message = loads(dumps(alert_fields(seq)))
    assert isinstance(message, EventMessage)
    return message


def status(number: int = 0, **changes: object) -> StatusMessage:
    started_at = f"2026-01-01T00:00:0{number}.000000Z"
    message = loads(dumps(status_fields(**{"started_at": started_at, **changes})))
    assert isinstance(message, StatusMessage)
    return message


def test_everything_that_we_publish_comes_back_as_it_was() -> None:
    for seq, event in enumerate(one_of_each()):
        message = to_payload(published(event, seq=seq), stream_info())
        received = receive(topic_of(message), dumps(message))
        assert received.message == message
        assert received.data == dumps(message)
    for figures in (statistics_message(), ward_statistics_message("208")):
        assert receive("ecg/208/stats", dumps(figures)).message == figures
        jsonschema.validate(json.loads(dumps(figures)), schema(figures.type))


def test_a_later_version_may_add_fields_and_words() -> None:
    later = {**fields(alarm()), "schema": 2, "mood": {"a": [1]}, "rhythm": "a rhythm of 2030"}
    message = receive("ecg/208/alarms", dumps(later)).message
    assert isinstance(message, AlarmMessage)
    assert message.rhythm == "a rhythm of 2030"


def beat(**changes: object) -> bytes:
    return json.dumps({**fields(labeled_beat()), **changes}).encode()


def without(name: str) -> bytes:
    found = fields(labeled_beat())
    del found[name]
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("ecg/208/beats", b""),
        ("ecg/208/beats", b"[]"),
        ("ecg/208/beats", b"\xff\xfe"),
        ("ecg/208/beats", beat(reason="?").replace(b"?", b"\xff")),
        *(("ecg/208/beats", without(name)) for name in fields(labeled_beat())),
        *(("ecg/208/beats", beat(seq=seq)) for seq in (-1, 1.5, True, 2**53 + 1, 10**4000, "1")),
        *(("ecg/208/beats", beat(sample=at)) for at in (2**62, None, 0.5)),
        *(("ecg/208/beats", beat(fs=fs)) for fs in (0, -1, None, float("nan"), 1e300)),
        ("ecg/208/beats", beat(rr_ms=7).replace(b"7", b"1e999")),
        ("ecg/208/beats", beat(late="no")),
        ("ecg/208/beats", beat(time="yesterday")),
        ("ecg/208/beats", beat(reason="x" * 257)),
        ("ecg/208/beats", beat(type="song")),
        ("ecg/208/beats", beat(type=["beat"])),
        ("ecg/208/alarms", beat()),
        ("ecg/208/beats", beat(source="209")),
        ("ecg/208/beats", b"[" * 50_000),
        ("ecg/208/beats", beat(x=0).replace(b"0}", b"[" * 30_000)),
        ("ecg/208/beats", b" " * (MAX_PAYLOAD_BYTES + 1)),
        ("ecg/208/songs", beat()),
        ("ecg/208", beat()),
        ("ecg/a b/beats", beat(source="a b")),
        ("other/208/beats/x", beat()),
    ],
)
def test_malformed_messages(topic: str, payload: bytes) -> None:
    with pytest.raises(MalformedError):
        receive(topic, payload)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_judged_never_fatal(data: bytes) -> None:
    with pytest.raises(MalformedError):
        receive("ecg/208/beats", data)


JSON_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([[]])
)


# How fast examples come depends on what else the machine does.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(fields(labeled_beat()))), JSON_VALUES))
def test_arbitrary_json_is_judged_never_fatal(changes: dict[str, object]) -> None:
    try:
        message = receive("ecg/208/beats", beat(**changes)).message
    except MalformedError:
        return
    assert message.source == "208"


def outcomes(track: SourceTrack, seqs: list[int]) -> list[tuple[Freshness, int]]:
    return [track.event(rhythm(seq)) for seq in seqs]


NEW, DUPLICATE = Freshness.NEW, Freshness.DUPLICATE


def test_a_listener_that_joins_late_misses_nothing() -> None:
    track = SourceTrack()
    assert outcomes(track, [500, 501]) == [(NEW, 0), (NEW, 0)]
    assert track.missing_count == 0


def test_duplicates_after_a_reconnect_are_told_apart_from_new_events() -> None:
    assert outcomes(SourceTrack(), [0, 1, 2, 1, 2, 3]) == [
        (NEW, 0), (NEW, 0), (NEW, 0), (DUPLICATE, 0), (DUPLICATE, 0), (NEW, 0),
    ]  # fmt: skip


def test_holes_are_counted_and_may_close_late() -> None:
    track = SourceTrack()
    assert outcomes(track, [0, 4]) == [(NEW, 0), (NEW, 3)]
    assert track.missing_count == 3
    assert outcomes(track, [2, 2]) == [(NEW, 0), (DUPLICATE, 0)]
    assert track.missing_count == 2


def test_alerts_repeat_a_number_without_being_duplicates() -> None:
    track = SourceTrack()
    track.event(rhythm(7))
    assert track.event(alert(7)) == (NEW, 0)
    assert track.event(alert(7)) == (DUPLICATE, 0)
    assert track.event(alert(30)) == (NEW, 0)


def test_a_new_run_starts_anew() -> None:
    track = SourceTrack()
    track.status(status(0))
    outcomes(track, [0, 1, 2])
    track.status(status(0))
    assert outcomes(track, [2]) == [(DUPLICATE, 0)]
    track.status(status(1))
    assert outcomes(track, [0, 1]) == [(NEW, 0), (NEW, 0)]


def test_the_last_status_shows_what_is_missing_at_the_end() -> None:
    track = SourceTrack()
    track.status(status())
    outcomes(track, [0, 1])
    ended = status(state="offline", reason="finished", events=5)
    assert track.status(ended) == 3
    assert track.status(ended) == 0
    assert SourceTrack().status(ended) == 0


def test_a_forged_giant_step_costs_no_memory() -> None:
    track = SourceTrack()
    outcomes(track, [0, 2**53])
    assert len(track.missing) <= MAX_REMEMBERED
    assert track.missing_count == 2**53 - 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60))
def test_each_number_is_new_at_most_once(seqs: list[int]) -> None:
    track = SourceTrack()
    new = [s for s, (fresh, _) in zip(seqs, outcomes(track, seqs), strict=True) if fresh is NEW]
    assert len(new) == len(set(new))
    if seqs:
        expected = set(range(seqs[0], max(seqs) + 1)) - set(seqs)
        assert track.missing_count == len(expected)


def test_a_run_whose_numbers_go_on_is_followed_without_a_break() -> None:
    track = SourceTrack()
    track.status(status(0, first_seq=0))
    outcomes(track, [0, 1, 2])
    track.status(status(1, first_seq=5))
    assert outcomes(track, [1, 2, 3, 4, 5]) == [
        (DUPLICATE, 0), (DUPLICATE, 0), (NEW, 0), (NEW, 0), (NEW, 0),
    ]  # fmt: skip
    assert track.missing_count == 0
