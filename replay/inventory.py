"""What the records at hand contain, from their headers alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from replay.errors import ReplayError
from replay.formats.file_record import FileSource
from replay.formats.files import open_file
from replay.places import RecordLocation
from replay.simulate.demo import DEMO, simulate_demo
from replay.wfdb_header import read_header
from replay.wfdb_record import DEFAULT_ANNOTATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSummary:
    """One line of `ecg-stream records`."""

    database: str | None
    """None for a simulated record."""
    record: str
    leads: tuple[str, ...]
    """As the record orders them; empty if it can't be read."""
    fs: float | None
    """Hz; None if it can't be read."""
    duration_s: float | None
    annotated: bool
    folder: str | None
    origin: str
    problem: str | None = None
    """Why it can't be read."""


def summarise(locations: Iterable[RecordLocation]) -> Iterator[RecordSummary]:
    """Yield a summary of each record; one that can't be read says why instead of failing."""
    for location in locations:
        path = location.path
        leads: tuple[str, ...] = ()
        fs = duration_s = problem = None
        annotated = path.with_name(f"{location.name}.{DEFAULT_ANNOTATOR}").is_file()
        try:
            if location.is_single_file:
                file = open_file(FileSource(path=path))
                leads, fs, duration_s = file.leads, file.fs, file.n_samples / file.fs
                annotated = file.reference() is not None
            else:
                header = read_header(path)
                leads, fs, duration_s = header.leads, header.fs, header.n_samples / header.fs
                header.require_complete_files()
        except ReplayError as error:
            problem = str(error)
        yield RecordSummary(
            database=location.database,
            record=location.name,
            leads=leads,
            fs=fs,
            duration_s=duration_s,
            annotated=annotated,
            folder=str(path.parent),
            origin=location.origin,
            problem=problem,
        )


def summarise_demo() -> RecordSummary:
    """Summarise the simulated record."""
    demo = simulate_demo()
    return RecordSummary(
        database=None,
        record=DEMO,
        leads=demo.leads,
        fs=demo.fs,
        duration_s=demo.n_samples / demo.fs,
        annotated=True,
        folder=None,
        origin="simulated",
    )
