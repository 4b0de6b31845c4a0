"""Scores for people (tables) and for programs (JSON)."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from classifier.splits import DS2, PACED
from streamer.core.errors import OutputError
from streamer.core.text import clean
from streamer.scoring.ec57 import ROWS, STATISTICS, RecordScore, Summary, aggregate

SCHEMA_VERSION: Final = 1
MAJORITY_S_RECORD: Final = "232"
"""Holds about three quarters of DS2's S beats; DS2 is reported with and without it."""
_P95: Final = 0.95
_DETECTION: Final = ("qrs_se", "qrs_ppv", "qrs_f1")
_CLASSES: Final = tuple(f"{label}_{kind}" for label in "vsfq" for kind in ("se", "ppv", "fpr"))
_TITLES: Final = {"se": "Se", "ppv": "+P", "fpr": "FPR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table before it is drawn; the last `summary_rows` sum up those above."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summary_rows: int = 0


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
    def row(score: RecordScore) -> tuple[str, ...]:
        counts = (score.tp + score.fn, score.tp, score.fn, score.fp)
        scores = (_percent(score.value(name)) for name in _DETECTION)
        errors = (_ms(score.error_ms(0.5)), _ms(score.error_ms(_P95)))
        return (score.name, *map(str, counts), *scores, *errors)

    average = ("average", *[""] * 4, *(_percent(summary.average[n]) for n in _DETECTION), "", "")
    header = ("record", "beats", "TP", "FN", "FP", "Se", "+P", "F1", "error ms", "p95 ms")
    return _table(
        f"QRS detection, {summary.name} records, %", header, row, average, summary, every_record
    )


def _label_table(summary: Summary, title: str, *, every_record: bool = True) -> Table:
    def row(score: RecordScore) -> tuple[str, ...]:
        return (score.name, *(_percent(score.value(name)) for name in _CLASSES))

    average = ("average", *(_percent(summary.average[name]) for name in _CLASSES))
    header = ("record", *(f"{n[0].upper()} {_TITLES[n[2:]]}" for n in _CLASSES))
    return _table(title, header, row, average, summary, every_record)


def _table(
    title: str,
    header: tuple[str, ...],
    row: Callable[[RecordScore], tuple[str, ...]],
    average: tuple[str, ...],
    summary: Summary,
    every_record: bool,
) -> Table:
    rows = [row(score) for score in summary.records] if every_record else []
    rows += [row(summary.gross), average]
    return Table(title=title, header=header, rows=tuple(rows), summary_rows=2)


def matrix_table(summary: Summary, title: str) -> Table:
    """Lay out the gross confusion matrix."""
    matrix = summary.gross.matrix.tolist()
    rows = [(name, *map(str, counts)) for name, counts in zip(ROWS, matrix, strict=True)]
    return Table(title=title, header=("", *(name.lower() for name in ROWS)), rows=tuple(rows))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def print_report(report: Report, stream: TextIO | None = None) -> None:
    """Print every table: drawn on a terminal, plain aligned text otherwise."""
    for table in tables(report):
        print_table(table, stream)


def print_table(table: Table, stream: TextIO | None = None) -> None:
    """Print one table: drawn on a terminal, plain aligned text otherwise."""
    stream = sys.stdout if stream is None else stream
    (_draw_rich if stream.isatty() else _draw_plain)(table, stream)


def _draw_plain(table: Table, stream: TextIO) -> None:
    lines = (table.header, *table.rows)
    widths = [max(len(line[k]) for line in lines) for k in range(len(table.header))]
    stream.write(f"\n{clean(table.title)}\n")
    for line in lines:
        cells = [line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]
        stream.write(clean("  ".join(cells).rstrip()) + "\n")


def _draw_rich(table: Table, stream: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table as RichTable  # noqa: PLC0415

    drawn = RichTable(title=clean(table.title), title_justify="left")
    for k, name in enumerate(table.header):
        drawn.add_column(name, justify="right" if k else "left")
    first_summary = len(table.rows) - table.summary_rows
    for k, row in enumerate(table.rows):
        last_record = table.summary_rows > 0 and k == first_summary - 1
        style = "bold" if k >= first_summary else None
        drawn.add_row(*map(clean, row), end_section=last_record, style=style)
    Console(file=stream).print(drawn)


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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON file.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"can't write scores to {path}: {error.strerror or error}; choose another --json file"
        ) from error
