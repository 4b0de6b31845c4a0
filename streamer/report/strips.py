"""Strips of a report: around alarms, and about single beats."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from replay.player import format_time
from streamer.core.events import AlarmState
from streamer.report import page
from streamer.report.data import AlarmRow, ReportData
from streamer.report.strip.paper import Paper, StripMark, StripSpan, describe_strip
from streamer.report.strip.writers import strip_svg
from streamer.report.table import Column, Table, columns, table
from streamer.report.trends import PRIORITY_COLOURS

_ORDER: Final = ("high", "medium", "low")
_MARKED_S: Final = 0.2
_MARK_COLOUR: Final = "#1f2328"
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class StripConfig:
    """Which strips are shown, and how much of the signal."""

    strips: int = 24
    """Alarms with a strip, the most urgent first; the others stand in the table."""
    of_a_kind: int = 4
    """Strips of one kind of alarm, spread over the recording."""
    before_s: float = 4.0
    after_s: float = 6.0
    """Signal about an alarm's onset."""
    beat_s: float = 1.5
    """Signal to either side of an example beat."""
    drawn_hz: float = 180.0
    """Samples drawn a second: a print shows no more."""
    most_mm: float = 45.0
    """Height of a lead, before the gain is halved."""


def alarms(data: ReportData, config: StripConfig) -> str:
    """Mark up how often each alarm was raised, when, and strips of some."""
    if not data.alarms:
        return page.paragraph("There was none.")
    body = page.table(_how_often(data))
    body += page.folded("Every alarm in order of time", page.table(_every_alarm(data)))
    chosen = chosen_alarms(data.alarms, config)
    if data.record is not None:
        kinds = len({alarm.rhythm for alarm in data.alarms})
        body += page.paragraph(
            f"{len(chosen)} strips of {len(data.alarms)} alarms and {kinds} kinds, spread over the "
            "recording. The bar above the signal reaches from the onset until the alarm was known."
        )
    return body + "".join(_alarm_strip(data, alarm, config) for alarm in chosen)


def _how_often(data: ReportData) -> Table:
    counts = Counter((alarm.rhythm, alarm.priority) for alarm in data.alarms)
    delays: dict[tuple[str, str], list[float]] = defaultdict(list)
    for alarm in data.alarms:
        delays[alarm.rhythm, alarm.priority].append((alarm.decided_at - alarm.onset) / data.fs)
    ordered = sorted(counts.items(), key=lambda item: (_ORDER.index(item[0][1]), -item[1]))
    header = (*columns("Alarm", "Priority", "Times"), Column("Onset to alarm, median s", ".1f"))
    rows = (
        (rhythm, priority, n, np.median(delays[rhythm, priority]))
        for (rhythm, priority), n in ordered
    )
    return table("How often", header, rows)


def _every_alarm(data: ReportData) -> Table:
    rows = (
        (
            format_time(alarm.onset, data.fs),
            format_time(alarm.decided_at, data.fs),
            alarm.rhythm,
            alarm.priority,
            _until(alarm, data.fs),
        )
        for alarm in data.alarms
    )
    return table("Alarms", columns("Onset", "Known", "Alarm", "Priority", "Over"), rows)


def _until(alarm: AlarmRow, fs: float) -> str:
    if alarm.over_at is not None:
        return format_time(alarm.over_at, fs)
    return "not before the end" if alarm.state == AlarmState.ONGOING else "at once"


def chosen_alarms(found: Sequence[AlarmRow], config: StripConfig) -> list[AlarmRow]:
    """Choose alarms for strips: the most urgent first, some of each kind from all of the time."""
    kinds: dict[tuple[int, str], list[AlarmRow]] = defaultdict(list)
    for alarm in found:
        kinds[_ORDER.index(alarm.priority), alarm.rhythm].append(alarm)
    chosen = [
        alarm
        for _, rows in sorted(kinds.items(), key=lambda item: item[0])
        for alarm in spread(sorted(rows, key=lambda row: row.onset), config.of_a_kind)
    ]
    return chosen[: config.strips]


def spread(rows: Sequence[_Row], most: int) -> list[_Row]:
    """Take at most so many, first and last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(k)] for k in np.linspace(0, len(rows) - 1, most)]


def _alarm_strip(data: ReportData, alarm: AlarmRow, config: StripConfig) -> str:
    onset = alarm.onset
    clock = "" if data.recorded is None else f" ({data.recorded.clock(onset / data.fs)})"
    title = f"{alarm.rhythm} ({alarm.priority}) at {format_time(onset, data.fs)}{clock}"
    reach = (onset - round(config.before_s * data.fs), onset + round(config.after_s * data.fs))
    # An onset and its alarm at the same sample would leave no bar.
    known = max(alarm.decided_at, onset + round(0.1 * data.fs))
    span = StripSpan(onset, known, PRIORITY_COLOURS[alarm.priority])
    return f'<div id="{anchor(alarm)}">{strip(data, *reach, title, config, (span,))}</div>'


def anchor(alarm: AlarmRow) -> str:
    """Return what an alarm's strip is linked by."""
    return f"{alarm.rhythm}-{alarm.onset}".replace(" ", "-")


def strip(
    data: ReportData,
    start: int,
    stop: int,
    title: str,
    config: StripConfig,
    spans: Sequence[StripSpan] = (),
) -> str:
    """Draw a strip with its heading; nothing where the signal isn't at hand."""
    start = max(start, 0)
    samples = data.signal(start, stop)
    if samples is None:
        return ""
    step = max(round(data.fs / config.drawn_hz), 1)
    picture = describe_strip(
        samples[:, ::step],
        fs=data.fs / step,
        start=start // step,
        leads=data.leads,
        marks=[
            StripMark(beat.sample // step, beat.label or "?")
            for beat in data.beats
            if start <= beat.sample < stop
        ],
        spans=[StripSpan(s.start // step, s.stop // step, s.colour) for s in spans],
        title=title,
        paper=Paper(most_mm=config.most_mm),
    )
    return f'<div class="strip">{page.heading(title)}{strip_svg(picture)}</div>'


def beat_strip(data: ReportData, at: int, title: str, config: StripConfig) -> str:
    """Mark up a short strip about one beat, which has a bar above it."""
    reach, half = round(config.beat_s * data.fs), round(_MARKED_S / 2 * data.fs)
    span = StripSpan(at - half, at + half, _MARK_COLOUR)
    return strip(data, at - reach, at + reach, title, config, (span,))
