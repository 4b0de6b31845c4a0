"""Alarms against the bedside's, judged by experts, and against annotated lethal arrhythmias.

A bedside alarm is raised by the chain too if an alarm of the same kind was raised, or went on, in
the ten seconds before it (`streamer.scoring.bedside_alarms`); the chain sees nothing later. A
lethal arrhythmia is ventricular tachycardia, flutter, fibrillation or asystole; ones that follow
each other without a pause are one episode. It is told by an alarm of any of these, as each of them
calls the same people. An alarm is false if no such episode lies within a second of its evidence.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from replay.record import Record, Reference, require_reference
from replay.records import open_record, records_of
from streamer.bench.excerpt import end_of
from streamer.bench.rhythm.truth import Truth, TruthConfig
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.events import Alarm, AlarmState, Event, LabeledBeat, Rhythm
from streamer.patient.record_events import record_events
from streamer.scoring.bedside_alarms import WINDOW_S, BedsideAlarm, is_raised
from streamer.scoring.episodes import Span, flutter_spans, joined, marked_spans

LETHAL: Final = frozenset(
    {Rhythm.VENTRICULAR_TACHYCARDIA, Rhythm.VENTRICULAR_FIBRILLATION, Rhythm.ASYSTOLE}
)
EPISODE_S: Final = 5.0
"""Shorter episodes needn't be told."""
_LETHAL_MARKS: Final = ("(VT", "(VF", "(ASYS")
_NOISE_MARKS: Final = ("(NOISE",)
_ECTOPY_MARKS: Final = ("(HGEA", "(IVR", "(VER")
"""Ventricular ectopy of high grade and escape rhythm: whether a run in them is a tachycardia, no
annotation says, so that it counts neither way."""
_STRIP_BEFORE_S: Final = 8.0
_STRIP_AFTER_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Ten seconds to look at: what was there and what was said."""

    path: str
    title: str
    start: int
    stop: int
    beats: tuple[tuple[int, str], ...]
    """R peaks and labels."""
    alarms: tuple[tuple[int, int], ...]
    """Onset and moment of each alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BedsideResult:
    """One alarm of the bedside."""

    name: str
    rhythm: Rhythm
    is_true: bool
    is_raised: bool
    strip: Strip

    @property
    def is_right(self) -> bool:
        """Whether what is true was raised, or what is false was not."""
        return self.is_true is self.is_raised


@dataclass(frozen=True, slots=True, kw_only=True)
class LethalResult:
    """One annotated record."""

    name: str
    database: str
    hours: float
    noise_hours: float
    delays_s: tuple[float | None, ...]
    """From the onset of each lethal episode until it was told; 0 where an alarm went on already,
    None where none came."""
    false: Counter[Rhythm]
    """Lethal alarms outside noise."""
    false_in_noise: Counter[Rhythm]
    strips: tuple[Strip, ...]


def measure_bedside(
    cases: Sequence[BedsideAlarm], *, jobs: int = 1, advance: Advance = silent
) -> list[BedsideResult]:
    """Play every record of the challenge."""
    return fan_out(_measure_bedside, cases, jobs=jobs, advance=advance)


def _measure_bedside(case: BedsideAlarm) -> BedsideResult:
    record = open_record(case.path)
    events, stop = list(record_events(record)), record.n_samples
    since = stop - WINDOW_S * record.fs
    raised = is_raised(events, case.rhythm, since=since, stop=stop)
    truth, verdict = "true" if case.is_true else "false", "raised" if raised else "silent"
    title = f"{record.name}: {truth} alarm of {case.rhythm}, {verdict}"
    return BedsideResult(
        name=record.name,
        rhythm=case.rhythm,
        is_true=case.is_true,
        is_raised=raised,
        strip=_strip(record, case.path, events, stop, title),
    )


def measure_lethal(
    databases: Sequence[str],
    *,
    stop: str | None = None,
    jobs: int = 1,
    advance: Advance = silent,
) -> list[LethalResult]:
    """Play every record of annotated databases.

    Raises
    ------
    ScoringError
        If a record has no reference annotations.
    """
    items = [(path, database) for database in databases for path in records_of(database)]
    return fan_out(partial(_measure_lethal, stop=stop), items, jobs=jobs, advance=advance)


def _measure_lethal(item: tuple[str, str], stop: str | None) -> LethalResult:
    path, database = item
    record = open_record(path)
    n = end_of(record, stop)
    reference = require_reference(record, n)
    events = list(record_events(record, stop=n))
    lethal = _lethal_spans(reference, n)
    noise = marked_spans(reference, _NOISE_MARKS, n)
    false = list(_false_alarms(events, reference, record.fs, n))
    in_noise = [alarm for alarm in false if _overlaps(alarm, noise, 0.0)]
    episodes = [(a, b) for a, b in lethal if b - a >= EPISODE_S * record.fs]
    delays = tuple(_delay_s(events, span, record.fs) for span in episodes)
    missed = [a for (a, _), delay in zip(episodes, delays, strict=True) if delay is None]
    return LethalResult(
        name=Path(path).name,
        database=database,
        hours=n / record.fs / 3600.0,
        noise_hours=sum(b - a for a, b in noise) / record.fs / 3600.0,
        delays_s=delays,
        false=Counter(alarm.rhythm for alarm in false if alarm not in in_noise),
        false_in_noise=Counter(alarm.rhythm for alarm in in_noise),
        strips=(
            *_missed_strips(record, path, events, missed),
            *_false_strips(record, path, events, false, in_noise),
        ),
    )


def _lethal_spans(reference: Reference, stop: int) -> list[Span]:
    marked = marked_spans(reference, _LETHAL_MARKS, stop)
    return joined(sorted([*marked, *flutter_spans(reference, stop)]))


def _false_alarms(
    events: Sequence[Event], reference: Reference, fs: float, stop: int
) -> Iterator[Alarm]:
    """Yield the lethal alarms that the reference doesn't confirm, by its beats if it has any."""
    truth = Truth(reference, fs=fs, stop=stop)
    lethal = _lethal_spans(reference, stop)
    ectopy = marked_spans(reference, _ECTOPY_MARKS, stop)
    reach = TruthConfig().reach_s * fs
    for alarm in events:
        if not isinstance(alarm, Alarm) or not alarm.is_raised or alarm.rhythm not in LETHAL:
            continue
        is_run = alarm.rhythm is Rhythm.VENTRICULAR_TACHYCARDIA
        if _overlaps(alarm, lethal, reach) or truth.confirms(alarm):
            continue
        if not (is_run and _overlaps(alarm, ectopy, reach)):
            yield alarm


def _overlaps(alarm: Alarm, spans: Sequence[Span], reach: float) -> bool:
    start, stop = alarm.onset - reach, alarm.decided_at + reach
    return any(a < stop and start < b for a, b in spans)


def _delay_s(events: Sequence[Event], span: Span, fs: float) -> float | None:
    """Return the seconds until an episode was told; 0 if a lethal alarm went on at its onset."""
    going_on: set[Rhythm] = set()
    for event in events:
        if event.decided_at >= span[1]:
            break
        if not isinstance(event, Alarm) or event.rhythm not in LETHAL:
            continue
        if event.decided_at >= span[0] and going_on:
            return 0.0
        if event.decided_at >= span[0] and event.is_raised:
            return (event.decided_at - span[0]) / fs
        if event.state is AlarmState.ONGOING:
            going_on.add(event.rhythm)
        elif event.state is AlarmState.OVER:
            going_on.discard(event.rhythm)
    return 0.0 if going_on else None


def _missed_strips(
    record: Record, path: str, events: Sequence[Event], onsets: Sequence[int]
) -> Iterator[Strip]:
    for onset in onsets:
        stop = min(onset + round(_STRIP_BEFORE_S * record.fs), record.n_samples)
        yield _strip(record, path, events, stop, f"{record.name}: lethal episode, not told")


def _false_strips(
    record: Record,
    path: str,
    events: Sequence[Event],
    false: Sequence[Alarm],
    in_noise: Sequence[Alarm],
) -> Iterator[Strip]:
    for alarm in false:
        stop = min(alarm.decided_at + round(_STRIP_AFTER_S * record.fs), record.n_samples)
        where = ", in noise" if alarm in in_noise else ""
        yield _strip(record, path, events, stop, f"{record.name}: false {alarm.rhythm}{where}")


def _strip(record: Record, path: str, events: Sequence[Event], stop: int, title: str) -> Strip:
    """Take the ten seconds that end at `stop`, with what was said in them."""
    start = max(stop - round((_STRIP_BEFORE_S + _STRIP_AFTER_S) * record.fs), 0)
    alarms = [e for e in events if isinstance(e, Alarm) and e.is_raised]
    shown = [alarm for alarm in alarms if start <= alarm.decided_at < stop]
    said = ", ".join(dict.fromkeys(alarm.rhythm for alarm in shown)) or "nothing"
    return Strip(
        path=path,
        title=f"{title} (said: {said})",
        start=start,
        stop=stop,
        beats=tuple(
            (event.beat.rpeak.sample, str(event.label))
            for event in events
            if isinstance(event, LabeledBeat)
            and event.revision == 1
            and start <= event.beat.rpeak.sample < stop
        ),
        alarms=tuple((max(alarm.onset, start), alarm.decided_at) for alarm in shown),
    )


def worst(results: Sequence[LethalResult], database: str) -> list[Strip]:
    """Return the strips of a database's errors, named by record."""
    return [
        replace(strip, title=f"{database} {strip.title}")
        for result in results
        if result.database == database
        for strip in result.strips
    ]
