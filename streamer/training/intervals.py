"""Beats of long recordings of which only the annotations are at hand: `Intervals`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from classifier.training.dataset import CLASSES, UNKNOWN
from classifier.training.sequences import IntArray, Intervals
from replay.places import locate_database
from replay.record import Reference
from streamer.scoring.ec57 import BeatAnnotations
from streamer.scoring.episodes import spans_of

ANNOTATORS: Final[dict[str, tuple[str, str]]] = {
    "ltafdb": ("atr", "atr"),
    "ltstdb": ("atr", "atr"),
    "afdb": ("qrs", "atr"),
}
"""Databases without signals to learn rhythms from: annotators of beats and of rhythms."""
_UNLABELLED: Final = frozenset({"afdb"})
"""Whose beats nobody classified."""
_WITH_SIGNAL: Final[dict[str, frozenset[str]]] = {"ltafdb": frozenset({"01", "10", "104"})}
"""Patients whose first hour is in `ltafdb_1h`, with signal: so that they can be held out."""
_FIELDS: Final = ("time_s", "target", "fibrillates")


def read_intervals(databases: Sequence[str], cache: Path) -> list[Intervals]:
    """Read the beats of every record of some databases, or what was read before.

    Parameters
    ----------
    databases : sequence of str
        Keys of `ANNOTATORS`; one that is not at hand is left out.
    cache : Path
        Folder, made if missing.
    """
    return [one for database in databases for one in _of_database(database, cache)]


def _of_database(database: str, cache: Path) -> list[Intervals]:
    left_out = _WITH_SIGNAL.get(database, frozenset())
    places = [
        place
        for place in locate_database(database)
        if place.name not in left_out and _is_annotated(Path(place.path), database)
    ]
    path = cache / f"intervals-{database}-{len(places)}.npz"
    if path.exists():
        with np.load(path) as arrays:
            return [
                Intervals(name=p.name, **{f: arrays[f"{p.name}-{f}"] for f in _FIELDS})
                for p in places
            ]
    read = [_read(Path(place.path), database) for place in places]
    cache.mkdir(parents=True, exist_ok=True)
    if read:
        np.savez_compressed(
            path, **{f"{one.name}-{f}": getattr(one, f) for one in read for f in _FIELDS}
        )
    return read


def _is_annotated(stem: Path, database: str) -> bool:
    return all(Path(f"{stem}.{annotator}").exists() for annotator in ANNOTATORS[database])


def _read(stem: Path, database: str) -> Intervals:
    """Read one record's annotations."""
    import wfdb  # noqa: PLC0415

    beats_of, rhythms_of = ANNOTATORS[database]
    fs = float(wfdb.rdheader(str(stem)).fs)
    found = {name: wfdb.rdann(str(stem), name) for name in {beats_of, rhythms_of}}
    beats, rhythms = (
        Reference(samples=a.sample, symbols=tuple(a.symbol), aux=tuple(a.aux_note))
        for a in (found[beats_of], found[rhythms_of])
    )
    marked = BeatAnnotations.of_reference(beats)
    target = marked.codes.astype(np.int64)
    # Beats that nobody could classify are unknown, not noise.
    target[target == len(CLASSES) - 1] = UNKNOWN
    if database in _UNLABELLED:
        target[:] = UNKNOWN
    return Intervals(
        name=stem.name,
        time_s=marked.samples / fs,
        target=target,
        fibrillates=fibrillation_at(marked.samples, rhythms),
    )


def fibrillation_at(samples: IntArray, reference: Reference) -> IntArray:
    """Tell where beats are in atrial fibrillation, by the marks of rhythm.

    Returns
    -------
    ndarray of int64, shape (n,)
        1, 0, or UNKNOWN in flutter, before the first mark and where there are no marks.
    """
    found = np.full(samples.size, UNKNOWN)
    marks = [s for s, a in zip(reference.samples, reference.aux, strict=True) if a.startswith("(")]
    if not marks:
        return found
    found[samples >= marks[0]] = 0
    stop = int(samples[-1]) + 1 if samples.size else 0
    for kind, value in (("AF or flutter", UNKNOWN), ("AF", 1)):
        for start, end in spans_of(reference, kind, stop):
            found[(samples >= start) & (samples < end)] = value
    return found
