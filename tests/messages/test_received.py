import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_events import alarm, labeled_beat, one_of_each, published, stream_info

from streamer.messages.payload import dumps, to_payload, topic_of
from streamer.messages.received import (
    MAX_PAYLOAD_BYTES,
    MAX_REMEMBERED,
    Freshness,
    MalformedError,
    Received,
    SourceTrack,
    receive,
)


def rhythm(seq: int, source: str = "208") -> Received:
    payload = {"source": source, "type": "rhythm", "seq": seq}
    return receive(f"ecg/{source}/rhythm", dumps(payload))


def alert(seq: int) -> Received:
    return receive("ecg/208/alerts", dumps({"source": "208", "type": "alert", "seq": seq}))


def status(**fields: object) -> Received:
    payload = {"source": "208", "type": "status", "started_at": "t0", "state": "online", **fields}
    return receive("ecg/208/status", dumps(payload))


def test_everything_that_we_publish_is_accepted() -> None:
    for seq, event in enumerate(one_of_each()):
        payload = to_payload(published(event, seq=seq), stream_info())
        message = receive(topic_of(payload), dumps(payload))
        assert (message.seq, message.source) == (seq, "208")


def test_unknown_fields_are_ignored() -> None:
    payload = {**to_payload(published(alarm()), stream_info()), "schema": 2, "mood": {"a": [1]}}
    assert receive("ecg/208/alarms", dumps(payload)).text("rhythm") == alarm().rhythm.value


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("ecg/208/beats", b""),
        ("ecg/208/beats", b"[]"),
        ("ecg/208/beats", b"\xff\xfe"),
        ("ecg/208/beats", b'{"source":"208","type":"beat"}'),
        ("ecg/208/beats", b'{"source":"208","type":"beat","seq":-1}'),
        ("ecg/208/beats", b'{"source":"208","type":"beat","seq":1.5}'),
        ("ecg/208/beats", b'{"source":"208","type":"beat","seq":true}'),
        ("ecg/208/beats", b'{"source":"208","type":"beat","seq":1' + b"0" * 5000 + b"}"),
        ("ecg/208/beats", b'{"source":"208","type":"song","seq":1}'),
        ("ecg/208/beats", b'{"source":"208","type":["beat"],"seq":1}'),
        ("ecg/208/beats", b'{"source":"208","type":"alarm","seq":1}'),
        ("ecg/208/beats", b'{"source":"209","type":"beat","seq":1}'),
        ("ecg/208/beats", b"[" * 50_000),
        ("ecg/208/beats", b'{"source":"208","type":"beat","seq":1,"x":[[[[[[[[[]]]]]]]]]}'),
        ("ecg/208/beats", b" " * (MAX_PAYLOAD_BYTES + 1)),
        ("ecg/208/songs", b'{"source":"208","type":"beat","seq":1}'),
        ("ecg/208", b"{}"),
        ("ecg/a b/beats", b'{"source":"a b","type":"beat","seq":1}'),
        ("other/208/beats/x", b"{}"),
    ],
)  # fmt: skip
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
@given(st.dictionaries(st.sampled_from(["seq", "type", "source", "label", "fs"]), JSON_VALUES))
def test_arbitrary_json_is_judged_never_fatal(payload: dict[str, object]) -> None:
    try:
        receive("ecg/208/beats", json.dumps(payload).encode())
    except MalformedError:
        return


def test_odd_field_values_read_as_absent() -> None:
    message = receive(
        "ecg/208/rhythm",
        b'{"source":"208","type":"rhythm","seq":0,"a":NaN,"b":1e999,"c":true,"d":"x","e":7}',
    )
    assert [message.number(name) for name in "abcdef"] == [None, None, None, None, 7.0, None]
    assert message.text("e") is None


def test_control_characters_can_not_reach_the_terminal() -> None:
    payload = {"source": "208", "type": "rhythm", "seq": 0, "rhythm": "a\x1b[2J\nb\u202e"}
    assert receive("ecg/208/rhythm", dumps(payload)).text("rhythm") == "a?[2J?b?"


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
    track.status(status(started_at="t0"))
    outcomes(track, [0, 1, 2])
    track.status(status(started_at="t0"))
    assert outcomes(track, [2]) == [(DUPLICATE, 0)]
    track.status(status(started_at="t1"))
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


def test_events_and_what_is_said_about_them_are_told_apart() -> None:
    payload = to_payload(published(labeled_beat()), stream_info())
    assert not receive("ecg/208/beats", dumps(payload)).is_derived
    assert alert(0).is_derived
    active = receive("ecg/208/alerts/active", dumps({"source": "208", "type": "active"}))
    assert active.seq is None


def test_a_run_whose_numbers_go_on_is_followed_without_a_break() -> None:
    track = SourceTrack()
    track.status(status(started_at="t0", first_seq=0))
    outcomes(track, [0, 1, 2])
    track.status(status(started_at="t1", first_seq=5))
    assert outcomes(track, [1, 2, 3, 4, 5]) == [
        (DUPLICATE, 0), (DUPLICATE, 0), (NEW, 0), (NEW, 0), (NEW, 0),
    ]  # fmt: skip
    assert track.missing_count == 0
