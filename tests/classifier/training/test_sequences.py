import numpy as np
import pytest
from beat_sets import make_dataset
from beat_windows import beat

from classifier.inputs.features import NEXT_BEAT, Feature
from classifier.inputs.intervals import rhythm_features
from classifier.inputs.memory import PatientMemory
from classifier.inputs.sequence import N_CLASSES, N_OUTPUTS, RHYTHM_INPUTS
from classifier.training.dataset import UNKNOWN
from classifier.training.sequences import (
    DirtConfig,
    Intervals,
    intervals_of,
    sequence_of,
    with_rhythm,
)

CLEAN = DirtConfig(jitter_s=(0.0,), missed=(0.0,), false=(0.0,), rate_sd=0.0)


def source(n=400, rr_s=0.8):
    target = np.where(np.arange(n) % 7 == 3, 1, 0)
    return Intervals(
        name="long",
        time_s=np.arange(n) * rr_s - 0.3 * rr_s * (target == 1),
        target=target,
        fibrillates=np.full(n, UNKNOWN),
    )


def test_intervals_give_the_features_that_a_signal_with_them_gives():
    rr_s = np.random.default_rng(2).uniform(0.5, 1.1, 90)
    rr_s[[0, 50]] = 0.0  # The first beat, and one after a gap
    patient = PatientMemory()
    seen = [
        patient.describe_and_learn(beat()[None].astype(np.float32), rr)[0].features for rr in rr_s
    ]
    found = rhythm_features(rr_s)
    columns = [int(feature) for feature in RHYTHM_INPUTS]
    assert np.array_equal(found[:, columns], np.stack(seen)[:, columns])
    assert not found[:, Feature.QRS_SIMILARITY].any()


def test_clean_intervals_are_those_of_the_source():
    rr_s, target, fibrillates = intervals_of(source(), 10, 50, CLEAN, np.random.default_rng(0))
    assert rr_s[0] == 0
    assert np.allclose(rr_s[1:], np.diff(source().time_s[10:60]))
    assert np.array_equal(target, source().target[10:60])
    assert (fibrillates == UNKNOWN).all()


def test_dirt_misses_beats_and_adds_noise_where_none_is():
    dirt = DirtConfig(missed=(0.1,), false=(0.1,))
    _, target, _ = intervals_of(source(), 10, 200, dirt, np.random.default_rng(1))
    assert target.size == 200
    assert 5 < (target == N_CLASSES - 1).sum() < 40


@pytest.mark.parametrize("silence_s", [0.05, 6.0])
def test_an_interval_that_no_heart_makes_is_a_gap(silence_s):
    long = source()
    time_s = long.time_s.copy()
    time_s[30:] += silence_s - (time_s[30] - time_s[29])
    broken = Intervals(name="gap", time_s=time_s, target=long.target, fibrillates=long.fibrillates)
    rr_s, _, _ = intervals_of(broken, 10, 50, CLEAN, np.random.default_rng(0))
    assert np.flatnonzero(rr_s == 0).tolist() == [0, 20]


def test_what_the_rhythm_model_says_goes_to_the_beats_it_is_of():
    dataset = make_dataset(["101", "106"])
    assert sequence_of(dataset.of_records(["106"])).record == "106"
    n = (dataset.record == "101").sum()
    said = np.zeros((n, N_OUTPUTS), np.float32)
    said[:, 1] = np.arange(n) / n  # S, of this beat
    said[:, N_CLASSES + 2] = -np.arange(n) / n  # V, of the beat before
    before = dataset.provisional.copy()
    filled = with_rhythm(dataset, {("101", 0): said})
    first = filled.of_records(["101"])
    assert np.allclose(first.provisional[:, Feature.SEQUENCE_S], said[:, 1] / 4)
    assert np.allclose(first.confirmed[:-1, Feature.NEXT_SEQUENCE_V], said[1:, 7] / 4)
    assert not first.provisional[:, NEXT_BEAT].any()
    assert np.array_equal(
        filled.of_records(["106"]).confirmed, dataset.of_records(["106"]).confirmed
    )
    assert np.array_equal(dataset.provisional, before)
