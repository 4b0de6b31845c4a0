"""Tables before they are drawn: laid out, printed as text, and figures written as JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from streamer.core.errors import writing
from streamer.core.text import clean

NONE: Final = "–"
"""Stands for a figure that is not defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table before it is drawn; the last `summary_rows` sum up those above."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summary_rows: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and the format specification of the numbers in it.

    `.1%` writes a share of 1 in percent, without the sign, which stands in the table's title.
    """

    title: str
    form: str = ""

    def cell(self, value: object, missing: str = NONE) -> str:
        """Write one value; text stays as it is."""
        if value is None:
            return missing
        return str(value) if isinstance(value, str) else format(value, self.form).removesuffix("%")


def columns(*titles: str, form: str = "") -> tuple[Column, ...]:
    """Return columns whose numbers are written alike."""
    return tuple(Column(title, form) for title in titles)


def table(
    title: str,
    header: Sequence[Column],
    rows: Iterable[Sequence[object]],
    *,
    summary_rows: int = 0,
    missing: str = NONE,
) -> Table:
    """Lay out a table.

    Parameters
    ----------
    rows : iterable of sequences
        Text, numbers, and None where nothing is defined; one for each column.
    summary_rows : int
        The last so many sum up those above.
    missing : str
        Stands for None.
    """
    return Table(
        title=title,
        header=tuple(column.title for column in header),
        rows=tuple(
            tuple(c.cell(value, missing) for c, value in zip(header, row, strict=True))
            for row in rows
        ),
        summary_rows=summary_rows,
    )


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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON file.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    with writing(f"scores to {path}", "choose another --json file"):
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
