"""A record, or its beginning, held in memory together with its reference beats."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from replay.chunk import Chunk
from replay.places import locate_database
from replay.player import parse_time
from replay.record import BLOCK_SAMPLES, Record, Reference
from replay.records import open_record, records_of
from streamer.core.errors import ScoringError
from streamer.scoring.ec57 import BeatAnnotations
from streamer.scoring.folders import GROUPS

"""Pushed through the stages at a time; the result doesn't depend on it."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Excerpt:
    """What a benchmark measures on.

    Attributes
    ----------
    name : str
        Record name without folder.
    fs : float
        Sampling frequency in Hz.
    leads : tuple of str
        Lead names, primary first.
    samples : ndarray of float32, shape (leads, n)
        mV; NaN where the record has no valid sample.
    beats : BeatAnnotations
        Reference, counted at `fs`; none lies after the last sample.
    """

    name: str
    fs: float
    leads: tuple[str, ...]
    samples: Samples
    beats: BeatAnnotations

    @property
    def n_samples(self) -> int:
        """Length of every lead."""
        return int(self.samples.shape[1])

    def chunks(self, size: int = BLOCK_SAMPLES) -> Iterator[Chunk]:
        """Yield the samples in chunks, each with an array of its own."""
        for start in range(0, self.n_samples, size):
            yield Chunk(start=start, samples=self.samples[:, start : start + size].copy())


def beats_until(beats: BeatAnnotations, stop: int) -> BeatAnnotations:
    """Return the annotations before sample `stop`."""
    kept = beats.samples < stop
    return BeatAnnotations(
        samples=beats.samples[kept],
        codes=beats.codes[kept],
        vf=tuple((first, min(last, stop - 1)) for first, last in beats.vf if first < stop),
        shutdowns=beats.shutdowns,
    )


def reference_of(record: Record, stop: int) -> Reference:
    """Return a record's reference annotations before sample `stop`.

    Raises
    ------
    ScoringError
        If it has none.
    """
    reference = record.reference()
    if reference is None:
        raise ScoringError(
            f"record {record.name} has no reference annotations to score against; "
            "choose records that have some"
        )
    n = int((reference.samples < stop).sum())
    return Reference(
        samples=reference.samples[:n], symbols=reference.symbols[:n], aux=reference.aux[:n]
    )


def end_of(record: Record, stop: str | None) -> int:
    """Return where a record ends that is cut at a time such as 5:00, if at all."""
    return record.n_samples if stop is None else min(record.n_samples, parse_time(stop, record.fs))


def annotated_beats(reference: Reference, stop: int) -> BeatAnnotations:
    """Return the beats of a reference before sample `stop`."""
    beats = BeatAnnotations.from_symbols(reference.samples, reference.symbols)
    return beats_until(beats, stop)


def excerpt_of(record: Record, stop: str | None = None) -> Excerpt:
    """Read a record up to a time such as 5:00, or to its end.

    Raises
    ------
    ScoringError
        If it has no reference annotations.
    """
    n = end_of(record, stop)
    reference = reference_of(record, n)
    blocks = [chunk.samples for chunk in record.chunks(0, n, BLOCK_SAMPLES)]
    samples = np.concatenate([np.empty((len(record.leads), 0), np.float32), *blocks], axis=1)
    return Excerpt(
        name=record.name,
        fs=record.fs,
        leads=record.leads,
        samples=samples,
        beats=annotated_beats(reference, n),
    )


def read_excerpt(name: str, *, lead: str | None = None, stop: str | None = None) -> Excerpt:
    """Find a record by name and read it; see `replay.records.open_record` and `excerpt_of`."""
    return excerpt_of(open_record(name, lead=lead), stop)


def choose_records(database: str, wanted: Sequence[str] | None) -> list[str]:
    """Return what `read_excerpt` takes for the wanted records, or for a whole database.

    Parameters
    ----------
    database : str
        Name or folder; plain record names are looked for in it first.
    wanted : sequence of str, optional
        Names, paths, DS1 or DS2; without it every annotated record of the database.

    Raises
    ------
    RecordNotFoundError
        If all records of a database are wanted that is not at hand.
    """
    if wanted is None:
        found = records_of(database)
        annotated = [path for path in found if open_record(path).reference() is not None]
        return annotated or found
    at_hand = {location.name: str(location.path) for location in locate_database(database)}
    names = [name for word in wanted for name in GROUPS.get(word, (word,))]
    return [at_hand.get(name, name) for name in dict.fromkeys(names)]


def labelled(samples: NDArray[np.int64]) -> BeatAnnotations:
    """Make annotations of detected beats, all called N: detection scores don't ask for labels."""
    return BeatAnnotations.of(samples, [Label.N] * samples.size)
