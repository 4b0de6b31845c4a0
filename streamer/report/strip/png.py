"""A strip of ECG as PNG. Needs matplotlib, which is imported late."""

import io
import logging
from typing import Any, Final

from streamer.report.strip.paper import PAPER_COLOUR, Picture, Stroke, Word

_MM_PER_INCH: Final = 25.4
_PIXELS_PER_MM: Final = 10.0
_POINTS_PER_MM: Final = 72.0 / _MM_PER_INCH
_FONT: Final = "DejaVu Sans"
"""Comes with matplotlib, so that a strip looks the same everywhere."""


def strip_png(picture: Picture) -> bytes:
    """Draw a strip with 10 pixels a millimetre; its resolution makes a print true to scale."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import
    from matplotlib.transforms import Affine2D  # noqa: PLC0415

    # Building its font cache, which happens once, is announced on the terminal.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    size = (picture.width_mm / _MM_PER_INCH, picture.height_mm / _MM_PER_INCH)
    figure = Figure(figsize=size, dpi=_PIXELS_PER_MM * _MM_PER_INCH, facecolor=PAPER_COLOUR)
    # Without axes: they are registered for the whole process, and this runs in a thread.
    from_mm = Affine2D().scale(_PIXELS_PER_MM, -_PIXELS_PER_MM)
    from_mm.translate(0.0, picture.height_mm * _PIXELS_PER_MM)
    for stroke in picture.strokes:
        _stroke(figure, from_mm, stroke)
    for word in picture.words:
        _word(figure, from_mm, word)
    file = io.BytesIO()
    figure.savefig(
        file,
        format="png",
        dpi=figure.dpi,
        facecolor=PAPER_COLOUR,
        metadata={"Title": picture.title, "Software": "ecg-stream"},
    )
    return file.getvalue()


def _stroke(figure: Any, from_mm: Any, stroke: Stroke) -> None:
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    lines = LineCollection(
        stroke.paths,
        colors=stroke.colour,
        linewidths=stroke.width_mm * _POINTS_PER_MM,
        joinstyle="round",
        transform=from_mm,
    )
    figure.add_artist(lines)


def _word(figure: Any, from_mm: Any, word: Word) -> None:
    figure.text(
        word.x_mm,
        word.y_mm,
        # A dollar sign begins no formula.
        word.text.replace("$", r"\$"),
        fontsize=word.size_mm * _POINTS_PER_MM,
        fontfamily=_FONT,
        fontweight="bold" if word.bold else "normal",
        color=word.colour,
        horizontalalignment="center" if word.anchor == "middle" else "left",
        verticalalignment="baseline",
        transform=from_mm,
    )
