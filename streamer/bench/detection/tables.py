"""The tables of `bench detection`."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from classifier.splits import DS1
from streamer.bench.detection.measure import DetectionResults, ScoringRule
from streamer.bench.excerpt import WHOLE
from streamer.bench.report import OWN, QUANTILES, quantiles
from streamer.report.table import NONE, Column, Table, columns, table
from streamer.scoring.ec57 import RecordScore

RATES: Final = {"se": "qrs_se", "ppv": "qrs_ppv", "f1": "qrs_f1"}
"""Statistics of detection by their keys in the figures for programs."""
SHARE: Final = ".3%"
"""Three digits: 0.001 % of MIT-BIH is one beat."""
_MS: Final = ".0f"


def rates(score: RecordScore) -> list[float | None]:
    """Return Se, +P and F1."""
    return [score.value(name) for name in RATES.values()]


def tables(results: DetectionResults) -> list[Table]:
    """Lay everything out, what matters most last."""
    found = [record_table(results), timing_table(results)]
    if results.worst():
        found.append(worst_table(results))
    if results.cross_validation is not None:
        found.append(cross_validation_table(results, results.cross_validation))
    if results.ds2:
        found += [comparison_table(results, rule, results.ds2) for rule in results.headline_rules]
    return found + [comparison_table(results, rule) for rule in reversed(results.rules)]


def comparison_table(
    results: DetectionResults, rule: ScoringRule, names: Sequence[str] | None = None
) -> Table:
    """Put every detector's gross and average scores side by side."""
    summaries = {name: results.summary(name, rule, names) for name in results.detectors}
    own = summaries[OWN]
    which = "" if names is None else f"DS2, {len(own.records)} records, "
    header = columns("detector", "FN", "FP")
    return table(
        f"QRS detection, {which}{rule.title}, {own.gross.tp + own.gross.fn:,} beats, %",
        header + columns("Se", "+P", "F1", "avg Se", "avg +P", "avg F1", form=SHARE),
        [
            (name, s.gross.fn, s.gross.fp, *rates(s.gross), *map(s.average.get, RATES.values()))
            for name, s in summaries.items()
        ],
    )


def record_table(results: DetectionResults) -> Table:
    """List this detector's errors, fiducial errors and delays, record by record."""
    rules = results.rules
    header = (
        *columns("record", "leads", "beats"),
        *columns(*(f"{rule.start} {rule.tolerance_ms:g} ms" for rule in rules)),
        Column("F1", SHARE),
        *columns("error p50", "p95", "delay p50", "p99", "max ms", form=_MS),
    )
    rows = [
        (
            result.name,
            "+".join(result.leads[:2]),
            *_errors(result.scores[OWN], rules),
            *_delays(quantiles(result.delay_ms)),
        )
        for result in results.records
    ]
    gross = {rule: results.summary(OWN, rule).gross for rule in rules}
    rows.append(("gross", "", *_errors(gross, rules), *_delays(quantiles(results.delay_ms))))
    title = f"{OWN} by record: missed/false beats by start and tolerance"
    return table(title, header, rows, summary_rows=1)


def _errors(scores: dict[ScoringRule, RecordScore], rules: Sequence[ScoringRule]) -> list[object]:
    """Return the first rule's beats, errors in each, and the first one's F1 and fiducial error."""
    first = scores.get(rules[0])
    errors = [_both(scores[rule]) if rule in scores else None for rule in rules]
    if first is None:
        return [None, *errors, None, None, None]
    return [first.tp + first.fn, *errors, first.value("qrs_f1"), *_fiducial(first)]


def _both(score: RecordScore) -> str:
    return f"{score.fn}/{score.fp}"


def _delays(found: dict[str, float | None]) -> list[float | None]:
    return [found[name] for name in ("median", "p99", "max")]


def _fiducial(score: RecordScore) -> tuple[float | None, float | None]:
    return score.error_ms(0.5), score.error_ms(QUANTILES["p95"])


def timing_table(results: DetectionResults) -> Table:
    """List how late and how far off beats are reported, search-back included."""
    rule = max(results.headline_rules, key=lambda rule: rule.tolerance_ms)
    rows: list[tuple[object, ...]] = []
    for detector in results.detectors:
        gross = results.summary(detector, rule).gross
        bias = float(np.median(gross.errors_ms)) if gross.errors_ms.size else None
        delays: Sequence[object] = ("whole record", "", "", "")
        if detector == OWN:
            delays = tuple(quantiles(results.delay_from_reference_ms).values())
        rows.append((detector, *_fiducial(gross), bias, *delays))
    own = quantiles(results.delay_ms).values()
    rows.append((f"{OWN}, from its own R peak", "", "", "", *own))
    titles = ("error p50", "p95", "bias", "delay p50", "p95", "p99", "max")
    return table(
        f"Timing, ms ({rule.title}): distance from the reference R peak, and decision delay "
        "from it",
        (Column("detector"), *columns(*titles, form=_MS)),
        rows,
    )


def worst_table(results: DetectionResults) -> Table:
    """List the worst records, with every detector's errors there."""
    rule = results.headline
    return table(
        f"Worst records of {OWN}, {rule.title}: missed/false beats",
        columns("record", *results.detectors),
        [
            (result.name, *(_both(result.scores[name][rule]) for name in results.detectors))
            for result in results.worst()
        ],
    )


def cross_validation_table(results: DetectionResults, shipped: dict[str, Any]) -> Table:
    """Set the errors on training records beside those when each record was held out."""
    held_out: dict[str, dict[str, int]] = {
        name.rpartition("/")[2]: counts for name, counts in shipped["cross_validation"].items()
    }
    which = "DS1" if set(held_out) == set(DS1) else "training records"
    return table(
        f"{which} cross-validated in {shipped.get('folds', '?')} folds of records "
        f"({len(held_out)} records from {WHOLE}), beside the shipped scorer that saw them",
        (
            *columns("tolerance", "FN held out", "FP"),
            Column("F1", SHARE),
            *columns("FN shipped", "FP"),
            Column("F1", SHARE),
        ),
        [
            _cross_validated(results, held_out, 150.0, ""),
            _cross_validated(results, held_out, 50.0, "_50"),
        ],
    )


def _cross_validated(
    results: DetectionResults,
    held_out: dict[str, dict[str, int]],
    tolerance_ms: float,
    suffix: str,
) -> tuple[object, ...]:
    """Return a tolerance's errors held out, and the shipped ones if all records were measured."""
    fn, fp = (
        sum(counts[f"{kind}{suffix}"] for counts in held_out.values()) for kind in ("fn", "fp")
    )
    row = (f"{tolerance_ms:g} ms", fn, fp)
    rule = ScoringRule(WHOLE, tolerance_ms)
    complete = set(held_out) <= {result.name for result in results.records}
    if not complete or rule not in results.rules or results.settings.stop is not None:
        return (*row, *[NONE] * 4)
    gross = results.summary(OWN, rule, tuple(held_out)).gross
    tp = gross.tp + gross.fn - fn
    return (*row, 2 * tp / (2 * tp + fn + fp), gross.fn, gross.fp, gross.value("qrs_f1"))
