"""A report's hours: heart rate, beats and burden of each, and where their strips are."""

import html
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from classifier.labels import Label
from replay.player import format_time
from streamer.core.events import Rhythm
from streamer.report import page
from streamer.report.counts import ectopy, rates, rr_intervals, window_starts
from streamer.report.data import AlarmRow, BeatRow, ReportData
from streamer.report.strips import StripConfig, anchor, chosen_alarms
from streamer.report.table import Column, Table, columns, table

_CLASSES: Final = tuple(label.value for label in Label)
HOUR_S: Final = 3600.0
_TEN_MINUTES_S: Final = 600.0
LONG_S: Final = 2 * HOUR_S
"""From here on the table goes by the hour, and there is an index of the hours."""
_PRIORITIES: Final = ("high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What lies in a part of a recording."""

    start_s: float
    stop_s: float
    beats: Sequence[BeatRow]
    alarms: Sequence[AlarmRow]
    fibrillation_s: float

    @property
    def hours(self) -> float:
        """Length."""
        return (self.stop_s - self.start_s) / HOUR_S


def stretches(data: ReportData, window_s: float) -> list[Stretch]:
    """Cut a recording into windows; the last may be shorter."""
    fs, starts = data.fs, window_starts(data, window_s).tolist()
    edges = [*starts, data.stop / fs]
    at = [beat.sample / fs for beat in data.beats]
    spans = [(start / fs, stop / fs) for start, stop in data.spans(Rhythm.ATRIAL_FIBRILLATION)]
    return [
        Stretch(
            start_s=start,
            stop_s=stop,
            beats=data.beats[bisect_left(at, start) : bisect_left(at, stop)],
            alarms=[one for one in data.alarms if start <= one.onset / fs < stop],
            fibrillation_s=sum(max(min(b, stop) - max(a, start), 0.0) for a, b in spans),
        )
        for start, stop in zip(starts, edges[1:], strict=True)
    ]


def hours(data: ReportData, config: StripConfig) -> str:
    """Mark up the table by the hour, or by ten minutes; of a long recording an index follows."""
    if data.seconds <= LONG_S:
        return page.table(burden(data, _TEN_MINUTES_S))
    return page.table(burden(data, HOUR_S)) + _index(data, config)


def burden(data: ReportData, window_s: float) -> Table:
    """Count beats of each class and what they make in each window, and in all."""
    found = rates(data, rr_intervals(data), window_s)
    rate_of = {rate.start_s: (rate.slow_bpm, rate.mean_bpm, rate.fast_bpm) for rate in found}
    parts = stretches(data, window_s)
    rows = [
        (data.when(one.start_s), *rate_of.get(one.start_s, (None,) * 3), *_counts(data, one))
        for one in parts
    ]
    whole = Stretch(
        start_s=data.first / data.fs,
        stop_s=data.stop / data.fs,
        beats=data.beats,
        alarms=data.alarms,
        fibrillation_s=sum(one.fibrillation_s for one in parts),
    )
    known = rates(data, rr_intervals(data), max(data.seconds, 1.0))[:1]
    of_all: list[tuple[float | None, ...]]
    of_all = [(one.slow_bpm, one.mean_bpm, one.fast_bpm) for one in known] or [(None,) * 3]
    header = (
        *columns("From"),
        *columns("Slow", "Mean", "Fast", form=".0f"),
        *columns("Beats", *_CLASSES),
        Column("V %", ".1%"),
        Column("V an hour", ".0f"),
        *columns("V couplets", "V runs", "S runs"),
        Column("AF %", ".0%"),
        *columns("Alarms"),
    )
    title = "by the hour" if window_s == HOUR_S else "by ten minutes"
    return table(
        f"Heart rate, 1/min, and beats, {title}; slow and fast: one interval in twenty is beyond",
        header,
        [*rows, ("All", *of_all[0], *_counts(data, whole))],
        summary_rows=1,
        missing="--",
    )


def _counts(data: ReportData, one: Stretch) -> tuple[object, ...]:
    counts = Counter(beat.label for beat in one.beats)
    found = ectopy(one.beats, Label.V, data.fs)
    return (
        len(one.beats),
        *(counts[label] for label in _CLASSES),
        counts["V"] / max(len(one.beats), 1),
        counts["V"] / max(one.hours, 1 / HOUR_S),
        found.couplets,
        len(found.runs),
        len(ectopy(one.beats, Label.S, data.fs).runs),
        one.fibrillation_s / max(one.hours * HOUR_S, 1.0),
        len(one.alarms),
    )


def _index(data: ReportData, config: StripConfig) -> str:
    """List each hour's alarms, with links to those strips that are of it."""
    has_strips = data.record is not None
    shown = {anchor(alarm) for alarm in chosen_alarms(data.alarms, config)} if has_strips else set()
    rows = "".join(_index_row(data, one, shown) for one in stretches(data, HOUR_S))
    head = "<thead><tr><th>From</th><th>Alarms</th><th>Strips</th></tr></thead>"
    caption = "<caption>Index of the hours</caption>"
    return f'<table class="index">{caption}{head}<tbody>{rows}</tbody></table>'


def _index_row(data: ReportData, one: Stretch, shown: set[str]) -> str:
    counts = Counter(alarm.priority for alarm in one.alarms)
    told = ", ".join(f"{counts[name]} {name}" for name in _PRIORITIES if counts[name]) or "none"
    links = ", ".join(
        f'<a href="#{anchor(alarm)}">{html.escape(alarm.rhythm)} at '
        f"{format_time(alarm.onset, data.fs)}</a>"
        for alarm in one.alarms
        if anchor(alarm) in shown
    )
    when = html.escape(data.when(one.start_s))
    return f"<tr><td>{when}</td><td>{told}</td><td>{links}</td></tr>"
