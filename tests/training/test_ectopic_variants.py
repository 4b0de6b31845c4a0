"""Variants made of a record's own ectopic beats: fusion beats, and beats in another order."""

from itertools import islice

import numpy as np
import pytest

from replay.simulate.record import simulate_beats
from streamer.training.fused_beats import with_fused_beats
from streamer.training.rearranged import RANGES, ectopic_rhythm, rearranged

FS = 360.0


@pytest.fixture(scope="module")
def record():
    """Ten minutes of sinus rhythm, every tenth beat early and supraventricular or ventricular."""
    symbols = ("N" * 9 + "A" + "N" * 9 + "V") * 30
    early = np.array([symbol != "N" for symbol in symbols])
    times = 1.0 + np.arange(len(symbols)) - 0.35 * early
    return simulate_beats(times, symbols, seed=1, noise_mv=0.01)


def beat(record, at):
    return record.signal[0, at - 50 : at + 180]


def test_a_fused_beat_lies_between_the_sinus_and_the_ventricular_beat(record):
    made = with_fused_beats(record, np.random.default_rng(0))
    at = record.annotations.samples
    was, now = np.array(record.annotations.symbols), np.array(made.annotations.symbols)
    fused = now == "F"
    assert 20 < fused.sum() < 60
    assert set(was[fused]) == {"N"}
    assert (was == now)[~fused].all()
    normal, wide = (
        np.mean([beat(record, a) for a in at[was == symbol]], axis=0) for symbol in "NV"
    )
    for place in at[fused]:
        own = beat(made, place)
        assert np.linalg.norm(own - normal) > 0.1 * np.linalg.norm(wide - normal)
        assert np.linalg.norm(own - wide) < np.linalg.norm(normal - wide)
    kept = at[~fused][2:-2]
    assert all(np.array_equal(beat(made, a)[30:70], beat(record, a)[30:70]) for a in kept)


def test_a_rearranged_record_has_its_beats_where_it_says(record):
    made = rearranged(record, np.random.default_rng(3))
    marks = made.annotations
    assert marks.symbols[0] == "+"
    assert marks.aux[0] == "(N"
    at, symbols = marks.samples[1:], np.array(marks.symbols[1:])
    assert set(symbols) == {"N", "S"}
    peaks = [int(np.argmax(made.signal[0, a - 30 : a + 30])) - 30 for a in at]
    assert np.abs(peaks).max() <= 2
    assert np.diff(at).min() >= 0.28 * FS
    # Between beats there is neither a jump nor a beat that nobody marked.
    between = np.ones(made.n_samples, bool)
    for a in at:
        between[max(a - 20, 0) : a + 20] = False
    assert np.abs(made.signal[0, between]).max() < 0.6


def test_shares_of_ectopic_beats_from_few_to_most():
    shares = [
        np.mean([ectopic for ectopic, _ in islice(ectopic_rhythm(np.random.default_rng(n)), 600)])
        for n in range(60)
    ]
    assert min(shares) < 0.1
    assert max(shares) > 0.6
    assert 0.2 < float(np.mean(shares)) < 0.6


def test_an_ectopic_beat_comes_early_and_a_pause_follows():
    drawn = list(islice(ectopic_rhythm(np.random.default_rng(5)), 5000))
    ratios = np.array([ratio for _, ratio in drawn])
    ectopic = np.array([early for early, _ in drawn])
    after = np.flatnonzero(ectopic[:-1] & ~ectopic[1:]) + 1
    usual = ~ectopic
    usual[after] = False
    assert np.median(ratios[ectopic]) < np.median(ratios[usual]) < np.median(ratios[after])
    assert ratios.max() < 2 * RANGES.long_pause[1]
