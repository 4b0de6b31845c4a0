"""The hidden Markov model of the atria: what single beats tell, and where a state began."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.rhythm.atria.fibrillation import (
    nearest_pair,
    observe,
    transition_index,
)
from streamer.rhythm.atria.fibrillation_model import (
    CHANGE,
    CHANGE_EDGES,
    PAIR,
    PAIR_EDGES,
    SIMILARITY,
    SIMILARITY_EDGES,
    TRANSITION,
    AtrialState,
    log_odds_of,
)
from streamer.rhythm.atria.memory import KEPT, AtriaState, FWaves, new_state
from streamer.rhythm.atria.p_waves import POINTS

Wave = NDArray[np.float32]
P_WAVE = (0.1 * np.exp(-0.5 * ((np.arange(POINTS) - 5.0) / 1.5) ** 2))[None].astype(np.float32)


def waves(size_mv: float, seed: int = 1) -> Iterable[Wave]:
    """Yield waves that don't resemble each other, of about this root mean square."""
    rng = np.random.default_rng(seed)
    while True:
        yield (size_mv * rng.standard_normal((1, POINTS))).astype(np.float32)


def follow(
    state: AtriaState, intervals_s: Iterable[float], before: Iterable[Wave], start: int = 0
) -> float:
    """Show beats one after the other; return the log-odds after the last one."""
    sample, odds = start, np.nan
    for interval_s, wave in zip(intervals_s, before, strict=False):
        sample += 300 if np.isnan(interval_s) else round(360 * interval_s)
        odds = observe(state, sample, interval_s, wave)
    return odds


def irregular(count: int, seed: int = 2) -> list[float]:
    return list(0.75 * np.exp(0.24 * np.random.default_rng(seed).standard_normal(count)))


def regular(count: int, seed: int = 3) -> list[float]:
    return list(0.85 * (1.0 + 0.01 * np.random.default_rng(seed).standard_normal(count)))


def test_tables_have_a_column_between_all_edges_and_changes_are_probabilities() -> None:
    for edges, table in (
        (CHANGE_EDGES, CHANGE),
        (PAIR_EDGES, PAIR),
        (SIMILARITY_EDGES, SIMILARITY),
    ):
        assert np.all(np.diff(edges) > 0)
        assert table.shape == (2, edges.size + 1)
    assert TRANSITION.sum(axis=1) == pytest.approx(np.ones(len(TRANSITION)))
    assert (TRANSITION >= 0).all()


def test_irregular_beats_without_p_waves_speak_for_fibrillation() -> None:
    state = new_state(1)
    assert follow(state, irregular(30), waves(0.1)) > 4.0
    assert state.probability.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("size_mv", [0.004, 0.1])
def test_regular_beats_are_none_whether_they_have_p_waves_or_not(size_mv: float) -> None:
    assert follow(new_state(1), regular(30), waves(size_mv)) < -4.0
    assert follow(new_state(1), regular(30), [P_WAVE] * 30) < -4.0


def test_irregular_beats_with_p_waves_are_none() -> None:
    assert follow(new_state(1), irregular(30), [P_WAVE] * 30) < -4.0


def test_an_end_and_a_return_are_seen_and_dated_within_a_few_beats() -> None:
    state = new_state(1)
    follow(state, irregular(40), waves(0.1))
    assert follow(state, regular(8), [P_WAVE] * 8, start=20_000) < -4.0
    assert state.sample[transition_index(state, 0, False)] == pytest.approx(20_000, abs=2 * 310)
    follow(state, regular(10), [P_WAVE] * 10, start=30_000)
    first = int(np.searchsorted(state.sample[: state.filled[0]], 20_000))
    assert follow(state, irregular(12, seed=5), waves(0.1, seed=6), start=40_000) > 4.0
    assert state.sample[transition_index(state, first, True)] == pytest.approx(40_000, abs=3 * 310)


def test_fibrillatory_waves_that_vanish_speak_against_fibrillation() -> None:
    """As long as a patient's own waves have been seen to be larger."""
    coarse, fine = new_state(1), new_state(1)
    follow(coarse, irregular(40), waves(0.1))
    follow(fine, irregular(40), waves(0.006))
    assert coarse.f_waves[FWaves.LOG_SIZE] == pytest.approx(np.log(0.1), abs=0.2)
    after = irregular(4, seed=7)
    odds = [follow(state, after, waves(0.005, seed=8), start=20_000) for state in (coarse, fine)]
    assert odds[0] < odds[1] - 3.0


def test_the_wave_before_an_early_beat_is_not_asked() -> None:
    state = new_state(1)
    follow(state, [0.8] * 12, [P_WAVE] * 12)
    for interval_s, asked in ((0.5, False), (0.8, True), (0.7, True)):
        observe(state, 20_000, interval_s, P_WAVE)
        assert np.isfinite(state.similarity[state.filled[0] - 1]) == asked


def test_nothing_unknown_is_held_against_anything() -> None:
    state = new_state(2)
    before = log_odds_of(state.probability)
    observe(state, 300, np.nan, np.zeros((0, 0), np.float32))
    assert not state.has_segment[0]
    assert (state.log_likelihood[0] == 0.0).all()
    assert abs(log_odds_of(state.probability) - before) < 0.5


def test_the_nearest_pair_by_hand() -> None:
    intervals_s = np.array([0.8, 0.5, 1.1, 0.8, 0.52, 1.1, 0.9, 0.81, 0.5])
    last = intervals_s.size - 1
    expected = min(
        max(
            abs(np.log(intervals_s[last] / intervals_s[k])),
            abs(np.log(intervals_s[last - 1] / intervals_s[k - 1])),
        )
        for k in range(1, last)
    )
    assert nearest_pair(intervals_s, last) == pytest.approx(expected)
    assert np.isnan(nearest_pair(intervals_s[:5], 4))
    intervals_s[1] = np.nan
    assert nearest_pair(intervals_s, last) > expected


def test_the_oldest_beat_goes_when_the_memory_is_full() -> None:
    state = new_state(1)
    follow(state, [0.8] * (KEPT + 3), [P_WAVE] * (KEPT + 3))
    assert state.filled[0] == KEPT
    assert state.sample[0] == 4 * 288
    assert state.sample[-1] == (KEPT + 3) * 288
    assert state.log_likelihood[-1, AtrialState.FIBRILLATING] == 0.0
