import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy.special import expit

from classifier.errors import DatasetError
from classifier.recipes.explaining import look
from classifier.recipes.infarction.beats import DiagnosedBeats, patient_folds
from classifier.recipes.infarction.logistic import RidgePath
from classifier.recipes.infarction.measures import MEASURES, measure
from classifier.recipes.infarction.network import LeadNetwork, features_of, pretrained_trunk
from classifier.recipes.infarction.recipe import R_COLUMN, RECIPE, WINDOW_SAMPLES
from classifier.recipes.infarction.scores import Ranked, auroc, difference, figures
from classifier.recipes.infarction.tuning import tune, varied

RANDOM = np.random.default_rng(3)


def bumps(heights, centre=R_COLUMN, width=4.0):
    """One lead, a bump of each height."""
    shape = np.exp(-0.5 * ((np.arange(WINDOW_SAMPLES) - centre) / width) ** 2)
    return (np.array(heights)[:, None, None] * shape).astype(np.float32)


def test_auroc_counts_pairs():
    score, ill = RANDOM.integers(0, 6, 40).astype(float), np.arange(40) % 3 == 0
    pairs = list(itertools.product(score[ill], score[~ill]))
    brute = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    assert auroc(score, ill) == pytest.approx(brute)


def test_sensitivity_leaves_the_specificity_asked_for():
    ill = np.r_[np.zeros(10, bool), np.ones(4, bool)]
    score = np.r_[np.arange(10.0), 7.5, 8.0, 8.5, 20.0]
    ranked, once = Ranked(score, ill), np.ones((1, 14))
    # One of ten healthy records may score higher: the threshold is 8.
    assert ranked.sensitivity(once)[0] == 0.5
    assert ranked.sensitivity(once, 1.0)[0] == 0.25
    # Without the two highest healthy records it is 7, less one of eight.
    fewer = once * ~((score > 7.9) & ~ill)
    assert ranked.sensitivity(fewer)[0] == 1.0


def test_intervals_draw_patients_not_records():
    ill = np.arange(60) % 2 == 0
    score = ill + RANDOM.normal(0, 1, 60)
    alone = figures(score, ill, np.arange(60).astype(str), 1)
    doubled = figures(
        np.r_[score, score], np.r_[ill, ill], np.tile(np.arange(60).astype(str), 2), 1
    )
    assert alone.auroc == doubled.auroc
    assert alone.auroc_interval == pytest.approx(doubled.auroc_interval)
    low, high = alone.auroc_interval
    assert low < alone.auroc < high
    gain, least, most = difference(score, -score, ill, np.arange(60).astype(str), 1)
    assert gain == pytest.approx(2 * alone.auroc - 1)
    assert least < gain < most


def test_a_patient_is_in_one_fold_and_the_ill_are_dealt_evenly():
    patient = (np.arange(100) * 7 % 29).astype(str)
    ill = np.isin(patient, [str(n) for n in range(10)])
    fold = patient_folds(patient, ill, 5, 7)
    assert all(np.unique(fold[patient == name]).size == 1 for name in np.unique(patient))
    dealt = [np.unique(patient[ill & (fold == k)]).size for k in range(5)]
    assert max(dealt) - min(dealt) <= 1
    with pytest.raises(DatasetError, match="10 patients with an infarction and 19 without, but 11"):
        patient_folds(patient, ill, 11, 7)


@pytest.mark.parametrize("columns", [3, 80])
def test_ridge_has_no_slope_at_its_solution(columns):
    x, ill = RANDOM.normal(0, 1, (30, columns)).astype(np.float32), np.arange(30) % 3 == 0
    found = RidgePath(x, ill).fit(0.5)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    share = np.where(ill, 0.5 / ill.sum(), 0.5 / (~ill).sum())
    slope = standard.T @ (share * (expit(found.log_odds(x)) - ill)) + 0.5 * found.weights
    assert np.abs(slope).max() < 1e-3


def test_measures_are_those_of_the_wave():
    lead = bumps([1.0]) + bumps([-0.4], R_COLUMN - 12) + bumps([0.2], R_COLUMN + 32, 8.0)
    found = dict(zip(MEASURES, measure(lead)[0, 0], strict=True))
    assert found["R height"] == pytest.approx(1.0, abs=0.02)
    assert found["Q or QS depth"] == pytest.approx(-0.4, abs=0.02)
    assert found["ST at 83 ms"] == pytest.approx(0.2, abs=0.02)


def test_medians_are_of_each_records_own_beats():
    signal = bumps([1, 2, 9, 5, 5])
    beats = DiagnosedBeats(
        signal=signal,
        owner=np.array([0, 0, 0, 1, 1]),
        target=np.array([0, 2]),
        record=np.array(["a", "b"]),
        patient=np.array(["p", "q"]),
    )
    assert beats.medians()[:, 0, R_COLUMN].tolist() == [2.0, 5.0]
    assert beats.each_beat(np.array([3, 0])).target.tolist() == [2, 0]


def test_variation_keeps_the_wave_and_changes_it():
    beats = [bumps([1, 1, 1])] * 4
    drawn = varied(beats, RECIPE.variation, np.random.default_rng(0))
    assert drawn.shape == (4, 1, WINDOW_SAMPLES)
    assert np.unique(drawn[:, 0, R_COLUMN]).size == 4
    assert np.abs(drawn.argmax(axis=2) - R_COLUMN).max() <= 10


def test_a_tuned_network_begins_at_its_head_and_learns():
    ill = np.arange(16) % 2 == 0
    st = bumps(np.where(ill, 0.3, 0.0), R_COLUMN + 50, 20.0)
    signal = bumps(np.ones(16)) + st + RANDOM.normal(0, 0.01, st.shape).astype(np.float32)
    network = LeadNetwork(pretrained_trunk(), 10, 0.3)
    features = features_of(network, signal)
    fitted = RidgePath(features, ill).fit(10.0)
    network.set_head(fitted)
    with torch.inference_mode():
        begun = network.eval()(torch.from_numpy(signal)).numpy()
    assert begun == pytest.approx(fitted.log_odds(features), abs=1e-3)
    recipe = dataclasses.replace(RECIPE, learning_rate=3e-3, dropout=0.0)
    tuned, losses = tune(network, [one[None] for one in signal], ill, recipe, 25, 1)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    looked = look(tuned.trunk, tuned, signal[:1])
    assert looked.gradient.shape == looked.grad_cam.shape == (1, 1, WINDOW_SAMPLES)
    assert looked.grad_cam.max() <= 1.0
    # A small step along the gradient raises the log-odds.
    step = signal[:1] + 1e-3 * np.sign(looked.gradient)
    with torch.inference_mode():
        before, after = (float(tuned(torch.from_numpy(s))[0]) for s in (signal[:1], step))
    assert after > before
