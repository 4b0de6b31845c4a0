"""The ward on a terminal: patients by urgency, and the waveform of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.style import Style

from streamer.core.clock_format import clock
from streamer.core.events import Priority
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import (
    Frame,
    Line,
    Part,
    bar,
    line,
    rule,
    single_cells,
    spread,
)
from streamer.monitor.ward.patient_line import PatientLine
from streamer.monitor.ward.patients import WardTotals

TRACE_ROWS: Final = 8
"""Beat letters and the waveform."""
_CHROME_ROWS: Final = 4
"""Title, table header, rule over the trace, keys."""
_QUALITY_CELLS: Final = 8
_MANY_LATE: Final = 0.01
"""Part of a ward's first labels."""
_FIXED_CELLS: Final = 4 + 7 + 6 + 2 + _QUALITY_CELLS + 5
"""Mark, age, heart rate and quality."""
_LABELS_CELLS: Final = 7 + 10
_LABELS_WIDTH: Final = 76
"""From here on there is room for late labels and latency."""
_REVERSED: Final = Style(reverse=True)
_KEYS: Final = (
    " ↑ ↓ j k: patient   PgUp PgDn: page   g: most urgent   a: acknowledge   l: list of alarms   "
    "x: remove a silent one   q: quit",
    " ↑ ↓: patient   g: most urgent   a: acknowledge   l: alarms   x: remove   q: quit",
    " ↑ ↓   g: urgent   a: acknowledge   l: alarms   x: remove   q: quit",
    " a: acknowledge   l: alarms   q: quit",
    " a: seen   q: quit",
)
"""In as many words as there is room for."""
_ACKNOWLEDGED: Final = "✓"
"""In place of an alarm's mark once a person has seen it."""


def table_rows(height: int) -> int:
    """Return how many patients a screen shows."""
    return max(height - TRACE_ROWS - _CHROME_ROWS, 1)


def render(
    lines: Sequence[PatientLine],
    *,
    first: int,
    selected: int,
    n: int,
    alarms: Mapping[Priority, int],
    totals: WardTotals,
    trace: Sequence[Line],
    title: Line,
    width: int,
    height: int,
    history: Sequence[Line] = (),
    message: str | None = None,
) -> Frame:
    """Lay out a screen of exactly `height` lines of `width` cells.

    Parameters
    ----------
    lines : sequence of PatientLine
        Those that are shown, most urgent first.
    first : int
        Place of the first of them among all.
    selected : int
        Place of the patient whose waveform is shown.
    n : int
        Patients of the ward.
    alarms : mapping
        How many of them have an alarm of each priority.
    totals : WardTotals
    trace, title : sequence of Line, Line
        The selected patient's waveform, and what stands over it.
    width, height : int
        Of the terminal; 100 x 30 and more are comfortable.
    history : sequence of Line
        A table in the place of that of the patients, its header first; none by default.
    message : str, optional
        In the place of the keys.
    """
    columns = _columns(width)
    rows = [
        _row(one, columns, width, is_chosen=first + k == selected) for k, one in enumerate(lines)
    ]
    header, *rows = history or [_header(columns, width), *rows]
    rows += [line([], width)] * (table_rows(height) - len(rows))
    shown = f"{first + 1} to {first + len(lines)} of {n} " if n else ""
    room = width - len(shown) - 1
    keys: Part = (next((text for text in _KEYS if len(text) <= room), ""), palette.FAINT)
    if message is not None:
        keys = (f" {single_cells(message)}"[:room], palette.NOTE)
    screen = [
        _title(n, alarms, totals, width),
        header,
        *rows[: table_rows(height)],
        title,
        *trace,
        spread([keys], [(shown, palette.FAINT)], width),
    ]
    return Frame(screen[:height])


def trace_title(one: PatientLine | None, lead: str, width: int) -> Line:
    """Return the rule over the waveform: whose it is, of which lead, and how the patient is."""
    if one is None:
        return rule([(1, "no patient yet")], width)
    since = "" if one.since_s is None else f" for {clock(one.since_s)}"
    words = f"{one.source}  {lead}  {one.what}{since}"
    return rule([(1, words)], width)


def _title(n: int, alarms: Mapping[Priority, int], totals: WardTotals, width: int) -> Line:
    left: list[Part] = [(" ecg-stream ward ", palette.BRAND), (f" {n} patients ", palette.STRONG)]
    for priority in sorted(alarms, reverse=True):
        mark = palette.ALARM_MARK[priority]
        left.append((f" {alarms[priority]} {mark} ", palette.ALARM_WORD[priority]))
    p99 = totals.added.quantile(0.99)
    # The first beats after a start are always late: the detector listens before it speaks.
    late = palette.POOR if totals.late > _MANY_LATE * totals.beats else palette.FAINT
    added = "--" if p99 is None else f"{p99:.0f}"
    right: list[Part] = [
        (f"{totals.late} late", late),
        (f"  added p99 {added} ms ", palette.FAINT),
    ]
    beats: Part = (f"{totals.beats} beats  ", palette.FAINT)
    if sum(len(text) for text, _ in [*left, beats, *right]) < width:
        right.insert(0, beats)
    return spread(left, right, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Widths of the columns that depend on the screen's."""

    source: int
    what: int
    labels: bool
    """Whether there is room to say how the labels are doing."""


def _columns(width: int) -> _Columns:
    labels = width >= _LABELS_WIDTH
    left = max(width - _FIXED_CELLS - (_LABELS_CELLS if labels else 0), 10)
    source = min(max(left * 2 // 5, 5), 24)
    return _Columns(source=source, what=left - source, labels=labels)


def _header(columns: _Columns, width: int) -> Line:
    names = (
        f"    {'PATIENT':<{columns.source}}{'RHYTHM, ALARM':<{columns.what}}{'SINCE':>7}{'BPM':>6}"
        f"  {'QUALITY':<{_QUALITY_CELLS + 5}}"
    )
    labels = f"{'LATE':>7}{'LABEL ms':>10}" if columns.labels else ""
    return line([(names + labels, palette.TITLE)], width)


def _row(one: PatientLine, columns: _Columns, width: int, *, is_chosen: bool) -> Line:
    mark, style = "", palette.PLAIN
    if one.priority is not None:
        mark, style = palette.ALARM_MARK[one.priority], palette.ALARM_WORD[one.priority]
    if one.is_acknowledged:
        mark, style = _ACKNOWLEDGED, palette.STRONG
    rate = "--" if one.heart_rate_bpm is None else f"{one.heart_rate_bpm:.0f}"
    quality = one.quality or 0.0
    percent = " --" if one.quality is None else f"{100 * quality:3.0f}%"
    parts: list[Part] = [
        (f"{mark:<3} ", style),
        (f"{single_cells(one.source)[: columns.source - 1]:<{columns.source}}", palette.STRONG),
        (f"{_fitting(one, columns.what - 1):<{columns.what}}", style),
        (f"{'' if one.since_s is None else clock(one.since_s):>7}", palette.FAINT),
        (f"{rate:>6}", palette.STRONG),
        ("  ", palette.PLAIN),
        (bar(quality, _QUALITY_CELLS), _quality_style(quality)),
        (f"{percent:<5}", palette.FAINT),
    ]
    if columns.labels:
        latency = "--" if one.latency_ms is None else f"{one.latency_ms:.0f}"
        parts += [(f"{one.late or '':>7}", palette.FAINT), (f"{latency:>10}", palette.FAINT)]
    if is_chosen:
        parts = [("".join(text for text, _ in parts).ljust(width), _REVERSED)]
    return line(parts, width)


def _fitting(one: PatientLine, room: int) -> str:
    """Return the words for a patient's state, or fewer where they don't fit."""
    return one.what if len(one.what) <= room else one.short[:room]


def _quality_style(quality: float) -> Style:
    return palette.GOOD if quality >= 0.8 else palette.FAIR if quality >= 0.5 else palette.POOR
