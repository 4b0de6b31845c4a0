"""Write a trained network with the evidence for it: model, weights, metrics and model card.

Importing this module imports torch.
"""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from classifier.inputs.features import FEATURE_NAMES, FloatArray
from classifier.inputs.geometry import SIGNAL_CHANNELS
from classifier.network.beat_cnn import BeatNetwork, count_parameters
from classifier.network.export import export_onnx, export_torchscript
from classifier.network.runtime import BeatModel
from classifier.network.spec import MODEL_NAME, own_spec
from classifier.training.average_beats import average_beats
from classifier.training.calibration import class_reliability
from classifier.training.config import TrainingConfig
from classifier.training.dataset import CLASSES, BeatDataset
from classifier.training.evaluation import (
    IntArray,
    bootstrap_f1,
    confusion,
    dataset_confusion,
    figures,
    labels_of,
)
from classifier.training.model_card import render_card
from classifier.training.train import CrossValidation

REVISION_NAMES: Final[tuple[str, str]] = ("provisional", "confirmed")
DOMINANT_S_RECORD: Final = "232"
"""Holds about three quarters of the S beats of DS2."""
Databases = Mapping[str, Sequence[str]]
_INNERMOST_LIST: Final = re.compile(r"\[[^][{}]*\]")
"""Of numbers or words: a line each would make thousands of lines."""


def write_model(
    out: Path,
    network: BeatNetwork,
    dataset: BeatDataset,
    found: CrossValidation,
    config: TrainingConfig,
    databases: Databases,
) -> dict[str, Any]:
    """Write weights, TorchScript, sidecar and, where `onnx` is installed, ONNX.

    Parameters
    ----------
    out : Path
        Folder, made if missing.
    dataset : BeatDataset
        What the network was trained on.
    databases : mapping
        The training records of each database.

    Returns
    -------
    dict
        Metrics so far: data, configuration, cross-validation.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{MODEL_NAME}.pt"
    torch.save(network.state_dict(), out / f"{MODEL_NAME}.weights.pt")
    metrics: dict[str, Any] = {
        "trained_on": [str(name) for name in dataset.records],
        "beats": _class_counts(dataset),
        "parameters": count_parameters(network),
        "quality_min": config.quality_min,
        "inputs": {"channels": SIGNAL_CHANNELS, "features": len(FEATURE_NAMES)},
        "config": asdict(config),
        "cross_validation": cross_validation_metrics(dataset, found, databases),
        "average_beats": _average_beats(dataset),
        "first_layer": first_layer(network).round(4).tolist(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    spec = own_spec(
        training_records=tuple(str(name) for name in dataset.records),
        quality_min=config.quality_min,
    )
    extra = {key: metrics[key] for key in ("config", "versions", "parameters")}
    scores = {
        revision: metrics["cross_validation"][revision]["figures"] for revision in REVISION_NAMES
    }
    export_torchscript(network, path, spec, extra | {"cross_validation": scores})
    try:
        export_onnx(network, out / f"{MODEL_NAME}.onnx")
    except ImportError:
        metrics["onnx"] = "not written: package onnx is not installed"
    return metrics


def cross_validation_metrics(
    dataset: BeatDataset, found: CrossValidation, databases: Databases
) -> dict[str, Any]:
    """Collect what cross-validation found, for metrics.json and the table of experiments.

    By database missed beats count, as far as the detector missed them.
    """
    metrics: dict[str, Any] = {
        "epochs": found.epochs,
        "scores": [round(score, 4) for score in found.scores],
        "losses": [round(loss, 4) for loss in found.losses],
        "accuracies": [round(share, 4) for share in found.accuracies],
        "offsets": found.offsets.tolist(),
        "folds": found.folds,
        "beats": _class_counts(dataset),
    }
    for number, revision in enumerate(REVISION_NAMES):
        probabilities = found.probabilities[number]
        labels = probabilities.argmax(axis=1).astype(np.int64)
        counts = confusion(dataset.reference, labels)
        metrics[revision] = {
            "figures": _as_dict(counts),
            "confusion": counts.tolist(),
            "reliability": _reliability(probabilities, dataset.reference),
            "per_record": per_record(dataset, labels, missed=False),
            "per_database": {
                name: _as_dict(dataset_confusion(dataset, labels, without=_others(dataset, own)))
                for name, own in sorted(databases.items())
            },
        }
    return metrics


def _others(dataset: BeatDataset, records: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(name) for name in dataset.records if name not in records)


def first_layer(network: torch.nn.Module) -> FloatArray:
    """Return the weights of the first convolution, shape (kernels, channels, taps).

    Raises
    ------
    ValueError
        If the network has no 1-D convolution.
    """
    for module in network.modules():
        if isinstance(module, torch.nn.Conv1d):
            return np.asarray(module.weight.detach().numpy(), np.float32)
    raise ValueError("the network has no 1-D convolution; there is no first layer to show")


def evaluate(model: BeatModel, dataset: BeatDataset) -> dict[str, Any]:
    """Score a model end to end on records it has not seen: missed and false detections count.

    Parameters
    ----------
    model : BeatModel
        The exported one, run beat by beat as when serving.
    dataset : BeatDataset
        As the chain cut it, every detection included.
    """
    report: dict[str, Any] = {
        "records": [str(name) for name in dataset.records],
        "beats": _class_counts(dataset),
        "average_beats": _average_beats(dataset),
    }
    judged = dataset.judgeable
    embedding = model.embed(dataset.signal)
    for revision, features in zip(
        REVISION_NAMES, (dataset.provisional, dataset.confirmed), strict=True
    ):
        probabilities = model.decide(embedding, features)
        report[revision] = _revision_report(dataset, labels_of(probabilities, dataset))
        report[revision]["reliability"] = _reliability(
            probabilities[judged], dataset.reference[judged]
        )
    return report


def _revision_report(dataset: BeatDataset, labels: IntArray) -> dict[str, Any]:
    counts = dataset_confusion(dataset, labels)
    without = dataset_confusion(dataset, labels, without=(DOMINANT_S_RECORD,))
    each = [_record_confusion(dataset, labels, str(name)) for name in dataset.records]
    return {
        "figures": _as_dict(counts),
        f"without_{DOMINANT_S_RECORD}": _as_dict(without),
        "f1_confidence_95": bootstrap_f1(np.stack(each)),
        "confusion": counts.tolist(),
        "called_q": int((labels == len(CLASSES) - 1).sum()),
        "per_record": per_record(dataset, labels, missed=True),
    }


def per_record(dataset: BeatDataset, labels: IntArray, *, missed: bool) -> dict[str, Any]:
    """Compute each record's figures, with or without its missed beats."""
    return {
        str(name): _as_dict(_record_confusion(dataset, labels, str(name), missed=missed))
        for name in dataset.records
    }


def write_metrics(out: Path, metrics: dict[str, Any]) -> None:
    """Write `metrics.json` and `MODEL_CARD.md`."""
    text = _INNERMOST_LIST.sub(_on_one_line, json.dumps(metrics, indent=1))
    (out / "metrics.json").write_text(text + "\n")
    (out / "MODEL_CARD.md").write_text(render_card(metrics, experiments()))


def experiments() -> list[dict[str, Any]]:
    """Read what was tried on the way to the shipped model, in order."""
    file = resources.files("classifier") / "weights" / "experiments.json"
    tried: list[dict[str, Any]] = json.loads(file.read_text())
    return tried


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + " ".join(match.group().strip("[]").split()) + "]"


def _reliability(probabilities: FloatArray, reference: IntArray) -> dict[str, Any]:
    return {name: asdict(r) for name, r in class_reliability(probabilities, reference).items()}


def _average_beats(dataset: BeatDataset) -> dict[str, Any]:
    return {name: asdict(beat) for name, beat in average_beats(dataset).items()}


def _record_confusion(
    dataset: BeatDataset, labels: IntArray, name: str, *, missed: bool = True
) -> IntArray:
    own = dataset.record == name
    lost = dataset.missed[dataset.records == name].sum(axis=0) if missed else None
    return confusion(dataset.reference[own], labels[own], lost)


def _as_dict(counts: IntArray) -> dict[str, Any]:
    return {name: asdict(found) for name, found in figures(counts).items()}


def _class_counts(dataset: BeatDataset) -> dict[str, int]:
    return {
        label.value: int((dataset.reference == index).sum()) for index, label in enumerate(CLASSES)
    }
