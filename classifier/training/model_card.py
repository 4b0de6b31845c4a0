"""Render the model card from the metrics; nothing in it is typed by hand."""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from classifier.inputs.geometry import GEOMETRY
from classifier.labels import MODEL_LABELS
from classifier.training.calibration import TOP
from classifier.training.evaluation import percent

Table = list[str]

_WRAP: Final = 96


def render_card(metrics: dict[str, Any], tried: Sequence[dict[str, Any]] = ()) -> str:
    """Return the model card in Markdown.

    Parameters
    ----------
    metrics : dict
        What `classifier.training.artefacts` collected; the DS2 report may be absent.
    tried : sequence of dict
        Experiments: `name`, `change`, `epochs`, and the held-out F1 by revision.
    """
    lines = [
        "# Model card: beat_cnn",
        "",
        "Written by `ecg-stream train`; every figure comes from `metrics.json` beside it.",
        "Not a medical device.",
        "",
        "## What it is",
        "",
        *_what_it_is(metrics),
        "",
        "## Data",
        "",
        f"Trained on {len(metrics['trained_on'])} records: {' '.join(metrics['trained_on'])}.",
        "Beats as the chain's own detector found them, matched with the reference within 150 ms:",
        ", ".join(f"{name} {n}" for name, n in metrics["beats"].items()) + ".",
        "Records 201 (DS1) and 202 (DS2) are of the same patient: the customary division's own",
        "flaw, kept so that figures compare. Nearly all F beats of DS1 are in record 208.",
        "",
        "## Cross-validation on the training records, whole records held out",
        "",
        f"{len(metrics['cross_validation']['folds'])} folds, "
        f"{metrics['cross_validation']['epochs']} epochs chosen.",
        "",
        *_figures_table(metrics["cross_validation"]),
        "",
        *_databases_table(metrics["cross_validation"]),
        "",
        _calibration(metrics["cross_validation"]),
    ]
    if "ds2" in metrics:
        lines += ["", *_ds2(metrics["ds2"])]
    if tried:
        lines += ["", *_experiments(tried)]
    return "\n".join(lines) + "\n"


def _what_it_is(metrics: dict[str, Any]) -> Table:
    inputs = metrics["inputs"]
    text = (
        f"A residual 1-D CNN with {metrics['parameters']} parameters. It sees one beat "
        f"({GEOMETRY.window_samples} samples at {GEOMETRY.fs_hz:g} Hz, the R peak in column "
        f"{GEOMETRY.r_column}) as the signals {', '.join(inputs['channels'])} (a template is the "
        "running mean of the patient's usual beat), the difference between beat and template, "
        f"and {inputs['features']} measures of RR intervals, of shape (in a second lead too, where "
        "there is one), of noise, and of the sequence of beats. The last come from a *rhythm "
        "model*, a recurrent network (GRU of 64 units) over those measures, trained first on "
        "recordings of which only the annotations are at hand and then on the training records; "
        "in training, the network sees what rhythm models say that have not seen the record. "
        "It gives the "
        f"probabilities of the AAMI classes {', '.join(MODEL_LABELS)}, at once (*provisional*) and "
        "again when the next beat is known (*confirmed*). Q is noise that was taken for a beat, "
        "learnt from false detections in noisy copies of the training records; beats with missing "
        f"samples, or a signal quality below {metrics['quality_min']:g}, are labelled Q as well. "
        "`report.html` of the same run shows the figures as pictures, `ecg-stream explain` why a "
        "beat got its label."
    )
    return textwrap.wrap(text, _WRAP)


def _calibration(report: dict[str, Any]) -> str:
    """Say how far the labels' probabilities are from the shares that were right."""
    errors = (
        f"{revision} {100 * report[revision]['reliability'][TOP]['error']:.1f} %"
        for revision in ("provisional", "confirmed")
    )
    return f"Expected calibration error of the label's probability: {', '.join(errors)}."


def _figures_table(report: dict[str, Any], key: str = "figures") -> Table:
    rows = ["| label | class | Se % | +P % | FPR % | F1 |", "|---|---|---|---|---|---|"]
    for revision in ("provisional", "confirmed"):
        for name, found in report[revision][key].items():
            rows.append(
                f"| {revision} | {name} | {percent(found['sensitivity'])} | "
                f"{percent(found['ppv'])} | {percent(found['false_positive_rate'])} | "
                f"{found['f1']:.3f} |"
            )
    return rows


def _databases_table(report: dict[str, Any]) -> Table:
    """F1 on held-out records of each database, missed beats counted."""
    rows = [
        "F1 by database, provisional / confirmed, missed beats counted:",
        "",
        "| database | S beats | S | V beats | V |",
        "|---|---|---|---|---|",
    ]
    first, second = (report[revision]["per_database"] for revision in ("provisional", "confirmed"))
    for name, found in first.items():
        cells = (
            f"{found[c]['n_reference']} | {found[c]['f1']:.3f} / {second[name][c]['f1']:.3f}"
            for c in "SV"
        )
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def _ds2(report: dict[str, Any]) -> Table:
    intervals = report["confirmed"]["f1_confidence_95"]
    ends = ", ".join(f"{name} {low:.3f}-{high:.3f}" for name, (low, high) in intervals.items())
    return [
        "## DS2, end to end",
        "",
        f"{len(report['records'])} records never trained on or chosen by; own detector, causal",
        "chain, whole records from 0:00, missed and false detections counted (ANSI/AAMI EC57).",
        "",
        *_figures_table(report),
        "",
        "Without record 232, which holds about three quarters of the S beats:",
        "",
        *_figures_table(report, "without_232"),
        "",
        f"95 % confidence intervals of the confirmed labels' F1, records drawn anew: {ends}.",
        "",
        _calibration(report),
        "",
        "| record | S Se % | S +P % | V Se % | V +P % | F Se % | F +P % |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | "
            + " | ".join(
                f"{percent(found[c]['sensitivity'])} | {percent(found[c]['ppv'])}" for c in "SVF"
            )
            + " |"
            for name, found in report["confirmed"]["per_record"].items()
        ),
    ]


def _experiments(tried: Sequence[dict[str, Any]]) -> Table:
    rows = [
        "## Experiments",
        "",
        "F1 on held-out records (DS1; from *wide-36* on DS1 and svdb, the features' judge alone;",
        "from *rhythm-scratch* on ltafdb_1h and cpsc2021_more too, the rhythm model alone up to",
        "*rhythm-64-wide*), provisional / confirmed; DS2 was not looked at to choose what ships.",
        "",
        "| experiment | change | epochs | S | V | F |",
        "|---|---|---|---|---|---|",
    ]
    for one in tried:
        cells = (f"{one['provisional'][name]:.3f} / {one['confirmed'][name]:.3f}" for name in "SVF")
        rows.append(f"| {one['name']} | {one['change']} | {one['epochs']} | {' | '.join(cells)} |")
    return rows
