"""Write a recipe's networks with the evidence for them. Importing this module imports torch."""

import hashlib
import io
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from classifier.network.export import without_source_paths
from classifier.network.runtime import quiet_torchscript
from classifier.recipes.beats import RecipeBeats
from classifier.recipes.card import render_recipe_card
from classifier.recipes.network import RecipeNetwork
from classifier.recipes.recipe import Recipe
from classifier.recipes.scores import RecipeScores
from classifier.recipes.training import Fitted

FORMAT: Final = "ecg-stream recipe 1"
UNCLASSIFIABLE: Final = "Q"
"""Class of a handful of beats once the paced records are out: macro-F1 is given without it too."""


def write_recipe_model(
    out: Path, recipe: Recipe, protocol: str, network: RecipeNetwork
) -> dict[str, str]:
    """Write weights, TorchScript and sidecar under names that say the protocol.

    Parameters
    ----------
    out : Path
        Folder, made if missing.
    protocol : str
        "intra-patient" or "inter-patient".
    network : RecipeNetwork
        Left in evaluation mode.

    Returns
    -------
    dict
        File names, and the TorchScript file's sha256. It maps float32 beats, (n, window_samples),
        to probabilities, (n, classes).
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{recipe.name}.{protocol}.pt"
    weights = out / f"{recipe.name}.{protocol}.weights.pt"
    torch.save(network.state_dict(), weights)
    content = _torchscript(network, recipe.window_samples)
    path.write_bytes(content)
    sidecar = {
        "format": FORMAT,
        "recipe": recipe.name,
        "protocol": protocol,
        "fs_hz": recipe.fs_hz,
        "window_samples": recipe.window_samples,
        "classes": recipe.classes,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=2) + "\n")
    return {"torchscript": path.name, "weights": weights.name, "sha256": str(sidecar["sha256"])}


def _torchscript(network: RecipeNetwork, window_samples: int) -> bytes:
    """Trace and freeze the network with a softmax behind it."""
    example = torch.zeros(2, window_samples)
    buffer = io.BytesIO()
    with quiet_torchscript():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            nn.Sequential(network, nn.Softmax(dim=1)).eval(), example, check_trace=False
        )
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return without_source_paths(buffer.getvalue())


def protocol_metrics(
    fitted: Fitted, scores: RecipeScores, test: RecipeBeats, seconds: dict[str, float]
) -> dict[str, Any]:
    """Collect what one protocol gave, for metrics.json.

    Parameters
    ----------
    scores : RecipeScores
        On the test beats.
    seconds : dict
        Time that training took: `wall` and `cpu`.
    """
    found = asdict(scores)
    if UNCLASSIFIABLE in scores.classes:
        found["macro_f1_without_q"] = scores.macro_f1_without(UNCLASSIFIABLE)
    return {
        "scores": found,
        "n_trained": fitted.n_trained,
        "n_validation": fitted.n_validation,
        "n_test": len(test),
        "test_sha256": hashlib.sha256(test.signal.tobytes()).hexdigest(),
        "epoch": fitted.epoch,
        "losses": [round(loss, 5) for loss in fitted.losses],
        "validation": [
            {"accuracy": round(one.accuracy, 5), "macro_f1": round(one.macro_f1, 5)}
            for one in fitted.validation
        ],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def recipe_metrics(
    recipe: Recipe, beats: RecipeBeats, protocols: dict[str, dict[str, Any]], parameters: int
) -> dict[str, Any]:
    """Collect everything that metrics.json holds."""
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "classes": recipe.classes,
        "seed": recipe.seed,
        "records": [str(name) for name in np.unique(beats.record)],
        "beats": beats.counts(recipe.classes),
        "parameters": parameters,
        "protocols": protocols,
        "config": asdict(recipe),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def write_recipe_metrics(out: Path, metrics: dict[str, Any]) -> None:
    """Write `metrics.json` and `MODEL_CARD.md`."""
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (out / "MODEL_CARD.md").write_text(render_recipe_card(metrics))
