"""Label whole records at full speed, into WFDB or EDF+ annotation files."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Final, Literal

from classifier.errors import ClassifierError
from classifier.labels import Label
from classifier.network.runtime import BeatModel, load_model
from replay.errors import ReplayError
from replay.formats.options import FileOptions
from replay.formats.suffixes import is_record_file
from replay.lead_following import open_two_leads
from replay.places import HEADER_SUFFIX, locate_name, locate_path
from replay.record import Record, recorded_at
from replay.records import records_of
from streamer.core.errors import OutputError, StreamerError
from streamer.core.events import Event, Gap, LabeledBeat
from streamer.patient.record_events import record_events, why_no_beats
from streamer.scoring.annotation_file import (
    DEFAULT_ANNOTATOR,
    annotation_path,
    check_annotator,
    write_annotations,
)
from streamer.scoring.edf_annotations import EDF_EXTENSION, write_edf_annotations
from streamer.sinks.annotations import REVISIONS, Which

EXPECTED: Final = (StreamerError, ReplayError, ClassifierError, ValueError, OSError)
"""What may be wrong with one record; anything else is a bug and stops everything."""

Moved = Callable[[str, float], None]
"""Told a record and which part of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateConfig:
    """What to write, and where."""

    out: Path
    annotator: str = DEFAULT_ANNOTATOR
    which: Which = "confirmed"
    lead: str | None = None
    """Primary lead; None takes MLII where there is one."""
    file: FileOptions = field(default_factory=FileOptions)
    """Which leads, and what the records' files don't state."""
    format: Literal["wfdb", "edf"] = "wfdb"
    """Of what is written; EDF+ gets a further extension, `edf`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What became of one record."""

    record: str
    """As it was asked for."""
    n_beats: int = 0
    signal_s: float = 0.0
    wall_s: float = 0.0
    error: str | None = None
    """One line; None when its file is written."""
    note: str | None = None
    """Why there are no beats in it; None when there are."""


def labels_of(events: Iterable[Event], which: Which) -> list[tuple[int, Label]]:
    """Return sample and label of each beat, in one of its two revisions.

    Raises
    ------
    StreamerError
        If a beat lacks a label, got one twice, or comes before another one.
    """
    samples: dict[int, list[int]] = {revision: [] for revision in REVISIONS.values()}
    found = []
    for event in events:
        if not isinstance(event, LabeledBeat):
            continue
        sample, before = event.beat.rpeak.sample, samples[event.revision]
        if before and sample <= before[-1]:
            raise StreamerError(
                f"beat at sample {sample} came after the one at {before[-1]} (revision "
                f"{event.revision}); this is a fault of the program, please report it"
            )
        before.append(sample)
        if event.revision == REVISIONS[which]:
            found.append((sample, event.label or Label.Q))
    first, second = samples.values()
    if first != second:
        raise StreamerError(
            f"beat at sample {min(set(first) ^ set(second))} has one label instead of two; this is "
            "a fault of the program, please report it"
        )
    return found


def expand(names: Sequence[str]) -> list[str]:
    """Replace databases and folders by their records, each record once.

    Raises
    ------
    ReplayError
        If a database is not at hand.
    ValueError
        If two different records would be written to the same file.
    """
    chosen: dict[str, str] = {}
    for name in (record for word in names for record in records_of(word)):
        other = chosen.setdefault(plain_name(name), name)
        if other != name and _place(other) != _place(name):
            raise ValueError(
                f"records {other} and {name} would be written to the same file; "
                "annotate them into different folders"
            )
    return list(chosen.values())


def plain_name(name: str) -> str:
    """Return a record's name without folder and extension."""
    if is_record_file(Path(name)):
        return Path(name).stem
    return name.rpartition("/")[2].removesuffix(HEADER_SUFFIX).removesuffix(".dat")


def _place(name: str) -> Path | None:
    location = locate_path(name) or locate_name(name)
    return None if location is None or location.path is None else location.path.resolve()


def label_beats(
    record: Record, model: BeatModel, which: Which, moved: Moved | None = None
) -> list[tuple[int, Label]]:
    """Push a record through the chain and return sample and label of each beat.

    Samples count at the record's own sampling frequency.
    """
    return labels_of(_events(record, model, moved), which)


def _events(record: Record, model: BeatModel, moved: Moved | None) -> Iterator[Event]:
    on_part = None if moved is None else partial(moved, record.name)
    return record_events(record, model=model, on_part=on_part)


def annotate_record(name: str, config: AnnotateConfig, moved: Moved | None = None) -> Annotated:
    """Label one record and write its file; what is wrong with it is in the result."""
    began = time.perf_counter()
    try:
        record = open_two_leads(name, lead=config.lead, options=config.file)
        gaps: list[Gap] = []
        beats = labels_of(_keep_gaps(_events(record, _model(), moved), gaps), config.which)
        path = annotation_path(config.out, record.name, config.annotator)
        if config.format == "edf":
            path = path.with_name(f"{path.name}.{EDF_EXTENSION}")
            recorded = recorded_at(record)
            count = write_edf_annotations(path, beats, fs=record.fs, recorded=recorded)
        else:
            count = write_annotations(path, beats, fs=record.fs)
    except EXPECTED as error:
        return Annotated(record=name, error=str(error) or type(error).__name__)
    return Annotated(
        record=name,
        n_beats=count,
        signal_s=record.n_samples / record.fs,
        wall_s=time.perf_counter() - began,
        note=None if count else why_no_beats(gaps, record.n_samples, record.fs),
    )


def _keep_gaps(events: Iterable[Event], gaps: list[Gap]) -> Iterator[Event]:
    """Pass events on, and add those to a list that say where the signal was of no use."""
    for event in events:
        if isinstance(event, Gap) and not event.ongoing:
            gaps.append(event)
        yield event


@cache
def _model() -> BeatModel:
    """Load the shipped model once a process."""
    return load_model()


def annotate(
    names: Sequence[str], config: AnnotateConfig, *, jobs: int = 1, moved: Moved | None = None
) -> Iterator[Annotated]:
    """Label records one by one, or several at a time in processes of their own.

    Parameters
    ----------
    names : sequence of str
        As `expand` returns them.
    config : AnnotateConfig
    jobs : int
        Number of processes; with 1 everything happens in this one.
    moved : callable, optional
        Called within records when `jobs` is 1.

    Returns
    -------
    iterator of Annotated
        As they are done: with several processes not in the order of `names`.

    Raises
    ------
    ValueError
        If `jobs` or the annotator's name is not legal.
    OutputError
        If the folder can't be written.
    ClassifierError
        If the shipped model can't be used.
    """
    if jobs < 1:
        raise ValueError(f"number of jobs is {jobs}; it must be 1 or more")
    check_annotator(config.annotator)
    require_writable(config.out)
    _model()
    return _annotate_here(names, config, moved) if jobs == 1 else _fan_out(names, config, jobs)


def require_writable(folder: Path) -> None:
    """Make the folder, and raise OutputError if nothing can be written into it."""
    probe = folder / ".ecg-stream"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"can't write into {folder}: {error.strerror or error}; choose another --out folder"
        ) from error


def _annotate_here(
    names: Sequence[str], config: AnnotateConfig, moved: Moved | None
) -> Iterator[Annotated]:
    for name in names:
        yield annotate_record(name, config, moved)


def _fan_out(names: Sequence[str], config: AnnotateConfig, jobs: int) -> Iterator[Annotated]:
    # Torch and numba have threads and locks that a forked process would inherit half-way.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    # An interrupt reaches every process of a terminal; this one alone decides what it means.
    ignored = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(jobs, context, initializer=signal.signal, initargs=ignored) as pool:
        futures = [pool.submit(annotate_record, name, config) for name in names]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


@dataclass(slots=True)
class Totals:
    """Sums over the records of one run."""

    done: list[Annotated] = field(default_factory=list)
    failed: list[Annotated] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def add(self, result: Annotated) -> None:
        """Take note of one record."""
        (self.done if result.error is None else self.failed).append(result)

    def lines(self) -> list[str]:
        """Sum up in lines for a person."""
        wall_s = time.perf_counter() - self.began
        signal_s = sum(result.signal_s for result in self.done)
        beats = sum(result.n_beats for result in self.done)
        lines = [
            f"{len(self.done)} of {len(self.done) + len(self.failed)} records, {beats:,} beats",
        ]
        if self.done:
            lines.append(
                f"{signal_s / 3600:.2f} h of signal in {wall_s:.1f} s: "
                f"{signal_s / wall_s:,.0f} times real time"
            )
        return lines
