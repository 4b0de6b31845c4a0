"""Strips of a report: around alarms, and beats of each class, typical and worst."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from replay.player import format_time
from streamer.core.events import AlarmState
from streamer.report import page
from streamer.report.data import AlarmRow, BeatRow, ReportData
from streamer.report.plots import SOFT, figure
from streamer.report.strip.paper import LETTER_COLOURS, Paper, StripMark, StripSpan, describe_strip
from streamer.report.strip.writers import strip_svg
from streamer.report.table import Column, Table, columns, table
from streamer.report.trends import PRIORITY_COLOURS

_ORDER: Final = ("high", "medium", "low")
_CLASSES: Final = tuple(label.value for label in Label)
_MARKED_S: Final = 0.2
_MARK_COLOUR: Final = "#1f2328"
_DRAWN_POINTS: Final = 140
"""Of each beat laid over others: they are many."""
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
    template_beats: int = 30
    """Beats of a class that its shape is taken from, spread over the recording."""
    template_before_s: float = 0.3
    template_after_s: float = 0.5
    """About the R peak."""


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
        for alarm in _spread(sorted(rows, key=lambda row: row.onset), config.of_a_kind)
    ]
    return chosen[: config.strips]


def _spread(rows: Sequence[_Row], most: int) -> list[_Row]:
    """Take at most so many, first and last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(k)] for k in np.linspace(0, len(rows) - 1, most)]


def _alarm_strip(data: ReportData, alarm: AlarmRow, config: StripConfig) -> str:
    onset = alarm.onset
    title = f"{alarm.rhythm} ({alarm.priority}) at {format_time(onset, data.fs)}"
    reach = (onset - round(config.before_s * data.fs), onset + round(config.after_s * data.fs))
    # An onset and its alarm at the same sample would leave no bar.
    known = max(alarm.decided_at, onset + round(0.1 * data.fs))
    span = StripSpan(onset, known, PRIORITY_COLOURS[alarm.priority])
    return _strip(data, *reach, title, config, (span,))


def _strip(
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


def beats(data: ReportData, config: StripConfig) -> str:
    """Mark up each class's shape, its most typical beat and its worst."""
    if data.record is None:
        return page.paragraph("The signal is not at hand; give --record to see examples.")
    shapes = [shape for label in _CLASSES if (shape := _shape(data, label, config)) is not None]
    if not shapes:
        return page.paragraph("There are no beats.")
    words = (
        f"Up to {config.template_beats} beats of each class laid over each other at their R "
        "peaks, and their median. Below, the beat closest to it and that of the poorest signal."
    )
    pairs = "".join(_examples(data, shape, config) for shape in shapes)
    return page.paragraph(words) + _templates(shapes, data, config) + pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What the beats of a class look like in the first lead."""

    label: str
    beats: list[BeatRow]
    """All of them."""
    drawn: list[BeatRow]
    windows: NDArray[np.float64]
    """Of those drawn, mV, shape (n, samples); the middle of each window is at 0."""
    median: NDArray[np.float64]

    @property
    def typical(self) -> BeatRow:
        """The drawn beat that is most like the median."""
        centred = self.windows - self.windows.mean(axis=1, keepdims=True)
        product = centred @ (self.median - self.median.mean())
        norms = np.linalg.norm(centred, axis=1)
        return self.drawn[int(np.argmax(product / np.maximum(norms, np.finfo(float).tiny)))]

    @property
    def worst(self) -> BeatRow:
        """The beat of the poorest signal."""
        return min(self.beats, key=lambda beat: beat.quality)


def _shape(data: ReportData, label: str, config: StripConfig) -> _Shape | None:
    before, after = (
        round(seconds * data.fs) for seconds in (config.template_before_s, config.template_after_s)
    )
    found = [beat for beat in data.beats if beat.label == label]
    drawn, windows = [], []
    for beat in _spread(found, config.template_beats):
        samples = data.signal(beat.sample - before, beat.sample + after)
        if samples is not None and samples.shape[1] == before + after:
            lead = samples[0].astype(np.float64)
            if np.isfinite(lead).all():
                drawn.append(beat)
                windows.append(lead - np.median(lead))
    if not drawn:
        return None
    stacked = np.stack(windows)
    return _Shape(
        label=label,
        beats=found,
        drawn=drawn,
        windows=stacked,
        median=np.asarray(np.median(stacked, axis=0)),
    )


def _templates(shapes: Sequence[_Shape], data: ReportData, config: StripConfig) -> str:
    """Draw the classes side by side, at one scale."""
    n = shapes[0].median.size
    at = (np.arange(n) / data.fs - config.template_before_s) * 1000.0
    low, high = np.quantile(np.concatenate([shape.windows for shape in shapes]), (0.002, 0.998))
    with figure(10.5, 2.9, len(shapes), sharey=True) as (_, axes, svg):
        for one, shape in zip(np.atleast_1d(axes), shapes, strict=True):
            _draw_template(one, at, shape)
        first: Any = np.atleast_1d(axes)[0]
        first.set_ylabel(f"{data.leads[0]}, mV")
        first.set_ylim(low - 0.2, high + 0.2)
    return svg[0]


def _draw_template(axes: Any, at: NDArray[np.float64], shape: _Shape) -> None:
    colour = LETTER_COLOURS.get(shape.label, SOFT)
    thin = slice(None, None, max(shape.windows.shape[1] // _DRAWN_POINTS, 1))
    axes.plot(at[thin], shape.windows.T[thin], color=colour, linewidth=0.6, alpha=0.3)
    axes.plot(at, shape.median, color=colour, linewidth=2.2)
    axes.axvline(0, color=SOFT, linewidth=0.6, linestyle=":")
    axes.set_title(f"{shape.label}, {len(shape.beats)}", fontsize=10, loc="left", color=colour)
    axes.set_xlabel("ms from the R peak")
    axes.set_xlim(at[0], at[-1])
    axes.set_xticks([-200, 0, 200, 400])
    axes.grid(color="#e6ebef", linewidth=0.8)


def _examples(data: ReportData, shape: _Shape, config: StripConfig) -> str:
    typical, worst = shape.typical, shape.worst
    chosen = [("typical", typical), ("poorest signal", worst)]
    return page.beside(
        [
            _example(data, beat, f"{shape.label}, {words}", config)
            for words, beat in chosen[: 1 if worst is typical else 2]
        ]
    )


def _example(data: ReportData, beat: BeatRow, words: str, config: StripConfig) -> str:
    title = f"{words} ({100 * beat.quality:.0f} %), at {format_time(beat.sample, data.fs)}"
    return beat_strip(data, beat.sample, title, config)


def beat_strip(data: ReportData, at: int, title: str, config: StripConfig) -> str:
    """Mark up a short strip about one beat, which has a bar above it."""
    reach, half = round(config.beat_s * data.fs), round(_MARKED_S / 2 * data.fs)
    span = StripSpan(at - half, at + half, _MARK_COLOUR)
    return _strip(data, at - reach, at + reach, title, config, (span,))
