"""The ward on a terminal: patients by urgency, and the waveform of one of them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.style import Style

from streamer.core.clock_format import clock
from streamer.core.events import Alarm, Gap, Priority, Rhythm
from streamer.monitor.panels import RATELESS, short_name
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
from streamer.monitor.ward.patients import PatientState, WardTotals

TRACE_ROWS: Final = 8
"""Beat letters and the waveform."""
_CHROME_ROWS: Final = 4
"""Title, table header, rule over the trace, keys."""
_ALARM_HOLD_S: Final = 10.0
"""How long an alarm stays urgent after it was raised, unless its rhythm lasts."""
_QUALITY_BEATS: Final = 8
_POOR_QUALITY: Final = 0.5
_RATE_BANDS_BPM: Final = ((50.0, 110.0), (40.0, 140.0))
"""Rates within the first are usual, beyond the last extreme."""
_NO_SIGNAL: Final = 0.0
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
    " ↑ ↓ j k: patient   PgUp PgDn: page   g: most urgent   q: quit",
    " ↑ ↓: patient   g: most urgent   q: quit",
    " q: quit",
)
"""In as many words as there is room for."""
_RHYTHMS: Final = frozenset(map(str, Rhythm))
_CALM: Final = frozenset({Rhythm.SINUS, Rhythm.UNKNOWN})
_SINUS: Final = frozenset({Rhythm.SINUS_BRADYCARDIA, Rhythm.SINUS_TACHYCARDIA})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLine:
    """What one line of the table says."""

    source: str
    priority: Priority | None
    """Of the alarm that lasts; None without one."""
    what: str
    since_s: float | None
    """Age of the alarm, or of the rhythm."""
    heart_rate_bpm: float | None
    quality: float | None
    late: int
    latency_ms: float | None
    """Median from R peak to first label."""


def urgency(patient: PatientState) -> tuple[int, ...]:
    """Sort key, the most urgent first: alarm, rhythm, signal, heart rate, late labels.

    Rates count in bands, so that patients don't change places with every beat.
    """
    alarm = _lasting(patient)
    rate = _rate(patient)
    band = 0 if rate is None else sum(not low <= rate <= high for low, high in _RATE_BANDS_BPM)
    quality = _quality(patient)
    return (
        0 if alarm is None else -int(alarm.priority),
        _rhythm_rank(patient),
        quality is None or quality >= _POOR_QUALITY,
        -band,
        not patient.account.ledger.n_late,
    )


def _rhythm_rank(patient: PatientState) -> int:
    rhythm = Rhythm.UNKNOWN if patient.rhythm is None else patient.rhythm.rhythm
    return 2 if rhythm in _CALM else 1 if rhythm in _SINUS else 0


def patient_line(patient: PatientState) -> PatientLine:
    """Say how a patient is."""
    alarm = _lasting(patient)
    gap = _gap(patient)
    what, since = _what(patient, alarm, gap)
    return PatientLine(
        source=patient.info.source,
        priority=None if alarm is None else alarm.priority,
        what=what,
        since_s=None if since is None else max(patient.last_sample - since, 0) / patient.info.fs,
        heart_rate_bpm=_rate(patient),
        quality=_quality(patient),
        late=patient.account.ledger.n_late,
        latency_ms=patient.account.ledger.latency.quantile(0.5),
    )


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
    trace : sequence of Line
        The selected patient's waveform.
    title : Line
        What stands over it.
    width, height : int
        Of the terminal; 100 x 30 and more are comfortable.
    """
    columns = _columns(width)
    rows = [
        _row(one, columns, width, is_chosen=first + k == selected) for k, one in enumerate(lines)
    ]
    rows += [line([], width)] * (table_rows(height) - len(rows))
    shown = f"{first + 1} to {first + len(lines)} of {n} " if n else ""
    room = width - len(shown) - 1
    keys = next((text for text in _KEYS if len(text) <= room), "")
    screen = [
        _title(n, alarms, totals, width),
        _header(columns, width),
        *rows[: table_rows(height)],
        title,
        *trace,
        spread([(keys, palette.FAINT)], [(shown, palette.FAINT)], width),
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
    mark = "" if one.priority is None else palette.ALARM_MARK[one.priority]
    style = palette.PLAIN if one.priority is None else palette.ALARM_WORD[one.priority]
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
    if len(one.what) <= room or one.what not in _RHYTHMS:
        return one.what[:room]
    return short_name(Rhythm(one.what))[:room]


def _quality_style(quality: float) -> Style:
    return palette.GOOD if quality >= 0.8 else palette.FAIR if quality >= 0.5 else palette.POOR


def _lasting(patient: PatientState) -> Alarm | None:
    """Return the alarm that was raised a moment ago, or whose rhythm goes on."""
    alarm = patient.alarm
    if alarm is None:
        return None
    age_s = (patient.last_sample - alarm.decided_at) / patient.info.fs
    goes_on = patient.rhythm is not None and patient.rhythm.rhythm is alarm.rhythm
    return alarm if age_s <= _ALARM_HOLD_S or goes_on else None


def _gap(patient: PatientState) -> Gap | None:
    return patient.gap if patient.gap is not None and patient.gap.ongoing else None


def _rate(patient: PatientState) -> float | None:
    """Return the heart rate; None without a signal, and where a number would not be a pulse."""
    rhythm = None if patient.rhythm is None else patient.rhythm.rhythm
    if _gap(patient) is not None or rhythm in RATELESS:
        return None
    return patient.account.ledger.heart_rate_bpm(patient.last_sample)


def _quality(patient: PatientState) -> float | None:
    if _gap(patient) is not None:
        return _NO_SIGNAL
    recent = [beat.quality for beat in patient.account.ledger.last(_QUALITY_BEATS)]
    return statistics.median(recent) if recent else None


def _what(patient: PatientState, alarm: Alarm | None, gap: Gap | None) -> tuple[str, int | None]:
    """Return the words for a patient's state, and since which sample it holds."""
    if alarm is not None:
        return str(alarm.rhythm), alarm.onset
    if gap is not None:
        return f"no signal ({gap.reason})", gap.start
    if patient.rhythm is None:
        return str(Rhythm.UNKNOWN), None
    return str(patient.rhythm.rhythm), patient.rhythm.onset
