"""The ward as a central station: a tile a patient, with the waveform in it."""

import math
from dataclasses import dataclass
from typing import Final

from streamer.monitor.terminal import palette
from streamer.monitor.terminal.screen_lines import (
    Line,
    Part,
    beside,
    block,
    line,
    single_cells,
    spread,
)
from streamer.monitor.ward.patient_line import PatientLine
from streamer.monitor.ward.patients import PatientState, Ring
from streamer.monitor.ward.trace import WardTraces
from streamer.monitor.ward.words import age_words, is_selected, mark_of, rate_words, state_words

GRID_WIDTH: Final = 110
GRID_HEIGHT: Final = 30
"""From this size on a ward is a grid if nobody wishes otherwise."""
_LEAST_WIDTH: Final = 36
_LEAST_ROWS: Final = 6
_USUAL: Final = (44, 8)
"""Cells and rows that a tile wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Tiles of a screen."""

    across: int
    down: int
    width: int
    height: int

    @property
    def shown(self) -> int:
        """How many there are."""
        return self.across * self.down


def tiling(n: int, width: int, height: int) -> Tiling:
    """Choose the tiles for n patients: as large as they can be, as many as fit.

    Parameters
    ----------
    n : int
        Patients to show.
    width, height : int
        Cells and rows that the grid has.
    """
    most_across = max(width // _LEAST_WIDTH, 1)
    most_down = max(height // _LEAST_ROWS, 1)
    wanted = min(max(n, 1), most_across * most_down)

    def size(across: int) -> tuple[float, int]:
        down = min(math.ceil(wanted / across), most_down)
        room = min(width / across / _USUAL[0], height / down / _USUAL[1])
        return (room if across * down >= wanted else 0.0, -across)

    across = max(range(1, most_across + 1), key=size)
    down = min(math.ceil(wanted / across), most_down)
    return Tiling(across=across, down=down, width=width // across, height=height // down)


def tile(
    one: PatientLine,
    patient: PatientState,
    ring: Ring | None,
    traces: WardTraces,
    tiles: Tiling,
    *,
    is_chosen: bool,
) -> list[Line]:
    """Draw one patient: name, lead and heart rate; how they are; beats' letters; waveform."""
    inner = tiles.width - 1
    now = 0 if ring is None else ring.stop or 0
    curve = traces.lines(patient, ring, now, inner, tiles.height - 2, gutter=False)
    rows = [
        _head(one, traces.span_mv(one.source), inner, is_chosen=is_chosen),
        _state(one, inner),
        *curve,
    ]
    return beside([block([[("│", palette.FRAME)]] * len(rows), 1, len(rows)), rows])


def _head(one: PatientLine, span_mv: float, width: int, *, is_chosen: bool) -> Line:
    rate = f" {rate_words(one)} "
    lead = f" {single_cells(one.lead)} {span_mv:g} mV "
    room = width - len(rate) - 2
    name = f" {single_cells(one.name)} "[:room]
    style = is_selected(palette.STRONG) if is_chosen else palette.STRONG
    left: list[Part] = [("─", palette.FRAME), (name, style)]
    if len(name) + len(lead) < room:
        left.append((lead, palette.FAINT))
    used = sum(len(text) for text, _ in left)
    return line(
        [
            *left,
            ("─" * (width - used - len(rate) - 1), palette.FRAME),
            (rate, palette.RATE),
            ("─", palette.FRAME),
        ],
        width,
    )


def _state(one: PatientLine, width: int) -> Line:
    since = f" {age_words(one)} "
    mark, style = mark_of(one, banner=True)
    room = width - len(since) - len(mark) - 3
    words = state_words(one, room)
    return spread(
        [(f" {mark} {words} " if mark else f" {words}", style)], [(since, palette.FAINT)], width
    )
