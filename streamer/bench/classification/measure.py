"""Measures beat labels end to end: own detector, causal chain, both revisions, as EC57 asks.

Each record goes through the shipped chain once, as a live source would; provisional and confirmed
labels are then compared with the reference beat by beat (`streamer.scoring.ec57`) and run by run
(`streamer.scoring.runs`).
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np

from classifier.labels import Label
from classifier.network.runtime import BeatModel, load_model
from replay.player import parse_time
from replay.records import open_record
from streamer.bench.classification.results import (
    SHIPPED,
    ClassificationResults,
    ClassificationSettings,
    RecordLabels,
    Revision,
)
from streamer.bench.excerpt import (
    WHOLE,
    ChainRun,
    annotated_beats,
    as_ms,
    choose_records,
    run_chain,
)
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.errors import ScoringError
from streamer.core.events import LabeledBeat
from streamer.runner.annotate import labels_of
from streamer.scoring.ec57 import TOLERANCE_MS, BeatAnnotations, score_record
from streamer.scoring.episodes import spans_of
from streamer.scoring.matching import tolerance_samples
from streamer.scoring.runs import RunCounts, count_runs, runs_of
from streamer.sinks.annotations import REVISIONS, Which

DIVIDED: Final = "mitdb"
"""The database that DS1 and DS2 are the two halves of."""
RUN_LABELS: Final[dict[str, tuple[Label, ...]]] = {"V": (Label.V, Label.F), "S": (Label.S,)}
"""Kinds of runs with the labels of their beats (EC57: fusion beats belong to runs of V)."""
_NO_REASON: Final = "late"


def settings_of(
    models: Sequence[str] | None, *, start: str = WHOLE, stop: str | None = None
) -> list[ClassificationSettings]:
    """Return the settings for each model: a file, or `SHIPPED`, which is also the default."""
    return [
        ClassificationSettings(
            model=None if model == SHIPPED else Path(model), start=start, stop=stop
        )
        for model in models or [SHIPPED]
    ]


def choose_labelled(database: str, wanted: Sequence[str] | None) -> list[str]:
    """Choose records as `choose_records` does; DS2 without a wish, in the database that has it."""
    is_divided = wanted is None and database == DIVIDED
    return choose_records(database, ["DS2"] if is_divided else wanted)


def measure_classification(
    database: str,
    records: Sequence[str],
    settings: ClassificationSettings | None = None,
    *,
    jobs: int = 1,
    advance: Advance = silent,
) -> ClassificationResults:
    """Label every record and compare.

    Parameters
    ----------
    database : str
        What to call the records together.
    records : sequence of str
        What `replay.records.open_record` opens.
    jobs : int
        Records at the same time.
    advance : callable
        Gets the name of each record that is done.

    Raises
    ------
    ModelMismatchError
        If the model is missing or was made for other inputs.
    ScoringError
        If there is nothing to score, or a record has no reference annotations.
    ValueError
        If a time or `jobs` makes no sense.
    """
    settings = settings or ClassificationSettings()
    spec = _model(settings.model).spec
    work = partial(measure_record, settings=settings)
    found = tuple(fan_out(work, records, jobs=jobs, advance=advance))
    results = ClassificationResults(database=database, settings=settings, model=spec, records=found)
    if not results.names:
        raise ScoringError(
            "no record to score: records with paced beats don't count (EC57); choose others"
        )
    return results


@cache
def _model(path: Path | None) -> BeatModel:
    """Load a model once a process."""
    return load_model(path)


def measure_record(source: str, settings: ClassificationSettings) -> RecordLabels:
    """Label one record, found by name, and compare it with its reference."""
    run = run_chain(open_record(source), stop=settings.stop, model=_model(settings.model))
    return compare(run, start=settings.start)


def compare(run: ChainRun, *, start: str = WHOLE) -> RecordLabels:
    """Compare the labels of one record with its reference.

    Raises
    ------
    ScoringError
        If it ends before `start`.
    StreamerError
        If a beat didn't get exactly one label of each revision.
    """
    first = parse_time(start, run.fs)
    if first >= run.stop:
        raise ScoringError(f"record {run.name} ends before {start}; start earlier with --from 0:00")
    labels = [event for event in run.events if isinstance(event, LabeledBeat)]
    beats = annotated_beats(run.reference, run.stop)
    return RecordLabels(
        name=run.name,
        hours=run.hours,
        revisions={which: _revision(run, which, labels, beats, first) for which in REVISIONS},
    )


def _revision(
    run: ChainRun,
    which: Which,
    labels: Sequence[LabeledBeat],
    reference: BeatAnnotations,
    first: int,
) -> Revision:
    """Compare one revision of the labels from sample `first` on."""
    found = labels_of(labels, which)
    predicted = BeatAnnotations.of([sample for sample, _ in found], [label for _, label in found])
    counted = [
        label
        for label in labels
        if label.revision == REVISIONS[which] and label.beat.rpeak.sample >= first
    ]
    delays = np.array([label.decided_at - label.beat.rpeak.sample for label in counted], np.int64)
    return Revision(
        score=score_record(
            reference, predicted, fs=run.fs, name=run.name, start=first, stop=run.stop - 1
        ),
        runs=_runs(run, reference, predicted, first),
        delay_ms=as_ms(delays, run.fs),
        unjudged=Counter(
            label.reason or _NO_REASON for label in counted if label.label in {Label.Q, None}
        ),
    )


def _runs(
    run: ChainRun, reference: BeatAnnotations, predicted: BeatAnnotations, first: int
) -> dict[str, RunCounts]:
    """Compare runs: V may go on in flutter, S in flutter or fibrillation doesn't count."""
    tolerance = tolerance_samples(TOLERANCE_MS, run.fs)
    before = (0, first - 1)
    left_out = (before, *spans_of(run.reference, "AF or flutter", run.stop), *reference.vf)
    v, s = RUN_LABELS["V"], RUN_LABELS["S"]
    return {
        "V": count_runs(
            runs_of(reference, v, episodes=reference.vf, left_out=[before]),
            runs_of(predicted, v, left_out=[before]),
            tolerance,
        ),
        "S": count_runs(
            runs_of(reference, s, left_out=left_out),
            runs_of(predicted, s, left_out=left_out),
            tolerance,
        ),
    }
