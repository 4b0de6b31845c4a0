import dataclasses
import json

import numpy as np
import pytest
import torch

from classifier.errors import DatasetError
from classifier.network.runtime import quiet_torchscript
from classifier.recipes.artefacts import write_recipe_model
from classifier.recipes.beats import RecipeBeats, join, stratified_split
from classifier.recipes.network import RecipeNetwork
from classifier.recipes.recipe import (
    KACHUEE,
    RECIPES,
    SIX_TYPES,
    BeatVariation,
    RecipeNetworkConfig,
)
from classifier.recipes.scores import score_labels
from classifier.recipes.training import RecipeFit, fit, predict, score, vary

SMALL = dataclasses.replace(
    SIX_TYPES,
    window_samples=48,
    network=RecipeNetworkConfig(residual=False, widths=(6, 8), bins=4, dropout=0.0),
    epochs=4,
    batch=32,
    learning_rate=1e-2,
    average_decay=0.8,
    drawn_min=20,
    drawn_max=60,
)
SMALL_RESIDUAL = dataclasses.replace(
    SMALL, network=dataclasses.replace(SMALL.network, residual=True)
)


def silent(*_):
    pass


def make_beats(n_each=(80, 30, 20), seed=0, length=48):
    """Beats whose width tells their class."""
    random = np.random.default_rng(seed)
    target = np.repeat(np.arange(len(n_each)), n_each)
    time = np.arange(length) - length // 2
    widths = np.array([2.0, 5.0, 10.0])[target]
    signal = np.exp(-(time**2) / (2 * widths[:, None] ** 2))
    signal += 0.05 * random.standard_normal(signal.shape)
    return RecipeBeats(
        signal=signal.astype(np.float32),
        target=target.astype(np.int64),
        record=np.where(np.arange(target.size) % 2, "100", "101"),
    )


def test_a_split_is_stratified_disjoint_and_whole():
    target = np.repeat([0, 1, 2, 3], [1000, 100, 11, 1])
    rest, drawn = stratified_split(target, 0.2, seed=3)
    assert not set(rest) & set(drawn)
    assert sorted([*rest, *drawn]) == list(range(target.size))
    assert np.bincount(target[drawn], minlength=4).tolist() == [200, 20, 2, 0]
    again, other = (stratified_split(target, 0.2, seed)[1] for seed in (3, 4))
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)


def test_figures_of_a_small_case():
    reference = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 0])
    found = score_labels(reference, predicted, "NSVF")
    assert found.accuracy == pytest.approx(4 / 7)
    assert found.classes["N"].f1 == pytest.approx(6 / 9)
    assert found.classes["N"].sensitivity == pytest.approx(0.75)
    assert found.classes["N"].ppv == pytest.approx(0.6)
    assert found.classes["V"].ppv is None
    assert found.classes["F"].sensitivity is None
    assert found.macro_f1 == pytest.approx((6 / 9 + 0.5 + 0.0) / 3)
    assert found.macro_f1_without("V") == pytest.approx((6 / 9 + 0.5) / 2)
    assert found.confusion == ((3, 1, 0, 0), (1, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0))


def test_nothing_to_score_and_nothing_to_join_are_refused():
    empty = make_beats().select(np.array([], np.int64))
    with pytest.raises(ValueError, match="no beat to score"):
        score_labels(empty.target, empty.target, "NSV")
    with pytest.raises(DatasetError, match="no beat of the recipe's classes"):
        join([empty])


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_names_its_classes_and_fits_its_network(recipe):
    assert set(recipe.symbols.values()) == set(recipe.classes)
    network = RecipeNetwork(recipe).eval()
    logits = network(torch.zeros(3, recipe.window_samples))
    assert logits.shape == (3, len(recipe.classes))


def test_the_protocols_are_those_of_the_projects():
    assert (SIX_TYPES.classes, SIX_TYPES.test_share) == (tuple("NLRAVF"), 0.2)
    assert SIX_TYPES.network.widths == (32, 64, 128)
    assert (KACHUEE.window_samples, KACHUEE.fs_hz) == (187, 125.0)
    assert KACHUEE.symbols["/"] == "Q"
    assert KACHUEE.symbols["e"] == "N"


@pytest.mark.parametrize("recipe", [SMALL, SMALL_RESIDUAL], ids=["staged", "residual"])
def test_training_lowers_the_loss_and_repeats_from_its_seed(recipe):
    beats = make_beats()
    one, other = (RecipeFit(beats, recipe, 5) for _ in range(2))
    losses = [one.epoch() for _ in range(3)]
    assert losses == [other.epoch() for _ in range(3)]
    assert losses[-1] < losses[0]
    assert np.array_equal(
        predict(one.averaged, beats.signal), predict(other.averaged, beats.signal)
    )


@pytest.mark.parametrize("recipe", [SMALL, SMALL_RESIDUAL], ids=["staged", "residual"])
def test_it_learns_what_can_be_told_apart(recipe):
    fitted = fit(make_beats(), recipe, "training", silent)
    assert score(fitted.network, make_beats(seed=9), recipe).accuracy > 0.9
    best = max(one.macro_f1 for one in fitted.validation)
    assert fitted.validation[fitted.epoch - 1].macro_f1 == best
    assert (fitted.n_trained, fitted.n_validation) == (117, 13)
    assert len(fitted.losses) == recipe.epochs


def test_validation_beats_are_not_trained_on():
    beats = make_beats()
    _, held = stratified_split(beats.target, SMALL.validation_share, SMALL.seed + 1)
    changed = beats.signal.copy()
    changed[held] = -5.0
    one, other = (
        fit(part, SMALL, "training", silent)
        for part in (beats, dataclasses.replace(beats, signal=changed))
    )
    assert one.losses == other.losses
    assert one.validation != other.validation


def test_rare_classes_are_repeated_and_common_ones_drawn_anew():
    fitting = RecipeFit(make_beats((200, 30, 5)), SMALL, 1)
    first, second = (torch.cat(list(fitting._batches())) for _ in range(2))
    target = make_beats((200, 30, 5)).target
    assert np.bincount(target[first]).tolist() == [60, 30, 20]
    assert np.bincount(first[target[first] == 2]).max() == 4
    assert set(first.tolist()) != set(second.tolist())


def test_variation_keeps_the_padding_and_its_input():
    signal = torch.rand(50, 60) + 0.1
    signal[:, 40:] = 0.0
    before = signal.clone()
    varied = vary(signal, BeatVariation(shift_max_s=0.01), 100.0, torch.Generator().manual_seed(1))
    assert torch.equal(signal, before)
    assert not torch.allclose(varied, signal, atol=0.01)
    assert not varied[:, 42:].any()
    off = BeatVariation(gain_sd=0.0, shift_max_s=0.0, noise_max=0.0)
    assert torch.equal(vary(signal, off, 100.0, torch.Generator()), signal)


@pytest.mark.parametrize("recipe", [SMALL, SMALL_RESIDUAL], ids=["staged", "residual"])
def test_torchscript_gives_the_same_labels(tmp_path, recipe):
    beats = make_beats()
    fitted = fit(beats, dataclasses.replace(recipe, epochs=1), "training", silent)
    files = write_recipe_model(tmp_path / "new", recipe, "intra-patient", fitted.network)
    with quiet_torchscript():
        script = torch.jit.load(tmp_path / "new" / files["torchscript"])
    probabilities = script(torch.from_numpy(beats.signal))
    logits = torch.from_numpy(predict(fitted.network, beats.signal))
    assert torch.allclose(probabilities, logits.softmax(dim=1), atol=1e-5)
    sidecar = json.loads((tmp_path / "new" / "six-types.intra-patient.json").read_text())
    assert sidecar["protocol"] == "intra-patient"
    assert sidecar["sha256"] == files["sha256"]
    weights = torch.load(tmp_path / "new" / files["weights"], weights_only=True)
    assert weights.keys() == fitted.network.state_dict().keys()
