"""Pairing of beats: the rule's edges by hand, and brute force on random small cases."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.scoring.matching import Matching, match_beats, tolerance_samples

TOLERANCE = 10
BEATS = st.lists(st.integers(0, 120), max_size=8, unique=True).map(sorted)


def pairs(found: Matching) -> list[tuple[int, int]]:
    return list(zip(found.pairs_reference.tolist(), found.pairs_predicted.tolist(), strict=True))


def by_the_book(ref: list[int], pred: list[int]) -> list[tuple[int, int]]:
    """EC57's rule as one sentence on sets of times, with no positions and no pointers."""
    if not ref or not pred:
        return []
    own, other = (pred, ref) if pred[0] < ref[0] else (ref, pred)
    distance = other[0] - own[0]
    rivals = [abs(other[0] - time) for time in own[1:2]]
    if distance <= TOLERANCE and all(distance < rival for rival in rivals):
        return [(ref[0], pred[0]), *by_the_book(ref[1:], pred[1:])]
    return by_the_book(ref[1:], pred) if own is ref else by_the_book(ref, pred[1:])


def largest_matching(ref: list[int], pred: list[int]) -> int:
    """Size of the largest one-to-one matching, by trying subsets."""
    for size in range(min(len(ref), len(pred)), 0, -1):
        for chosen in combinations(ref, size):
            for partners in combinations(pred, size):
                # On a line, the best way to pair two sets is in their order.
                if all(abs(a - b) <= TOLERANCE for a, b in zip(chosen, partners, strict=True)):
                    return size
    return 0


@given(BEATS, BEATS)
def test_every_beat_is_used_once(ref: list[int], pred: list[int]) -> None:
    found = match_beats(ref, pred, TOLERANCE)
    assert sorted([*found.pairs_reference, *found.missed]) == list(range(len(ref)))
    assert sorted([*found.pairs_predicted, *found.extra]) == list(range(len(pred)))
    assert all(abs(ref[i] - pred[j]) <= TOLERANCE for i, j in pairs(found))
    assert pairs(found) == sorted(pairs(found))


@given(BEATS, BEATS)
def test_agrees_with_the_rule_as_written(ref: list[int], pred: list[int]) -> None:
    found = [(ref[i], pred[j]) for i, j in pairs(match_beats(ref, pred, TOLERANCE))]
    assert found == by_the_book(ref, pred)


@given(BEATS, BEATS)
def test_exchanging_the_lists_exchanges_the_pairs(ref: list[int], pred: list[int]) -> None:
    forth, back = match_beats(ref, pred, TOLERANCE), match_beats(pred, ref, TOLERANCE)
    assert pairs(forth) == [(i, j) for j, i in pairs(back)]


@given(st.lists(st.integers(0, 120), max_size=5, unique=True).map(sorted), BEATS)
def test_never_more_pairs_than_possible(ref: list[int], pred: list[int]) -> None:
    assert len(pairs(match_beats(ref, pred, TOLERANCE))) <= largest_matching(ref, pred)


@given(st.lists(st.integers(2 * TOLERANCE + 1, 60), max_size=6), BEATS)
def test_isolated_beats_get_the_nearest_candidate(steps: list[int], pred: list[int]) -> None:
    """Where no prediction is near two references, the rule must give the obvious answer."""
    ref = np.cumsum(steps).tolist()
    near = [[time for time in pred if abs(time - beat) <= TOLERANCE] for beat in ref]
    best = [
        (beat, min(times, key=lambda time, beat=beat: (abs(time - beat), -time)))
        for beat, times in zip(ref, near, strict=True)
        if times
    ]
    found = [(ref[i], pred[j]) for i, j in pairs(match_beats(ref, pred, TOLERANCE))]
    assert found == best
    assert len(found) == largest_matching(ref, pred)


@pytest.mark.parametrize(
    ("ref", "pred", "expected"),
    [
        ([100], [110], [(0, 0)]),
        ([100], [111], []),
        ([100], [90], [(0, 0)]),
        ([100], [89], []),
        ([100], [97, 102], [(0, 1)]),
        ([100], [98, 102], [(0, 1)]),
        ([100], [97, 104], [(0, 0)]),
        ([98, 102], [100], [(1, 0)]),
        ([97, 104], [100], [(0, 0)]),
        ([100, 108], [104, 112], [(1, 1)]),
        ([100, 100], [100, 100], [(1, 0)]),
        ([], [5], []),
        ([5], [], []),
    ],
)
def test_rule_by_hand(ref: list[int], pred: list[int], expected: list[tuple[int, int]]) -> None:
    assert pairs(match_beats(ref, pred, TOLERANCE)) == expected


def test_prediction_before_the_start_belongs_to_the_first_beat() -> None:
    found = match_beats([105, 200], [97, 200], TOLERANCE, start=100)
    assert pairs(found) == [(0, 0), (1, 1)]
    assert (found.missed.size, found.extra.size) == (0, 0)


def test_nearer_prediction_after_the_start_wins() -> None:
    found = match_beats([105, 200], [97, 107, 200], TOLERANCE, start=100)
    assert pairs(found) == [(0, 1), (1, 2)]
    assert found.extra.size == 0


def test_prediction_for_a_beat_before_the_start_is_not_counted() -> None:
    found = match_beats([96, 200], [103, 200], TOLERANCE, start=100)
    assert pairs(found) == [(1, 1)]
    assert (found.missed.size, found.extra.size) == (0, 0)


def test_extra_beat_later_after_the_start_is_counted() -> None:
    found = match_beats([96, 200], [111, 200], TOLERANCE, start=100)
    assert found.extra.tolist() == [0]


def test_first_beat_missed_at_the_start_is_counted() -> None:
    assert match_beats([105, 200], [200], TOLERANCE, start=100).missed.tolist() == [0]


def test_whole_record_has_no_learning_period() -> None:
    found = match_beats([20, 200], [3, 21, 200], TOLERANCE)
    assert found.extra.tolist() == [0]


def test_end_counts_pairs_with_either_beat_inside() -> None:
    ref, pred = [100, 205, 300], [100, 198, 300]
    assert pairs(match_beats(ref, pred, TOLERANCE, stop=200)) == [(0, 0), (1, 1)]
    assert match_beats([100, 200], [100], TOLERANCE, stop=200).missed.tolist() == [1]
    assert match_beats([100, 201], [100], TOLERANCE, stop=200).missed.size == 0
    assert match_beats([100], [100, 201], TOLERANCE, stop=200).extra.size == 0


def test_long_list_far_apart_from_the_other() -> None:
    found = match_beats(range(0, 10**6, 300), [], 54)
    assert found.missed.size == len(range(0, 10**6, 300))


@pytest.mark.parametrize(
    ("fs", "samples"), [(360, 54), (128, 19), (250, 38), (1000, 150), (257.0, 39)]
)
def test_tolerance_rounds_half_up_as_wfdb_does(fs: float, samples: int) -> None:
    assert tolerance_samples(150, fs) == samples


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_senseless_tolerance_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="must be 0 ms or more"):
        tolerance_samples(bad, 360)


def test_bad_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="predicted beats descend"):
        match_beats([1, 2], [2, 1], 5)
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        match_beats([[1, 2]], [1], 5)
    with pytest.raises(ValueError, match="0 or more"):
        match_beats([1], [1], -1)
