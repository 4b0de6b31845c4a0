import dataclasses

import numpy as np
import pytest

from classifier.inputs.features import FEATURE_NAMES, Feature
from classifier.inputs.intervals import rhythm_features
from classifier.inputs.sequence import N_CLASSES
from classifier.network.rhythm_model import compiled_weights
from classifier.training.rhythm_fitting import cross_fit, fine_tune, pretrain, pretrained
from classifier.training.rhythm_windows import IntervalWindows, RhythmTrainingConfig
from classifier.training.sequences import BeatSequence, Intervals, outputs_of

SMALL = RhythmTrainingConfig(
    beats=40,
    warm_up_beats=20,
    pretraining_steps=60,
    pretraining_batch=16,
    steps=40,
    batch=12,
    rate=1e-2,
    average_decay=0.8,
)
SEED = 3


def silent(*_):
    pass


def intervals(seed, n=600):
    """Every now and then a premature beat, S; its interval is shorter, the next one normal."""
    rng = np.random.default_rng(seed)
    early = rng.random(n) < 0.12
    rr_s = np.where(early, 0.5, 0.85) + rng.normal(0, 0.01, n)
    return Intervals(
        name=f"long-{seed}",
        time_s=np.cumsum(rr_s),
        target=early.astype(np.int64),
        fibrillates=np.zeros(n, np.int64),
    )


def sequence(name, seed, n=240):
    source = intervals(seed, n)
    features = rhythm_features(np.diff(source.time_s, prepend=source.time_s[0]))
    # V beats are told by their shape alone.
    ventricular = np.random.default_rng(seed + 100).random(n) < 0.1
    features[:, Feature.QRS_WIDTH_RATIO] = ventricular + 0.05 * np.random.default_rng(seed).normal(
        size=n
    )
    return BeatSequence(
        record=name,
        variant=0,
        features=features,
        target=np.where(ventricular, 2, source.target),
        fibrillates=source.fibrillates,
        learns=np.ones(n, bool),
    )


@pytest.fixture(scope="module")
def sources():
    return [intervals(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def start(sources):
    return pretrain(sources, SMALL, SEED, silent)


@pytest.fixture(scope="module")
def sequences():
    return [sequence(name, 20 + k) for k, name in enumerate("abcd")]


def labels(model, of):
    return outputs_of(compiled_weights(model.state_dict()), of)[:, :N_CLASSES].argmax(axis=1)


def test_annotations_alone_teach_what_is_early(start):
    start.is_trained.fill_(1)
    new = sequence("new", 50)
    features = new.features.copy()
    features[:, Feature.QRS_WIDTH_RATIO] = 0
    found = labels(start, dataclasses.replace(new, features=features))[20:]
    early = intervals(50, 240).target[20:] == 1
    assert (found == 1)[early].mean() > 0.8
    assert (found == 1)[~early].mean() < 0.1


def test_training_records_teach_what_beats_look_like(start, sources, sequences):
    windows = IntervalWindows(sources, SMALL, SEED)
    model = fine_tune(start, sequences, windows, SMALL, SEED)
    new = sequence("new", 51)
    found = labels(model, new)[20:]
    assert (found == new.target[20:]).mean() > 0.9
    assert (found == 2)[new.target[20:] == 2].mean() > 0.8


def test_a_record_is_judged_by_models_that_have_not_seen_it(start, sequences):
    folds = (("a", "b"), ("c", "d"))
    changed = [
        dataclasses.replace(s, target=s.target * 0) if s.record == "a" else s for s in sequences
    ]
    said, other = (
        cross_fit(start, given, None, folds, SMALL, SEED, silent).outputs
        for given in (sequences, changed)
    )
    assert np.array_equal(said["a", 0], other["a", 0])
    assert np.array_equal(said["b", 0], other["b", 0])
    assert not np.array_equal(said["c", 0], other["c", 0])
    assert said["a", 0].shape == (240, 2 * N_CLASSES + 1)


def test_pretraining_is_done_once_for_the_same_settings(sources, tmp_path):
    quick = dataclasses.replace(SMALL, pretraining_steps=2)
    first = pretrained(sources, quick, SEED, tmp_path, silent)
    (path,) = tmp_path.iterdir()
    stamp = path.stat().st_mtime_ns
    second = pretrained(sources, quick, SEED, tmp_path, silent)
    assert path.stat().st_mtime_ns == stamp
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert np.array_equal(one.detach(), other.detach())
    pretrained(sources, quick, SEED + 1, tmp_path, silent)
    assert len(list(tmp_path.iterdir())) == 2


def test_training_works_without_annotations_and_with_fewer_features_known(sequences):
    model = fine_tune(None, sequences, None, SMALL, SEED)
    assert model.is_trained == 1
    assert labels(model, sequences[0]).shape == (240,)
    assert len(FEATURE_NAMES) == sequences[0].features.shape[1]
