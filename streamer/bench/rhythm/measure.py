"""Rhythm and alarms against reference annotations, and time to alarm on simulated onsets.

Episodes and durations as EC57's `epicmp`, from 5:00; runs one by one; false alarms over the whole
of every record, each alarm checked against the reference by `streamer.bench.rhythm.truth`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from classifier.labels import Label
from classifier.splits import DS1, DS2
from replay.player import parse_time
from replay.record import Record, Reference
from replay.records import open_record
from streamer.bench.chain_run import chain_events
from streamer.bench.excerpt import end_of, reference_of
from streamer.bench.progress import Advance, silent
from streamer.bench.rhythm.onsets import TimeToAlarm
from streamer.bench.rhythm.truth import Truth
from streamer.core.events import Alarm, Event, LabeledBeat, Rhythm
from streamer.scoring.episodes import (
    MARKS,
    NAMED,
    Agreement,
    agreement,
    excluded_spans,
    flutter_spans,
    named_spans,
    reference_runs,
    run_agreement,
    spans_of,
)
from streamer.scoring.report import Table

SCHEMA_VERSION: Final = 2
START: Final = "5:00"
"""EC57 leaves the first five minutes to learn from."""
TOLERANCE_S: Final = 0.15
RUNS: Final[dict[str, tuple[Label, frozenset[Rhythm]]]] = {
    "V runs": (
        Label.V,
        frozenset({Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.IDIOVENTRICULAR}),
    ),
    "S runs": (Label.S, frozenset({Rhythm.SUPRAVENTRICULAR_TACHYCARDIA, Rhythm.S_RUN})),
}
"""Kinds of runs with their class of beats and the chain's names for them."""
_SECONDS_AN_HOUR: Final = 3600.0
_GROUPS: Final = (("DS1", DS1), ("DS2", DS2))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRhythms:
    """What one record came to."""

    name: str
    hours: float
    agreements: dict[str, Agreement]
    """By kind of rhythm and of runs."""
    true_alarms: Counter[Rhythm] = field(default_factory=Counter)
    false_alarms: Counter[Rhythm] = field(default_factory=Counter)
    flutter_delays_s: tuple[float | None, ...] = ()
    """From the onset of each flutter episode until its alarm; None where none came."""


def measure_record(record: Record, *, stop: str | None = None, start: str = START) -> RecordRhythms:
    """Push one record through the chain and compare.

    Raises
    ------
    ScoringError
        If it has no reference annotations.
    """
    n = end_of(record, stop)
    reference = reference_of(record, n)
    events = [e for e in chain_events(record, n) if not isinstance(e, LabeledBeat)]
    return compare(record.name, events, reference, fs=record.fs, stop=n, start=start)


def compare(
    name: str,
    events: Sequence[Event],
    reference: Reference,
    *,
    fs: float,
    stop: int,
    start: str = START,
) -> RecordRhythms:
    """Compare the events of one record with its reference."""
    first = parse_time(start, fs)
    flutter = flutter_spans(reference, stop)
    agreements = {
        kind: agreement(
            spans_of(reference, kind, stop),
            named_spans(events, NAMED[kind], stop),
            excluded=excluded_spans(reference, kind, stop),
            fs=fs,
            start=first,
        )
        for kind in MARKS
    }
    for kind, (label, rhythms) in RUNS.items():
        agreements[kind] = run_agreement(
            reference_runs(reference, label),
            named_spans(events, rhythms, stop),
            ignored=flutter,
            fs=fs,
            start=first,
            tolerance=round(TOLERANCE_S * fs),
        )
    truth = Truth(reference, fs=fs, stop=stop)
    result = RecordRhythms(
        name=name,
        hours=stop / fs / _SECONDS_AN_HOUR,
        agreements=agreements,
        flutter_delays_s=tuple(_delay(events, span, fs) for span in flutter),
    )
    for event in events:
        if isinstance(event, Alarm):
            counts = result.true_alarms if truth.confirms(event) else result.false_alarms
            counts[event.rhythm] += 1
    return result


def _delay(events: Sequence[Event], span: tuple[int, int], fs: float) -> float | None:
    """Return the time to the first alarm of fibrillation within the span."""
    found = (
        event.decided_at
        for event in events
        if isinstance(event, Alarm)
        and event.rhythm is Rhythm.VENTRICULAR_FIBRILLATION
        and span[0] <= event.decided_at < span[1]
    )
    first = next(found, None)
    return None if first is None else (first - span[0]) / fs


def measure_rhythm(
    names: Iterable[str],
    *,
    stop: str | None = None,
    start: str = START,
    advance: Advance = silent,
) -> list[RecordRhythms]:
    """Measure records one after another."""
    results = []
    for name in names:
        results.append(measure_record(open_record(name), stop=stop, start=start))
        advance(results[-1].name)
    return results


def total(results: Iterable[RecordRhythms], kind: str) -> Agreement:
    """Sum up one kind over records."""
    summed = Agreement()
    for result in results:
        summed += result.agreements[kind]
    return summed


def introduction(results: Sequence[RecordRhythms], start: str = START) -> list[str]:
    """Say what was measured."""
    hours = sum(result.hours for result in results)
    return [
        f"{len(results)} records, {hours:.1f} patient-hours; episodes and durations from {start}, "
        "alarms from the first sample.",
        "Constants were chosen on DS1. As in epicmp, AF that is named in reference flutter doesn't "
        "count in +P, and [ and ] mark VF; runs are of 3 or more.",
    ]


def tables(results: Sequence[RecordRhythms], onsets: Sequence[TimeToAlarm]) -> list[Table]:
    """Lay out everything."""
    laid_out = [_episode_table("all records", results)] if results else []
    for name, records in _GROUPS:
        group = [result for result in results if result.name in records]
        if group and len(group) < len(results):
            laid_out.append(_episode_table(name, group))
    if results:
        laid_out.append(_alarm_table(results))
    if any(result.flutter_delays_s for result in results):
        laid_out.append(_flutter_table(results))
    if onsets:
        laid_out.append(_onset_table(onsets))
    return laid_out


def _percent(value: float | None) -> str:
    return "--" if value is None else f"{100 * value:.1f}"


def _episode_table(group: str, results: Sequence[RecordRhythms]) -> Table:
    rows = []
    for kind in (*MARKS, *RUNS):
        summed = total(results, kind)
        if not (summed.n_reference or summed.n_named):
            continue
        by_duration = kind not in RUNS
        rows.append(
            (
                kind,
                str(summed.n_reference),
                str(summed.n_named),
                _percent(summed.episode_se),
                _percent(summed.episode_ppv),
                _percent(summed.duration_se) if by_duration else "",
                _percent(summed.duration_ppv) if by_duration else "",
            )
        )
    header = ("Rhythm", "Reference", "Named", "Se", "+P", "Duration Se", "Duration +P")
    return Table(title=f"Episodes, %, {group}", header=header, rows=tuple(rows))


def _alarm_table(results: Sequence[RecordRhythms]) -> Table:
    hours = sum(result.hours for result in results)
    rows = []
    for rhythm in Rhythm:
        right = sum(result.true_alarms[rhythm] for result in results)
        wrong = sum(result.false_alarms[rhythm] for result in results)
        if right or wrong:
            records = sum(result.false_alarms[rhythm] > 0 for result in results)
            rows.append((str(rhythm), str(right), str(wrong), f"{wrong / hours:.2f}", str(records)))
    header = ("Alarm", "True", "False", "False a patient-hour", "In records")
    return Table(title="Alarms", header=header, rows=tuple(rows))


def _flutter_table(results: Sequence[RecordRhythms]) -> Table:
    rows = [
        (f"{result.name} episode {k}", "missed" if delay is None else f"{delay:.1f}")
        for result in results
        for k, delay in enumerate(result.flutter_delays_s, start=1)
    ]
    header = ("Ventricular flutter", "s to alarm")
    return Table(title="Time to alarm in records", header=header, rows=tuple(rows))


def _onset_table(onsets: Sequence[TimeToAlarm]) -> Table:
    rows = [
        (
            onset.name,
            str(len(onset.delays_s) + onset.missed),
            str(onset.missed),
            "--" if onset.median_s is None else f"{onset.median_s:.2f}",
            "--" if onset.worst_s is None else f"{onset.worst_s:.2f}",
            f"{onset.limit_s:g}",
        )
        for onset in onsets
    ]
    header = ("Simulated onset", "Trials", "Missed", "Median s", "Worst s", "Limit s")
    return Table(title="Time to alarm, simulated", header=header, rows=tuple(rows))


def to_json(results: Sequence[RecordRhythms], onsets: Sequence[TimeToAlarm]) -> dict[str, Any]:
    """Everything for programs."""
    return {
        "schema": SCHEMA_VERSION,
        "records": [
            {
                "name": result.name,
                "hours": result.hours,
                "episodes": {kind: _counts(found) for kind, found in result.agreements.items()},
                "true_alarms": {str(k): n for k, n in result.true_alarms.items()},
                "false_alarms": {str(k): n for k, n in result.false_alarms.items()},
                "flutter_delays_s": list(result.flutter_delays_s),
            }
            for result in results
        ],
        "onsets": [
            {
                "name": onset.name,
                "limit_s": onset.limit_s,
                "missed": onset.missed,
                "median_s": onset.median_s,
                "worst_s": onset.worst_s,
                "delays_s": list(onset.delays_s),
            }
            for onset in onsets
        ],
    }


def _counts(found: Agreement) -> dict[str, float]:
    return {name: getattr(found, name) for name in Agreement.__dataclass_fields__}
