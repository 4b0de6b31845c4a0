"""Rhythm and alarms against reference annotations, and time to alarm on simulated onsets.

Episodes and durations as EC57's `epicmp`, from 5:00; runs one by one; false alarms over the whole
of every record, each alarm checked against the reference by `streamer.bench.rhythm.truth`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from classifier.labels import Label
from replay.player import parse_time
from replay.records import open_record
from streamer.bench.excerpt import ChainRun, run_chain
from streamer.bench.rhythm.truth import Truth
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.events import Alarm, Event, LabeledBeat, Rhythm
from streamer.scoring.episodes import (
    MARKS,
    NAMED,
    Agreement,
    Span,
    agreement,
    excluded_spans,
    flutter_spans,
    named_spans,
    reference_runs,
    run_agreement,
    spans_of,
)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRhythms:
    """How one record's rhythms and alarms compare with its reference."""

    name: str
    hours: float
    episodes: dict[str, Agreement]
    """By kind of rhythm and of runs."""
    true_alarms: Counter[Rhythm] = field(default_factory=Counter)
    false_alarms: Counter[Rhythm] = field(default_factory=Counter)
    flutter_delays_s: tuple[float | None, ...] = ()
    """From the onset of each flutter episode until its alarm; None where there was none."""


def measure_rhythm(
    names: Sequence[str],
    *,
    stop: str | None = None,
    start: str = START,
    advance: Advance = silent,
) -> list[RecordRhythms]:
    """Measure records one after another.

    Raises
    ------
    ScoringError
        If one has no reference annotations.
    """
    work = partial(measure_record, stop=stop, start=start)
    return fan_out(work, names, advance=advance)


def measure_record(name: str, *, stop: str | None = None, start: str = START) -> RecordRhythms:
    """Push one record through the chain and compare."""
    return compare(run_chain(open_record(name), stop=stop), start=start)


def compare(run: ChainRun, *, start: str = START) -> RecordRhythms:
    """Compare the events of one record with its reference."""
    events = [event for event in run.events if not isinstance(event, LabeledBeat)]
    flutter = flutter_spans(run.reference, run.stop)
    truth = Truth(run.reference, fs=run.fs, stop=run.stop)
    alarms: dict[bool, Counter[Rhythm]] = {True: Counter(), False: Counter()}
    for event in events:
        if isinstance(event, Alarm) and event.is_raised:
            alarms[truth.confirms(event)][event.rhythm] += 1
    first = parse_time(start, run.fs)
    return RecordRhythms(
        name=run.name,
        hours=run.hours,
        episodes=_episodes(run, events, first) | _runs(run, events, first, flutter),
        true_alarms=alarms[True],
        false_alarms=alarms[False],
        flutter_delays_s=tuple(_delay(events, span, run.fs) for span in flutter),
    )


def _episodes(run: ChainRun, events: Sequence[Event], first: int) -> dict[str, Agreement]:
    return {
        kind: agreement(
            spans_of(run.reference, kind, run.stop),
            named_spans(events, NAMED[kind], run.stop),
            excluded=excluded_spans(run.reference, kind, run.stop),
            fs=run.fs,
            start=first,
        )
        for kind in MARKS
    }


def _runs(
    run: ChainRun, events: Sequence[Event], first: int, flutter: Sequence[Span]
) -> dict[str, Agreement]:
    return {
        kind: run_agreement(
            reference_runs(run.reference, label),
            named_spans(events, rhythms, run.stop),
            ignored=flutter,
            fs=run.fs,
            start=first,
            tolerance=round(TOLERANCE_S * run.fs),
        )
        for kind, (label, rhythms) in RUNS.items()
    }


def _delay(events: Sequence[Event], span: tuple[int, int], fs: float) -> float | None:
    """Return the time to the first alarm of fibrillation within the span."""
    found = (
        event.decided_at
        for event in events
        if isinstance(event, Alarm)
        and event.is_raised
        and event.rhythm is Rhythm.VENTRICULAR_FIBRILLATION
        and span[0] <= event.decided_at < span[1]
    )
    first = next(found, None)
    return None if first is None else (first - span[0]) / fs
