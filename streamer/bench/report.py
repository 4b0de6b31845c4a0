"""What a benchmark reports, in one form: printed as text, written as JSON, laid out as a page."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamer.report import page
from streamer.report.table import Table, print_table, write_json

OWN: Final = "ecg-stream"
"""What tables call this project; its rows stand out on a page."""
QUANTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
"""Of latencies; one number never describes them."""

Part = str | Table | Callable[[], str]
"""A paragraph, a table, or something that makes markup, such as a plot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the page, and what is below it."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a benchmark reports."""

    title: str
    introduction: Sequence[str] = ()
    """Lines on what was measured, on what and by which rules."""
    tables: Sequence[Table] = ()
    """What matters most comes last, next to the prompt."""
    figures: Any = field(default_factory=dict)
    """For programs: mappings, sequences, dataclasses, arrays and plain values."""
    tiles: Sequence[tuple[str, str]] = ()
    """Headline figures of the page, and what each is."""
    sections: Sequence[Section] = ()
    """Of the page."""
    plot: Callable[[Path], None] | None = None
    """Draws into a file, where the benchmark has a plot of its own."""
    passed: bool = True
    others: Sequence["Report"] = ()
    """Printed after this one."""


def quantiles(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the quantiles that are reported; None for each without a value."""
    return {
        name: float(np.quantile(values, q)) if values.size else None
        for name, q in QUANTILES.items()
    }


def print_report(report: Report, stream: TextIO | None = None) -> None:
    """Print introduction and tables: drawn on a terminal, plain aligned text otherwise."""
    stream = sys.stdout if stream is None else stream
    stream.write("".join(f"{line}\n" for line in report.introduction))
    for content in report.tables:
        print_table(content, stream)
    for other in report.others:
        print_report(other, stream)


def write_figures(report: Report, path: Path) -> None:
    """Write the figures as JSON.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    write_json(path, plain(report.figures))


def plain(value: Any) -> Any:
    """Turn dataclasses, mappings, arrays and paths into what JSON has."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no figure for programs")


def page_of(report: Report) -> str:
    """Lay the report out as one HTML file that needs nothing from the network."""
    return page.page(
        report.title,
        report.introduction,
        page.tiles(report.tiles) if report.tiles else "",
        [
            page.Section(title=section.title, body="".join(map(_markup, section.parts)))
            for section in report.sections
        ],
    )


def _markup(part: Part) -> str:
    if isinstance(part, Table):
        return page.table(part, own=OWN)
    return page.paragraph(part) if isinstance(part, str) else part()
