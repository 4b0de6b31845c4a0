"""Lays out how beats were labelled, as tables for people."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bench.classification.noise import NoisyLabels, noise_line, noise_table
from streamer.bench.classification.peers import PEERS, LabelPeer
from streamer.bench.classification.report import ClassificationReport, Group
from streamer.bench.detection.tables import NONE, quantiles_ms
from streamer.scoring.bootstrap import BootstrapConfig, Interval, intervals
from streamer.scoring.ec57 import LABELS, TOLERANCE_MS, Ratio
from streamer.scoring.report import MAJORITY_S_RECORD, Table, matrix_table
from streamer.scoring.runs import LENGTHS
from streamer.sinks.annotations import REVISIONS, Which

CLASSES: Final = ("V", "S", "F")
"""What is reported, most urgent first."""
KINDS: Final = {"se": "Se", "ppv": "+P", "fpr": "FPR", "f1": "F1"}
STATISTICS: Final = tuple(f"{name.lower()}_{kind}" for name in CLASSES for kind in KINDS)
DELAY_LIMIT_MS: Final = 400.0
"""The RR interval of a heart that beats 150 times a minute."""
OWN: Final = "ecg-stream"
_Q: Final = LABELS.index("Q")
_LISTED: Final = 12
"""Records that a line names; it counts the rest."""


def percent(value: float | None) -> str:
    """Write a share as a percentage with two digits."""
    return NONE if value is None else f"{100 * value:.2f}"


def with_interval(value: float | None, interval: Interval | None) -> str:
    """Write a share and its confidence interval."""
    if value is None or interval is None:
        return percent(value)
    return f"{percent(value)} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def _counted(ratio: Ratio) -> str:
    """Write a share of a few with the counts it was made of."""
    if ratio.value is None:
        return NONE
    return f"{100 * ratio.value:.1f} ({ratio.numerator}/{ratio.denominator})"


def introduction(
    report: ClassificationReport, config: BootstrapConfig, noisy: Sequence[NoisyLabels] = ()
) -> list[str]:
    """Say in a few lines what was measured on what, and what to be wary of."""
    model = report.model
    hours = sum(record.hours for record in report.records if record.name in report.names)
    beats = sum(int(s.matrix[: len(LABELS)].sum()) for s in report.scores("confirmed"))
    lines = [
        f"{report.groups[0].title}, {hours:.2f} h, {beats:,} reference beats from "
        f"{report.settings.start}; own detector, causal chain.",
        f"Beats are paired one to one within {TOLERANCE_MS:g} ms as WFDB's bxb does (EC57); missed "
        "and false detections count.",
        "provisional: known from a beat's own window; confirmed: when the next R peak, or 2 s, has "
        "come.",
        f"In brackets: {100 * config.confidence:g} % intervals, {config.resamples} draws of whole "
        f"records (seed {config.seed}).",
        f"Model {report.settings.model_name} ({model.name}, sha256 {model.sha256[:12]}), trained "
        f"on {len(model.training_records)} records.",
        _trained_line(report),
    ]
    lines += [
        f"Record {name} is of the same patient as {other}, which the model was trained on."
        for name, other in report.relatives.items()
    ]
    paced = [record.name for record in report.records if record.name not in report.names]
    if paced:
        lines.append(f"Left out, because paced (EC57): {', '.join(paced)}.")
    if report.settings.stop is not None:
        lines.append(f"Only what is before {report.settings.stop} was seen and scored.")
    return [*lines, noise_line(report)] if noisy else lines


def _trained_line(report: ClassificationReport) -> str:
    trained = report.trained
    if not trained:
        return "The model was trained on none of these records."
    rest = len(trained) - _LISTED
    named = ", ".join(trained[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
    return (
        f"CAUTION: the model was trained on {len(trained)} of these {len(report.names)} records "
        f"({named}); figures on them say nothing about new patients."
    )


def tables(
    report: ClassificationReport, config: BootstrapConfig, noisy: Sequence[NoisyLabels] = ()
) -> list[Table]:
    """Lay out the whole report, what matters most last, next to the prompt."""
    laid_out = [record_table(report, which) for which in REVISIONS]
    for which in REVISIONS:
        title = f"{which.capitalize()}: reference (rows) and predicted labels"
        laid_out.append(matrix_table(report.summary(which), title))
    laid_out += [unjudged_table(report), run_table(report), delay_table(report)]
    if noisy:
        laid_out.append(noise_table(noisy, report))
    for group in reversed(report.groups):
        laid_out += label_tables(report, group, config)
    if report.is_customary:
        laid_out.append(peer_table(report))
    return laid_out


def label_tables(
    report: ClassificationReport, group: Group, config: BootstrapConfig
) -> tuple[Table, Table]:
    """Lay out Se, +P, FPR and F1 of both revisions: average over the records, and gross."""
    average, gross = [], []
    for which in REVISIONS:
        summary = report.summary(which, group.names)
        spread = intervals(summary.records, STATISTICS, config)
        for name in CLASSES:
            beats = str(summary.gross.ratio(f"{name.lower()}_se").denominator)
            values = {s: summary.gross.value(s) for s in STATISTICS}
            head = (f"{which} {name}", beats)
            gross.append((*head, *_cells(name, values, spread.gross)))
            average.append((*head, *_cells(name, summary.average, spread.average)))
    header = ("label", "beats", *KINDS.values())
    return (
        Table(title=f"Labels, {group.title}, average, %", header=header, rows=tuple(average)),
        Table(title=f"Labels, {group.title}, gross, %", header=header, rows=tuple(gross)),
    )


def _cells(
    name: str, values: dict[str, float | None], spread: dict[str, Interval]
) -> tuple[str, ...]:
    keys = (f"{name.lower()}_{kind}" for kind in KINDS)
    return tuple(with_interval(values[key], spread.get(key)) for key in keys)


def record_table(report: ClassificationReport, which: Which) -> Table:
    """Lay out one revision record by record."""
    rows = []
    summary = report.summary(which)
    for score in (*summary.records, summary.gross):
        cells = [f"{score.name}*" if score.name in report.trained else score.name]
        for name in CLASSES:
            cells.append(str(score.ratio(f"{name.lower()}_se").denominator))
            cells += [percent(score.value(f"{name.lower()}_{kind}")) for kind in KINDS]
        rows.append(tuple(cells))
    average = ["average"]
    for name in CLASSES:
        average += ["", *(percent(summary.average[f"{name.lower()}_{kind}"]) for kind in KINDS)]
    header = ["record", *(word for name in CLASSES for word in (name, *KINDS.values()))]
    mark = ", * trained on" if report.trained else ""
    return Table(
        title=f"{which.capitalize()} labels, record by record, %{mark}",
        header=tuple(header),
        rows=(*rows, tuple(average)),
        summary_rows=2,
    )


def unjudged_table(report: ClassificationReport) -> Table:
    """Lay out what label Q was given to, and what reference Q beats were called."""
    rows = []
    for which in REVISIONS:
        matrix = report.summary(which).gross.matrix
        given, asked = matrix[:, _Q], matrix[_Q]
        reasons = report.unjudged(which).most_common()
        named = ", ".join(f"{reason} {count}" for reason, count in reasons)
        rows.append((f"{which}: labelled Q", *_by_label(given), named))
        rows.append((f"{which}: Q in the reference", *_by_label(asked), ""))
    header = ("beats", "all", *(f"{label}" for label in LABELS), "none", "reasons")
    return Table(
        title="Q: reference classes of what was labelled Q; labels of what the reference calls Q",
        header=header,
        rows=tuple(rows),
    )


def _by_label(counts: NDArray[np.int64]) -> list[str]:
    """Return the sum, the count of each label, and that of no beat."""
    known = counts[: len(LABELS)]
    none = counts[len(LABELS) :].sum()
    return [str(int(n)) for n in (counts.sum(), *known, none)]


def run_table(report: ClassificationReport) -> Table:
    """Lay out couplets and runs."""
    rows = []
    for kind in CLASSES[:2]:
        for length in LENGTHS:
            cells = []
            for which in REVISIONS:
                counts = report.runs(which, kind)
                cells += [_counted(counts.se(length)), _counted(counts.ppv(length))]
            rows.append((f"{kind} {length}", *cells))
    return Table(
        title="Couplets and runs, run by run, %; S outside atrial fibrillation",
        header=("run", *(f"{which} {kind}" for which in REVISIONS for kind in ("Se", "+P"))),
        rows=tuple(rows),
    )


def delay_table(report: ClassificationReport) -> Table:
    """Lay out how long after its R peak a label was decided."""
    rows = []
    for which in REVISIONS:
        delays = report.delay_ms(which)
        quantiles = quantiles_ms(delays).values()
        early = float((delays <= DELAY_LIMIT_MS).mean()) if delays.size else None
        cells = (NONE if value is None else f"{value:.0f}" for value in quantiles)
        rows.append((which, str(delays.size), *cells, percent(early)))
    return Table(
        title="Decision delay of labels after the R peak, ms",
        header=("label", "beats", *quantiles_ms(np.empty(0)), f"% in {DELAY_LIMIT_MS:g} ms"),
        rows=tuple(rows),
    )


def peer_table(report: ClassificationReport) -> Table:
    """Put this program beside what others published or were measured at."""
    rows = []
    for which in REVISIONS:
        gross = report.summary(which).gross
        values = (gross.value(f"{name}_{kind}") for name in "vs" for kind in ("se", "ppv", "f1"))
        delay = quantiles_ms(report.delay_ms(which))["median"]
        future = NONE if delay is None else f"{delay:.0f} ms"
        cells = [NONE if value is None else f"{100 * value:.1f}" for value in values]
        rows.append((f"{OWN}, {which}", *cells, "own, causal", future, "this command"))
    rows += [_peer_row(peer) for peer in PEERS]
    kinds = (f"{name} {kind}" for name in "VS" for kind in ("Se", "+P", "F1"))
    return Table(
        title="Beside other systems, DS2, gross, %; as published where not measured",
        header=("system", *kinds, "detector", "future used", "source"),
        rows=tuple(rows),
    )


def _peer_row(peer: LabelPeer) -> tuple[str, ...]:
    values = (peer.v_se, peer.v_ppv, peer.v_f1, peer.s_se, peer.s_ppv, peer.s_f1)
    cells = (NONE if value is None else f"{value:.1f}" for value in values)
    return (peer.name, *cells, peer.detector, peer.future, peer.source)


def model_table(reports: Sequence[ClassificationReport], config: BootstrapConfig) -> Table:
    """Put several models on the same records side by side."""
    rows = []
    for report in reports:
        for which in REVISIONS:
            cells = []
            for names in _with_and_without(report):
                gross = report.summary(which, names).gross
                spread = intervals(report.scores(which, names), STATISTICS, config).gross
                wanted = ("v_f1", "s_f1", "f_f1") if names == report.names else ("s_f1",)
                cells += [with_interval(gross.value(k), spread.get(k)) for k in wanted]
            trained = f"{len(report.model.training_records)} ({len(report.trained)} of these)"
            rows.append((f"{report.settings.model_name}, {which}", trained, *cells))
    has_rest = len(_with_and_without(reports[0])) > 1
    rest = (f"S F1 without {MAJORITY_S_RECORD}",) if has_rest else ()
    return Table(
        title=f"Models side by side, {reports[0].groups[0].title}, gross, %",
        header=("model", "training records", "V F1", "S F1", "F F1", *rest),
        rows=tuple(rows),
    )


def _with_and_without(report: ClassificationReport) -> list[tuple[str, ...]]:
    """Return the records that count, and those without the one that holds most S beats."""
    rest = tuple(name for name in report.names if name != MAJORITY_S_RECORD)
    return [report.names, rest] if rest and rest != report.names else [report.names]
