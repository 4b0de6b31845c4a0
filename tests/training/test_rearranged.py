"""Patients whose ectopic beats are the rule."""

from itertools import islice

import numpy as np
import pytest

from replay.simulate.record import simulate_beats
from streamer.training.drawn_rhythms import RANGES, ectopic_rhythm, sinus_rhythm
from streamer.training.rearranged import with_ectopic_beats, with_sinus_beats

FS = 360.0


@pytest.fixture(scope="module")
def record():
    """Ten minutes of sinus rhythm, every tenth beat early and supraventricular or ventricular."""
    symbols = ("N" * 9 + "A" + "N" * 9 + "V") * 30
    early = np.array([symbol != "N" for symbol in symbols])
    times = 1.0 + np.arange(len(symbols)) - 0.35 * early
    return simulate_beats(times, symbols, seed=1, noise_mv=0.01)


def test_a_rearranged_record_has_its_beats_where_it_says(record):
    made = with_ectopic_beats(record, np.random.default_rng(3))
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


def test_a_rearranged_record_of_sinus_beats_has_blocked_p_waves_but_no_ectopic_beat(record):
    made = with_sinus_beats(record, np.random.default_rng(1))
    assert set(made.annotations.symbols[1:]) == {"N"}
    at = made.annotations.samples[1:]
    peaks = [int(np.argmax(made.signal[0, a - 30 : a + 30])) - 30 for a in at]
    assert np.abs(peaks).max() <= 2


def test_a_record_without_ectopic_beats_can_only_be_irregular():
    sinus = simulate_beats(1.0 + np.arange(300.0), seed=1)
    rng = np.random.default_rng(0)
    assert with_ectopic_beats(sinus, rng) is None
    assert with_sinus_beats(sinus, rng) is not None


def test_shares_of_ectopic_beats_from_few_to_most():
    shares = [
        np.mean([b.is_ectopic for b in islice(ectopic_rhythm(np.random.default_rng(n)), 600)])
        for n in range(60)
    ]
    assert min(shares) < 0.1
    assert max(shares) > 0.6
    assert 0.2 < float(np.mean(shares)) < 0.6


def test_an_ectopic_beat_comes_early_and_a_pause_follows():
    drawn = list(islice(ectopic_rhythm(np.random.default_rng(5)), 5000))
    ratios = np.array([beat.ratio for beat in drawn])
    ectopic = np.array([beat.is_ectopic for beat in drawn])
    after = np.flatnonzero(ectopic[:-1] & ~ectopic[1:]) + 1
    usual = ~ectopic
    usual[after] = False
    assert np.median(ratios[ectopic]) < np.median(ratios[usual]) < np.median(ratios[after])
    assert ratios.max() < 2 * RANGES.long_pause[1]


def test_an_irregular_rhythm_has_blocked_beats_and_no_ectopic_one():
    drawn = [
        beat for n in range(20) for beat in islice(sinus_rhythm(np.random.default_rng(n)), 600)
    ]
    assert not any(beat.is_ectopic for beat in drawn)
    blocked = np.array([beat.blocked for beat in drawn])
    ratios = np.array([beat.ratio for beat in drawn])
    assert 0.02 < blocked.mean() < 0.4
    assert np.median(ratios[blocked == 1]) > 1.6 * np.median(ratios[blocked == 0])
