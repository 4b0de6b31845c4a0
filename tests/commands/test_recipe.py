"""`ecg-stream train --recipe` from the command line to its files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from classifier.network.runtime import quiet_torchscript
from classifier.recipes.card import render_recipe_card
from classifier.recipes.recipe import KACHUEE, RECIPES
from streamer.commands.cli import main
from streamer.training.recipe_run import divide, prepare_all

PUBLISHED = Path(__file__).parents[2] / "docs" / "recipes"
PICTURES = (
    "classes", "average-beats", "training.intra-patient", "confusion.intra-patient", "kernels",
    "right", "wrong"
)  # fmt: skip
TINY = [
    word
    for setting in ("network.widths=[4,4]", "drawn_max=100", "drawn_min=10", "epochs=1")
    for word in ("--set", setting)
]


@pytest.mark.parametrize("recipe", ["six-types", "kachuee"])
def test_a_recipe_on_a_simulated_record(recipe, capsys, tmp_path):
    arguments = ["train", "--recipe", recipe, "--records", "demo", "--out", str(tmp_path), *TINY]
    assert main(arguments) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    names = {path.name for path in tmp_path.iterdir()}
    model = f"{recipe}.intra-patient"
    assert names == {
        "metrics.json", "MODEL_CARD.md", f"{model}.pt", f"{model}.json", f"{model}.weights.pt",
        *(f"{name}.svg" for name in metrics["pictures"])
    }  # fmt: skip
    found = metrics["protocols"]["intra-patient"]
    assert found["n_trained"] + found["n_validation"] + found["n_test"] == sum(
        metrics["beats"].values()
    )
    assert sum(map(sum, found["scores"]["confusion"])) == found["n_test"]
    assert (tmp_path / "MODEL_CARD.md").read_text() == render_recipe_card(metrics)
    assert "*Intra-patient*" in render_recipe_card(metrics)
    # All labels may be right, or all wrong.
    assert set(PICTURES[:-2]) < set(metrics["pictures"]) <= set(PICTURES)
    shown = capsys.readouterr().out
    assert "intra-patient: accuracy" in shown
    assert "seed 7" in shown


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_published_cards_are_of_todays_recipes(recipe):
    folder = PUBLISHED / recipe.name
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["config"] == json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert (folder / "MODEL_CARD.md").read_text() == render_recipe_card(metrics)
    assert set(metrics["protocols"]) == {"intra-patient", "inter-patient"}
    assert all((folder / f"{name}.svg").is_file() for name in metrics.get("pictures", ()))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--only-cv"], "--only-cv: not for --recipe"),
        (["--folds", "3"], "--folds: not for --recipe"),
        (["--set", "colour=red"], "no training setting 'colour'"),
    ],
)
def test_options_without_meaning_are_one_line(option, said, capsys, tmp_path):
    assert main(["train", "--recipe", "kachuee", "--out", str(tmp_path), *option]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.database
def test_the_same_network_is_scored_inter_patient(capsys, tmp_path, mitdb):
    records = [str(mitdb / name) for name in ("119", "233")]
    arguments = ["train", "--recipe", "kachuee", "--out", str(tmp_path), "--records", *records]
    assert main([*arguments, *TINY]) == 0
    protocols = json.loads((tmp_path / "metrics.json").read_text())["protocols"]
    beats = prepare_all(records, KACHUEE, lambda *_: None)
    assert protocols["inter-patient"]["n_test"] == int((beats.record == "233").sum())
    with quiet_torchscript():
        script = torch.jit.load(tmp_path / "kachuee.inter-patient.pt")
    test = beats.of_records(["233"])
    labels = script(torch.from_numpy(test.signal)).argmax(dim=1).numpy()
    right = float(np.mean(labels == test.target))
    assert protocols["inter-patient"]["scores"]["accuracy"] == pytest.approx(right, abs=1e-3)
    assert "inter-patient: accuracy" in capsys.readouterr().out


@pytest.mark.database
def test_no_ds2_leaves_the_second_protocol_out(mitdb):
    beats = prepare_all([str(mitdb / name) for name in ("119", "233")], KACHUEE, lambda *_: None)
    assert set(divide(beats, KACHUEE, inter=False)) == {"intra-patient"}
    training, test = divide(beats, KACHUEE, inter=True)["inter-patient"]
    assert set(training.record) == {"119"}
    assert set(test.record) == {"233"}
