"""Find a record by name and open it.

Looked for in this order: a path; the folders in ECG_STREAM_DATA; the cache; PhysioNet.
"""

import difflib
import re
from pathlib import Path
from typing import Final

from replay.errors import DownloadError, RecordFormatError, RecordNotFoundError
from replay.formats.file_record import FileSource
from replay.formats.files import open_file
from replay.formats.options import FileOptions
from replay.formats.suffixes import READ, is_record_file
from replay.places import (
    DATA_VARIABLE,
    HEADER_SUFFIX,
    Origin,
    RecordLocation,
    locate_all,
    locate_database,
    locate_name,
    locate_path,
    places,
)
from replay.record import LeadView, Record, select_leads
from replay.simulate.demo import DEMO, parse_demo_name, simulate_demo
from replay.wfdb_record import DEFAULT_ANNOTATOR, WfdbRecord

_DATABASE_OF: Final = (
    (re.compile(r"[12]\d\d"), "mitdb"),
    (re.compile(r"8\d\d"), "svdb"),
    (re.compile(r"11[89]e(_6|\d\d)|bw|em|ma"), "nstdb"),
)
"""Which database on PhysioNet a plain record name belongs to."""

SUGGESTIONS: Final = 3
"""How many close names an error message offers."""


def open_record(
    name: str,
    *,
    lead: str | None = None,
    download: bool = True,
    annotator: str = DEFAULT_ANNOTATOR,
    options: FileOptions | None = None,
) -> Record:
    """Find a record and open it.

    Parameters
    ----------
    name : str
        `demo` or `demo:SEED`; a path with or without extension, of a WFDB record or an EDF, CSV
        or NumPy file; or a name such as `208` or `mitdb/208`, looked for in the folders of
        ECG_STREAM_DATA, in the cache, on PhysioNet.
    lead : str, optional
        Lead to put first, in any case; by default MLII where there is one, else the first.
    download : bool
        Whether PhysioNet may be asked for a record that is not at hand.
    annotator : str
        Extension of the reference annotation file.
    options : FileOptions, optional
        Leads to use; sampling frequency and units of a file that doesn't state them.

    Returns
    -------
    Record
        Its samples aren't read yet.

    Raises
    ------
    RecordNotFoundError
        If it is nowhere; the message says where was looked and what to do.
    RecordFormatError
        If its files are damaged or disagree, with each other or with the options, or if a file
        states neither sampling frequency nor units and the options don't either.
    LeadNotFoundError
        If it has no such lead.
    ValueError
        If the seed of a demo is no number, or both a primary lead and leads are given.
    """
    options = options or FileOptions()
    if lead is not None and options.leads:
        raise ValueError("give --lead or --leads, not both: the first of --leads is the primary")
    seed = parse_demo_name(name)
    if seed is not None:
        return _with_options(simulate_demo(seed).with_lead(lead), options)
    location = locate_path(name) or locate_name(name) or _fetch(name, allowed=download)
    database = location.database
    if location.is_single_file:
        return open_file(
            FileSource(
                path=location.path,
                database=database,
                lead=lead,
                options=options,
                annotator=annotator,
            )
        )
    found = WfdbRecord(location.path, database=database, lead=lead, annotator=annotator)
    return _with_options(found, options)


def _with_options(record: Record, options: FileOptions) -> Record:
    """Return a record that states all that can be asked, with the leads that are wanted."""
    options.rate(record.fs, f"record {record.name}")
    if options.units is not None:
        raise RecordFormatError(f"record {record.name} states its units; leave --units out")
    if not options.leads:
        return record
    return LeadView(record, select_leads(record.leads, options.leads, record.name))


def list_records() -> list[RecordLocation]:
    """Return every record at hand in files, in the order of the search."""
    return list(locate_all())


def records_of(name: str) -> list[str]:
    """Return what `open_record` takes for every record of a database or folder.

    Parameters
    ----------
    name : str
        Name of a database (`mitdb`), path of a folder, or any name of one record, which stands
        for itself.

    Returns
    -------
    list of str
        Paths without extension, in the order of the database's RECORDS file.

    Raises
    ------
    RecordNotFoundError
        If it is a database that is not at hand, or a folder without records.
    """
    locations = locate_database(name)
    if locations:
        return [str(location.path) for location in locations]
    is_folder = Path(name).expanduser().is_dir() and locate_name(name) is None
    if is_folder or name in {database for _, database in _DATABASE_OF}:
        raise RecordNotFoundError(
            f"no records in database {name!r}: looked in {_looked_in()}; run "
            f"`ecg-stream download {name}`, or set {DATA_VARIABLE} to the folder that holds it"
        )
    return [name]


def _fetch(name: str, *, allowed: bool) -> RecordLocation:
    """Fetch a record from PhysioNet, or raise the one line that says what was tried."""
    database, plain = _on_physionet(name)
    if database is None or not allowed:
        raise RecordNotFoundError(_not_found(name, ""))
    from replay.download import fetch_record  # noqa: PLC0415
    from replay.progress import download_bar  # noqa: PLC0415

    try:
        with download_bar(database) as progress:
            path = fetch_record(database, plain, progress=progress)
    except DownloadError as error:
        raise RecordNotFoundError(_not_found(name, f", and PhysioNet: {error}")) from error
    return RecordLocation(name=plain, database=database, path=path, origin=Origin.CACHE)


def _on_physionet(name: str) -> tuple[str | None, str]:
    """Return database and record under which PhysioNet may have it; no database if that is none."""
    database, separator, plain = name.rpartition("/")
    if separator:
        is_path = name.startswith((".", "/", "~")) or name.endswith(HEADER_SUFFIX)
        is_path = is_path or is_record_file(Path(name))
        return (None if is_path or "/" in database else database), plain
    return next((known for names, known in _DATABASE_OF if names.fullmatch(name)), None), name


def _looked_in() -> str:
    return ", ".join(f"{place.folder} ({place.origin})" for place in places())


def _not_found(name: str, remote: str) -> str:
    """Say where a record was looked for and what to do, in one line."""
    path = Path(name).expanduser()
    if path.is_file():
        return f"{name} is there, but not in a format that is read: {READ}; convert it"
    if is_record_file(path):
        return f"no file {name}; check the path"
    database, _ = _on_physionet(name)
    locations = list(locate_all())
    same_database = [location for location in locations if location.database == database]
    at_hand = [
        f"{location.database}/{location.name}" if "/" in name else location.name
        for location in same_database or locations
    ]
    close = difflib.get_close_matches(name, [DEMO, *dict.fromkeys(at_hand)], n=SUGGESTIONS)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return (
        f"no record {name!r}: looked in the current folder, {_looked_in()}{remote}; {hint}"
        f"`ecg-stream records` lists what is at hand, `ecg-stream replay {DEMO}` needs no files"
    )
