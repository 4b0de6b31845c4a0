"""Lays out a detection report: tables for people, and JSON for programs."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.splits import DS1
from streamer.bench.detection.measure import (
    OWN,
    WHOLE,
    DetectionReport,
    DetectionSettings,
    RecordResult,
    Span,
)
from streamer.scoring.ec57 import RecordScore, Summary
from streamer.scoring.report import Table

SCHEMA_VERSION: Final = 1
STATISTICS: Final = {"se": "qrs_se", "ppv": "qrs_ppv", "f1": "qrs_f1"}
QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
NONE: Final = "–"


def percent(value: float | None) -> str:
    """Write a share as a percentage with three digits: 0.001 % of MIT-BIH is one beat."""
    return NONE if value is None else f"{100 * value:.3f}"


def quantiles_ms(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the quantiles that are reported; None for each without a value."""
    return {
        name: float(np.quantile(values, q)) if values.size else None
        for name, q in QUANTILES.items()
    }


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f}"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]}/{counts[1]}"


def introduction(report: DetectionReport) -> list[str]:
    """Say in a few lines what was measured on what, and by which rules."""
    hours = sum(result.n_samples / result.fs for result in report.records) / 3600
    beats = [
        f"{report.summary(OWN, span).gross.tp + report.summary(OWN, span).gross.fn:,} "
        f"from {span.start}"
        for span in report.spans
        if span.tolerance_ms == report.headline.tolerance_ms
    ]
    lines = [
        f"{len(report.records)} records of {report.database}, {hours:.2f} h, reference beats: "
        f"{', '.join(beats)}.",
        f"{OWN} is causal and uses the primary lead ({_leads(report, 0)}) and the second lead "
        "where there is one; peers see the whole record at once, its primary lead only.",
        "Beats are paired one to one as WFDB's bxb does (EC57), ventricular flutter left out.",
    ]
    if report.settings.stop is not None:
        lines.append(f"Only what is before {report.settings.stop} was seen and scored.")
    lines += [
        f"Not installed, so not measured: {peer.title}; pip install 'ecg-stream[peers]'."
        for peer in report.missing
    ]
    lines += [
        f"{peer} failed on {', '.join(names)}: {reason}; it counts as having found nothing there."
        for peer, (names, reason) in _failures(report).items()
    ]
    return lines


def _leads(report: DetectionReport, row: int) -> str:
    names = [result.leads[row] for result in report.records if len(result.leads) > row]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(f"{name} in {count}" for name, count in counts.items())


def _failures(report: DetectionReport) -> dict[str, tuple[list[str], str]]:
    found: dict[str, tuple[list[str], str]] = {}
    for result in report.records:
        for peer, reason in result.failures.items():
            found.setdefault(peer, ([], reason))[0].append(result.name)
    return found


def tables(report: DetectionReport) -> list[Table]:
    """Lay out the whole report, what matters most last, next to the prompt."""
    laid_out = [record_table(report), timing_table(report)]
    if report.worst():
        laid_out.append(worst_table(report))
    if report.cross_validation is not None:
        laid_out.append(cross_validation_table(report, report.cross_validation))
    if report.ds2:
        laid_out += [
            comparison_table(report, span, report.ds2)
            for span in report.spans
            if span.start == report.headline.start
        ]
    return laid_out + [comparison_table(report, span) for span in reversed(report.spans)]


def comparison_table(
    report: DetectionReport, span: Span, names: Sequence[str] | None = None
) -> Table:
    """Put every detector's gross and average scores side by side."""
    rows = []
    beats = 0
    n_records = 0
    for detector in report.detectors:
        summary = report.summary(detector, span, names)
        gross = summary.gross
        beats, n_records = gross.tp + gross.fn, len(summary.records)
        rows.append(
            (
                detector,
                str(gross.fn),
                str(gross.fp),
                *(percent(gross.value(name)) for name in STATISTICS.values()),
                *(percent(summary.average[name]) for name in STATISTICS.values()),
            )
        )
    which = "" if names is None else f"DS2, {n_records} records, "
    header = ("detector", "FN", "FP", "Se", "+P", "F1", "avg Se", "avg +P", "avg F1")
    return Table(
        title=f"QRS detection, {which}{span.title}, {beats:,} beats, %",
        header=header,
        rows=tuple(rows),
    )


def record_table(report: DetectionReport) -> Table:
    """List this detector's errors, fiducial errors and delays, record by record."""
    spans = report.spans
    header = (
        "record",
        "leads",
        "beats",
        *(f"{span.start} {span.tolerance_ms:g} ms" for span in spans),
        "F1",
        "error p50",
        "p95",
        "delay p50",
        "p99",
        "max ms",
    )
    rows = [_record_row(result, spans) for result in report.records]
    errors = [report.summary(OWN, span).gross for span in spans]
    delays = quantiles_ms(all_of(report, lambda result: result.delay_ms))
    rows.append(
        (
            "gross",
            "",
            str(errors[0].tp + errors[0].fn),
            *(_share((gross.fn, gross.fp)) for gross in errors),
            percent(errors[0].value("qrs_f1")),
            *_fiducial(errors[0]),
            *(_ms(delays[name]) for name in ("median", "p99", "max")),
        )
    )
    return Table(
        title=f"{OWN} by record: missed/false beats by start and tolerance",
        header=header,
        rows=tuple(rows),
        summary_rows=1,
    )


def _record_row(result: RecordResult, spans: Sequence[Span]) -> tuple[str, ...]:
    scores = result.scores[OWN]
    first = scores.get(spans[0])
    delays = quantiles_ms(result.delay_ms)
    return (
        result.name,
        "+".join(result.leads[:2]),
        NONE if first is None else str(first.tp + first.fn),
        *(_share((scores[s].fn, scores[s].fp)) if s in scores else NONE for s in spans),
        percent(None if first is None else first.value("qrs_f1")),
        *((NONE, NONE) if first is None else _fiducial(first)),
        *(_ms(delays[name]) for name in ("median", "p99", "max")),
    )


def _fiducial(score: RecordScore) -> tuple[str, str]:
    return _ms(score.error_ms(0.5)), _ms(score.error_ms(QUANTILES["p95"]))


def all_of(
    report: DetectionReport, what: Callable[[RecordResult], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Join an array of every record."""
    return np.concatenate([np.empty(0), *(what(result) for result in report.records)])


def timing_table(report: DetectionReport) -> Table:
    """Say how late and how far off beats are reported, search-back included."""
    span = _widest(report)
    rows: list[tuple[str, ...]] = []
    for detector in report.detectors:
        gross = report.summary(detector, span).gross
        bias = float(np.median(gross.errors_ms)) if gross.errors_ms.size else None
        delays = ("whole record", "", "", "")
        if detector == OWN:
            own = quantiles_ms(all_of(report, lambda result: result.delay_from_reference_ms))
            delays = (_ms(own["median"]), _ms(own["p95"]), _ms(own["p99"]), _ms(own["max"]))
        rows.append((detector, *_fiducial(gross), _ms(bias), *delays))
    own = quantiles_ms(all_of(report, lambda result: result.delay_ms))
    values = (own["median"], own["p95"], own["p99"], own["max"])
    rows.append((f"{OWN}, from its own R peak", "", "", "", *map(_ms, values)))
    header = ("detector", "error p50", "p95", "bias", "delay p50", "p95", "p99", "max")
    return Table(
        title=(
            f"Timing, ms ({span.title}): distance from the reference R peak, and decision delay "
            "from it"
        ),
        header=header,
        rows=tuple(rows),
    )


def _widest(report: DetectionReport) -> Span:
    """Return the span with the widest tolerance among those that start first."""
    start = report.headline.start
    return max(
        (span for span in report.spans if span.start == start), key=lambda span: span.tolerance_ms
    )


def worst_table(report: DetectionReport) -> Table:
    """List the worst records, with every detector's errors there."""
    span = report.headline
    rows = []
    for result in report.worst():
        scores = [result.scores[detector][span] for detector in report.detectors]
        rows.append((result.name, *(_share((score.fn, score.fp)) for score in scores)))
    return Table(
        title=f"Worst records of {OWN}, {span.title}: missed/false beats",
        header=("record", *report.detectors),
        rows=tuple(rows),
    )


def cross_validation_table(report: DetectionReport, shipped: dict[str, Any]) -> Table:
    """Set the errors on training records beside those when each record was held out."""
    by_record: dict[str, dict[str, int]] = {
        name.rpartition("/")[2]: counts for name, counts in shipped["cross_validation"].items()
    }
    rows = []
    for title, tolerance, suffix in (("150 ms", 150.0, ""), ("50 ms", 50.0, "_50")):
        held_out = tuple(
            sum(counts[f"{kind}{suffix}"] for counts in by_record.values()) for kind in ("fn", "fp")
        )
        row = [title, str(held_out[0]), str(held_out[1])]
        span = Span(WHOLE, tolerance)
        complete = set(by_record) <= {result.name for result in report.records}
        if complete and span in report.spans and report.settings.stop is None:
            gross = report.summary(OWN, span, tuple(by_record)).gross
            beats = gross.tp + gross.fn
            tp = beats - held_out[0]
            row += [percent(2 * tp / (2 * tp + sum(held_out)))]
            row += [str(gross.fn), str(gross.fp), percent(gross.value("qrs_f1"))]
        else:
            row += [NONE] * 4
        rows.append(tuple(row))
    which = "DS1" if set(by_record) == set(DS1) else "training records"
    return Table(
        title=(
            f"{which} cross-validated in {shipped.get('folds', '?')} folds of records "
            f"({len(by_record)} records from {WHOLE}), beside the shipped scorer that saw them"
        ),
        header=("tolerance", "FN held out", "FP", "F1", "FN shipped", "FP", "F1"),
        rows=tuple(rows),
    )


def to_json(report: DetectionReport) -> dict[str, Any]:
    """Lay out the report for programs.

    Returns
    -------
    dict
        `schema`, `database`, `settings`, `detectors` (each a list, one entry a span, of `from`,
        `tolerance_ms`, `all`, `ds2`: `records beats fn fp se ppv f1 average error_ms`), `timing`
        (`delay_ms`, `delay_from_reference_ms`, `search_back`), `records` (of this detector, with
        every detector's counts), `cross_validation`, `not_installed`.
    """
    return {
        "schema": SCHEMA_VERSION,
        "database": report.database,
        "settings": _settings_json(report.settings),
        "detectors": {
            detector: [_span_json(report, detector, span) for span in report.spans]
            for detector in report.detectors
        },
        "timing": {
            "delay_ms": quantiles_ms(all_of(report, lambda result: result.delay_ms)),
            "delay_from_reference_ms": quantiles_ms(
                all_of(report, lambda result: result.delay_from_reference_ms)
            ),
            "search_back": sum(int(result.own.search_back.sum()) for result in report.records),
        },
        "records": [_record_json(result) for result in report.records],
        "cross_validation": report.cross_validation,
        "not_installed": [peer.title for peer in report.missing],
    }


def _settings_json(settings: DetectionSettings) -> dict[str, Any]:
    return {
        "from": list(settings.starts),
        "tolerance_ms": list(settings.tolerances_ms),
        "lead": settings.lead,
        "stop": settings.stop,
    }


def _span_json(report: DetectionReport, detector: str, span: Span) -> dict[str, Any]:
    return {
        "from": span.start,
        "tolerance_ms": span.tolerance_ms,
        "all": _summary_json(report.summary(detector, span)),
        "ds2": _summary_json(report.summary(detector, span, report.ds2)) if report.ds2 else None,
    }


def _summary_json(summary: Summary) -> dict[str, Any]:
    gross = summary.gross
    return {
        "records": len(summary.records),
        **score_json(gross),
        "average": {key: summary.average[name] for key, name in STATISTICS.items()},
    }


def score_json(score: RecordScore) -> dict[str, Any]:
    """Lay out one score's counts, ratios (0 to 1) and fiducial error for programs."""
    return {
        "beats": score.tp + score.fn,
        "fn": score.fn,
        "fp": score.fp,
        **{key: score.value(name) for key, name in STATISTICS.items()},
        "error_ms": {"median": score.error_ms(0.5), "p95": score.error_ms(QUANTILES["p95"])},
    }


def _record_json(result: RecordResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "leads": list(result.leads),
        "fs": result.fs,
        "samples": result.n_samples,
        "missed": result.missed.tolist(),
        "false": result.false.tolist(),
        "delay_ms": quantiles_ms(result.delay_ms),
        "failures": result.failures,
        "scores": {
            detector: [
                {"from": span.start, "tolerance_ms": span.tolerance_ms, **score_json(score)}
                for span, score in scores.items()
            ]
            for detector, scores in result.scores.items()
        },
    }
