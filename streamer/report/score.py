"""Scores for people (tables) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

from classifier.splits import DS2, PACED
from streamer.report.table import Table, columns, print_table, table
from streamer.scoring.ec57 import ROWS, STATISTICS, RecordScore, Summary, aggregate

SCHEMA_VERSION: Final = 1
MAJORITY_S_RECORD: Final = "232"
"""Holds about three quarters of DS2's S beats; DS2 is reported with and without it."""
_P95: Final = 0.95
_MISSING: Final = "-"
_DETECTION: Final = ("qrs_se", "qrs_ppv", "qrs_f1")
_CLASSES: Final = tuple(f"{label}_{kind}" for label in "vsfq" for kind in ("se", "ppv", "fpr"))
_TITLES: Final = {"se": "Se", "ppv": "+P", "fpr": "FPR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every summary of one comparison."""

    everything: Summary
    """All records: detection."""
    classified: Summary
    """All but the paced records: classification (AAMI EC57)."""
    ds2: Summary | None
    """The records of DS2 among them; None without any."""
    ds2_without: Summary | None
    """DS2 without `MAJORITY_S_RECORD`; None when that wasn't among them."""


def make_report(scores: Sequence[RecordScore]) -> Report:
    """Sum up scores in the groups that are reported."""
    ds2 = [score for score in scores if score.name in DS2]
    without = [score for score in ds2 if score.name != MAJORITY_S_RECORD]
    return Report(
        everything=aggregate(scores),
        classified=aggregate([s for s in scores if s.name not in PACED], name="without paced"),
        ds2=aggregate(ds2, name="DS2") if ds2 else None,
        ds2_without=(
            aggregate(without, name=f"DS2 without {MAJORITY_S_RECORD}")
            if without and len(without) < len(ds2)
            else None
        ),
    )


def tables(report: Report) -> list[Table]:
    """Lay out the whole report."""
    found = [
        _detection_table(report.everything),
        _label_table(report.classified, "Beat labels, %, paced records left out"),
        matrix_table(report.classified, "Reference (rows) and predicted labels, paced left out"),
    ]
    for summary in (report.ds2, report.ds2_without):
        if summary is not None:
            title = f"{summary.name}, {len(summary.records)} of {len(DS2)} records"
            found.append(_label_table(summary, f"{title}: beat labels, %", every_record=False))
    if report.ds2 is not None:
        found.append(_detection_table(report.ds2, every_record=False))
        found.append(matrix_table(report.ds2, "DS2: reference (rows) and predicted labels"))
    return found


def _detection_table(summary: Summary, *, every_record: bool = True) -> Table:
    def row(score: RecordScore) -> tuple[object, ...]:
        counts = (score.tp + score.fn, score.tp, score.fn, score.fp)
        scores = (score.value(name) for name in _DETECTION)
        return (score.name, *counts, *scores, score.error_ms(0.5), score.error_ms(_P95))

    header = (
        *columns("record", "beats", "TP", "FN", "FP"),
        *columns("Se", "+P", "F1", form=".2%"),
        *columns("error ms", "p95 ms", form=".1f"),
    )
    average = ("average", *[""] * 4, *(summary.average[name] for name in _DETECTION), "", "")
    title = f"QRS detection, {summary.name} records, %"
    rows = [*map(row, _shown(summary, every_record=every_record)), average]
    return table(title, header, rows, summary_rows=2, missing=_MISSING)


def _label_table(summary: Summary, title: str, *, every_record: bool = True) -> Table:
    def row(score: RecordScore) -> tuple[object, ...]:
        return (score.name, *(score.value(name) for name in _CLASSES))

    titles = (f"{name[0].upper()} {_TITLES[name[2:]]}" for name in _CLASSES)
    header = (*columns("record"), *columns(*titles, form=".2%"))
    average = ("average", *(summary.average[name] for name in _CLASSES))
    rows = [*map(row, _shown(summary, every_record=every_record)), average]
    return table(title, header, rows, summary_rows=2, missing=_MISSING)


def _shown(summary: Summary, *, every_record: bool) -> list[RecordScore]:
    return [*(summary.records if every_record else ()), summary.gross]


def matrix_table(summary: Summary, title: str) -> Table:
    """Lay out the gross confusion matrix."""
    matrix = summary.gross.matrix.tolist()
    rows = [(name, *counts) for name, counts in zip(ROWS, matrix, strict=True)]
    return table(title, columns("", *(name.lower() for name in ROWS)), rows)


def print_report(report: Report, stream: TextIO | None = None) -> None:
    """Print every table: drawn on a terminal, plain aligned text otherwise."""
    for content in tables(report):
        print_table(content, stream)


def to_json(report: Report, settings: dict[str, Any]) -> dict[str, Any]:
    """Lay out the report for programs.

    Returns
    -------
    dict
        `schema` (1), `settings` (as given), and the groups `all`, `without_paced`, `ds2` and
        `ds2_without_232` (null where there is no such record). A group has `n_records`, `gross`,
        `average` (statistic to mean over the records that define it, or null) and `records`
        (a list). `gross` and each record have `name`, `tp`, `fn`, `fp`, `error_ms` (`median` and
        `p95` of the absolute fiducial error, null without a pair), `matrix` (rows reference,
        columns predicted, both N S V F Q O X) and `statistics`: each of `qrs_se qrs_ppv qrs_f1`
        and `{n,s,v,f,q}_{se,ppv,fpr,f1}` as `[value, numerator, denominator]`, value 0 to 1 or
        null.
    """
    return {
        "schema": SCHEMA_VERSION,
        "settings": settings,
        "all": _summary_json(report.everything),
        "without_paced": _summary_json(report.classified),
        "ds2": _summary_json(report.ds2),
        f"ds2_without_{MAJORITY_S_RECORD}": _summary_json(report.ds2_without),
    }


def _summary_json(summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    return {
        "n_records": len(summary.records),
        "gross": _score_json(summary.gross),
        "average": summary.average,
        "records": [_score_json(score) for score in summary.records],
    }


def _score_json(score: RecordScore) -> dict[str, Any]:
    ratios = {name: score.ratio(name) for name in STATISTICS}
    return {
        "name": score.name,
        "tp": score.tp,
        "fn": score.fn,
        "fp": score.fp,
        "error_ms": {"median": score.error_ms(0.5), "p95": score.error_ms(_P95)},
        "matrix": score.matrix.tolist(),
        "statistics": {n: [r.value, r.numerator, r.denominator] for n, r in ratios.items()},
    }
