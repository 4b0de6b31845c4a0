"""Pictures of the infarction recipe, as SVG files. Needs matplotlib, which is imported late."""

from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.recipes.explaining import look
from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.comparison import Comparison
from classifier.recipes.infarction.evaluation import CHOSEN, ByPatient
from classifier.recipes.infarction.network import QRS, LeadNetwork, pretrained_trunk
from classifier.recipes.infarction.recipe import (
    CLASSES,
    FS_HZ,
    HEALTHY,
    INFARCTION,
    LEADS,
    OTHER,
    R_COLUMN,
    TWELVE,
    WINDOW_SAMPLES,
)
from streamer.report.plots import GRID, MISSED, OWN, PEERS, SOFT, figure
from streamer.training.looked_plots import (
    LookedAt,
    label,
    looked_at,
    shown_columns,
    standalone,
    tidy,
)
from streamer.training.plots import class_bars, confusion_pair, kernels

EXPLAINED: Final = "fine-tuned"
"""The way whose network is looked into."""
_COLOURS: Final = (OWN, SOFT, MISSED)
"""Of the classes."""
_A_ROW: Final = 4
_SPREAD: Final = (10.0, 90.0)
_TIME_MS: Final = (np.arange(WINDOW_SAMPLES) - R_COLUMN) / FS_HZ * 1000.0
_ENDS: Final = (HEALTHY, INFARCTION)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What pictures of one set of leads are drawn from."""

    comparison: Comparison
    found: ByPatient
    record: NDArray[np.str_]
    """Names of the records."""


def draw(metrics: dict[str, Any], evidence: dict[str, Evidence]) -> dict[str, str]:
    """Return every picture by its name in `classifier.recipes.infarction.card.PICTURES`."""
    twelve = evidence[TWELVE]
    held = metrics["by_patient"][TWELVE]
    best = max(metrics["intra_patient"][TWELVE]["ways"].values(), key=lambda one: one["accuracy"])
    ill, well = (twelve.comparison.target == CLASSES.index(name) for name in (INFARCTION, HEALTHY))
    score = twelve.found.scores[EXPLAINED]
    drawn = {
        "classes": class_bars(
            {"records": metrics["records"], "beats": metrics["beats_by_class"]}, ""
        ),
        "average-beats": _average_beats(twelve.comparison),
        "roc": _roc(evidence),
        "training": _training(held["losses"]),
        "confusion": confusion_pair(
            np.array(held["ways"][CHOSEN]["confusion"]), _ENDS, _ENDS, CHOSEN, "records"
        ),
        "confusion-intra-patient": confusion_pair(
            np.array(best["confusion"]), _ENDS, _ENDS, "intra-patient"
        ),
        "kernels": _kernels(twelve.found),
        "decided": _decided(twelve, ill),
        "right": _one_record(twelve, int(np.where(ill, score, -np.inf).argmax())),
        "missed": _one_record(twelve, int(np.where(ill, score, np.inf).argmin())),
        "false": _one_record(twelve, int(np.where(well, score, -np.inf).argmax())),
    }
    return {name: standalone(svg) for name, svg in drawn.items()}


def _average_beats(comparison: Comparison) -> str:
    """Draw the mean median beat of each class, and the spread of two, one panel a lead."""
    rows = -(-len(LEADS) // _A_ROW)
    shown = shown_columns(_TIME_MS)
    time = _TIME_MS[shown]
    with figure(10.5, 0.5 + 2.0 * rows, _A_ROW, rows=rows, sharex=True) as (whole, drawn, svg):
        for lead, axes in enumerate(drawn.flat):
            for index, (name, colour) in enumerate(zip(CLASSES, _COLOURS, strict=True)):
                beats = comparison.medians[comparison.target == index, lead][:, shown]
                if name != OTHER and len(beats):
                    low, high = np.percentile(beats[:, ::2], _SPREAD, axis=0)
                    axes.fill_between(time[::2], low, high, color=colour, alpha=0.2, lw=0)
                if len(beats):
                    axes.plot(time, beats.mean(axis=0), color=colour, linewidth=1.4, label=name)
            tidy(axes, LEADS[lead], _TIME_MS)
        label(whole, drawn, "mV")
    return svg[0]


def _roc(evidence: dict[str, Evidence]) -> str:
    with figure(10.5, 4.2, len(evidence)) as (_, drawn, svg):
        for axes, (title, one) in zip(np.atleast_1d(drawn), evidence.items(), strict=True):
            two = one.comparison.trainable(np.arange(one.comparison.is_ill.size))
            ill = one.comparison.is_ill[two]
            for (name, values), colour in zip(one.found.scores.items(), (*PEERS, OWN), strict=True):
                order = np.argsort(-values[two], kind="stable")
                found, false = np.cumsum(ill[order]), np.cumsum(~ill[order])
                axes.plot(
                    np.append(0, false) / max(false[-1], 1),
                    np.append(0, found) / max(found[-1], 1),
                    color=colour,
                    linewidth=2.4 if name == CHOSEN else 1.1,
                    label=name,
                )
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle="--")
            axes.set_title(title, fontsize=10, loc="left")
            axes.set_xlabel("1 - specificity")
            axes.set_aspect("equal")
            axes.grid(color=GRID, linewidth=0.8)
        axes = np.atleast_1d(drawn)
        axes[0].set_ylabel("sensitivity")
        axes[-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return svg[0]


def _training(losses: dict[str, list[list[float]]]) -> str:
    with figure(10.5, 3.2, len(losses), sharey=True) as (_, drawn, svg):
        panels = np.atleast_1d(drawn)
        for axes, (name, folds) in zip(panels, losses.items(), strict=True):
            for number, (fold, colour) in enumerate(zip(folds, cycle(PEERS), strict=False), 1):
                epochs = range(1, len(fold) + 1)
                axes.plot(epochs, fold, "o-", color=colour, lw=1.2, ms=3, label=f"fold {number}")
            axes.set_title(name, fontsize=10, loc="left")
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(color=GRID, linewidth=0.8)
        panels[0].set_ylabel("cross-entropy")
        panels[-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return svg[0]


def _kernels(found: ByPatient) -> str:
    """Draw what the first layer does to a beat that is its own template, before and after."""
    trunks = [
        pretrained_trunk(),
        *(found.tuned[0][n].network.trunk for n in (EXPLAINED, "scratch")),
    ]
    weights = [next(trunk.parameters()).detach().numpy()[:, :2].sum(axis=1) for trunk in trunks]
    names = ("beat classifier", f"{EXPLAINED}, fold 1", "scratch, fold 1")
    return kernels(np.stack(weights, axis=1), names, FS_HZ)


def _decided(evidence: Evidence, ill: NDArray[np.bool_]) -> str:
    """Look at the mean infarction beat with the network of every fold, and average."""
    mean = evidence.comparison.medians[ill].mean(axis=0)
    networks = [one[EXPLAINED].network for one in evidence.found.tuned]
    return _looked(networks, mean, "mean of the infarctions")


def _one_record(evidence: Evidence, row: int) -> str:
    """Look at a record with the network that never saw its patient."""
    network = evidence.found.tuned[int(evidence.found.fold[row])][EXPLAINED].network
    odds = float(evidence.found.scores[EXPLAINED][row])
    words = f"record {evidence.record[row]}, log-odds {odds:+.1f}"
    return _looked([network], evidence.comparison.medians[row], words)


def _looked(networks: list[LeadNetwork], beat: FloatArray, words: str) -> str:
    looks = [look(one.trunk, one, beat[None]) for one in networks]
    # By a change of one QRS amplitude, so that leads compare.
    unit = np.ptp(beat[:, QRS], axis=1, keepdims=True)
    gradient = np.mean([one.gradient[0] for one in looks], axis=0) * unit
    seen = np.mean([one.grad_cam[0] for one in looks], axis=0)
    panels = [
        LookedAt(
            title=f"{name}: {words}" if lead == 0 else name,
            beat=beat[lead],
            gradient=gradient[lead],
            grad_cam=seen[lead],
        )
        for lead, name in enumerate(LEADS)
    ]
    return looked_at(panels, _TIME_MS, "mV", _A_ROW)
