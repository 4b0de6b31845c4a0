import gc
import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from streamer.messages.alerting import Alerting
from streamer.messages.guard import (
    MAX_INTEGER,
    SAMPLES_LIMITS,
    Guard,
    GuardLimits,
    RejectedError,
    Rejection,
    decode,
)
from streamer.mqtt.access import Credentials
from streamer.mqtt.listen import Listener, ListenOptions

GENEROUS = GuardLimits(rate_per_s=1e9, burst=1_000_000)


def rejection_of(data: object, limits: GuardLimits = GENEROUS) -> Rejection:
    with pytest.raises(RejectedError) as caught:
        decode(data, limits)
    assert "\n" not in str(caught.value)
    return caught.value.rejection


@pytest.mark.parametrize(
    ("data", "rejection"),
    [
        (None, Rejection.NOT_JSON),
        ("{}", Rejection.NOT_JSON),
        (b"", Rejection.NOT_JSON),
        (b"\xff\xfe", Rejection.NOT_JSON),
        (b"{'a': 1}", Rejection.NOT_JSON),
        (b"[]", Rejection.INVALID),
        (b"7", Rejection.INVALID),
        (b" " * 2000, Rejection.TOO_LARGE),
        (b'{"a":"' + b"x" * 300 + b'"}', Rejection.TOO_LARGE),
        (b'{"' + b"x" * 300 + b'":1}', Rejection.TOO_LARGE),
        (b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", Rejection.TOO_DEEP),
        (b'{"a":[[[[1]]]]}', Rejection.TOO_DEEP),
        (b'{"a":[' + b"1," * 80 + b"1]}", Rejection.TOO_MANY),
        (b'{"a":NaN}', Rejection.BAD_NUMBER),
        (b'{"a":-Infinity}', Rejection.BAD_NUMBER),
        (b'{"a":1e999}', Rejection.BAD_NUMBER),
        (b'{"a":' + b"9" * 500 + b"}", Rejection.BAD_NUMBER),
        (b'{"a":9007199254740993}', Rejection.BAD_NUMBER),
    ],
)
def test_what_is_turned_away_and_why(data: object, rejection: Rejection) -> None:
    assert rejection_of(data) is rejection


def test_nesting_beyond_the_stack_is_no_crash() -> None:
    limits = GuardLimits(max_bytes=10_000_000)
    assert rejection_of(b"[" * 1_000_000, limits) in {Rejection.TOO_DEEP, Rejection.NOT_JSON}
    assert rejection_of(b'{"a":' * 100_000, limits) in {Rejection.TOO_DEEP, Rejection.NOT_JSON}


def test_good_messages_pass_with_fields_that_nobody_knows() -> None:
    text = b'{"type":"x","n":9007199254740992,"f":-1.5,"new":[true,null,"\xc3\xa9"]}'
    message = Guard(GENEROUS).admit(text, 0.0)
    assert message == {"type": "x", "n": MAX_INTEGER, "f": -1.5, "new": [True, None, "é"]}


def test_the_rate_is_limited_and_recovers() -> None:
    guard = Guard(GuardLimits(rate_per_s=2.0, burst=3))
    outcomes = [admitted(guard, b"{}", now) for now in (0, 0, 0, 0, 0.4, 0.5, 0.6, -5, 100)]
    assert outcomes == [True, True, True, False, False, True, False, False, True]
    assert (guard.accepted, guard.rejected) == (5, {Rejection.TOO_FAST: 4})


def admitted(guard: Guard, data: object, now_s: float) -> bool:
    try:
        guard.admit(data, now_s)
    except RejectedError:
        return False
    return True


def test_content_is_validated_last() -> None:
    def validate(message: dict[str, Any]) -> None:
        if message["kind"] != "good":
            raise ValueError("bad kind")

    guard = Guard(GENEROUS, validate)
    assert [admitted(guard, d, 0.0) for d in (b'{"kind":"good"}', b'{"kind":[]}', b"{}")] == [
        True, False, False,
    ]  # fmt: skip
    assert guard.rejected == {Rejection.INVALID: 2}


def test_limits_must_be_positive() -> None:
    for name in ("max_bytes", "max_depth", "max_values", "max_text", "burst", "rate_per_s"):
        with pytest.raises(ValueError, match="must be positive"):
            GuardLimits(**{name: 0})


def test_a_second_of_twelve_leads_fits_the_limits_for_samples() -> None:
    leads = {f"L{i}": [round(0.005 * j, 3) for j in range(500)] for i in range(12)}
    data = json.dumps({"start": 1, "fs": 500, "mv": leads}).encode()
    assert Guard(SAMPLES_LIMITS).admit(data, 0.0)["start"] == 1


SEEDS = [
    b'{"schema":1,"type":"acknowledge","source":"208","condition":"ventricular run"}',
    b'{"schema":1,"type":"samples","source":"bed4","start":7,"fs":360,"mv":[[0.1,0.2],[1,-2]]}',
    b'{"schema":1,"type":"beat","source":"208","seq":7,"sample":70,"fs":360.0,"label":"V"}',
    b'{"type":"status","source":"208","state":"online","started_at":"t","events":3,"shed":0}',
]
TOPICS = ["beats", "alerts", "alerts/ack", "alerts/active", "status", "rhythm", "x", "alarms", "#"]
PIECES = [b"[", b"{", b"}", b'"', b"\\u0000", b"1e999", b"NaN", b"\xff", b",", b":", b"-", b"null"]


def mutated(source: random.Random) -> bytes:
    """Damage a good message in one of many ways, or make noise."""
    if source.random() < 0.1:
        return source.randbytes(source.randrange(200))
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0:
                del data[at : at + source.randrange(1, 20)]
            case 1:
                data[at:at] = source.choice(PIECES) * source.choice([1, 1, 2, 30, 300])
            case 2:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 3:
                data[at:at] = data[: source.randrange(60)]
    return bytes(data)


def flood(count: int, take: Callable[[bytes, int], None]) -> int:
    """Feed so many damaged messages; return by how many bytes memory grew in the second half."""
    source = random.Random(20)
    grown = 0
    for number in range(count):
        take(mutated(source), number)
        if number == count // 2:
            gc.collect()
            tracemalloc.start()
            grown = -tracemalloc.get_traced_memory()[0]
    gc.collect()
    grown += tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return grown


def test_a_hundred_thousand_malformed_messages_change_nothing() -> None:
    """Into the guards of acknowledgements and samples, and into a listener: 100,000 in all."""
    from sample_events import alarm, stream_info

    clock = {"now": 0.0}
    alerting = Alerting(stream_info(), "ecg", None, lambda: clock["now"])
    alerting.policy.push(alarm())
    samples = Guard(SAMPLES_LIMITS)
    shown: list[object] = []
    listener = Listener(
        ListenOptions(all_beats=True),
        show=lambda message: shown.clear() or shown.append(message),  # type: ignore[func-returns-value]
        notice=lambda line: None,
        credentials=Credentials(),
    )
    fed = {"ack": 0, "samples": 0, "listen": 0}

    def take(data: bytes, number: int) -> None:
        clock["now"] = number / 10.0
        if number % 3 == 0:
            fed["ack"] += 1
            alerting.acknowledge(data)
        elif number % 3 == 1:
            fed["samples"] += 1
            admitted(samples, data, number / 10.0)
        else:
            fed["listen"] += 1
            listener.take(f"ecg/208/{TOPICS[number % len(TOPICS)]}", data)

    grown = flood(100_000, take)
    assert sum(fed.values()) == 100_000
    assert grown < 2_000_000, f"{grown} bytes more"
    for guard, count in ((alerting.guard, fed["ack"]), (samples, fed["samples"])):
        assert guard.accepted + sum(guard.rejected.values()) == count
        assert guard.rejected[Rejection.NOT_JSON] > count // 3
        assert set(guard.rejected) <= set(Rejection)
    tally = listener.tally
    assert tally.malformed + tally.shown + tally.duplicates == fed["listen"]
    assert tally.malformed > fed["listen"] * 0.9
