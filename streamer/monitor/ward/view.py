"""The ward on a terminal: its title, the list of patients by urgency, and what the keys do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.style import Style

from streamer.core.events import Priority
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import Line, Part, bar, line, rule, single_cells, spread
from streamer.monitor.ward.patient_line import PatientLine
from streamer.monitor.ward.patients import WardTotals
from streamer.monitor.ward.words import (
    age_words,
    fitting,
    is_selected,
    mark_of,
    rate_words,
    state_words,
)

TRACE_ROWS: Final = 8
"""Beat letters and the waveform."""
_CHROME_ROWS: Final = 2
"""Table header, and the rule over the trace."""
_QUALITY_CELLS: Final = 8
_MANY_LATE: Final = 0.01
"""Part of a ward's first labels."""
_FIXED_CELLS: Final = 4 + 7 + 6 + 2 + _QUALITY_CELLS + 5
"""Mark, age, heart rate and quality."""
_CHANGED_WIDTH: Final = 110
"""From here on what changed has a column of its own."""
_CHANGED_CELLS: Final = 30
_KEYS: Final = (
    " ↑ ↓ ← →: patient   Enter: all of one   v: grid, list   a: acknowledge   l: alarms   "
    "/: search   f: filter   s: order   ?: keys   q: quit",
    " Enter: all of one   v: grid, list   a: acknowledge   /: search   f: filter   ?: keys",
    " v: grid, list   a: acknowledge   /: search   ?: keys   q: quit",
    " a: acknowledge   ?: keys   q: quit",
    " ?: keys   q: quit",
)
"""In as many words as there is room for."""
HELP: Final = (
    ("↑ ↓ ← → k j", "another patient"),
    ("PgUp PgDn", "another page"),
    ("g", "the most urgent patient"),
    ("Enter", "all of one patient; back"),
    ("v", "grid of waveforms, or list"),
    ("s", "order by urgency, or by name"),
    ("f", "all, with alarms, not acknowledged"),
    ("/", "search names, sources, rhythms, alarms"),
    ("Esc", "back; show all patients again"),
    ("a", "acknowledge the patient's alarm"),
    ("l", "list of alarms"),
    ("x", "remove a silent patient"),
    ("? h", "show or hide this help"),
    ("q", "quit"),
)
"""Keys, and what they do."""


def table_rows(height: int) -> int:
    """Return how many patients the list shows on so many rows."""
    return max(height - TRACE_ROWS - _CHROME_ROWS, 1)


def table(lines: Sequence[PatientLine], selected: int, width: int) -> list[Line]:
    """Return the header and a row for each patient, that at `selected` standing out."""
    columns = _columns(width)
    rows = [
        _row(one, columns, width, is_chosen=place == selected) for place, one in enumerate(lines)
    ]
    return [_header(columns, width), *rows]


def trace_title(one: PatientLine | None, width: int) -> Line:
    """Return the rule over the waveform: whose it is, of which lead, and how the patient is."""
    if one is None:
        return rule([(1, "no patient")], width)
    since = "" if one.since_s is None else f" for {age_words(one)}"
    words = f"{one.name}  {one.lead}  {one.what}{since}"
    return rule([(1, words[: width - 4])], width)


def title(
    n: int, alarms: Mapping[Priority, int], totals: WardTotals, limits: str, width: int
) -> Line:
    """Return the first line: how many patients and alarms, the rates without an alarm, lateness.

    Parameters
    ----------
    n : int
        Patients of the ward.
    alarms : mapping
        How many of them have an alarm of each priority.
    totals : WardTotals
    limits : str
        Heart rates without an alarm.
    """
    many = "1 patient" if n == 1 else f"{n} patients"
    left: list[Part] = [(" ecg-stream ward ", palette.BRAND), (f" {many} ", palette.STRONG)]
    for priority in sorted(alarms, reverse=True):
        mark = palette.ALARM_MARK[priority]
        left.append((f" {alarms[priority]} {mark} ", palette.ALARM_WORD[priority]))
    p99 = totals.added.quantile(0.99)
    late = palette.POOR if totals.late > _MANY_LATE * totals.beats else palette.FAINT
    added = "--" if p99 is None else f"{p99:.0f}"
    right: list[Part] = [(f"{totals.late} late ", late)]
    for part in (f"limits {limits} /min  ", f"added p99 {added} ms  ", f"{totals.beats} beats  "):
        if sum(len(text) for text, _ in [*left, *right]) + len(part) < width:
            right.insert(0, (part, palette.FAINT))
    return spread(left, right, width)


def footer(place: str, asked: str, message: str | None, width: int) -> Line:
    """Return the last line: a message, else what is asked of the list, else the keys.

    Parameters
    ----------
    place : str
        Which of the patients are on the screen.
    asked : str
        The filter and what it hides; empty without.
    message : str, optional
    """
    room = width - len(place) - 2
    said: Part = (next((text for text in _KEYS if len(text) <= room), ""), palette.FAINT)
    if message is not None or asked:
        said = (f" {single_cells(message or asked)}"[:room], palette.NOTE)
    return spread([said], [(f"{place} ", palette.FAINT)], width)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Widths of the columns that depend on the screen's."""

    name: int
    what: int
    changed: int
    """0 where what changed stands behind how the patient is, if it fits."""


def _columns(width: int) -> _Columns:
    changed = _CHANGED_CELLS if width >= _CHANGED_WIDTH else 0
    left = max(width - _FIXED_CELLS - changed, 10)
    name = min(max(left * 2 // 5, 5), 24)
    return _Columns(name=name, what=left - name, changed=changed)


def _header(columns: _Columns, width: int) -> Line:
    changed = f"{'LATELY':<{columns.changed}}" if columns.changed else ""
    names = (
        f"    {'PATIENT':<{columns.name}}{'ALARM, RHYTHM':<{columns.what}}{changed}{'SINCE':>7}"
        f"{'BPM':>6}  QUALITY"
    )
    return line([(names, palette.TITLE)], width)


def _row(one: PatientLine, columns: _Columns, width: int, *, is_chosen: bool) -> Line:
    mark, style = mark_of(one)
    room = columns.what - 1
    quality = one.quality or 0.0
    percent = " --" if one.quality is None else f"{100 * quality:3.0f}%"
    apart = bool(columns.changed)
    words = state_words(replace(one, changed=()) if apart else one, room)
    changed = fitting(one.changed, columns.changed - 1)
    parts: list[Part] = [
        (f"{mark:<3} ", style),
        (f"{single_cells(one.name)[: columns.name - 1]:<{columns.name}}", palette.STRONG),
        (f"{words:<{columns.what}}", style),
        (f"{changed:<{columns.changed}}", palette.PLAIN),
        (f"{age_words(one):>7}", palette.FAINT),
        (f"{rate_words(one):>6}", palette.STRONG),
        ("  ", palette.PLAIN),
        (bar(quality, _QUALITY_CELLS), _quality_style(quality)),
        (f"{percent:<5}", palette.FAINT),
    ]
    if is_chosen:
        whole = "".join(text for text, _ in parts).ljust(width)
        parts = [(whole, is_selected(palette.PLAIN))]
    return line(parts, width)


def _quality_style(quality: float) -> Style:
    return palette.GOOD if quality >= 0.8 else palette.FAIR if quality >= 0.5 else palette.POOR
