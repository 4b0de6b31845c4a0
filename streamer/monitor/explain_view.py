"""An explained beat in the terminal: braille trace, heat rows, probabilities and features."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from classifier.inputs.features import FEATURE_NAMES
from classifier.labels import MODEL_LABELS
from streamer.monitor.terminal import braille, palette
from streamer.monitor.terminal.screen_lines import Line, bar, line, rule, runs
from streamer.monitor.terminal.sweep import trace
from streamer.report.explain.beat import Contribution, ExplainedBeat, Panel

GUTTER: Final = 10
"""Cells left of the trace, for scales and names."""
MIN_WIDTH: Final = 60
MAX_WIDTH: Final = 120
TRACE_ROWS: Final = 12
FEATURES: Final = 10
_TICK_MS: Final = 100
_POINTS_A_DOT: Final = 4
_MARGIN: Final = 0.06
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_HEAT: Final = tuple(
    Style.parse(colour)
    for colour in ("grey50", "#9c8a5a", "#b98a3c", "#d68a2b", "#e8702b", "#f0502c", "bold #ff2d2d")
)
"""From nothing to most; middle tones can be read on dark and on light backgrounds."""
_NAME_CELLS: Final = max(map(len, FEATURE_NAMES)) + 1
_VALUE_CELLS: Final = 9


def explain_lines(explained: ExplainedBeat, width: int) -> list[Line]:
    """Draw everything.

    Parameters
    ----------
    explained : ExplainedBeat
    width : int
        Cells of the terminal; what is beyond `MIN_WIDTH` to `MAX_WIDTH` isn't used.
    """
    width = min(max(width, MIN_WIDTH), MAX_WIDTH)
    lines = [
        line([(explained.title(), palette.STRONG)], width),
        *(line([(words, palette.FAINT)], width) for words in explained.subtitles()),
        line([(explained.rr_words(), palette.FAINT)], width),
        *_probability_lines(explained, width),
    ]
    for panel in explained.panels():
        lines += _panel_lines(panel, width)
    lines += [
        _heat_line("Grad-CAM", explained.why.grad_cam, width),
        _axis(explained, width),
        _legend(width),
        rule([(2, f"what spoke for {explained.why.label}, and against it")], width),
        *(_feature_line(one, _largest(explained), width) for one in explained.strongest(FEATURES)),
    ]
    return lines


def _probability_lines(explained: ExplainedBeat, width: int) -> list[Line]:
    """One bar a class."""
    across = width - GUTTER - 8
    found = []
    for label, probability in zip(MODEL_LABELS, explained.why.probabilities, strict=False):
        style = palette.BEAT[label]
        parts = [
            (f"{label:>{GUTTER - 1}} ", style),
            (bar(float(probability), across), style),
            (f" {100 * probability:5.1f} %", palette.PLAIN),
        ]
        found.append(line(parts, width))
    return found


def _panel_lines(panel: Panel, width: int) -> list[Line]:
    """Trace of the beat, coloured by saliency, over the template in points; saliency below."""
    cells = width - GUTTER
    curves = [panel.beat] if panel.template is None else [panel.beat, panel.template]
    low, high = float(np.min(curves)), float(np.max(curves))
    margin = _MARGIN * max(high - low, 1e-3)
    edges = (low - margin, high + margin)
    own = braille.pack(_dots(panel.beat, cells, edges))
    template = np.zeros_like(own)
    if panel.template is not None:
        template = braille.pack(_dots(panel.template, cells, edges))
    heat = np.broadcast_to(_levels(panel.saliency, cells, len(_HEAT) - 1), own.shape)
    styles = np.where(own > 0, heat, len(_HEAT)).astype(np.uint8)
    points = braille.code_points(np.where(own > 0, own, template))
    scale = {0: edges[1], TRACE_ROWS - 1: edges[0]}
    drawn: list[Line] = [rule([(GUTTER, panel.name)], width)]
    for row, text in enumerate(braille.text(points)):
        mark = f"{scale[row]:+{GUTTER - 1}.1f}┤" if row in scale else " " * (GUTTER - 1) + "│"
        table = [*_HEAT, palette.FAINT]
        drawn.append([Segment(mark, palette.FRAME), *runs(text, styles[row], table)])
    return [*drawn, _heat_line("gradient", panel.saliency, width)]


def _dots(curve: NDArray[np.float32], cells: int, edges: tuple[float, float]) -> NDArray[np.bool_]:
    """Draw a curve over the whole width as connected dots."""
    width = cells * braille.DOTS_X
    places = np.linspace(0, curve.size - 1, width * _POINTS_A_DOT)
    fine = np.interp(places, np.arange(curve.size), curve).reshape(width, _POINTS_A_DOT)
    low, high = fine.min(axis=1).astype(np.float32), fine.max(axis=1).astype(np.float32)
    return trace(low, high, bottom_mv=edges[0], top_mv=edges[1], rows=TRACE_ROWS)


def _levels(values: NDArray[np.float64], cells: int, top: int) -> NDArray[np.int64]:
    """Largest value within each cell, from 0 to `top`."""
    starts = np.arange(cells) * values.size // cells
    most = np.maximum.reduceat(values, starts)
    return np.asarray(np.rint(np.clip(most, 0.0, 1.0) * top), np.int64)


def _heat_line(name: str, values: NDArray[np.float64], width: int) -> Line:
    """Draw values from 0 to 1 as blocks whose height and colour grow with them."""
    cells = width - GUTTER
    text = "".join(_BLOCKS[level] for level in _levels(values, cells, len(_BLOCKS) - 1))
    styles = _levels(values, cells, len(_HEAT) - 1).astype(np.uint8)
    return [Segment(f"{name:>{GUTTER - 1}} ", palette.FAINT), *runs(text, styles, list(_HEAT))]


def _axis(explained: ExplainedBeat, width: int) -> Line:
    """Write the time from the R peak below the traces."""
    cells = width - GUTTER
    text = ["─"] * cells
    first_ms, last_ms = explained.time_ms[[0, -1]]
    for tick in range(-1000, 1001, _TICK_MS):
        cell = int((tick - first_ms) / (last_ms - first_ms) * (cells - 1))
        word = "┴R" if tick == 0 else f"┴{tick:+d}"
        if cell >= 0 and cell + len(word) < cells:
            text[cell : cell + len(word)] = word
    return [
        Segment(" " * (GUTTER - 4) + "ms └", palette.FRAME),
        Segment("".join(text), palette.FRAME),
    ]


def _legend(width: int) -> Line:
    """Say what the colours mean."""
    count = len(_HEAT)
    steps = [(_BLOCKS[1 + n * (len(_BLOCKS) - 2) // (count - 1)], _HEAT[n]) for n in range(count)]
    words = " most    points: the patient's usual beat"
    return line([(" " * GUTTER + "none ", palette.FAINT), *steps, (words, palette.FAINT)], width)


def _largest(explained: ExplainedBeat) -> float:
    return max((abs(one.log_odds) for one in explained.strongest(1)), default=1.0) or 1.0


def _feature_line(one: Contribution, largest: float, width: int) -> Line:
    """Name, value, and a bar to the right (for) or to the left (against)."""
    words = f"{one.name:<{_NAME_CELLS}}{one.value:>{_VALUE_CELLS}} "
    half = (width - len(words) - 8) // 2
    drawn = bar(abs(one.log_odds) / largest, half)
    against, for_it = (" " * half, drawn) if one.log_odds >= 0 else (_mirrored(drawn), " " * half)
    style = palette.GOOD if one.log_odds >= 0 else palette.POOR
    return line(
        [
            (words, palette.PLAIN),
            (against, style),
            ("│", palette.FRAME),
            (for_it, style),
            (f" {one.log_odds:+.2f}", palette.PLAIN),
        ],
        width,
    )


def _mirrored(drawn: str) -> str:
    return drawn[::-1].replace("╸", "╺")
