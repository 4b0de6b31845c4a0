import json

import pytest

from classifier.network.runtime import load_model
from classifier.training.model_card import render_card
from streamer.commands.cli import main


def test_nonsense_is_one_line(capsys, tmp_path):
    assert main(["train", "--out", str(tmp_path), "--set", "colour=red"]) == 1
    assert "no training setting 'colour'" in capsys.readouterr().err


def test_the_whole_pipeline_on_two_simulated_records(capsys, tmp_path):
    small = [
        "network.widths=[4,4]",
        "network.hidden=8",
        "normal_per_epoch=200",
        "epochs_max=1",
        "variants=0",
        "rhythm.steps=3",
    ]
    settings = [word for setting in small for word in ("--set", setting)]
    records = ["--records", "demo", "demo:2", "--folds", "2", "--no-ds2", "--rhythms"]
    assert main(["train", "--out", str(tmp_path), *records, *settings]) == 0
    written = {path.name for path in tmp_path.iterdir()}
    assert {
        "beat_cnn.pt",
        "beat_cnn.json",
        "metrics.json",
        "MODEL_CARD.md",
        "report.html",
    } <= written
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["cross_validation"]["epochs"] == 1
    assert len(metrics["trained_on"]) == 2
    assert list(metrics["cross_validation"]["confirmed"]["per_database"]) == ["other"]
    assert load_model(tmp_path / "beat_cnn.pt").spec.training_records == tuple(
        metrics["trained_on"]
    )
    assert (tmp_path / "MODEL_CARD.md").read_text().startswith(render_card(metrics)[:400])
    assert "seed 7" in capsys.readouterr().out


def test_the_folder_is_required(capsys):
    with pytest.raises(SystemExit):
        main(["train"])
    assert "arguments are required: --out" in capsys.readouterr().err


def test_the_former_name_of_the_detectors_training_still_works(capsys):
    for words in (["train", "detector"], ["train-detector"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        assert "so many folds" in capsys.readouterr().out


@pytest.mark.database
def test_ds2_is_refused_for_training(capsys, tmp_path, mitdb):
    arguments = ["train", "--out", str(tmp_path), "--records", str(mitdb / "100"), "--only-cv"]
    assert main(arguments) == 1
    assert "keep them apart" in capsys.readouterr().err
