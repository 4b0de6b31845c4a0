import gc
import json
import random
import tracemalloc
from collections.abc import Callable

import pytest

from streamer.messages.alerting import Alerting
from streamer.messages.guard import (
    SAMPLES_LIMITS,
    Guard,
    GuardLimits,
    RejectedError,
    Rejection,
)
from streamer.messages.samples import decode
from streamer.messages.wire import loads
from streamer.mqtt.access import Credentials
from streamer.mqtt.listen import Listener, ListenOptions

GENEROUS = GuardLimits(rate_per_s=1e9, burst=1_000_000)
GOOD = b'{"type":"acknowledge","source":"208"}'


def rejection_of(data: object, limits: GuardLimits = GENEROUS) -> Rejection:
    guard = Guard(limits)
    with pytest.raises(RejectedError) as caught:
        guard.admit(data, 0.0, loads)
    assert "\n" not in str(caught.value)
    assert guard.rejected == {caught.value.rejection: 1}
    return caught.value.rejection


@pytest.mark.parametrize(
    ("data", "rejection"),
    [
        (None, Rejection.INVALID),
        ("{}", Rejection.INVALID),
        (b"", Rejection.NOT_JSON),
        (b"\xff\xfe", Rejection.NOT_JSON),
        (b"{'a': 1}", Rejection.NOT_JSON),
        (GOOD[:-1] + b',"a":NaN}', Rejection.NOT_JSON),
        (b"[]", Rejection.INVALID),
        (b"7", Rejection.INVALID),
        (b"{}", Rejection.INVALID),
        (b" " * 2000, Rejection.TOO_LARGE),
        (GOOD[:-1] + b',"condition":"' + b"x" * 300 + b'"}', Rejection.INVALID),
        (GOOD[:-1] + b',"condition":[[]]}', Rejection.INVALID),
    ],
)
def test_what_is_turned_away_and_why(data: object, rejection: Rejection) -> None:
    assert rejection_of(data) is rejection


def test_nesting_beyond_the_stack_is_no_crash() -> None:
    limits = GuardLimits(max_bytes=10_000_000)
    expected = {Rejection.INVALID, Rejection.NOT_JSON}
    assert rejection_of(b"[" * 1_000_000, limits) in expected
    assert rejection_of(GOOD[:-1] + b',"a":' + b'{"a":' * 100_000, limits) in expected


def test_good_messages_pass_with_fields_that_nobody_knows() -> None:
    text = GOOD[:-1] + b',"n":9007199254740992,"f":-1.5,"new":[true,null,"\xc3\xa9"]}'
    assert Guard(GENEROUS).admit(text, 0.0, loads) == loads(GOOD)


def test_the_rate_is_limited_and_recovers() -> None:
    guard = Guard(GuardLimits(rate_per_s=2.0, burst=3))
    outcomes = [admitted(guard, GOOD, now) for now in (0, 0, 0, 0, 0.4, 0.5, 0.6, -5, 100)]
    assert outcomes == [True, True, True, False, False, True, False, False, True]
    assert guard.rejected == {Rejection.TOO_FAST: 4}


def admitted(
    guard: Guard, data: object, now_s: float, parse: Callable[[bytes], object] = loads
) -> bool:
    try:
        guard.admit(data, now_s, parse)
    except RejectedError:
        return False
    return True


def test_limits_must_be_positive() -> None:
    for name in ("max_bytes", "burst", "rate_per_s"):
        with pytest.raises(ValueError, match="must be positive"):
            GuardLimits(**{name: 0})


def test_a_second_of_twelve_leads_fits_the_limits_for_samples() -> None:
    leads = [[round(0.005 * j, 3) for j in range(500)] for _ in range(12)]
    data = json.dumps({"seq": 0, "first_sample": 1, "fs": 500, "mv": leads}).encode()
    assert Guard(SAMPLES_LIMITS).admit(data, 0.0, decode).first_sample == 1


SEEDS = [
    b'{"schema":1,"type":"acknowledge","source":"208","condition":"ventricular tachycardia"}',
    b'{"seq":0,"first_sample":7,"fs":360,"mv":[[0.1,0.2],[1,-2]]}',
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
            admitted(samples, data, number / 10.0, decode)
        else:
            fed["listen"] += 1
            listener.take(f"ecg/208/{TOPICS[number % len(TOPICS)]}", data)

    grown = flood(100_000, take)
    assert sum(fed.values()) == 100_000
    assert grown < 2_000_000, f"{grown} bytes more"
    for guard, count in ((alerting.guard, fed["ack"]), (samples, fed["samples"])):
        assert count * 0.9 < guard.rejected.total() <= count
        assert set(guard.rejected) <= set(Rejection)
    tally = listener.tally
    assert tally.malformed + tally.shown + tally.duplicates == fed["listen"]
    assert tally.malformed > fed["listen"] * 0.9
