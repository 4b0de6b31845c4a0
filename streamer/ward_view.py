"""The ward on a terminal: patients by urgency, and the waveform of one of them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamer import braille, palette
from streamer.events import Alarm, Gap, Priority, Rhythm
from streamer.ward_beds import Bed, WardTotals

_TRACE_ROWS: Final = 6
_CHROME_ROWS: Final = 5
"""Title, table header with its rule, name of the selected patient, help."""
_ALARM_HOLD_S: Final = 10.0
"""How long an alarm stays urgent after it was raised, unless its rhythm lasts."""
_QUALITY_BEATS: Final = 8
_LEAST_SPAN_MV: Final = 0.2
_USUAL_BPM: Final = 75.0
_NO_SIGNAL: Final = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BedLine:
    """What one line of the table says."""

    source: str
    priority: Priority | None
    """Of the alarm that lasts; None without one."""
    what: str
    heart_rate_bpm: float | None
    quality: float | None
    late: int
    latency_ms: float | None
    """Median from R peak to first label."""

    @property
    def urgency(self) -> tuple[float, ...]:
        """Sorts the most urgent first: alarm, signal, distance of the rate from usual, latency."""
        rate = _USUAL_BPM if self.heart_rate_bpm is None else self.heart_rate_bpm
        quality = 1.0 if self.quality is None else self.quality
        priority = 0 if self.priority is None else int(self.priority)
        return (-priority, quality >= 0.5, -abs(rate - _USUAL_BPM), -float(self.late))


def bed_line(bed: Bed) -> BedLine:
    """Say how a patient is."""
    now, ledger = bed.last_sample, bed.ledger
    alarm = bed.alarm if bed.alarm is not None and _lasts(bed, bed.alarm) else None
    gap = bed.gap if bed.gap is not None and bed.gap.ongoing else None
    recent = [beat.quality for beat in ledger.last(_QUALITY_BEATS)]
    return BedLine(
        source=bed.info.source,
        priority=None if alarm is None else alarm.priority,
        what=_what(bed, alarm, gap),
        heart_rate_bpm=None if gap is not None else ledger.heart_rate_bpm(now),
        quality=_NO_SIGNAL if gap is not None else statistics.median(recent) if recent else None,
        late=ledger.n_late,
        latency_ms=ledger.latency.quantile(0.5),
    )


def sort_beds(beds: Sequence[Bed]) -> list[BedLine]:
    """Return a line for each patient, the most urgent first, equal ones by name."""
    return sorted(map(bed_line, beds), key=lambda line: (line.urgency, line.source))


def render(
    lines: Sequence[BedLine],
    totals: WardTotals,
    selected: int,
    samples: NDArray[np.float32],
    width: int,
    height: int,
) -> RenderableType:
    """Lay out a screen.

    Parameters
    ----------
    lines : sequence of BedLine
        Most urgent first.
    totals : WardTotals
    selected : int
        Which line has its waveform shown.
    samples : ndarray of float32, shape (n,)
        The selected patient's last seconds, primary lead, mV.
    width, height : int
        Of the terminal; 100 x 30 and more are comfortable.
    """
    rows = max(height - _TRACE_ROWS - _CHROME_ROWS, 1)
    first = max(min(selected - rows // 2, len(lines) - rows), 0)
    table = Table(expand=True, box=None, pad_edge=False, header_style=palette.FAINT)
    for name in ("patient", "", "rhythm", "bpm", "quality", "late", "ms"):
        table.add_column(name, no_wrap=True, justify="right" if name in {"bpm", "ms"} else "left")
    for number, line in enumerate(lines[first : first + rows], first):
        table.add_row(*_cells(line), style="reverse" if number == selected else "")
    name = lines[selected].source if selected < len(lines) else "no patient"
    return Group(
        Text(_title(len(lines), totals), style=palette.TITLE, no_wrap=True, overflow="crop"),
        table,
        Text(name, style=palette.STRONG),
        Text("\n".join(trace(samples, width, _TRACE_ROWS)), style=palette.TRACE, no_wrap=True),
        Text("up/down or j/k: patient   g: most urgent   q: quit", style=palette.FAINT),
    )


def trace(samples: NDArray[np.float32], width: int, rows: int) -> list[str]:
    """Draw a signal over the whole width, its largest deflection over the whole height."""
    columns, dots = width * braille.DOTS_X, rows * braille.DOTS_Y
    known = samples[np.isfinite(samples)]
    if known.size < 2:
        return [" " * width] * rows
    low, high = float(known.min()), float(known.max())
    middle, span = (low + high) / 2, max(high - low, _LEAST_SPAN_MV)
    top, bottom = np.full(columns, dots), np.full(columns, -1)
    edges = np.linspace(0, samples.size, columns + 1).astype(int)
    for column in range(columns):
        # One sample more, so that neighbouring columns touch.
        part = samples[edges[column] : max(edges[column + 1], edges[column] + 1) + 1]
        part = part[np.isfinite(part)]
        if part.size:
            places = (0.5 - (part - middle) / span) * (dots - 1)
            top[column], bottom[column] = int(places.min()), int(places.max())
    return braille.text(braille.code_points(braille.pack(braille.bars(top, bottom, dots))))


def _title(n: int, totals: WardTotals) -> str:
    p99 = totals.added.quantile(0.99)
    added = "--" if p99 is None else f"{p99:.0f} ms"
    return (
        f"ward  {n} patients  {totals.beats} beats  {totals.late} late  added latency p99 {added}"
    )


def _cells(line: BedLine) -> tuple[Text | str, ...]:
    mark = "" if line.priority is None else palette.ALARM_MARK[line.priority]
    style = palette.PLAIN if line.priority is None else palette.ALARM_WORD[line.priority]
    return (
        line.source,
        Text(mark, style=style),
        Text(line.what, style=style),
        "--" if line.heart_rate_bpm is None else f"{line.heart_rate_bpm:.0f}",
        "--" if line.quality is None else f"{line.quality:.2f}",
        str(line.late) if line.late else "",
        "--" if line.latency_ms is None else f"{line.latency_ms:.0f}",
    )


def _lasts(bed: Bed, alarm: Alarm) -> bool:
    """Whether an alarm was raised a moment ago, or its rhythm goes on."""
    age_s = (bed.last_sample - alarm.decided_at) / bed.info.fs
    goes_on = bed.rhythm is not None and bed.rhythm.rhythm is alarm.rhythm
    return age_s <= _ALARM_HOLD_S or goes_on


def _what(bed: Bed, alarm: Alarm | None, gap: Gap | None) -> str:
    if alarm is not None:
        return str(alarm.rhythm)
    if gap is not None:
        return f"no signal ({gap.reason})"
    return str(Rhythm.UNKNOWN if bed.rhythm is None else bed.rhythm.rhythm)
