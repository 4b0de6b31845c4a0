"""The fault matrix in its short form, and proof that its judge can find fault."""

import json
from collections import Counter

import pytest

from streamer.bench.faults.matrix import (
    Fault,
    FaultsConfig,
    judge,
    lines,
    measure_faults,
    plan,
    to_json,
)
from streamer.bench.faults.publisher import SAMPLES_APART


def events(*seqs: int) -> list[tuple[int, int]]:
    return [(seq, seq * SAMPLES_APART) for seq in seqs]


def test_repeats_are_fine() -> None:
    assert judge(events(0, 1, 0, 1, 2, 1), 3) == ((), (), 0)


def test_what_never_came_is_lost() -> None:
    assert judge(events(0, 2), 5) == ((1, 3, 4), (), 0)


def test_one_number_for_two_events_is_a_double() -> None:
    assert judge([*events(0, 1), (1, 2 * SAMPLES_APART)], 2) == ((), (1,), 0)
    assert judge(events(0, 1, 2), 2) == ((), (2,), 0), "an event that was never published"


def test_a_first_copy_that_comes_too_late_is_out_of_order() -> None:
    assert judge(events(0, 2, 1, 3), 4) == ((), (), 1)


def test_every_kind_of_fault_is_drawn_equally_often_and_by_the_seed() -> None:
    drawn = plan(FaultsConfig(faults=100, seed=3))
    assert set(Counter(drawn).values()) == {10}
    assert set(drawn) == set(Fault)
    assert drawn == plan(FaultsConfig(faults=100, seed=3)) != plan(FaultsConfig(faults=100, seed=4))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        FaultsConfig(faults=0)


@pytest.mark.mosquitto
async def test_nothing_is_lost_or_doubled_whatever_breaks(mosquitto: str) -> None:
    """One of each fault; `ecg-stream bench faults` does two hundred."""
    config = FaultsConfig(faults=len(Fault), seed=7, calm_s=(0.02, 0.1), length_s=(0.02, 0.4))
    report = await measure_faults(config)
    assert report.passed, "\n".join(lines(report))
    assert set(report.faults) == set(Fault)
    assert report.published >= 50
    assert report.repeats > 0, "with these faults some messages must come again"
    assert json.loads(json.dumps(to_json(report)))["lost"] == []
    assert "0 lost, 0 doubled, 0 out of order" in "\n".join(lines(report))
