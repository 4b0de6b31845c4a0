"""Atrial fibrillation in short recordings, each with one reference rhythm for the whole of it.

As in the PhysioNet/CinC Challenge 2017 (Clifford et al. 2017, doi:10.22489/CinC.2017.065-469): half
a minute of one hand-held lead, labelled N, A (fibrillation), O (other) or ~ (noise) in
REFERENCE.csv. A record counts as named if the chain names fibrillation before it ends.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replay.places import locate_database
from replay.records import open_record
from streamer.bench.report import Report
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.events import Rhythm, RhythmEvent
from streamer.patient.record_events import record_events
from streamer.report.table import Column, columns, table

DATABASE: Final = "cinc2017"
REFERENCE: Final = "REFERENCE.csv"
KINDS: Final = {"A": "fibrillation", "N": "normal", "O": "other rhythm", "~": "noise"}
FIBRILLATION: Final = "A"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortRecord:
    """What the chain made of one recording."""

    name: str
    kind: str
    """Key of `KINDS`."""
    named_s: float | None
    """From the first sample until fibrillation was first named; None where it never was."""


def read_kinds(folder: Path) -> dict[str, str]:
    """Read the reference of each record of a folder.

    Raises
    ------
    ValueError
        If a line is none.
    """
    found = {}
    with (folder / REFERENCE).open(newline="") as file:
        for row in csv.reader(file):
            if len(row) != 2 or row[1] not in KINDS:
                raise ValueError(
                    f"{folder / REFERENCE} has the line {','.join(row)!r}; expected a record and "
                    f"one of {' '.join(KINDS)}"
                )
            found[row[0]] = row[1]
    return found


def short_records() -> list[tuple[str, str]]:
    """Return path and kind of every record at hand.

    Raises
    ------
    ValueError
        If the database is not at hand.
    """
    places = {place.name: str(place.path) for place in locate_database(DATABASE)}
    if not places:
        raise ValueError(f"database {DATABASE} is not at hand; `ecg-stream download {DATABASE}`")
    kinds = read_kinds(Path(next(iter(places.values()))).parent)
    return [(path, kinds[name]) for name, path in sorted(places.items()) if name in kinds]


def measure_short(
    records: Sequence[tuple[str, str]], *, advance: Advance = silent
) -> list[ShortRecord]:
    """Push each record, of which path and kind are given, through a chain of its own."""
    return fan_out(_measure, records, advance=advance)


def _measure(item: tuple[str, str]) -> ShortRecord:
    path, kind = item
    record = open_record(path)
    named = (
        event.decided_at / record.fs
        for event in record_events(record)
        if isinstance(event, RhythmEvent) and event.rhythm is Rhythm.ATRIAL_FIBRILLATION
    )
    return ShortRecord(name=record.name, kind=kind, named_s=next(named, None))


def short_report(results: Sequence[ShortRecord]) -> Report:
    """Report in how many records of each kind fibrillation was named, and when."""
    rows = []
    for kind, title in KINDS.items():
        own = [result for result in results if result.kind == kind]
        times = sorted(result.named_s for result in own if result.named_s is not None)
        if own:
            middle = times[len(times) // 2] if times else None
            rows.append((title, len(own), len(times), len(times) / len(own), middle))
    right = sum(r.kind == FIBRILLATION and r.named_s is not None for r in results)
    n_reference = sum(r.kind == FIBRILLATION for r in results)
    n_named = sum(r.named_s is not None for r in results)
    f1 = 2 * right / max(n_reference + n_named, 1)
    return Report(
        title="Atrial fibrillation in short recordings",
        introduction=[
            f"{DATABASE}, {len(results)} records of about half a minute from a cold start, one "
            "hand-held lead; nothing was trained on them.",
            f"Se {_percent(right, n_reference)}, +P {_percent(right, n_named)}, F1 {f1:.3f}.",
        ],
        tables=[
            table(
                "Fibrillation named",
                (
                    *columns("Reference", "Records", "Named"),
                    Column("Share", ".1%"),
                    Column("Median s until named", ".1f"),
                ),
                rows,
                missing="--",
            )
        ],
        figures={"schema": SCHEMA_VERSION, "records": results, "f1": f1},
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "unknown"
