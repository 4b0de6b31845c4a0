"""The detection report as a page: tables, plots, and the ECG around the errors."""

from typing import Final

import numpy as np

from streamer.bench.detection import strips
from streamer.bench.detection.measure import OWN, DetectionReport, RecordResult, Span
from streamer.bench.detection.tables import (
    all_of,
    comparison_table,
    cross_validation_table,
    introduction,
    percent,
    quantiles_ms,
    record_table,
    timing_table,
    worst_table,
)
from streamer.bench.excerpt import Excerpt, read_excerpt
from streamer.bench.progress import Advance, silent
from streamer.report import page, plots

MARKS: Final = ("median", "p95", "p99")
DRAWN: Final = 4
"""Peers whose fiducial errors are drawn; more would hide each other."""


def detection_page(report: DetectionReport, advance: Advance = silent) -> str:
    """Make the page; the worst records are read again for their strips."""
    return detection_page_of(
        report, [(_read(report, result), result) for result in report.worst()], advance
    )


def _read(report: DetectionReport, result: RecordResult) -> Excerpt:
    return read_excerpt(result.source, lead=report.settings.lead, stop=report.settings.stop)


def detection_page_of(
    report: DetectionReport,
    worst: list[tuple[Excerpt, RecordResult]],
    advance: Advance = silent,
) -> str:
    """Make the page from a report and the samples of its worst records."""
    sections = [_comparison(report), _by_record(report), _timing(report)]
    if report.cross_validation is not None:
        sections.append(
            page.Section(
                title="Cross-validation",
                body=page.paragraph(
                    "The peak scorer was trained on these records; held out, each was judged by a "
                    "scorer that had never seen its patient."
                )
                + page.table(cross_validation_table(report, report.cross_validation)),
            )
        )
    if worst:
        sections.append(_worst(report, worst, advance))
    return page.page(
        f"QRS detection: {OWN} on {report.database}", introduction(report), _tiles(report), sections
    )


def _tiles(report: DetectionReport) -> str:
    values = []
    for span in report.spans:
        if span.start == report.headline.start:
            gross = report.summary(OWN, span).gross
            values += [
                (
                    f"{percent(gross.value('qrs_f1'))} %",
                    f"F1 {span.title}: {gross.fn:,} missed, {gross.fp:,} false",
                )
            ]
    delays = quantiles_ms(all_of(report, lambda result: result.delay_ms))
    if delays["median"] is not None and delays["p99"] is not None:
        values.append((f"{delays['median']:.0f} ms", "median decision delay"))
        values.append((f"{delays['p99']:.0f} ms", "decision delay, 99th percentile"))
    error = report.summary(OWN, report.headline).gross.error_ms(0.95)
    if error is not None:
        values.append((f"{error:.0f} ms", "fiducial error, 95th percentile"))
    return page.tiles(values)


def _comparison(report: DetectionReport) -> page.Section:
    body = ""
    if len(report.detectors) > 1:
        tight = _same_start(report)[-1]
        errors = [report.summary(name, report.headline).gross for name in report.detectors]
        closer = [report.summary(name, tight).gross for name in report.detectors]
        body += plots.detector_bars(
            report.detectors,
            [(gross.fn, gross.fp) for gross in errors],
            [gross.fn + gross.fp for gross in closer],
            (report.headline.title, tight.title),
        )
    for span in report.spans:
        body += page.table(comparison_table(report, span), own=OWN)
    if report.ds2:
        for span in _same_start(report):
            body += page.table(comparison_table(report, span, report.ds2), own=OWN)
    return page.Section(title="Beside other detectors", body=body)


def _same_start(report: DetectionReport) -> list[Span]:
    return [span for span in report.spans if span.start == report.headline.start]


def _by_record(report: DetectionReport) -> page.Section:
    span = report.headline
    scored = [result for result in report.records if span in result.scores[OWN]]
    scores = [result.scores[OWN][span] for result in scored]
    body = page.paragraph(f"Errors {span.title}.")
    body += plots.error_bars(
        [score.name for score in scores],
        [score.fn for score in scores],
        [score.fp for score in scores],
    )
    body += page.folded("Table of all records", page.table(record_table(report)))
    return page.Section(title="Record by record", body=body)


def _timing(report: DetectionReport) -> page.Section:
    delays = all_of(report, lambda result: result.delay_ms)
    marks = {
        name: value
        for name, value in quantiles_ms(delays).items()
        if name in MARKS and value is not None
    }
    span = _same_start(report)[0]
    errors = {
        name: np.asarray(report.summary(name, span).gross.errors_ms)
        for name in report.detectors[: DRAWN + 1]
    }
    body = page.heading("Decision delay, search-back and start included")
    body += plots.delay_histogram(delays, marks) if marks else page.paragraph("No beats found.")
    if any(values.size for values in errors.values()):
        body += page.heading("Fiducial error")
        body += plots.fiducial_histogram(errors, OWN)
    body += page.table(timing_table(report), own=OWN)
    return page.Section(title="How late, and how far off", body=body)


def _worst(
    report: DetectionReport, worst: list[tuple[Excerpt, RecordResult]], advance: Advance
) -> page.Section:
    body = page.table(worst_table(report)) + page.paragraph(strips.LEGEND)
    for excerpt, result in worst:
        body += page.heading(
            f"Record {result.name}: {result.missed.size} missed, {result.false.size} false"
        )
        body += "".join(strips.record_strips(excerpt, result))
        advance(result.name)
    return page.Section(title="What went wrong: the worst records", body=body)
