"""`ecg-stream train --recipe infarction` from the command line to its files."""

import dataclasses
import json
from pathlib import Path

import pytest
from twelve_leads import write_ptb_xl

from classifier.recipes.infarction.card import PICTURES, render_infarction_card
from classifier.recipes.infarction.evaluation import CHOSEN
from classifier.recipes.infarction.recipe import FLOORS, ONE, RECIPE, TWELVE, WAYS
from streamer.commands.cli import main

PUBLISHED = Path(__file__).parents[2] / "docs" / "recipes" / "infarction"
CODES = ["{'NORM': 100.0}", "{'IMI': 100.0}", "{'NORM': 80.0}", "{'IMI': 50.0}"] * 3
TINY = ["--folds", "2", "--epochs", "1", "--set", "inner_folds=2", "--set", "intra_epochs=1"]


def test_the_recipe_on_simulated_records(capsys, tmp_path):
    write_ptb_xl(tmp_path, [*CODES, "{'LVH': 100.0}"])
    out = tmp_path / "out"
    given = ["train", "--recipe", "infarction", "--records", str(tmp_path), "--out", str(out)]
    assert main([*given, *TINY]) == 0
    assert {p.name for p in out.iterdir()} == {
        "metrics.json", "MODEL_CARD.md", *(f"{name}.svg" for name in PICTURES)
    }  # fmt: skip
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["records"] == {"healthy": 6, "other": 1, "infarction": 6}
    for title in (TWELVE, ONE):
        ways = metrics["by_patient"][title]["ways"]
        assert set(ways) == {way.name for way in WAYS} | {CHOSEN}
        # ST is raised by 0.3 mV in every lead: nothing may miss that.
        assert ways["measures"]["healthy"]["auroc"] == 1.0
        assert ways["measures"]["everyone"]["n_others"] == 7
        assert metrics["intra_patient"][title]["ways"]["measures"]["accuracy"] > 0.9
    card = (out / "MODEL_CARD.md").read_text()
    assert card == render_infarction_card(metrics)
    assert "not a diagnosis" in card
    assert "*intra-patient*" in capsys.readouterr().out


def test_the_published_card_is_of_todays_recipe_and_above_the_floors():
    metrics = json.loads((PUBLISHED / "metrics.json").read_text())
    assert metrics["config"] == json.loads(json.dumps(dataclasses.asdict(RECIPE)))
    assert (PUBLISHED / "MODEL_CARD.md").read_text() == render_infarction_card(metrics)
    assert all((PUBLISHED / f"{name}.svg").is_file() for name in PICTURES)
    for title, (floor, _) in FLOORS.items():
        assert metrics["by_patient"][title]["ways"][CHOSEN]["healthy"]["auroc"] >= floor


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--cache", "x"], "--cache: not for --recipe; it takes --records, --epochs, --folds"),
        (["--folds", "1"], "folds is 1; it must be 2 or more"),
        (["--set", "one_lead=V9"], "one_lead is 'V9'; choose one of I, II, III"),
        (["--records", "nowhere"], "no folder 'nowhere'"),
    ],
)
def test_what_can_not_be_is_one_line(option, said, capsys, tmp_path):
    assert main(["train", "--recipe", "infarction", "--out", str(tmp_path), *option]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
