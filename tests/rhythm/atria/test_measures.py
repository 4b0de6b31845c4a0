"""Atrial fibrillation: what irregularity and P waves say, and from when to when."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from rhythm_cases import DELAY, alarms, items, labeled, rhythms, run, steady

from classifier.labels import Label
from streamer.core.events import LabeledBeat, Rhythm
from streamer.rhythm.atria.measures import Atria, AtriaConfig

Placed = list[tuple[int, str]]


def irregular(count: int, start: int, spread: float = 0.2, mean: int = 270) -> Placed:
    """Make unrelated intervals; the first beat comes after `start`."""
    rng = np.random.default_rng(4)
    intervals = np.maximum(mean * (1.0 + spread * rng.standard_normal(count)), 0.4 * mean)
    return [(int(sample), "N") for sample in start + np.cumsum(intervals.astype(int))]


def patterned(intervals: Sequence[int], count: int, start: int) -> Placed:
    """Repeat the same intervals over and over."""
    samples = start + np.cumsum([intervals[k % len(intervals)] for k in range(count)])
    return [(int(sample), "N") for sample in samples]


def waved(beats: Placed, p_mv: float, seed: int = 2) -> Iterator[LabeledBeat]:
    """Give each beat a window with a P wave, or with a wave at another place each time."""
    rng = np.random.default_rng(seed)
    t = np.arange(256)
    for item in items(beats):
        assert isinstance(item, LabeledBeat)
        at = 70 if p_mv else rng.integers(30, 120)
        window = 0.1 * np.exp(-0.5 * ((t - at) / 8.0) ** 2)[None].astype(np.float32)
        sample = item.beat.rpeak.sample
        yield labeled(sample, str(item.label), item.revision, item.decided_at, window=window)


def atria(
    intervals: Iterable[float], config: AtriaConfig | None = None, model_log_odds: float = 0.0
) -> Atria:
    """Show these intervals, in s, to an observer of the atria."""
    found = Atria(config)
    sample = 1000
    for interval_s in intervals:
        rr = None if np.isnan(interval_s) else round(360 * interval_s)
        sample += 300 if rr is None else rr
        found.add(labeled(sample, "N", 1, sample + DELAY).beat, rr, model_log_odds)
    return found


def entropy_by_hand(intervals: NDArray[np.float64]) -> float:
    """Count the matches of Lake & Moorman one by one, from successive pairs of intervals."""
    pairs = list(pairwise(intervals))
    tolerance = 0.03
    while True:
        near = [(a, b) for a, b in combinations(pairs, 2) if abs(a[0] - b[0]) < tolerance]
        longer = sum(abs(a[1] - b[1]) < tolerance for a, b in near)
        if longer >= 5:
            return float(np.log(len(near) / longer * 2 * tolerance / intervals.mean()))
        tolerance += 0.005


def test_fibrillation_is_irregular_without_p_waves() -> None:
    before = steady(40, 300)
    during = irregular(60, before[-1][0])
    after = steady(48, 300, start=during[-1][0] + 300)
    outputs = run(waved(before + during + after, p_mv=0.0))
    found = [event for event in rhythms(outputs) if event[0] is not Rhythm.SINUS_TACHYCARDIA]
    assert [event[0] for event in found] == [
        Rhythm.SINUS,
        Rhythm.ATRIAL_FIBRILLATION,
        Rhythm.SINUS,
    ]
    assert [alarm[0] for alarm in alarms(outputs)] == [Rhythm.ATRIAL_FIBRILLATION]
    (_, onset, known), (_, over, over_known) = found[1:]
    # It is dated back to within two beats of where it began and ended.
    assert abs(onset - before[-1][0]) <= 2 * 300
    assert abs(over - during[-1][0]) <= 2 * 300
    assert known <= during[47][0] + DELAY
    assert over_known <= after[40][0] + DELAY


def test_fibrillation_ends_within_a_few_beats_once_p_waves_are_back() -> None:
    """Even where the intervals stay irregular, as with many premature beats."""
    before = steady(40, 300)
    during = irregular(70, before[-1][0])
    after = irregular(40, during[-1][0])
    beats = [*waved([*before, *during], p_mv=0.0), *waved(after, p_mv=0.1)]
    found = rhythms(run(beats))
    (_, onset, known) = found[-1]
    assert [event[0] for event in found[-2:]] == [Rhythm.ATRIAL_FIBRILLATION, Rhythm.SINUS]
    assert abs(onset - during[-1][0]) <= 6 * 400
    assert known <= after[20][0] + DELAY


def test_fibrillation_comes_back_sooner_than_it_came() -> None:
    """Twelve beats and their log-odds are enough in a patient in whom it comes and goes."""
    first = irregular(70, 1000)
    between = steady(18, 300, start=first[-1][0] + 300)
    again = irregular(30, between[-1][0])
    beats = [
        *waved(first, p_mv=0.0),
        *waved(between, p_mv=0.1, seed=3),
        *waved(again, p_mv=0.0, seed=4),
    ]
    found = [event for event in rhythms(run(beats)) if event[0] is Rhythm.ATRIAL_FIBRILLATION]
    assert len(found) == 2
    (_, onset, known) = found[1]
    assert abs(onset - between[-1][0]) <= 2 * 300
    assert known <= again[18][0] + DELAY
    alone = rhythms(run([*waved(between, p_mv=0.1), *waved(again[:19], p_mv=0.0)]))
    assert Rhythm.ATRIAL_FIBRILLATION not in [event[0] for event in alone]


def test_premature_beats_that_hide_their_p_waves_are_no_fibrillation() -> None:
    """Every third beat is early, by another part each time, and the T wave is before it."""
    rng = np.random.default_rng(9)
    beats, at = [], 1000
    for k in range(150):
        early, late = int(rng.integers(150, 210)), int(rng.integers(310, 420))
        at += early if k % 3 == 2 else late if k % 3 == 0 else 300
        beats.append((at, "S" if k % 3 == 2 else "N"))
    hidden, shown = waved(beats, p_mv=0.0), waved(beats, p_mv=0.1)
    mixed = [
        bare if bare.label is Label.S else clear for bare, clear in zip(hidden, shown, strict=True)
    ]
    found = [event[0] for event in rhythms(run(mixed))]
    assert Rhythm.ATRIAL_FIBRILLATION not in found


def test_irregular_beats_with_p_waves_are_no_fibrillation() -> None:
    beats = steady(40, 300)
    beats += irregular(60, beats[-1][0])
    found = [event[0] for event in rhythms(run(waved(beats, p_mv=0.1)))]
    assert Rhythm.ATRIAL_FIBRILLATION not in found


@pytest.mark.parametrize(
    "intervals",
    [[200, 380], [300, 200, 390], [300, 300, 190, 400], [220, 340, 260, 400, 240, 310, 370, 230]],
)
def test_intervals_that_come_again_are_no_fibrillation(intervals: list[int]) -> None:
    found = [event[0] for event in rhythms(run(waved(patterned(intervals, 120, 1000), p_mv=0.0)))]
    assert Rhythm.ATRIAL_FIBRILLATION not in found


def test_breathing_is_no_fibrillation() -> None:
    swing = 300 + 45 * np.sin(2 * np.pi * np.arange(120) / 6.0)
    beats = patterned([int(rr) for rr in swing], 120, 1000)
    found = [event[0] for event in rhythms(run(waved(beats, p_mv=0.0)))]
    assert Rhythm.ATRIAL_FIBRILLATION not in found


def test_entropy_counts_as_the_paper_does() -> None:
    intervals = np.round(360 * np.random.default_rng(3).normal(0.8, 0.1, 48)) / 360
    found = atria(intervals).entropy
    assert found is not None
    assert found == pytest.approx(entropy_by_hand(intervals))


@pytest.mark.parametrize("spread", [0.1, 0.15, 0.2])
def test_entropy_of_unrelated_intervals_is_that_of_their_spread(spread: float) -> None:
    rng = np.random.default_rng(5)
    config = AtriaConfig(tolerance_s=0.05)
    found = [atria(rng.normal(0.8, 0.8 * spread, 48), config).entropy for _ in range(30)]
    assert np.mean(np.array(found, float)) == pytest.approx(
        np.log(2 * np.sqrt(np.pi) * spread), abs=0.15
    )


def test_unknown_intervals_match_nothing() -> None:
    known = [0.8, 0.9, 0.8] * 7
    assert atria(known).entropy is not None
    assert atria([*known[:10], np.nan, *known[10:]]).entropy is None


def test_fibrillation_goes_on_for_a_while_where_nothing_is_known() -> None:
    known = list(np.random.default_rng(7).normal(0.8, 0.16, 40))
    found = atria([*known, *[np.nan] * 60])
    assert found.is_fibrillating(stays=True)
    assert not atria([*known, *[np.nan] * 70]).is_fibrillating(stays=True)


def test_the_transition_is_where_the_differences_change() -> None:
    rng = np.random.default_rng(6)
    found = atria([*[0.8] * 20, *rng.normal(0.8, 0.2, 20)])
    since = found.beats_since_transition(fibrillating=True)
    assert 19 <= len(since) <= 22
    found.note_transition(since[5])
    # The next change is looked for after the last.
    assert found.beats_since_transition(fibrillating=True)[0] >= since[5]
    found.clear()
    assert found.beats_since_transition(fibrillating=True) == ()


def test_the_rhythm_model_names_fibrillation_before_the_entropy_is_known() -> None:
    intervals = np.random.default_rng(3).normal(0.7, 0.15, 18)
    alone = atria(intervals)
    assert not alone.is_fibrillating(stays=False)
    config = AtriaConfig(joint_log_odds=alone.log_odds + 2.0)
    assert atria(intervals, config, 2.1).is_fibrillating(stays=False)
    assert not atria(intervals, config, 1.9).is_fibrillating(stays=False)
    other = Atria(config)
    other.restore(atria(intervals, config, 2.1).state())
    assert other.is_fibrillating(stays=False)


def test_state_and_restore_go_on_alike() -> None:
    intervals = np.random.default_rng(7).normal(0.8, 0.15, 70)
    whole, half = atria(intervals), atria(intervals[:40])
    other = Atria()
    other.restore(half.state())
    assert other.entropy == half.entropy
    sample = 0
    for interval in intervals[40:]:
        sample += round(360 * interval)
        other.add(labeled(sample, "N", 1, sample + DELAY).beat, round(360 * interval))
    assert other.entropy == whole.entropy
