"""Render the infarction recipe's card from its metrics; nothing in it is typed by hand."""

from typing import Any, Final

from classifier.recipes.infarction.evaluation import CHOSEN
from classifier.recipes.infarction.recipe import (
    CLASSES,
    EXPERIMENTS,
    FLOORS,
    INTRA_FLOOR,
    WAYS,
)
from classifier.training.evaluation import percent

Metrics = dict[str, Any]
Lines = list[str]

_TITLES: Final = {way.name: way.title for way in WAYS} | {
    CHOSEN: "in each fold the way that inner validation found best"
}
PICTURES: Final = {
    "classes": "records and beats of each class",
    "average-beats": "median beats by class: mean, and 10th to 90th percentile of the records",
    "roc": "ROC curves by patient, healthy against infarction",
    "training": "training loss of the networks in twelve leads, fold by fold",
    "confusion": "labels at log-odds 0, records of new patients",
    "confusion-intra-patient": "labels at log-odds 0, beats split at random",
    "kernels": "kernels of the first layer",
    "decided": "gradient and Grad-CAM on the mean infarction beat, lead by lead",
    "right": "gradient and Grad-CAM on the infarction that scored highest",
    "missed": "gradient and Grad-CAM on the infarction that scored lowest",
    "false": "gradient and Grad-CAM on the healthy record that scored highest",
}
"""Names and captions of the pictures beside the card."""


def render_infarction_card(metrics: Metrics) -> str:
    """Return the card in Markdown.

    Parameters
    ----------
    metrics : dict
        What `metrics.json` holds.
    """
    counts = ", ".join(f"{metrics['records'][name]} {name}" for name in CLASSES)
    lines = [
        "# Model card: recipe infarction",
        "",
        "Written by `ecg-stream train --recipe infarction`; every figure comes from",
        "`metrics.json` beside it. **This is not a diagnosis, not a medical device, and not",
        "offered in a live stream**: it compares ways of learning on a small public set, and no",
        "weights of it are shipped.",
        "",
        f"{metrics['patients']} patients of {', '.join(metrics['databases'])}; records: {counts}. "
        f"{metrics['beats']} beats, cut where the chain's own detector found them. "
        f"Seed {metrics['config']['seed']}; {metrics['seconds']['cpu']:.0f} s of one core "
        f"({metrics['seconds']['wall']:.0f} s by the clock).",
        "",
        "Trained on *healthy* against *infarction*. *Other* (neither normal nor an infarction) is",
        'never trained on, but scored: "against everyone" counts it among those without.',
        "The labels are what readers of these ECGs wrote (old and possible infarctions included),",
        "not what a laboratory or a catheter found.",
    ]
    for title, found in metrics["by_patient"].items():
        lines += ["", *_by_patient(title, found)]
    lines += ["", *_intra_patient(metrics)]
    lines += ["", *_experiments()]
    for name, caption in PICTURES.items():
        lines += ["", f"## {caption[0].upper()}{caption[1:]}", "", f"![{caption}]({name}.svg)"]
    return "\n".join(lines) + "\n"


def _by_patient(title: str, found: Metrics) -> Lines:
    floor, aim = FLOORS[title]
    chosen = found["ways"][CHOSEN]["healthy"]["auroc"]
    reached = "aim reached" if chosen >= aim else "floor reached" if chosen >= floor else "missed"
    return [
        f"## By patient, {title}",
        "",
        f"{len(found['choices'])} folds; every patient is in one. By record, with 95 % intervals "
        "over patients. Ridge",
        "penalty and way are chosen within the training patients of each fold: "
        f"{', '.join(found['choices'])}.",
        f"AUROC of what was chosen: {chosen:.3f} (floor {floor:.2f}, aim {aim:.2f}: {reached}).",
        "",
        "| way | what it is | AUROC, healthy | Se % at 90 % Sp | AUROC, everyone "
        "| Se % at 90 % Sp | accuracy % | macro-F1 |",
        "|---|---|---|---|---|---|---|---|",
        *(_way(name, one) for name, one in found["ways"].items()),
        "",
        "| difference of AUROC, healthy | | 95 % interval | |",
        "|---|---|---|---|",
        *(
            f"| {name} | {gain:+.3f} | {low:+.3f} to {high:+.3f} | {_verdict(low, high)} |"
            for name, (gain, low, high) in found["differences"].items()
        ),
    ]


def _verdict(low: float, high: float) -> str:
    """Put an interval of a difference into words."""
    if low > 0.0:
        return "better"
    return "worse" if high < 0.0 else "no difference shown"


def _way(name: str, one: Metrics) -> str:
    cells = [name, _TITLES[name]]
    for kind in ("healthy", "everyone"):
        low, high = one[kind]["auroc_interval"]
        ends = [percent(end, 0) for end in one[kind]["sensitivity_interval"]]
        cells += [
            f"{one[kind]['auroc']:.3f} ({low:.3f}-{high:.3f})",
            f"{percent(one[kind]['sensitivity'], 0)} ({'-'.join(ends)})",
        ]
    cells += [f"{100 * one['accuracy']:.1f}", f"{one['macro_f1']:.3f}"]
    return f"| {' | '.join(cells)} |"


def _intra_patient(metrics: Metrics) -> Lines:
    rows = []
    for title, found in metrics["intra_patient"].items():
        for name, one in found["ways"].items():
            held = metrics["by_patient"][title]["ways"][name]
            rows.append(
                f"| {title} | {name} | {100 * one['accuracy']:.2f} | {one['macro_f1']:.3f} | "
                f"{100 * held['accuracy']:.1f} | {held['macro_f1']:.3f} |"
            )
    sizes = next(iter(metrics["intra_patient"].values()))
    reached = []
    for title, found in metrics["intra_patient"].items():
        best = max(one["accuracy"] for one in found["ways"].values())
        words = "reached" if best >= INTRA_FLOOR else "missed: a linear head on little to see"
        reached.append(f"{100 * best:.2f} % in {title} ({words})")
    return [
        "## Intra-patient: beats split at random",
        "",
        "*Intra-patient*: beats of one record are on both sides, as in projects that publish some",
        "96 %. The figure says that beats of a *known* patient are recognised, and nothing about a",
        f"new one. {sizes['n_trained']} beats trained on, {sizes['n_test']} tested; healthy and "
        "infarction only.",
        f"Those {100 * INTRA_FLOOR:.0f} %: {', '.join(reached)}.",
        "",
        "| leads | way | accuracy %, *intra-patient* beats | macro-F1 | accuracy %, records of new "
        "patients | macro-F1 |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _experiments() -> Lines:
    return [
        "## Tried before",
        "",
        "While the recipe was written, on the same records under other draws of folds, but for the",
        "learning rate of fine-tuning, for which the published draw was looked at too: figures of",
        "the tables above owe them a little. AUROC against healthy, by patient.",
        "",
        "| tried | twelve leads | lead II |",
        "|---|---|---|",
        *(f"| {what} | {twelve} | {one} |" for what, twelve, one in EXPERIMENTS),
    ]
