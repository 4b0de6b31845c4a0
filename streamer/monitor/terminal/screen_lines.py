"""Lines of styled text with an exact width, the material that the monitor is put together from."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from streamer.core.text import clean
from streamer.monitor.terminal import palette

Line = list[Segment]
Part = tuple[str, Style]


class Frame:
    """One screenful, drawn as it is: no wrapping, no measuring."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments line by line, without a line break after the last."""
        for number, line in enumerate(self.lines):
            if number:
                yield Segment.line()
            yield from line


@lru_cache(maxsize=256)
def single_cells(text: str) -> str:
    """Clean text, and replace what doesn't take exactly one cell, so that lengths count cells."""
    return "".join(c if cell_len(c) == 1 else "?" for c in clean(text))


def shortened(text: str, room: int) -> str:
    """Leave out the middle of what is longer than `room`: a long path's folders, not its name."""
    if len(text) <= room:
        return text
    head = max(room // 4, 1)
    return f"{text[:head]}…{text[len(text) - max(room - head - 1, 0) :]}"


def line(parts: Iterable[Part], width: int) -> Line:
    """Put parts side by side, cut and padded to exactly `width` cells."""
    result: Line = []
    left = width
    for text, style in parts:
        if left <= 0:
            break
        piece = text[:left]
        if piece:
            result.append(Segment(piece, style))
            left -= len(piece)
    if left > 0:
        result.append(Segment(" " * left, palette.PLAIN))
    return result


def spread(left: list[Part], right: list[Part], width: int) -> Line:
    """Put `left` at the left edge and `right` at the right; `right` gives way to `left`."""
    used = sum(len(text) for text, _ in left)
    needed = sum(len(text) for text, _ in right)
    gap = max(width - used - needed, 1)
    return line([*left, (" " * gap, palette.PLAIN), *right], width)


def cut(cells: Line, start: int, stop: int) -> Line:
    """Return the cells of a line from `start` to before `stop`."""
    found: Line = []
    left = 0
    for text, style, _ in cells:
        piece = text[max(start - left, 0) : max(stop - left, 0)]
        if piece:
            found.append(Segment(piece, style))
        left += len(text)
    return found


def laid_over(below: Line, column: int, above: Line) -> Line:
    """Put a line over part of another, from `column` on; what is beside it stays."""
    covered = sum(len(segment.text) for segment in above)
    width = sum(len(segment.text) for segment in below)
    return [*cut(below, 0, column), *above, *cut(below, column + covered, width)]


def beside(blocks: list[list[Line]]) -> list[Line]:
    """Put blocks of equally many lines side by side."""
    return [[segment for part in row for segment in part] for row in zip(*blocks, strict=True)]


def block(rows: Iterable[Iterable[Part]], width: int, height: int) -> list[Line]:
    """Make exactly `height` lines of `width` cells, cutting and padding."""
    lines = [line(parts, width) for parts in rows][:height]
    return lines + [line([], width) for _ in range(height - len(lines))]


def rule(titles: list[tuple[int, str]], width: int) -> Line:
    """Draw a horizontal rule with titles at the given columns."""
    parts: list[Part] = []
    used = 0
    for column, raw in titles:
        title = single_cells(raw)
        if column + len(title) + 3 > width or column < used:
            continue
        parts += [("─" * (column - used) + "╴", palette.FRAME), (title, palette.TITLE)]
        parts.append(("╶", palette.FRAME))
        used = column + len(title) + 2
    return line([*parts, ("─" * (width - used), palette.FRAME)], width)


def boxed(title: str, rows: list[list[Part]], width: int) -> list[Line]:
    """Draw a box with a title around rows, `width` cells wide."""
    inner = width - 2
    sides = block([[("│", palette.FRAME)]] * len(rows), 1, len(rows))
    return [
        [
            *line([("┌", palette.FRAME)], 1),
            *rule([(1, title)], inner),
            *line([("┐", palette.FRAME)], 1),
        ],
        *beside([sides, block(rows, inner, len(rows)), sides]),
        line([("└" + "─" * inner + "┘", palette.FRAME)], width),
    ]


def in_the_middle(below: list[Line], box: list[Line]) -> list[Line]:
    """Lay a box over the middle of a screen."""
    top = max((len(below) - len(box)) // 2, 0)
    width, wide = (sum(len(segment.text) for segment in one[0]) for one in (box, below))
    left = max((wide - width) // 2, 0)
    shown = [laid_over(row, left, over) for row, over in zip(below[top:], box, strict=False)]
    return [*below[:top], *shown, *below[top + len(shown) :]]


def bar(fraction: float, width: int) -> str:
    """Draw a horizontal bar with a resolution of half a cell, padded to `width`."""
    full, half = divmod(round(min(max(fraction, 0.0), 1.0) * width * 2), 2)
    return ("━" * full + "╸" * half).ljust(width)


def runs(text: str, styles: NDArray[np.uint8], table: list[Style]) -> Line:
    """Split one row of cells where its style changes.

    Parameters
    ----------
    text : str
        One character a cell.
    styles : ndarray of uint8, shape (len(text),)
        Index into `table` of each cell.
    table : list of Style
    """
    edges = np.flatnonzero(styles[1:] != styles[:-1]) + 1
    starts = [0, *edges.tolist()]
    stops = [*starts[1:], len(text)]
    return [
        Segment(text[a:b], table[styles[a]]) for a, b in zip(starts, stops, strict=True) if b > a
    ]
