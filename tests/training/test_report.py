"""The page of a training run, made from the metrics alone."""

import json
import re

import pytest
import torch
from beat_sets import make_dataset

from classifier.network.beat_cnn import BeatNetwork, NetworkConfig
from classifier.network.runtime import load_model
from classifier.training.artefacts import (
    evaluate,
    experiments,
    first_layer,
    write_metrics,
    write_model,
)
from classifier.training.config import TrainingConfig
from classifier.training.train import cross_validate, fit_all
from streamer.core.errors import OutputError
from streamer.training.report import training_page, write_training_report

SMALL = TrainingConfig(
    folds=2, epochs_max=2, normal_per_epoch=60, network=NetworkConfig(widths=(4, 6), hidden=8)
)
SECTIONS = (
    "Beats by class",
    "The average beat of each class",
    "Training",
    "Figures",
    "Confusion matrices",
    "Record by record",
    "Calibration",
    "Kernels of the first layer",
    "Experiments",
    "Settings",
)


def silent(*_):
    pass


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """As `ecg-stream train` collects them, read back from the file."""
    out = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset = make_dataset(["101", "106"])
    found = cross_validate(dataset, SMALL, silent)
    network = fit_all(dataset, SMALL, found, silent)
    collected = write_model(out, network, dataset, found, SMALL, {"made up": ["101", "106"]})
    test = make_dataset(["231", "232"], (20, 5, 6, 3), seed=4)
    test.judgeable[0] = False
    test.missed[0, 2] = 2
    collected["ds2"] = evaluate(load_model(out / "beat_cnn.pt"), test)
    write_metrics(out, collected)
    torch.set_num_threads(threads)
    return json.loads((out / "metrics.json").read_text())


@pytest.fixture(scope="module")
def page(metrics):
    known = {**metrics["cross_validation"], "accuracies": [0.5, 0.75]}
    return training_page({**metrics, "cross_validation": known}, experiments())


def test_every_part_is_there_and_nothing_is_loaded(page):
    assert re.findall("<h2>(.*?)</h2>", page) == list(SECTIONS)
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)
    assert "@import" not in page
    assert page.count("<svg") > 12


def test_its_figures_are_those_of_the_metrics(metrics, page):
    found = metrics["ds2"]["confirmed"]["figures"]["V"]
    assert f"<b>{found['f1']:.3f}</b>" in page
    assert f"<td>confirmed V</td><td>{100 * found['sensitivity']:.1f}</td>" in page
    for record, beats in (("231", 36), ("232", 34)):
        assert f"<td>{record}</td><td>{beats}</td>" in page
    assert "held-out accuracy" in page


def test_it_does_without_ds2_experiments_and_accuracies(metrics):
    part = {name: value for name, value in metrics.items() if name != "ds2"}
    part["cross_validation"].pop("accuracies", None)
    page = training_page(part)
    assert "DS2" not in page
    assert "confirmed, training records, held out" in page
    assert "Experiments" not in page
    assert "held-out accuracy" not in page


def test_lists_of_numbers_take_one_line_in_the_file(metrics, tmp_path):
    write_metrics(tmp_path, metrics)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == metrics
    assert f'"trained_on": {json.dumps(metrics["trained_on"])}' in text
    assert len(text.splitlines()) < 2000


def test_first_layer_of_a_network():
    network = BeatNetwork(NetworkConfig(widths=(4, 6), stem_kernel=9))
    weights = first_layer(network)
    assert weights.shape == (4, network.trunk[0].in_channels, 9)
    with pytest.raises(ValueError, match="no 1-D convolution"):
        first_layer(torch.nn.Linear(2, 2))


def test_a_folder_that_is_not_there_is_one_line(metrics, tmp_path, monkeypatch):
    monkeypatch.setattr("streamer.training.report.training_page", lambda *_: "")
    with pytest.raises(OutputError, match="can't write the report"):
        write_training_report(tmp_path / "no", metrics)
