"""Shows a ward on the whole screen and follows the keyboard."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live

from streamer.events import CHAIN_FS
from streamer.ward import Ward
from streamer.ward_beds import Beds
from streamer.ward_view import BedLine, render, sort_beds

_FRAME_S: Final = 0.25
_SHARE: Final = 10.0
"""Drawing takes at most a tenth of the time: patients come first."""
_TRACE_S: Final = 2.5
"""Signal shown; the ward keeps little more."""
_READ_BYTES: Final = 64
_UP: Final = ("\x1b[A", "k")
_DOWN: Final = ("\x1b[B", "j")


class WardScreen:
    """Draws a few times a second, between two ticks.

    Parameters
    ----------
    ward : Ward
    beds : Beds
    quit_ : callable
        Called when the person wants to leave.
    console : Console, optional
    """

    def __init__(
        self, ward: Ward, beds: Beds, quit_: Callable[[], None], console: Console | None = None
    ) -> None:
        self._ward = ward
        self._beds = beds
        self._quit = quit_
        self._console = console or Console()
        self._chosen: str | None = None
        self._lines: list[BedLine] = []

    @property
    def selected(self) -> int:
        """Which line has its waveform shown: the chosen patient's, else the most urgent."""
        names = [line.source for line in self._lines]
        return names.index(self._chosen) if self._chosen in names else 0

    async def run(self) -> None:
        """Draw until cancelled."""
        loop = asyncio.get_running_loop()
        with (
            Live(console=self._console, screen=True, auto_refresh=False) as live,
            _keys(self.press),
        ):
            while True:
                began_s = loop.time()
                live.update(self.frame())
                await asyncio.to_thread(live.refresh)
                await asyncio.sleep(max(_FRAME_S, _SHARE * (loop.time() - began_s)))

    def frame(self) -> Any:
        """Return what the screen shows now."""
        self._lines = sort_beds(list(self._beds.beds.values()))
        width, height = self._console.size
        totals = self._beds.totals
        return render(self._lines, totals, self.selected, self._samples(), width, height)

    def press(self, key: str) -> None:
        """Follow one key."""
        step = (key in _DOWN) - (key in _UP)
        if key == "q":
            self._quit()
        elif key == "g":
            self._chosen = None
        elif step and self._lines:
            number = min(max(self.selected + step, 0), len(self._lines) - 1)
            self._chosen = self._lines[number].source

    def _samples(self) -> NDArray[np.float32]:
        if not self._lines:
            return np.zeros(0, np.float32)
        patient = self._ward.patients.get(self._lines[self.selected].source)
        if patient is None:
            return np.zeros(0, np.float32)
        ring = self._ward.memory.ring(patient.row)
        stop = ring.stop or 0
        first: NDArray[np.float32] = ring.read(stop - round(_TRACE_S * CHAIN_FS), stop)[0]
        return first


@contextlib.contextmanager
def _keys(press: Callable[[str], None]) -> Any:
    """Hand on keys of standard input, where it is a terminal."""
    try:
        import termios  # noqa: PLC0415 - not on every platform
        import tty  # noqa: PLC0415
    except ImportError:
        yield
        return
    if not sys.stdin.isatty():
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    loop = asyncio.get_running_loop()

    def read() -> None:
        text = os.read(number, _READ_BYTES).decode(errors="replace")
        press(text if text.startswith("\x1b") else text[:1])

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)
