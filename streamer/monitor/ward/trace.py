"""The selected patient's waveform: a sweep with its mV scale, and the beats' letters above it."""

from typing import Final

import numpy as np

from classifier.labels import Label
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


class WardTrace:
    """Draws one patient; begins anew with another.

    Notes
    -----
    The newest signal overwrites the oldest, as on a bedside monitor: what is drawn stands still.
    """

    def __init__(self) -> None:
        self._source = ""
        self._gain = Gain(fs=CHAIN_FS)

    def lines(
        self, patient: PatientState | None, ring: Samples | None, now: int, width: int, rows: int
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
        """
        if patient is None or ring is None or now <= 0:
            return [line([], width) for _ in range(rows)]
        if patient.info.source != self._source:
            self._source, self._gain = patient.info.source, Gain(fs=CHAIN_FS)
        sweep = _sweep(now, width - GUTTER)
        low, high = envelope(ring, 0, sweep)
        self._gain.update(now, np.concatenate([low, high]))
        return [_letters(patient, sweep), *self._curve(low, high, rows - 1)]

    def _curve(self, low: np.ndarray, high: np.ndarray, rows: int) -> list[Line]:
        gain = self._gain
        dots = trace(low, high, bottom_mv=gain.bottom_mv, top_mv=gain.top_mv, rows=rows)
        scale = dict(gain.rows(rows, at_least=_LEAST_MARK_ROWS))
        drawn = braille.text(braille.code_points(braille.pack(dots)))
        return [
            line(
                [(scale_mark(scale.get(row)), palette.FRAME), (text, palette.TRACE)],
                GUTTER + len(text),
            )
            for row, text in enumerate(drawn)
        ]


def _sweep(now: int, cells: int) -> Sweep:
    return Sweep(
        first_sample=0,
        now=now,
        samples=round(TRACE_S * CHAIN_FS),
        cells=cells,
        erase=round(_ERASE_S / TRACE_S * cells * braille.DOTS_X),
    )


def _letters(patient: PatientState, sweep: Sweep) -> Line:
    """Write each beat's letter above it."""
    cells: list[tuple[str, Label | None]] = [(" ", Label.N)] * sweep.cells
    for beat in patient.account.ledger.beats:
        # The ring counts at the chain's rate, a ledger at its source's.
        cell = sweep.cell(round(beat.sample * CHAIN_FS / patient.info.fs))
        if cell is not None:
            for place, character in enumerate(letter(beat), cell):
                if place < sweep.cells:
                    cells[place] = (character, beat.label)
    parts: list[Part] = [("   mV ", palette.FRAME)]
    parts += [(character, palette.BEAT[label]) for character, label in cells]
    return line(parts, GUTTER + sweep.cells)
