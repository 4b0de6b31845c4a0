"""Writes a strip as SVG and as PNG. PNG needs matplotlib, which is imported late."""

import html
import io
import logging
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from streamer.report.strip.paper import PAPER_COLOUR, Picture, Points, Stroke, Word

FreezeFormat = Literal["svg", "png", "both"]
SUFFIXES: Final[dict[FreezeFormat, tuple[str, ...]]] = {
    "svg": (".svg",),
    "png": (".png",),
    "both": (".svg", ".png"),
}
_SVG: Final = "http://www.w3.org/2000/svg"
_UNITS_PER_MM: Final = 20.0
"""Of the picture: coordinates are whole numbers, which keeps a page of strips small."""
_MM_PER_INCH: Final = 25.4
_PIXELS_PER_MM: Final = 10.0
_POINTS_PER_MM: Final = 72.0 / _MM_PER_INCH
_FONT: Final = "DejaVu Sans"
"""Comes with matplotlib, so that a strip looks the same everywhere."""


def strip_paths(folder: Path, name: str, kind: FreezeFormat) -> tuple[Path, ...]:
    """Return the files that a strip is written to."""
    # A name may hold dots, which begin no suffix.
    return tuple(folder / f"{name}{suffix}" for suffix in SUFFIXES[kind])


def write_strip(picture: Picture, path: Path) -> None:
    """Draw a strip as `path` ends, in `.png` or `.svg`.

    Raises
    ------
    OSError
        If it can't be written.
    """
    if path.suffix == ".png":
        path.write_bytes(strip_png(picture))
    else:
        path.write_text(strip_svg(picture), encoding="utf-8")


def strip_svg(picture: Picture) -> str:
    """Draw a strip as one `<svg>` element, which needs nothing besides; true to scale in print."""
    width, height = (_units(mm) for mm in (picture.width_mm, picture.height_mm))
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {width} {height}" '
        f'width="{picture.width_mm:.1f}mm" height="{picture.height_mm:.1f}mm" '
        'font-family="sans-serif" role="img">',
        f"<title>{html.escape(picture.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER_COLOUR}"/>',
        *map(_svg_stroke, picture.strokes),
        *map(_svg_word, picture.words),
        "</svg>",
    ]
    return "".join(parts)


def _units(mm: float) -> int:
    return round(mm * _UNITS_PER_MM)


def _svg_stroke(stroke: Stroke) -> str:
    drawn = "".join(map(_svg_path, stroke.paths))
    if not drawn:
        return ""
    return (
        f'<path d="{drawn}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width_mm * _UNITS_PER_MM:g}" stroke-linejoin="round"/>'
    )


def _svg_path(points: Points) -> str:
    """Write one line: where it starts, and each step from there."""
    whole = np.rint(points * _UNITS_PER_MM).astype(np.int64)
    (x, y), steps = whole[0].tolist(), np.diff(whole, axis=0).tolist()
    return f"M{x} {y}l" + (" ".join(f"{across} {down}" for across, down in steps) or "0 0")


def _svg_word(word: Word) -> str:
    anchor = ' text-anchor="middle"' if word.anchor == "middle" else ""
    weight = ' font-weight="bold"' if word.bold else ""
    return (
        f'<text x="{_units(word.x_mm)}" y="{_units(word.y_mm)}"{anchor}{weight} '
        f'font-size="{_units(word.size_mm)}" fill="{word.colour}">{html.escape(word.text)}</text>'
    )


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
        _png_stroke(figure, from_mm, stroke)
    for word in picture.words:
        _png_word(figure, from_mm, word)
    file = io.BytesIO()
    figure.savefig(
        file,
        format="png",
        dpi=figure.dpi,
        facecolor=PAPER_COLOUR,
        metadata={"Title": picture.title, "Software": "ecg-stream"},
    )
    return file.getvalue()


def _png_stroke(figure: Any, from_mm: Any, stroke: Stroke) -> None:
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    lines = LineCollection(
        stroke.paths,
        colors=stroke.colour,
        linewidths=stroke.width_mm * _POINTS_PER_MM,
        joinstyle="round",
        transform=from_mm,
    )
    figure.add_artist(lines)


def _png_word(figure: Any, from_mm: Any, word: Word) -> None:
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
