import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.outbox import Outbox, Outgoing


def message(number: int) -> Outgoing:
    return Outgoing(topic="t", payload=str(number).encode())


def number(outgoing: Outgoing) -> int:
    return int(outgoing.payload)


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        Outbox(0)


def test_a_full_outbox_sheds_the_oldest_and_counts_it() -> None:
    outbox = Outbox(3)
    for i in range(5):
        outbox.put(message(i))
    assert outbox.shed == 2
    assert [number(outbox.take()) for _ in range(3)] == [2, 3, 4]


def test_what_is_in_flight_comes_back_in_order_and_within_the_bound() -> None:
    outbox = Outbox(3)
    for i in range(3):
        outbox.put(message(i))
    outbox.take()
    outbox.take()
    outbox.put(message(3))
    outbox.put(message(4))
    outbox.recall()
    assert (outbox.waiting, outbox.shed) == (3, 2)
    assert [number(outbox.take()) for _ in range(3)] == [2, 3, 4]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["put", "take", "acknowledge", "recall"]), max_size=200))
def test_nothing_is_lost_or_reordered_whatever_happens(steps: list[str]) -> None:
    outbox = Outbox(1000)
    puts = in_flight = 0
    acknowledged: list[int] = []
    sent: list[int] = []
    for step in steps:
        if step == "put":
            outbox.put(message(puts))
            puts += 1
        elif step == "take" and outbox.waiting:
            sent.append(number(outbox.take()))
            in_flight += 1
        elif step == "acknowledge" and in_flight:
            acknowledged.append(sent[-in_flight])
            outbox.acknowledge()
            in_flight -= 1
        elif step == "recall":
            outbox.recall()
            in_flight = 0
    assert len(outbox) == puts - len(acknowledged)
    assert acknowledged == list(range(len(acknowledged)))
    assert list(dict.fromkeys(sent)) == list(range(len(set(sent))))
