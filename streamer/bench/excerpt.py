"""Records as benchmarks take them: chosen by name, cut, with their reference annotations."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from replay.places import locate_database
from replay.player import parse_time
from replay.record import BLOCK_SAMPLES, Record, Reference, read_samples, require_reference
from replay.records import open_record, records_of
from streamer.core.events import Event
from streamer.patient.record_events import record_events
from streamer.scoring.ec57 import TOLERANCE_MS, BeatAnnotations, RecordScore, score_record
from streamer.scoring.folders import GROUPS

Samples = NDArray[np.float32]
WHOLE = "0:00"
"""Start of a part that is scored from the first sample on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Excerpt:
    """A record, or its beginning, held in memory together with its reference beats.

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

    def score(
        self,
        found: NDArray[np.int64],
        *,
        start: int = 0,
        stop: int | None = None,
        tolerance_ms: float = TOLERANCE_MS,
    ) -> RecordScore:
        """Score detected R peaks from sample `start` until before `stop`, or to the end."""
        return score_record(
            self.beats,
            # Scores of detection don't ask for labels.
            BeatAnnotations.of(found, [Label.N] * found.size),
            fs=self.fs,
            name=self.name,
            start=start,
            stop=(self.n_samples if stop is None else stop) - 1,
            tolerance_ms=tolerance_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainRun:
    """What the chain made of a record's first `stop` samples, and its reference of them."""

    name: str
    fs: float
    stop: int
    reference: Reference
    events: Iterable[Event]

    @property
    def hours(self) -> float:
        """Length of the signal."""
        return self.stop / self.fs / 3600.0


def run_chain(
    record: Record, *, stop: str | None = None, model: BeatModel | None = None
) -> ChainRun:
    """Push a record through the whole chain, while its events are being read.

    Parameters
    ----------
    stop : str, optional
        The chain sees nothing after this time, such as 5:00.
    model : BeatModel, optional
        The shipped one if None.

    Raises
    ------
    NoReferenceError
        If it has no reference annotations.
    """
    n = end_of(record, stop)
    return ChainRun(
        name=record.name,
        fs=record.fs,
        stop=n,
        reference=require_reference(record, n),
        events=record_events(record, stop=n, model=model),
    )


def end_of(record: Record, stop: str | None) -> int:
    """Return where a record ends that is cut at a time such as 5:00, if at all."""
    return record.n_samples if stop is None else min(record.n_samples, parse_time(stop, record.fs))


def annotated_beats(reference: Reference, stop: int) -> BeatAnnotations:
    """Return the beats of a reference, and its flutter, before sample `stop`."""
    beats = BeatAnnotations.of_reference(reference)
    kept = beats.samples < stop
    return BeatAnnotations(
        samples=beats.samples[kept],
        codes=beats.codes[kept],
        vf=tuple((first, min(last, stop - 1)) for first, last in beats.vf if first < stop),
        shutdowns=beats.shutdowns,
    )


def excerpt_of(record: Record, stop: str | None = None) -> Excerpt:
    """Read a record up to a time such as 5:00, or to its end.

    Raises
    ------
    NoReferenceError
        If it has no reference annotations.
    """
    n = end_of(record, stop)
    return Excerpt(
        name=record.name,
        fs=record.fs,
        leads=record.leads,
        samples=read_samples(record, 0, n),
        beats=annotated_beats(require_reference(record, n), n),
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


def as_ms(samples: NDArray[np.signedinteger], fs: float) -> NDArray[np.float64]:
    """Turn numbers of samples into ms."""
    return samples.astype(np.float64) * (1000.0 / fs)
