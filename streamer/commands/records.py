"""`ecg-stream records`: list the records at hand."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from streamer.core.text import clean

if TYPE_CHECKING:
    from rich.table import Table

    from replay.inventory import RecordSummary

COLUMNS: Final[tuple[tuple[str, Literal["left", "right"]], ...]] = (
    ("record", "left"),
    ("leads", "left"),
    ("fs/Hz", "right"),
    ("duration", "right"),
    ("annotated", "left"),
    ("problem", "left"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "database", nargs="?", help="list this database (or folder) only; all by default"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print a table or JSON."""
    import dataclasses
    import json

    from replay.errors import RecordNotFoundError
    from replay.inventory import summarise, summarise_demo
    from replay.places import locate_database
    from replay.records import list_records

    if args.database is None:
        summaries = [summarise_demo(), *summarise(list_records())]
    else:
        summaries = list(summarise(locate_database(args.database)))
        if not summaries:
            raise RecordNotFoundError(
                f"no records of {args.database!r} at hand; `ecg-stream records` lists what is, "
                "`ecg-stream download DATABASE` fetches more"
            )
    if args.json:
        print(json.dumps([dataclasses.asdict(summary) for summary in summaries], indent=2))  # noqa: T201
    else:
        _print_table(summaries)
    return 0


def _print_table(summaries: Sequence["RecordSummary"]) -> None:
    """Print one table for each folder."""
    import itertools

    from rich.console import Console

    from replay.places import DATA_VARIABLE

    console = Console()
    for folder, group in itertools.groupby(summaries, key=lambda summary: summary.folder):
        rows = list(group)
        place = f"{rows[0].database}: {folder} ({rows[0].origin})" if folder else rows[0].origin
        console.print(clean(place), markup=False, highlight=False, soft_wrap=True)
        console.print(_table(rows))
    if all(summary.database is None for summary in summaries):
        console.print(
            f"No other records: set {DATA_VARIABLE} to a folder of databases, or run "
            "`ecg-stream download mitdb`.",
            markup=False,
        )


def _table(rows: Sequence["RecordSummary"]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, align in COLUMNS:
        table.add_column(heading, justify=align, overflow="fold")
    for row in rows:
        table.add_row(*(escape(clean(cell)) for cell in _cells(row)))
    return table


def _cells(summary: "RecordSummary") -> tuple[str, ...]:
    if summary.fs is None or summary.duration_s is None:
        fs = duration = "?"
    else:
        minutes, seconds = divmod(round(summary.duration_s), 60)
        fs, duration = f"{summary.fs:g}", f"{minutes}:{seconds:02}"
    return (
        summary.record,
        " ".join(summary.leads),
        fs,
        duration,
        "yes" if summary.annotated else "no",
        summary.problem or "",
    )
