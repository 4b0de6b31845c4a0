"""Draws frames over the whole screen of a terminal, sending only what has changed."""

import threading
from itertools import zip_longest
from typing import Final

from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.style import Style

from streamer.monitor.terminal.screen_lines import Frame, Line, cut

_BEGIN_UPDATE: Final = "\x1b[?2026h"
_END_UPDATE: Final = "\x1b[?2026l"
"""Synchronised output: a terminal that knows it shows a frame at once, others ignore it."""
_CLEAR: Final = "\x1b[2J"
_WHOLE_EVERY: Final = 200
"""Frames after which all is sent again: whatever else wrote to the terminal is gone then."""


class FullScreen:
    """The screen of a terminal, from `enter` to `leave`.

    Parameters
    ----------
    console : Console
        The terminal; its colours and `NO_COLOR` are heeded.

    Notes
    -----
    `draw` may run in a thread of its own: a terminal that doesn't read holds up nobody else. A
    moving trace changes some hundred cells from frame to frame, which is a twentieth of the
    screen: over a slow line that makes the difference.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours = COLOR_SYSTEMS.get(console.color_system or "")
        self._lock = threading.Lock()
        self._is_ours = False
        self._shown: list[Line] = []
        self._size = (0, 0)
        self._frames = 0

    def enter(self) -> None:
        """Take over the screen."""
        with self._lock:
            self._is_ours = True
            self._console.set_alt_screen(True)
            self._console.show_cursor(False)

    def leave(self) -> None:
        """Give the screen back as it was, if it is ours."""
        with self._lock:
            if self._is_ours:
                self._is_ours = False
                self._console.set_alt_screen(False)
                self._console.show_cursor(True)

    def draw(self, frame: Frame) -> None:
        """Show a frame; nothing happens when the screen isn't ours."""
        with self._lock:
            if not self._is_ours:
                return
            text = self._update(frame.lines)
            if text:
                self._console.file.write(f"{_BEGIN_UPDATE}{text}{_END_UPDATE}")
                self._console.file.flush()

    def _update(self, lines: list[Line]) -> str:
        """Return what turns the shown screen into `lines`."""
        parts = []
        if self._console.size != self._size or self._frames % _WHOLE_EVERY == 0:
            # A terminal may have moved its text about when its size changed.
            parts += [_CLEAR] if self._console.size != self._size else []
            self._size = self._console.size
            self._shown = []
        self._frames += 1
        for row, (before, after) in enumerate(zip_longest(self._shown, lines, fillvalue=None)):
            if after is None or after == before:
                continue
            column, changed = (0, after) if before is None else changed_part(before, after)
            parts.append(f"\x1b[{row + 1};{column + 1}H{self._encode(changed)}")
        self._shown = lines
        return "".join(parts)

    def _encode(self, segments: Line) -> str:
        colourless = self._console.no_color and self._colours is not None
        drawn = Segment.remove_color(segments) if colourless else segments
        return "".join(
            (style or Style.null()).render(text, color_system=self._colours)
            for text, style, _ in drawn
        )


def changed_part(before: Line, after: Line) -> tuple[int, Line]:
    """Return the column of the first cell that differs, and the cells up to the last that does.

    Parameters
    ----------
    before, after : Line
        Of equal width, one cell a character; they differ somewhere.
    """
    width = sum(len(segment.text) for segment in after)
    start = _common(before, after, forwards=True)
    stop = max(width - _common(before, after, forwards=False), start)
    return start, cut(after, start, stop)


def _common(before: Line, after: Line, *, forwards: bool) -> int:
    """Count the cells that two lines have in common from one end on."""
    step = 1 if forwards else -1
    count = 0
    for old, new in zip(before[::step], after[::step], strict=False):
        if old == new:
            count += len(new.text)
            continue
        if old.style == new.style:
            pairs = zip(old.text[::step], new.text[::step], strict=False)
            shorter = min(len(old.text), len(new.text))
            count += next((k for k, (a, b) in enumerate(pairs) if a != b), shorter)
        break
    return count
