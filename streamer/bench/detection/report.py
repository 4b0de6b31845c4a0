"""What `bench detection` reports: introduction, tables, figures for programs, and its page."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from streamer.bench.detection import strips
from streamer.bench.detection.measure import DetectionResults, RecordResult, ScoringRule
from streamer.bench.detection.peers import not_installed
from streamer.bench.detection.tables import (
    RATES,
    SHARE,
    comparison_table,
    cross_validation_table,
    record_table,
    tables,
    timing_table,
    worst_table,
)
from streamer.bench.excerpt import Excerpt, read_excerpt
from streamer.bench.report import OWN, QUANTILES, Part, Report, Section, quantiles
from streamer.bench.work import progress
from streamer.report import page, plots
from streamer.report.table import Column
from streamer.scoring.ec57 import RecordScore, Summary

SCHEMA_VERSION: Final = 1
PEERS_DRAWN: Final = 4
"""Peers whose fiducial errors are drawn; more would hide each other."""
_MARKED: Final = ("median", "p95", "p99")


def detection_report(
    results: DetectionResults, read: Callable[[RecordResult], Excerpt] | None = None
) -> Report:
    """Report what was measured.

    Parameters
    ----------
    read : callable, optional
        Reads a record again for its strips on the page; from its own source if None.
    """
    settings = results.settings
    read = read or (lambda r: read_excerpt(r.source, lead=settings.lead, stop=settings.stop))
    return Report(
        title=f"QRS detection: {OWN} on {results.database}",
        introduction=_introduction(results),
        tables=tables(results),
        figures=_figures(results),
        tiles=_tiles(results),
        sections=_sections(results, read),
    )


def _introduction(results: DetectionResults) -> list[str]:
    """Describe in a few lines what was measured on what, and by which rules."""
    hours = sum(result.n_samples / result.fs for result in results.records) / 3600
    scored = {
        rule.start: results.summary(OWN, rule).gross
        for rule in results.rules
        if rule.tolerance_ms == results.headline.tolerance_ms
    }
    beats = (f"{gross.tp + gross.fn:,} from {start}" for start, gross in scored.items())
    lines = [
        f"{len(results.records)} records of {results.database}, {hours:.2f} h, reference beats: "
        f"{', '.join(beats)}.",
        f"{OWN} is causal and uses the primary lead ({_primary_leads(results)}) and the second "
        "lead where there is one; peers see the whole record at once, its primary lead only.",
        "Beats are paired one to one as WFDB's bxb does (EC57), ventricular flutter left out.",
    ]
    if results.settings.stop is not None:
        lines.append(f"Only what is before {results.settings.stop} was seen and scored.")
    lines += not_installed(results.missing)
    failed: dict[str, tuple[list[str], str]] = {}
    for result in results.records:
        for peer, reason in result.failures.items():
            failed.setdefault(peer, ([], reason))[0].append(result.name)
    return lines + [
        f"{peer} failed on {', '.join(names)}: {reason}; it counts as having found nothing there."
        for peer, (names, reason) in failed.items()
    ]


def _primary_leads(results: DetectionResults) -> str:
    names = [result.leads[0] for result in results.records if result.leads]
    return ", ".join(f"{name} in {names.count(name)}" for name in dict.fromkeys(names))


def _figures(results: DetectionResults) -> dict[str, Any]:
    """Everything for programs."""
    settings = results.settings
    return {
        "schema": SCHEMA_VERSION,
        "database": results.database,
        "settings": {
            "from": settings.starts,
            "tolerance_ms": settings.tolerances_ms,
            "lead": settings.lead,
            "stop": settings.stop,
        },
        "detectors": {
            detector: [
                {
                    **_rule(rule),
                    "all": _summed(results.summary(detector, rule)),
                    "ds2": _summed(results.summary(detector, rule, results.ds2))
                    if results.ds2
                    else None,
                }
                for rule in results.rules
            ]
            for detector in results.detectors
        },
        "timing": {
            "delay_ms": quantiles(results.delay_ms),
            "delay_from_reference_ms": quantiles(results.delay_from_reference_ms),
            "search_back": sum(int(result.own.search_back.sum()) for result in results.records),
        },
        "records": [_record(result) for result in results.records],
        "cross_validation": results.cross_validation,
        "not_installed": [peer.title for peer in results.missing],
    }


def _rule(rule: ScoringRule) -> dict[str, Any]:
    return {"from": rule.start, "tolerance_ms": rule.tolerance_ms}


def _summed(summary: Summary) -> dict[str, Any]:
    return {
        "records": len(summary.records),
        **score_figures(summary.gross),
        "average": {key: summary.average[name] for key, name in RATES.items()},
    }


def score_figures(score: RecordScore) -> dict[str, Any]:
    """Return one score's counts, ratios (0 to 1) and fiducial error for programs."""
    return {
        "beats": score.tp + score.fn,
        "fn": score.fn,
        "fp": score.fp,
        **{key: score.value(name) for key, name in RATES.items()},
        "error_ms": {name: score.error_ms(QUANTILES[name]) for name in ("median", "p95")},
    }


def _record(result: RecordResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "leads": result.leads,
        "fs": result.fs,
        "samples": result.n_samples,
        "missed": result.missed,
        "false": result.false,
        "delay_ms": quantiles(result.delay_ms),
        "failures": result.failures,
        "scores": {
            detector: [{**_rule(rule), **score_figures(score)} for rule, score in scores.items()]
            for detector, scores in result.scores.items()
        },
    }


def _tiles(results: DetectionResults) -> list[tuple[str, str]]:
    share = Column("", SHARE)
    tiles = []
    for rule in results.headline_rules:
        gross = results.summary(OWN, rule).gross
        what = f"F1 {rule.title}: {gross.fn:,} missed, {gross.fp:,} false"
        tiles.append((f"{share.cell(gross.value('qrs_f1'))} %", what))
    delays = quantiles(results.delay_ms)
    error = results.summary(OWN, results.headline).gross.error_ms(QUANTILES["p95"])
    times = {
        "median decision delay": delays["median"],
        "decision delay, 99th percentile": delays["p99"],
        "fiducial error, 95th percentile": error,
    }
    return tiles + [(f"{ms:.0f} ms", what) for what, ms in times.items() if ms is not None]


def _sections(results: DetectionResults, read: Callable[[RecordResult], Excerpt]) -> list[Section]:
    """Lay out the page, with plots and the ECG around errors."""
    sections = [
        Section(title="Beside other detectors", parts=_comparison(results)),
        Section(title="Record by record", parts=_by_record(results)),
        Section(title="How late, and how far off", parts=_timing(results)),
    ]
    if results.cross_validation is not None:
        words = (
            "The peak scorer was trained on these records; held out, each was judged by a "
            "scorer that had never seen its patient."
        )
        content = cross_validation_table(results, results.cross_validation)
        sections.append(Section(title="Cross-validation", parts=[words, content]))
    if results.worst():
        sections.append(
            Section(
                title="What went wrong: the worst records",
                parts=[worst_table(results), strips.LEGEND, partial(_worst, results, read)],
            )
        )
    return sections


def _comparison(results: DetectionResults) -> list[Part]:
    parts: list[Part] = []
    if len(results.detectors) > 1:
        wide, tight = results.headline, results.headline_rules[-1]
        errors = [results.summary(name, wide).gross for name in results.detectors]
        closer = [results.summary(name, tight).gross for name in results.detectors]
        parts.append(
            partial(
                plots.detector_bars,
                results.detectors,
                [(gross.fn, gross.fp) for gross in errors],
                [gross.fn + gross.fp for gross in closer],
                (wide.title, tight.title),
            )
        )
    parts += [comparison_table(results, rule) for rule in results.rules]
    if results.ds2:
        parts += [comparison_table(results, rule, results.ds2) for rule in results.headline_rules]
    return parts


def _by_record(results: DetectionResults) -> list[Part]:
    rule = results.headline
    scores = [result.scores[OWN][rule] for result in results.records if rule in result.scores[OWN]]
    names, missed, false = ([getattr(s, what) for s in scores] for what in ("name", "fn", "fp"))
    return [
        f"Errors {rule.title}.",
        partial(plots.error_bars, names, missed, false),
        partial(page.folded, "Table of all records", page.table(record_table(results))),
    ]


def _timing(results: DetectionResults) -> list[Part]:
    delays, rule = results.delay_ms, results.headline_rules[0]
    found = quantiles(delays)
    marks = {name: ms for name in _MARKED if (ms := found[name]) is not None}
    errors = {
        name: results.summary(name, rule).gross.errors_ms
        for name in results.detectors[: PEERS_DRAWN + 1]
    }
    parts: list[Part] = [partial(page.heading, "Decision delay, search-back and start included")]
    parts.append(partial(plots.delay_histogram, delays, marks) if marks else "No beats found.")
    if any(values.size for values in errors.values()):
        parts.append(partial(page.heading, "Fiducial error"))
        parts.append(partial(plots.fiducial_histogram, errors, OWN))
    return [*parts, timing_table(results)]


def _worst(results: DetectionResults, read: Callable[[RecordResult], Excerpt]) -> str:
    """Draw the ECG around the errors of the worst records."""
    found, worst = [], results.worst()
    with progress("drawing worst records", len(worst)) as advance:
        for result in worst:
            title = f"Record {result.name}: {result.missed.size} missed, {result.false.size} false"
            found += [page.heading(title), strips.record_strips(read(result), result)]
            advance(result.name)
    return "".join(found)
