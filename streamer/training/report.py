"""The report of a training run as a page that needs nothing from the network.

Everything on it comes from `metrics.json`, so that page, model card and file can't disagree.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from classifier.labels import SCORED_LABELS
from classifier.training.calibration import TOP
from classifier.training.dataset import CLASSES
from classifier.training.evaluation import percent
from streamer.report import page, plots
from streamer.report.table import Table
from streamer.training import plots as training_plots

Metrics = dict[str, Any]

REPORT_NAME: Final = "report.html"
REVISIONS: Final = ("provisional", "confirmed")
_LABELS: Final = tuple(label.value for label in SCORED_LABELS)
_ECTOPIC: Final = ("S", "V", "F")
_ROWS: Final = (*(label.value for label in CLASSES), "no beat")
_COLUMNS: Final = (*(label.value for label in CLASSES), "missed")
_CV: Final = "training records, held out"
_WORDY: Final = (
    "<style>.wordy td:last-child, .wordy th:last-child { text-align: left; white-space: normal; }"
    "</style>"
)


def training_page(metrics: Metrics, tried: Sequence[Metrics] = ()) -> str:
    """Return the whole page, HTML that loads nothing.

    Parameters
    ----------
    metrics : dict
        What `metrics.json` holds; the part about DS2 may be absent.
    tried : sequence of dict
        Experiments, as `classifier.training.artefacts.experiments` returns them.
    """
    lines = [
        f"Trained on {len(metrics['trained_on'])} records: {' '.join(metrics['trained_on'])}.",
        f"{metrics['parameters']:,} weights. Beats as the chain's own detector found them, matched "
        "with the reference within 150 ms.",
    ]
    if "ds2" in metrics:
        lines.append("DS2 was opened to report, never to choose.")
    bodies = {
        "Beats by class": _classes(metrics),
        "The average beat of each class": _beats(metrics),
        "Training": _epochs(metrics["cross_validation"]),
        "Figures": _figures(metrics),
        "Confusion matrices": _confusions(metrics),
        "Record by record": _records(metrics),
        "Calibration": _calibration(metrics),
        "Kernels of the first layer": _kernels(metrics),
        "Experiments": _experiments(tried),
        "Settings": _settings(metrics),
    }
    sections = [page.Section(title=title, body=body) for title, body in bodies.items() if body]
    return page.page("Training report: beat_cnn", lines, _headline(metrics), sections)


def write_training_report(out: Path, metrics: Metrics, tried: Sequence[Metrics] = ()) -> Path:
    """Write `report.html` into a folder and return its path.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    path = out / REPORT_NAME
    page.write_page(path, training_page(metrics, tried))
    return path


def _sets(metrics: Metrics) -> list[tuple[str, Metrics]]:
    """Return the scored sets with their titles, the one that counts first."""
    scored = [("DS2, end to end", metrics["ds2"])] if "ds2" in metrics else []
    return [*scored, (_CV, metrics["cross_validation"])]


def _headline(metrics: Metrics) -> str:
    title, best = _sets(metrics)[0]
    confirmed = best["confirmed"]
    values = []
    for name in _ECTOPIC:
        words = f"F1 of {name}, confirmed, {title}"
        ends = confirmed.get("f1_confidence_95", {}).get(name)
        if ends is not None:
            words += f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})"
        values.append((f"{confirmed['figures'][name]['f1']:.3f}", words))
    accuracy = _accuracy(confirmed["confusion"])
    error = confirmed["reliability"][TOP]["error"]
    return page.tiles(
        [
            *values,
            (f"{100 * accuracy:.1f} %", f"of the labels right, {title}"),
            (f"{100 * error:.1f} %", "expected calibration error"),
        ]
    )


def _accuracy(counts: Sequence[Sequence[int]]) -> float:
    """Share of the diagonal; missed beats and false detections count as wrong."""
    table = np.array(counts)
    return float(np.trace(table) / max(table.sum(), 1))


def _classes(metrics: Metrics) -> str:
    counts = {"training records": metrics["beats"]}
    if "ds2" in metrics:
        counts["DS2"] = metrics["ds2"]["beats"]
    rows = [
        (title, *(f"{found[name]:,}" for name in found), f"{sum(found.values()):,}")
        for title, found in counts.items()
    ]
    header = ("", *metrics["beats"], "all")
    table = Table(title="Detected beats that the reference names", header=header, rows=tuple(rows))
    return training_plots.class_bars(counts) + page.table(table)


def _beats(metrics: Metrics) -> str:
    words = (
        "Mean, and between which values 80 % of the beats lie, in units of the patient's template "
        "QRS amplitude: what the network sees of the primary lead."
    )
    body = page.paragraph(words)
    for title, found in (("Training records", metrics), ("DS2", metrics.get("ds2"))):
        if found is not None and found["average_beats"]:
            drawn = training_plots.average_beats(found["average_beats"])
            body += page.heading(title) + drawn
    return body


def _epochs(found: Metrics) -> str:
    panels = [
        ("training loss", found["losses"], "loss"),
        ("held-out score", found["scores"], "weighted F1"),
    ]
    if found.get("accuracies"):
        shares = [100.0 * share for share in found["accuracies"]]
        panels.append(("held-out accuracy", shares, "% of labels right"))
    words = (
        f"{len(found['folds'])} folds of whole records. The score is the weighted F1 of what was "
        "held out, by which the number of epochs was chosen (dashed); the loss is the mean over "
        "the folds."
    )
    folds = Table(
        title="Records held out in each fold",
        header=("fold", "records"),
        rows=tuple((str(n), " ".join(fold)) for n, fold in enumerate(found["folds"], start=1)),
    )
    drawn = training_plots.epoch_curves(panels, found["epochs"])
    return page.paragraph(words) + drawn + page.folded("Folds", _wordy(folds))


def _figures(metrics: Metrics) -> str:
    body = ""
    for title, found in _sets(metrics):
        body += page.table(_figure_table(found, title, "figures"))
        if "without_232" in found["confirmed"]:
            words = "DS2 without record 232, which holds about three quarters of its S beats"
            body += page.table(_figure_table(found, words, "without_232"))
    return body


def _figure_table(found: Metrics, title: str, key: str) -> Table:
    has_intervals = key == "figures" and "f1_confidence_95" in found["confirmed"]
    rows = []
    for revision in REVISIONS:
        for name, one in found[revision][key].items():
            shares = (one["sensitivity"], one["ppv"], one["false_positive_rate"])
            cells = [*map(percent, shares), f"{one['f1']:.3f}"]
            if has_intervals:
                low, high = found[revision]["f1_confidence_95"][name]
                cells.append(f"{low:.3f} to {high:.3f}")
            cells += [str(one["n_reference"]), str(one["n_predicted"])]
            rows.append((f"{revision} {name}", *cells))
    interval = ["95 % interval"] if has_intervals else []
    header = ("label", "Se %", "+P %", "FPR %", "F1", *interval, "reference", "labelled")
    return Table(title=title[0].upper() + title[1:], header=header, rows=tuple(rows))


def _confusions(metrics: Metrics) -> str:
    body = ""
    for title, found in _sets(metrics):
        body += page.heading(title[0].upper() + title[1:])
        for revision in REVISIONS:
            counts = np.array(found[revision]["confusion"], np.int64)
            rows, columns = (np.flatnonzero(counts.sum(axis=axis)) for axis in (1, 0))
            body += training_plots.confusion_pair(
                counts[np.ix_(rows, columns)],
                [_ROWS[row] for row in rows],
                [_COLUMNS[column] for column in columns],
                revision,
            )
    return body


def _records(metrics: Metrics) -> str:
    body = page.paragraph("Confirmed labels. Missed beats upwards, false ones downwards.")
    for number, (title, found) in enumerate(_sets(metrics)):
        records = found["confirmed"]["per_record"]
        drawn = page.heading(title[0].upper() + title[1:])
        for name in _ECTOPIC:
            missed, false = zip(*(_errors(one[name]) for one in records.values()), strict=True)
            counted = f"{name}: {sum(missed):,} missed, {sum(false):,} false"
            drawn += plots.error_bars(list(records), missed, false, counted)
        drawn += page.folded("Figures of each record", page.table(_record_table(records)))
        body += drawn if number == 0 else page.folded(title[0].upper() + title[1:], drawn)
    return body


def _errors(one: Metrics) -> tuple[int, int]:
    """Return missed and false beats of one class in one record."""
    right = round((one["sensitivity"] or 0.0) * one["n_reference"])
    return one["n_reference"] - right, one["n_predicted"] - right


def _record_table(records: Metrics) -> Table:
    rows = []
    for name, found in records.items():
        cells = [str(sum(one["n_reference"] for one in found.values()))]
        for label in _LABELS:
            one = found[label]
            cells += [str(one["n_reference"]), percent(one["sensitivity"]), percent(one["ppv"])]
        rows.append((name, *cells))
    header = ["record", "beats", *(f"{c} {k}" for c in _LABELS for k in ("beats", "Se %", "+P %"))]
    return Table(title="Confirmed labels", header=tuple(header), rows=tuple(rows))


def _calibration(metrics: Metrics) -> str:
    words = (
        "A label given with 0.8 should be right in 8 of 10 cases. The error is the mean distance "
        "from the diagonal, weighted by beats (10 bins); most beats are N, so that the label's own "
        "curve says little of the rare classes. Class weights in training shift probabilities "
        "towards the rare classes on purpose."
    )
    body = page.paragraph(words)
    for title, found in _sets(metrics):
        panels = {f"{revision}, {title}": found[revision]["reliability"] for revision in REVISIONS}
        body += training_plots.reliability_diagram(panels)
    return body


def _kernels(metrics: Metrics) -> str:
    weights = np.array(metrics["first_layer"], np.float32)
    names = [*metrics["inputs"]["channels"], "difference"]
    if weights.shape[1] != len(names):
        names = [f"input {number}" for number in range(1, weights.shape[1] + 1)]
    words = "Weights by time; the network forms the difference of beat and template itself."
    return page.paragraph(words) + training_plots.kernels(weights, names)


def _experiments(tried: Sequence[Metrics]) -> str:
    if not tried:
        return ""
    rows = tuple(
        (one["name"], str(one["epochs"]), *(_f1_pair(one, c) for c in _ECTOPIC), one["change"])
        for one in tried
    )
    title = "F1 on held-out training records, provisional / confirmed; DS2 was not looked at"
    header = ("experiment", "epochs", *_ECTOPIC, "change")
    return _wordy(Table(title=title, header=header, rows=rows))


def _f1_pair(one: Metrics, label: str) -> str:
    """Write a class's F1 of both revisions; a dash where it was not scored."""
    if label not in one["confirmed"]:
        return "-"
    return f"{one['provisional'][label]:.3f} / {one['confirmed'][label]:.3f}"


def _settings(metrics: Metrics) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in metrics["versions"].items())
    rows = tuple(
        (f"{part}{name}", json.dumps(value))
        for part, values in _parts(metrics["config"])
        for name, value in values.items()
    )
    table = Table(title="As `--set NAME=VALUE` takes them", header=("setting", "value"), rows=rows)
    return page.paragraph(f"Made with {versions}.") + page.folded("Settings", _wordy(table))


def _wordy(table: Table) -> str:
    """Show a table whose last column holds sentences."""
    return f'{_WORDY}<div class="wordy">{page.table(table)}</div>'


def _parts(config: Metrics) -> list[tuple[str, Metrics]]:
    """Split the settings into those at the top and those of each part."""
    top = {name: value for name, value in config.items() if not isinstance(value, dict)}
    inner = [(f"{name}.", value) for name, value in config.items() if isinstance(value, dict)]
    return [("", top), *inner]
