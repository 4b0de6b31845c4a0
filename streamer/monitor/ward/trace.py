"""Patients' waveforms: sweeps with the beats' letters above them."""

from itertools import groupby
from typing import Final

import numpy as np
from rich.style import Style

from streamer.core.events import CHAIN_FS
from streamer.monitor.gain import Gain
from streamer.monitor.terminal import braille, palette
from streamer.monitor.terminal.screen_lines import Line, Part, line
from streamer.monitor.terminal.sweep import Samples, Sweep, envelope, trace
from streamer.monitor.trace import GUTTER, letter, scale_mark
from streamer.monitor.ward.patients import PatientState

TRACE_S: Final = 2.5
"""Signal shown; the ward keeps little more."""
_ERASE_S: Final = 0.15
_LEAST_MARK_ROWS: Final = 3


class WardTraces:
    """Draws patients; remembers the scale of each lead that is on the screen.

    Notes
    -----
    The newest signal overwrites the oldest, as on a bedside monitor: what is drawn stands still.
    """

    def __init__(self) -> None:
        self._gains: dict[tuple[str, int], Gain] = {}
        self._drawn: set[tuple[str, int]] = set()

    def begin(self) -> None:
        """Begin a frame: the scale of what the last one didn't show is forgotten."""
        self._gains = {key: gain for key, gain in self._gains.items() if key in self._drawn}
        self._drawn = set()

    def lines(
        self,
        patient: PatientState | None,
        ring: Samples | None,
        now: int,
        width: int,
        rows: int,
        *,
        lead: int = 0,
        gutter: bool = True,
    ) -> list[Line]:
        """Return `rows` lines of `width` cells.

        Parameters
        ----------
        patient : PatientState, optional
            The patient; None leaves the lines empty.
        ring : Samples, optional
            Their last samples at `CHAIN_FS`.
        now : int
            One past the newest of these.
        width, rows : int
        lead : int
            Row of the ring.
        gutter : bool
            Whether an mV scale stands to the left.
        """
        if patient is None or ring is None or now <= 0:
            return [line([], width) for _ in range(rows)]
        left = GUTTER if gutter else 0
        sweep = _sweep(now, width - left)
        low, high = envelope(ring, lead, sweep)
        gain = self._gain(patient.info.source, lead)
        gain.update(now, np.concatenate([low, high]))
        dots = trace(low, high, bottom_mv=gain.bottom_mv, top_mv=gain.top_mv, rows=rows - 1)
        drawn = braille.text(braille.code_points(braille.pack(dots)))
        scale = dict(gain.rows(rows - 1, at_least=_LEAST_MARK_ROWS))
        curve = [
            line([(scale_mark(scale.get(row))[:left], palette.FRAME), (text, palette.TRACE)], width)
            for row, text in enumerate(drawn)
        ]
        return [line([("   mV "[:left], palette.FRAME), *_letters(patient, sweep)], width), *curve]

    def span_mv(self, source: str, lead: int = 0) -> float:
        """Return the height of a lead's trace in mV."""
        return self._gain(source, lead).span_mv

    def _gain(self, source: str, lead: int) -> Gain:
        key = source, lead
        self._drawn.add(key)
        if key not in self._gains:
            self._gains[key] = Gain(fs=CHAIN_FS)
        return self._gains[key]


def _sweep(now: int, cells: int) -> Sweep:
    return Sweep(
        first_sample=0,
        now=now,
        samples=round(TRACE_S * CHAIN_FS),
        cells=cells,
        erase=round(_ERASE_S / TRACE_S * cells * braille.DOTS_X),
    )


def _letters(patient: PatientState, sweep: Sweep) -> list[Part]:
    """Write each beat's letter above it."""
    cells: list[tuple[str, Style]] = [(" ", palette.PLAIN)] * sweep.cells
    for beat in patient.account.ledger.beats:
        # The ring counts at the chain's rate, a ledger at its source's.
        cell = sweep.cell(round(beat.sample * CHAIN_FS / patient.info.fs))
        if cell is not None:
            for place, character in enumerate(letter(beat), cell):
                if place < sweep.cells:
                    cells[place] = (character, palette.BEAT[beat.label])
    by_style = groupby(cells, key=lambda cell: cell[1])
    return [("".join(text for text, _ in those), style) for style, those in by_style]
