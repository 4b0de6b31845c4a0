"""One frame of the monitor as an SVG picture that is independent of the viewer's fonts.

Rich exports every run of text as one `<text>` element and relies on a font in which braille, block
and box characters are as wide as letters. Few viewers have one. Here those characters become
shapes, and words are placed one by one.
"""

import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from streamer.monitor.terminal.screen_lines import Frame

_CELL_WIDTH: Final = 12.2
_CELL_HEIGHT: Final = 24.4
_BASELINE: Final = 18.5
"""Geometry of a cell in rich's SVG export: font size 20, line height 1.22, aspect 0.61."""
_DOT_RADIUS: Final = 2.3
_THIN: Final = 1.4
_THICK: Final = 4.0

_TEXT: Final = re.compile(
    r'<text class="(?P<class>[^"]*)" x="(?P<x>[^"]*)" y="(?P<y>[^"]*)" textLength="[^"]*" '
    r'clip-path="(?P<clip>[^"]*)">(?P<content>[^<]*)</text>'
)
_RECTANGLES: Final[dict[str, tuple[float, float, float, float]]] = {
    "█": (0.0, 0.0, 1.0, 1.02),
    "▀": (0.0, 0.0, 1.0, 0.5),
    "▄": (0.0, 0.5, 1.0, 0.52),
    "╌": (0.15, 0.47, 0.7, 0.06),
    "╸": (0.0, 0.42, 0.5, 0.16),
    "╍": (0.15, 0.42, 0.7, 0.16),
}
"""Left, top, width and height in cells; a little overlap hides the seams between cells."""
_ARMS: Final[dict[str, tuple[bool, bool, bool, bool]]] = {
    "─": (True, True, False, False),
    "━": (True, True, False, False),
    "╴": (True, False, False, False),
    "╶": (False, True, False, False),
    "│": (False, False, True, True),
    "┤": (True, False, True, True),
    "┴": (True, True, True, False),
    "└": (False, True, True, False),
    "┘": (True, False, True, False),
    "┌": (False, True, False, True),
    "┐": (True, False, False, True),
}
"""Which of the arms left, right, up and down a box character has."""


def export_svg(frame: Frame, path: Path, width: int, height: int, title: str) -> None:
    """Write one frame as an SVG picture.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        no_color=False,
    )
    console.print(frame)
    svg = console.export_svg(title=title)
    path.write_text(draw_glyphs(svg), encoding="utf-8")


def draw_glyphs(svg: str) -> str:
    """Replace characters that need a special font by shapes in an SVG that rich exported."""
    return _TEXT.sub(_redraw, svg)


def _redraw(match: re.Match[str]) -> str:
    content = html.unescape(match["content"])
    if not content.strip("\xa0 "):
        return ""
    left, baseline = float(match["x"]), float(match["y"])
    top = baseline - _BASELINE
    style = match["class"]
    shapes = [
        shape
        for column, character in enumerate(content)
        for shape in _shape(character, left + column * _CELL_WIDTH, top)
    ]
    parts = [
        f'<text class="{style}" x="{left + column * _CELL_WIDTH:.1f}" y="{baseline:g}" '
        f'textLength="{len(word) * _CELL_WIDTH:.1f}" clip-path="{match["clip"]}">'
        f"{html.escape(word)}</text>"
        for column, word in _words(content)
    ]
    if shapes:
        parts.append(f'<path class="{style}" d="{"".join(shapes)}"/>')
    return "".join(parts)


def _words(content: str) -> Iterator[tuple[int, str]]:
    """Yield column and text of each stretch of ordinary characters."""
    for match in re.finditer(r"[^\s\xa0─-▟⠀-⣿]+", content):
        yield match.start(), match.group()


def _shape(character: str, x: float, y: float) -> list[str]:
    """Path of one character whose cell has its upper left corner at (x, y)."""
    code = ord(character)
    if 0x2800 < code <= 0x28FF:
        return list(_dots(code - 0x2800, x, y))
    if character in _ARMS:
        thickness = _THICK if character == "━" else _THIN
        return list(_box(*_ARMS[character], thickness=thickness, x=x, y=y))
    if character in _RECTANGLES:
        left, top, width, height = _RECTANGLES[character]
        corner = (x + left * _CELL_WIDTH, y + top * _CELL_HEIGHT)
        return [_rectangle(*corner, width * _CELL_WIDTH, height * _CELL_HEIGHT)]
    return []


def _dots(bits: int, x: float, y: float) -> Iterator[str]:
    """Circles of a braille cell; the first six bits run down the two columns of three."""
    for bit in range(8):
        if bits >> bit & 1:
            column, row = divmod(bit, 3) if bit < 6 else (bit - 6, 3)
            left = x + (column + 0.5) * _CELL_WIDTH / 2 - _DOT_RADIUS
            middle = y + (row + 0.5) * _CELL_HEIGHT / 4
            r = _DOT_RADIUS
            yield f"M{left:.1f} {middle:.1f}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"


def _box(
    left: bool, right: bool, up: bool, down: bool, *, thickness: float, x: float, y: float
) -> Iterator[str]:
    """Arms of a box character, meeting in the middle of the cell."""
    half = thickness / 2
    middle_x, middle_y = x + _CELL_WIDTH / 2, y + _CELL_HEIGHT / 2
    if left or right:
        start = x if left else middle_x - half
        stop = x + _CELL_WIDTH if right else middle_x + half
        yield _rectangle(start, middle_y - half, stop - start, thickness)
    if up or down:
        start = y if up else middle_y - half
        stop = y + _CELL_HEIGHT if down else middle_y + half
        yield _rectangle(middle_x - half, start, thickness, stop - start)


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
