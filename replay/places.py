"""Where records lie: folders named by the user, and the cache that downloads fill."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from replay.formats.suffixes import EDF_SUFFIX, is_record_file

DATA_VARIABLE: Final = "ECG_STREAM_DATA"
"""Environment variable with folders that hold databases, separated as in PATH."""

CACHE_VARIABLE: Final = "ECG_STREAM_CACHE"
"""Environment variable that moves the cache."""

PREFERRED_DATABASE: Final = "mitdb"
"""Where a plain record name is looked for first."""

HEADER_SUFFIX: Final = ".hea"
_LISTED: Final = (HEADER_SUFFIX, EDF_SUFFIX)
"""What makes a folder one of records; CSV and NumPy files are opened by path alone, as a folder may
hold tables of other things."""


class Origin(StrEnum):
    """How a place came to be searched."""

    PATH = "path"
    DATA = DATA_VARIABLE
    CACHE = "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that may hold records, or folders of records (databases)."""

    folder: Path
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLocation:
    """Where one record is."""

    name: str
    """Record name without folder."""
    database: str
    """Name of the folder it is in."""
    path: Path
    """Without extension; with it where the record is a single file, such as EDF."""
    origin: Origin

    @property
    def is_single_file(self) -> bool:
        """Whether it is a file by itself rather than a WFDB record."""
        return is_record_file(self.path) and self.path.is_file()


def cache_folder() -> Path:
    """Return the folder that downloads go to; it may not exist yet."""
    moved = os.environ.get(CACHE_VARIABLE)
    if moved:
        return Path(moved).expanduser()
    from platformdirs import user_cache_path  # noqa: PLC0415

    return user_cache_path("ecg-stream")


def places() -> list[Place]:
    """Return every place that is searched by name, in the order of the search."""
    named = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    found = [Place(folder=Path(name).expanduser(), origin=Origin.DATA) for name in named if name]
    return [*found, Place(folder=cache_folder(), origin=Origin.CACHE)]


def database_folders(place: Place) -> Iterator[Path]:
    """Yield the place itself and then its subfolders in order of name, if they hold records."""
    if not place.folder.is_dir():
        return
    subfolders = sorted(child for child in place.folder.iterdir() if child.is_dir())
    for folder in (place.folder, *subfolders):
        if any(child.suffix.casefold() in _LISTED for child in folder.iterdir()):
            yield folder


def record_paths(folder: Path) -> list[Path]:
    """Return the records of a folder (paths without extension; of EDF files with it).

    The order is that of the database's RECORDS file as far as there is one; other records follow
    in order of name. Names in RECORDS whose header isn't there are left out.
    """
    files = [path for path in folder.iterdir() if path.suffix.casefold() in _LISTED]
    headers = {path.with_suffix("") for path in files if path.suffix == HEADER_SUFFIX}
    # Some databases have a record in both formats.
    single = {path for path in files if path.suffix != HEADER_SUFFIX} - {
        path for path in files if path.with_suffix("") in headers
    }
    present = sorted(headers | single)
    listing = folder / "RECORDS"
    listed = listing.read_text(encoding="utf-8").split() if listing.is_file() else []
    rank = {name: position for position, name in enumerate(listed)}
    return sorted(present, key=lambda path: rank.get(path.name, len(rank)))


def locate_all() -> Iterator[RecordLocation]:
    """Yield every record of every place, each once, in the order of the search."""
    seen = set()
    for place in places():
        for folder in database_folders(place):
            for path in record_paths(folder):
                name = _name_of(path)
                if (key := (folder.name, name)) not in seen:
                    seen.add(key)
                    yield RecordLocation(
                        name=name, database=folder.name, path=path, origin=place.origin
                    )


def locate_path(name: str) -> RecordLocation | None:
    """Return the record that `name` is the path of, with or without extension; None if none is."""
    path = Path(name).expanduser()
    single = path if path.suffix else path.with_name(f"{path.name}{EDF_SUFFIX}")
    stem = path.with_suffix("") if path.suffix in {HEADER_SUFFIX, ".dat"} else path
    has_header = stem.name and stem.with_name(stem.name + HEADER_SUFFIX).is_file()
    if not has_header and is_record_file(single) and single.is_file():
        database = single.absolute().parent.name
        return RecordLocation(name=single.stem, database=database, path=single, origin=Origin.PATH)
    if not has_header:
        return None
    return RecordLocation(
        name=stem.name, database=stem.absolute().parent.name, path=stem, origin=Origin.PATH
    )


def locate_name(name: str) -> RecordLocation | None:
    """Return the record that a name such as `208` or `mitdb/208` stands for; None if none does.

    A plain name prefers `PREFERRED_DATABASE`, then the order of the search.
    """
    database, _, plain = name.rpartition("/")
    matches = [
        location
        for location in locate_all()
        if location.name == plain and database in {"", location.database}
    ]
    preferred = [match for match in matches if match.database == PREFERRED_DATABASE]
    return next(iter(preferred or matches), None)


def locate_database(name: str) -> list[RecordLocation]:
    """Return the records of a database by name, or of a folder by path; empty if there are none."""
    folder = Path(name).expanduser()
    if folder.is_dir() and (paths := record_paths(folder)):
        return [
            RecordLocation(
                name=_name_of(path), database=folder.absolute().name, path=path, origin=Origin.PATH
            )
            for path in paths
        ]
    return [location for location in locate_all() if location.database == name]


def _name_of(path: Path) -> str:
    """Return the name of a record of `record_paths`: that of a WFDB record may hold a dot."""
    return path.stem if path.suffix.casefold() == EDF_SUFFIX else path.name
