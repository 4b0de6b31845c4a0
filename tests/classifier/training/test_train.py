import dataclasses

import numpy as np
import pytest
import torch
from beat_sets import make_dataset

from classifier.inputs.features import FEATURE_NAMES, N_NEXT, SECOND_LEAD
from classifier.labels import MODEL_LABELS, Label
from classifier.network.beat_cnn import NetworkConfig
from classifier.training.augmentation import AugmentationConfig, augment_features, augment_signal
from classifier.training.config import TrainingConfig, with_settings
from classifier.training.dataset import NO_BEAT, concatenate
from classifier.training.fitting import Fit, beat_loss, predict
from classifier.training.train import assign_folds, cross_validate, fit_all, held_out_score

RECORDS = ["101", "106", "108", "109"]
SMALL = TrainingConfig(
    folds=2,
    epochs_max=6,
    batch=32,
    learning_rate=1e-2,
    average_decay=0.8,
    normal_per_epoch=150,
    fusion_weight=1.0,
    noise_bonus=0.0,
    network=NetworkConfig(
        widths=(8, 8),
        hidden=16,
        ensemble_hidden=16,
        ensemble_size=1,
        dropout=0.0,
        # The features drawn here have no such meaning.
        first_beat_penalty=0.0,
        rhythm_shares=(0.0,) * 5,
    ),
)


def silent(*_):
    pass


@pytest.fixture(scope="module")
def trained():
    dataset = make_dataset(RECORDS)
    found = cross_validate(dataset, SMALL, silent)
    return dataset, found, fit_all(dataset, SMALL, found, silent)


def test_it_learns_what_can_be_told_apart(trained):
    dataset, found, network = trained
    assert max(found.scores) > found.scores[0]
    new = make_dataset(["200"], seed=9)
    labels = predict(network, new)[1].argmax(axis=1)
    assert (labels == new.reference).mean() > 0.7
    assert found.probabilities.shape == (2, len(dataset), len(MODEL_LABELS))


@pytest.mark.parametrize("loss", ["weighted", "focal"])
def test_one_epoch_lowers_the_loss_and_repeats_from_its_seed(loss):
    config = dataclasses.replace(SMALL, loss=loss)
    dataset = make_dataset(RECORDS[:2])
    rows = np.arange(len(dataset))
    one, other = Fit(dataset, rows, config, 5), Fit(dataset, rows, config, 5)
    losses = [one.epoch() for _ in range(3)]
    assert losses == [other.epoch() for _ in range(3)]
    assert losses[-1] < losses[0]
    assert np.array_equal(predict(one.averaged, dataset), predict(other.averaged, dataset))


def test_held_out_records_are_not_trained_on(trained):
    dataset, found, _ = trained
    assert sorted(name for fold in found.folds for name in fold) == sorted(RECORDS)
    changed = dataclasses.replace(dataset, reference=dataset.reference.copy())
    held = np.isin(dataset.record, found.folds[0])
    changed.reference[held] = 0
    kept = [Fit(one, np.flatnonzero(~held), SMALL, 1) for one in (dataset, changed)]
    assert kept[0].epoch() == kept[1].epoch()


def test_variants_are_trained_on_and_never_judged_on():
    dataset = make_dataset(RECORDS)
    varied = dataclasses.replace(dataset, variant=np.ones_like(dataset.variant))
    both = concatenate([dataset, varied])
    config = dataclasses.replace(SMALL, epochs_max=2)
    found = cross_validate(both, config, silent)
    assert found.probabilities.shape[1] == len(dataset)
    assert Fit(both, np.arange(len(both)), config, 1)._epoch_size() > len(dataset) / 2


def test_noise_is_a_class_of_its_own():
    dataset = make_dataset(RECORDS)
    noise = dataset.reference == 1
    dataset.reference[noise] = NO_BEAT
    dataset.signal[noise, 0] = np.random.default_rng(1).standard_normal((noise.sum(), 256))
    fit = Fit(dataset, np.arange(len(dataset)), SMALL, 3)
    for _ in range(SMALL.epochs_max):
        fit.epoch()
    called = predict(fit.averaged, dataset)[1].argmax(axis=1)
    assert (called[noise] == MODEL_LABELS.index(Label.Q)).mean() > 0.8
    assert (called[~noise] == MODEL_LABELS.index(Label.Q)).mean() < 0.1


def test_folds_share_the_rare_classes():
    parts = [
        make_dataset([name], (20, rare, 0, 0))
        for name, rare in zip(RECORDS, (40, 30, 10, 0), strict=True)
    ]
    folds = assign_folds(concatenate(parts), 2)
    assert [sorted(fold) for fold in folds] == [["101", "109"], ["106", "108"]]


def test_focal_loss_cares_less_for_what_is_right():
    logits = torch.tensor([[4.0, 0, 0, 0], [0.0, 4, 0, 0]])
    target, weight = torch.tensor([0, 0]), torch.ones(2)
    each = {
        loss: [
            beat_loss(
                logits[i : i + 1],
                target[i : i + 1],
                weight[:1],
                dataclasses.replace(SMALL, loss=loss),
            ).item()
            for i in (0, 1)
        ]
        for loss in ("weighted", "focal")
    }
    assert each["focal"][0] < 0.01 * each["weighted"][0]
    assert each["focal"][1] > 0.9 * each["weighted"][1]


def test_offsets_never_lower_the_held_out_score():
    random = np.random.default_rng(2)
    reference = random.integers(0, 4, 400)
    logits = random.standard_normal((400, len(MODEL_LABELS))).astype(np.float32)
    logits[:, -1] -= 5
    logits[np.arange(400), reference] += 1
    logits[:, 0] += 2
    score, offsets = held_out_score(logits, reference, SMALL)
    none, _ = held_out_score(logits + offsets, reference, SMALL)
    assert score == pytest.approx(none, abs=0.05)
    assert offsets.max() > 0


def test_augmentation_varies_beats_and_spares_what_must_stay():
    generator = torch.Generator().manual_seed(1)
    signal = torch.from_numpy(make_dataset(["101"]).signal)
    before = signal.clone()
    varied = augment_signal(signal, AugmentationConfig(), generator)
    assert varied.shape == signal.shape
    assert torch.equal(signal, before)
    assert not torch.allclose(varied, signal, atol=0.01)
    features = torch.ones(12, len(FEATURE_NAMES))
    features[:3, -N_NEXT:] = 0
    spread = torch.ones(len(FEATURE_NAMES))
    varied = augment_features(features, spread, AugmentationConfig(), generator)
    second = varied[:, SECOND_LEAD].any(dim=1)
    assert second.any()
    assert not second.all()
    assert not varied[:3, -N_NEXT:].any()
    assert (varied[3:, -N_NEXT + 1 :] != 1).all()


def test_no_augmentation_changes_nothing():
    off = AugmentationConfig(
        lead_drop=0, gain_sd=0, beat_gain_sd=0, drift_sd=0, noise_max=0, shift_max_s=0, feature_sd=0
    )
    signal = torch.from_numpy(make_dataset(["101"]).signal)
    assert torch.allclose(augment_signal(signal, off, torch.Generator()), signal)


def test_settings_replace_fields_of_any_depth():
    changed = with_settings(
        SMALL, ["loss=focal", "epochs_max=3", "network.use_template=false", "network.widths=[4,4]"]
    )
    assert (changed.loss, changed.epochs_max) == ("focal", 3)
    assert changed.network == dataclasses.replace(SMALL.network, use_template=False, widths=(4, 4))


@pytest.mark.parametrize("setting", ["epoch=3", "epochs_max=many", "epochs_max=1.5", "network.x=1"])
def test_nonsense_settings_are_refused(setting):
    with pytest.raises(ValueError, match=r"no training setting|no such value"):
        with_settings(SMALL, [setting])
