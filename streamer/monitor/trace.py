"""The sweeping trace, its scales and beat marks, and the tachogram, as lines for the screen."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from classifier.labels import Label
from streamer.beats.ledger import BeatMark
from streamer.core.clock_format import clock
from streamer.monitor.state import MonitorState
from streamer.monitor.terminal import braille, palette
from streamer.monitor.terminal.screen_lines import Line, line, runs
from streamer.monitor.terminal.sweep import Sweep, envelope, trace

GUTTER: Final = 6
"""Cells left of the trace, for the mV scale."""

_BOX_S: Final = 0.2
"""Grid spacing in time: 5 mm of paper at 25 mm/s."""
_CELLS_PER_BOX: Final = 3
_CELLS_PER_BOX_WIDE: Final = 4
_WIDE_CELLS: Final = 96
_ERASE_S: Final = 0.2
_HEAD_CELLS: Final = 2
_TINT_BEFORE_S: Final = 0.12
_TINT_AFTER_S: Final = 0.28
"""QRS and T wave of a beat, about its R peak."""
_TACHOGRAM_S: Final = 60.0
_TACHOGRAM_MS: Final = ((400.0, 1200.0), (200.0, 1600.0), (0.0, 2400.0))
"""Ranges of RR intervals, the first that holds all shown ones is taken."""

_LABELS: Final[tuple[Label | None, ...]] = (*Label, None)
_TRACE: Final = _LABELS.index(Label.N)
_GRID: Final = len(_LABELS)
_HEAD: Final = _GRID + 1
_NOTE: Final = _HEAD + 1


def _table() -> list[Style]:
    """Return the styles by number, of the theme in use."""
    return [
        *(palette.BEAT[label] for label in _LABELS),
        palette.GRID,
        palette.HEAD,
        palette.NOTE,
    ]


def _drawn() -> list[Style]:
    """Return the styles for lines and dots."""
    return [style + palette.UPRIGHT for style in _table()]


def sweep_for(state: MonitorState, cells: int) -> Sweep:
    """Return the sweep over `cells` columns, with the grid on whole cells."""
    per_box = _CELLS_PER_BOX_WIDE if cells >= _WIDE_CELLS else _CELLS_PER_BOX
    seconds = cells / per_box * _BOX_S
    return Sweep(
        first_sample=state.info.first_sample,
        now=state.now,
        samples=max(round(seconds * state.info.fs), 1),
        cells=cells,
        erase=round(_ERASE_S / seconds * cells * braille.DOTS_X),
    )


def lead_lines(state: MonitorState, lead: int, sweep: Sweep, rows: int) -> list[Line]:
    """Draw one lead with its mV scale on `rows` lines."""
    gain = state.gains[lead]
    low, high = envelope(state.ring, lead, sweep)
    dots = trace(low, high, bottom_mv=gain.bottom_mv, top_mv=gain.top_mv, rows=rows)
    packed = braille.pack(dots)
    cells = braille.code_points(packed)
    styles = np.broadcast_to(_tints(state, sweep), cells.shape).copy()
    marks = gain.rows(rows, at_least=3)
    _draw_grid(cells, styles, packed == 0, [row for row, _ in marks], sweep)
    styles = _inherit(styles, cells == ord(" "))
    scale, table = dict(marks), _drawn()
    return [
        [
            Segment(scale_mark(scale.get(row)), palette.FRAME),
            *runs(text, styles[row], table),
        ]
        for row, text in enumerate(braille.text(cells))
    ]


def label_line(state: MonitorState, sweep: Sweep, lead: str) -> Line:
    """Write each beat's letter above it, '?' behind one that isn't confirmed yet."""
    text = [" "] * sweep.cells
    styles = np.full(sweep.cells, _TRACE, np.uint8)
    for gap in state.gaps:
        cells = sweep.cells_of(gap.start, state.now if gap.ongoing else gap.stop - 1)
        _write(text, styles, cells, f" {gap.reason} ".center(len(cells), "╌"), _NOTE)
    for beat in state.ledger.since(sweep.first_of(sweep.tail)):
        cell = sweep.cell(beat.sample)
        if cell is not None:
            span = [cell, cell + 1] if cell + 1 < sweep.cells else [cell]
            _write(text, styles, span, letter(beat), _LABELS.index(beat.label))
    gutter = Segment(f"{lead[: GUTTER - 1]:>{GUTTER - 1}} ", palette.TITLE)
    return [gutter, *runs("".join(text), styles, _table())]


def axis_line(state: MonitorState, sweep: Sweep) -> Line:
    """Write the record's time below the trace, at every whole second."""
    text = ["─"] * sweep.cells
    styles = np.full(sweep.cells, _GRID, np.uint8)
    for cell in sweep.erased_cells():
        text[cell] = " "
    fs = state.info.fs
    first = sweep.first_of(sweep.tail)
    for second in range(int(-(-first // fs)), int(sweep.now / fs) + 1):
        tick = sweep.cell(round(second * fs))
        if tick is not None:
            label = "┴" + clock(second)
            if tick + len(label) > sweep.cells:
                # Half a time is another time.
                label = "┴"
            _write(text, styles, list(range(tick, tick + len(label))), label, _GRID)
    gutter = Segment("  mV " + "└", palette.FRAME)
    return [
        gutter,
        *runs("".join(text), styles, [*_table()[:_GRID], palette.FRAME, *_table()[_HEAD:]]),
    ]


def letter(beat: BeatMark) -> str:
    """Return a beat's class as it is written: 'V', 'V?' while provisional, '?' without label."""
    if beat.label is None:
        return "?"
    return beat.label.value if beat.confirmed else f"{beat.label.value}?"


def tachogram_lines(state: MonitorState, width: int, rows: int) -> list[Line]:
    """Draw the RR intervals of the last minute over time on `rows` lines."""
    cells_across = width - GUTTER
    fs = state.info.fs
    start = state.now - round(_TACHOGRAM_S * fs)
    beats = [beat for beat in state.ledger.since(start) if beat.rr_ms is not None][::-1]
    longest = max((beat.rr_ms or 0.0 for beat in beats), default=0.0)
    shortest = min((beat.rr_ms or 0.0 for beat in beats), default=longest)
    fitting = (r for r in _TACHOGRAM_MS if r[0] <= shortest and longest <= r[1])
    bottom, top = next(fitting, _TACHOGRAM_MS[-1])
    dots = np.zeros((rows * braille.DOTS_Y, cells_across * braille.DOTS_X), np.bool_)
    styles = np.full((rows, cells_across), _TRACE, np.uint8)
    for beat in beats:
        x = int((beat.sample - start) / (_TACHOGRAM_S * fs) * (dots.shape[1] - 2))
        part = (top - min(max(beat.rr_ms or 0.0, bottom), top)) / (top - bottom)
        y = int(part * (dots.shape[0] - 2))
        dots[y : y + 2, x : x + 2] = True
        # Two dots may straddle two cells; the tint covers both.
        styles[y // 4 : (y + 1) // 4 + 1, x // 2 : (x + 1) // 2 + 1] = _LABELS.index(beat.label)
    cells = braille.code_points(braille.pack(dots))
    styles = _inherit(styles, cells == ord(" "))
    scale, table = {0: top, rows - 1: bottom}, _drawn()
    return [
        [
            Segment(f"{scale[row]:5.0f}┤" if row in scale else "     │", palette.FRAME),
            *runs(text, styles[row], table),
        ]
        for row, text in enumerate(braille.text(cells))
    ]


def strip_line(state: MonitorState, width: int, title: str = "") -> Line:
    """Write the last beats with the RR intervals between them in ms, the newest at the right."""
    parts: list[tuple[str, Style]] = []
    left = width - 1 - len(title)
    for beat in reversed(state.ledger.beats):
        name = letter(beat)
        between = "  ···  " if beat.rr_ms is None else f" {beat.rr_ms:.0f} "
        if len(name) + len(between) > left:
            break
        parts += [(name, palette.BEAT[beat.label]), (between, palette.FAINT)]
        left -= len(name) + len(between)
    return line([(title, palette.TITLE), (" " * left, palette.PLAIN), *reversed(parts)], width)


def scale_mark(mv: float | None) -> str:
    """Return the axis beside one row, with its amplitude if there is one; zero has no sign."""
    if mv is None:
        return "     │"
    return f"{mv:+5.1f}┤" if abs(mv) > 0.01 else "  0.0┤"


def _tints(state: MonitorState, sweep: Sweep) -> NDArray[np.uint8]:
    """Style of the trace in each cell."""
    tints = np.full(sweep.cells, _TRACE, np.uint8)
    before = round(_TINT_BEFORE_S * state.info.fs)
    after = round(_TINT_AFTER_S * state.info.fs)
    for beat in state.ledger.since(sweep.first_of(sweep.tail) - after):
        if beat.label is not Label.N:
            cells = sweep.cells_of(beat.sample - before, beat.sample + after)
            tints[cells] = _LABELS.index(beat.label)
    if state.now > state.info.first_sample:
        head = sweep.head // braille.DOTS_X
        tints[[cell % sweep.cells for cell in range(head - _HEAD_CELLS + 1, head + 1)]] = _HEAD
    return tints


def _draw_grid(
    cells: NDArray[np.uint32],
    styles: NDArray[np.uint8],
    empty: NDArray[np.bool_],
    rows: list[int],
    sweep: Sweep,
) -> None:
    """Put a point on every crossing of the grid that the trace leaves free."""
    per_box = _CELLS_PER_BOX_WIDE if sweep.cells >= _WIDE_CELLS else _CELLS_PER_BOX
    crossing = np.zeros(cells.shape, np.bool_)
    crossing[rows, ::per_box] = True
    crossing[:, sweep.erased_cells()] = False
    crossing &= empty
    cells[crossing] = ord("·")
    styles[crossing] = _GRID


def _inherit(styles: NDArray[np.uint8], blank: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Give blank cells the style to their left: fewer changes of style are quicker to draw."""
    columns = np.where(blank, 0, np.arange(styles.shape[1]))
    source = np.maximum.accumulate(columns, axis=1)
    return np.take_along_axis(styles, source, axis=1)


def _write(
    text: list[str], styles: NDArray[np.uint8], cells: list[int], word: str, style: int
) -> None:
    """Write a word over the given cells."""
    for cell, character in zip(cells, word, strict=False):
        text[cell] = character
        styles[cell] = style
