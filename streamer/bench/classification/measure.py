"""Measures beat labels end to end: own detector, causal chain, both revisions, as EC57 asks.

Each record goes through the shipped chain once, as a live source would; provisional and confirmed
labels are then compared with the reference beat by beat (`streamer.scoring.ec57`) and run by run
(`streamer.scoring.runs`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np

from classifier.labels import Label
from classifier.network.runtime import BeatModel, load_model
from replay.player import parse_time
from replay.record import Record, Reference
from replay.records import open_record
from streamer.bench.chain_run import chain_events
from streamer.bench.classification.report import (
    SHIPPED,
    ClassificationReport,
    ClassificationSettings,
    RecordLabels,
    Revision,
)
from streamer.bench.detection.measure import WHOLE, as_ms
from streamer.bench.excerpt import annotated_beats, choose_records, end_of, reference_of
from streamer.bench.fan_out import fan_out
from streamer.bench.progress import Advance, silent
from streamer.core.errors import ScoringError
from streamer.core.events import Event, LabeledBeat
from streamer.runner.annotate import BeatAccount
from streamer.scoring.ec57 import TOLERANCE_MS, BeatAnnotations, score_record
from streamer.scoring.episodes import spans_of
from streamer.scoring.matching import tolerance_samples
from streamer.scoring.runs import RunCounts, Span, count_runs, runs_of
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
) -> ClassificationReport:
    """Label every record and compare.

    Parameters
    ----------
    database : str
        What to call the records together.
    records : sequence of str
        What `replay.records.open_record` opens.
    settings : ClassificationSettings, optional
    jobs : int
        Records at the same time.
    advance : callable
        Told each record that is done.

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
    results = []
    for result in fan_out(partial(measure_record, settings=settings), records, jobs):
        advance(result.name)
        results.append(result)
    report = ClassificationReport(
        database=database, settings=settings, model=spec, records=tuple(results)
    )
    if not report.names:
        raise ScoringError(
            "no record to score: records with paced beats don't count (EC57); choose others"
        )
    return report


@cache
def _model(path: Path | None) -> BeatModel:
    """Load a model once a process."""
    return load_model(path)


def measure_record(source: str, settings: ClassificationSettings) -> RecordLabels:
    """Label one record, found by name, and compare it with its reference."""
    record = open_record(source)
    stop = end_of(record, settings.stop)
    reference = reference_of(record, stop)
    events = chain_events(record, stop, _model(settings.model))
    return compare(record, events, reference, stop=stop, start=settings.start)


def compare(
    record: Record,
    events: Iterable[Event],
    reference: Reference,
    *,
    stop: int,
    start: str = WHOLE,
) -> RecordLabels:
    """Compare what the chain made of a record's first `stop` samples with its reference.

    Raises
    ------
    ScoringError
        If it ends before `start`.
    StreamerError
        If a beat didn't get exactly one label of each revision.
    """
    first = parse_time(start, record.fs)
    if first >= stop:
        raise ScoringError(
            f"record {record.name} ends before {start}; start earlier with --from 0:00"
        )
    labels = [event for event in events if isinstance(event, LabeledBeat)]
    spans = _Spans(
        first=first,
        stop=stop,
        fibrillation=tuple(spans_of(reference, "AF or flutter", stop)),
        fs=record.fs,
    )
    beats = annotated_beats(reference, stop)
    return RecordLabels(
        name=record.name,
        hours=stop / record.fs / 3600.0,
        revisions={
            which: _revision(record.name, which, labels, beats, spans) for which in REVISIONS
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """What of a record counts."""

    first: int
    stop: int
    fibrillation: tuple[Span, ...]
    fs: float


def _revision(
    name: str,
    which: Which,
    labels: Sequence[LabeledBeat],
    reference: BeatAnnotations,
    spans: _Spans,
) -> Revision:
    account = BeatAccount(which)
    for label in labels:
        account.add(label)
    found = account.close()
    predicted = BeatAnnotations.of([sample for sample, _ in found], [label for _, label in found])
    score = score_record(
        reference, predicted, fs=spans.fs, name=name, start=spans.first, stop=spans.stop - 1
    )
    counted = [
        label
        for label in labels
        if label.revision == REVISIONS[which] and label.beat.rpeak.sample >= spans.first
    ]
    delays = np.array([label.decided_at - label.beat.rpeak.sample for label in counted], np.int64)
    return Revision(
        score=score,
        runs=_runs(reference, predicted, spans),
        delay_ms=as_ms(delays, spans.fs),
        unjudged=Counter(
            label.reason or _NO_REASON for label in counted if label.label in {Label.Q, None}
        ),
    )


def _runs(
    reference: BeatAnnotations, predicted: BeatAnnotations, spans: _Spans
) -> dict[str, RunCounts]:
    """Compare runs from the start of the test period on."""
    tolerance = tolerance_samples(TOLERANCE_MS, spans.fs)
    before = (0, spans.first - 1)
    left_out = (before, *spans.fibrillation, *reference.vf)
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
