"""Pictures of a recipe, as SVG files beside its card. Needs matplotlib, which is imported late."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.recipes.beats import IntArray, RecipeBeats
from classifier.recipes.explaining import look
from classifier.recipes.network import RecipeNetwork
from classifier.recipes.recipe import KACHUEE, Recipe
from classifier.recipes.training import predict
from streamer.core.errors import writing
from streamer.training.looked_plots import LookedAt, looked_at, standalone
from streamer.training.plots import (
    average_beats,
    class_bars,
    confusion_pair,
    epoch_curves,
    kernels,
)

_SPREAD: Final = (10.0, 90.0)
_UNITS: Final = {KACHUEE.name: "range of ten seconds"}
_UNIT: Final = "standard deviations"
_FLAT: Final = 1e-6


def draw_recipe(
    metrics: Mapping[str, Any],
    recipe: Recipe,
    beats: RecipeBeats,
    tested: RecipeBeats,
    network: RecipeNetwork,
) -> dict[str, str]:
    """Return every picture by its name.

    Parameters
    ----------
    metrics : mapping
        What `metrics.json` holds.
    beats : RecipeBeats
        All of them.
    tested : RecipeBeats
        Test beats of the intra-patient split.
    network : RecipeNetwork
        Trained on the others.
    """
    time_ms = _time_ms(recipe)
    unit = _UNITS.get(recipe.name, _UNIT)
    counts = {"all beats": metrics["beats"], "tested": tested.counts(recipe.classes)}
    pictures = {
        "classes": class_bars(counts),
        "average-beats": average_beats(_averages(beats, recipe), time_ms, unit, (-6.0, 8.0)),
    }
    for protocol, found in metrics["protocols"].items():
        panels = [
            ("training loss", found["losses"], "loss"),
            *(
                (f"validation {title}", [one[name] for one in found["validation"]], "")
                for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
            ),
        ]
        pictures[f"training.{protocol}"] = epoch_curves(panels, found["epoch"])
        matrix = np.array(found["scores"]["confusion"], np.int64)
        pictures[f"confusion.{protocol}"] = confusion_pair(
            matrix, recipe.classes, recipe.classes, protocol
        )
    first = next(one for one in network.trunk.modules() if isinstance(one, nn.Conv1d))
    pictures["kernels"] = kernels(first.weight.detach().numpy(), ["beat"], recipe.fs_hz)
    labels = predict(network, tested.signal).argmax(axis=1)
    for name, is_kind in (("right", labels == tested.target), ("wrong", labels != tested.target)):
        rows = _surest(network, tested, is_kind, recipe)
        if rows.size:
            panels_of = _panels(network, tested.select(rows), recipe)
            pictures[name] = looked_at(panels_of, time_ms, unit, 3)
    return {name: standalone(svg) for name, svg in pictures.items()}


def write_pictures(out: Path, pictures: Mapping[str, str]) -> None:
    """Write pictures into a folder that is there.

    Raises
    ------
    OutputError
        If one can't be written.
    """
    with writing(f"the pictures to {out}", "choose another --out folder"):
        for name, svg in pictures.items():
            (out / f"{name}.svg").write_text(svg)


def _time_ms(recipe: Recipe) -> NDArray[np.float64]:
    """Return the time of each column from the R peak, which `kachuee` begins with."""
    r_column = 0 if recipe.name == KACHUEE.name else recipe.window_samples // 2
    return (np.arange(recipe.window_samples) - r_column) / recipe.fs_hz * 1000.0


def _averages(beats: RecipeBeats, recipe: Recipe) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(recipe.classes):
        own = beats.signal[beats.target == index]
        if len(own):
            low, high = np.percentile(own, _SPREAD, axis=0)
            found[name] = {"beats": len(own), "mean": own.mean(axis=0), "low": low, "high": high}
    return found


def _surest(
    network: RecipeNetwork, beats: RecipeBeats, is_kind: NDArray[np.bool_], recipe: Recipe
) -> IntArray:
    """Return, of each class, the beat of the kind asked for whose label was surest."""
    with torch.inference_mode():
        logits = torch.from_numpy(predict(network, beats.signal))
        sure = _log_odds(logits, logits.argmax(dim=1)).numpy()
    rows = []
    for index in range(len(recipe.classes)):
        own = np.flatnonzero(is_kind & (beats.target == index))
        if own.size:
            rows.append(own[sure[own].argmax()])
    return np.array(rows, np.int64)


def _panels(network: RecipeNetwork, beats: RecipeBeats, recipe: Recipe) -> list[LookedAt]:
    logits = torch.from_numpy(predict(network, beats.signal))
    labels = logits.argmax(dim=1)
    odds = _log_odds(logits, labels)
    looked = look(network.trunk, lambda signal: _log_odds(network(signal), labels), beats.signal)
    return [
        LookedAt(
            title=f"{recipe.classes[target]} labelled {recipe.classes[label]}, "
            f"log-odds {odds[row]:.1f}",
            beat=beats.signal[row],
            # A beat's own scale, so that sure labels, whose gradients are small, show theirs.
            gradient=looked.gradient[row] / max(float(np.abs(looked.gradient[row]).max()), _FLAT),
            grad_cam=looked.grad_cam[row],
        )
        for row, (target, label) in enumerate(
            zip(beats.target.tolist(), labels.tolist(), strict=True)
        )
    ]


def _log_odds(logits: Tensor, label: Tensor) -> Tensor:
    """Log-odds of a class of each beat, (n,), from logits, (n, classes)."""
    own = logits.gather(1, label[:, None])[:, 0]
    others = logits.scatter(1, label[:, None], -torch.inf)
    return own - others.logsumexp(dim=1)
