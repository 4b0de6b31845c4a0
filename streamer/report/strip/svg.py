"""A strip of ECG as SVG."""

import html
from typing import Final

import numpy as np

from streamer.report.strip.paper import PAPER_COLOUR, Picture, Points, Stroke, Word

SVG: Final = "http://www.w3.org/2000/svg"
_UNITS_PER_MM: Final = 20.0
"""Of the picture: coordinates are whole numbers, which keeps a page of strips small."""


def strip_svg(picture: Picture) -> str:
    """Draw a strip as one `<svg>` element, which needs nothing besides; true to scale in print."""
    width, height = (_units(mm) for mm in (picture.width_mm, picture.height_mm))
    parts = [
        f'<svg xmlns="{SVG}" viewBox="0 0 {width} {height}" '
        f'width="{picture.width_mm:.1f}mm" height="{picture.height_mm:.1f}mm" '
        'font-family="sans-serif" role="img">',
        f"<title>{html.escape(picture.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER_COLOUR}"/>',
        *map(_stroke, picture.strokes),
        *map(_word, picture.words),
        "</svg>",
    ]
    return "".join(parts)


def _units(mm: float) -> int:
    return round(mm * _UNITS_PER_MM)


def _stroke(stroke: Stroke) -> str:
    drawn = "".join(map(_path, stroke.paths))
    if not drawn:
        return ""
    return (
        f'<path d="{drawn}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width_mm * _UNITS_PER_MM:g}" stroke-linejoin="round"/>'
    )


def _path(points: Points) -> str:
    """Write one line: where it starts, and each step from there."""
    whole = np.rint(points * _UNITS_PER_MM).astype(np.int64)
    (x, y), steps = whole[0].tolist(), np.diff(whole, axis=0).tolist()
    return f"M{x} {y}l" + (" ".join(f"{across} {down}" for across, down in steps) or "0 0")


def _word(word: Word) -> str:
    anchor = ' text-anchor="middle"' if word.anchor == "middle" else ""
    weight = ' font-weight="bold"' if word.bold else ""
    return (
        f'<text x="{_units(word.x_mm)}" y="{_units(word.y_mm)}"{anchor}{weight} '
        f'font-size="{_units(word.size_mm)}" fill="{word.colour}">{html.escape(word.text)}</text>'
    )
