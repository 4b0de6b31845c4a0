"""Shows a ward on the whole screen and follows the keyboard."""

import asyncio
import atexit
from collections import Counter
from collections.abc import Callable
from typing import Final, TextIO

from rich.console import Console

from streamer.core.events import Priority, Published, StreamInfo
from streamer.monitor.terminal.full_screen import FullScreen
from streamer.monitor.terminal.keyboard import Keyboard
from streamer.monitor.terminal.screen_lines import Frame
from streamer.monitor.ward.patients import Patients, Ring
from streamer.monitor.ward.trace import WardTrace
from streamer.monitor.ward.view import (
    TRACE_ROWS,
    patient_line,
    render,
    table_rows,
    trace_title,
    urgency,
)
from streamer.sinks.sink import QuietSink

_FRAME_S: Final = 0.1
_SORT_EVERY_S: Final = 0.5
_SHARE: Final = 10.0
"""Drawing takes at most a tenth of the time: patients come first."""
_SORT_SHARE: Final = 20.0
"""Sorting at most a twentieth."""
_SLICE: Final = 100
"""Patients looked at before others have their turn on the event loop."""
_STEPS: Final = {"\x1b[A": -1, "\x1bOA": -1, "k": -1, "\x1b[B": 1, "\x1bOB": 1, "j": 1}
_PAGES: Final = {"\x1b[5~": -1, "\x1b[6~": 1}


class WardScreen(QuietSink):
    """Draws some times a second, between two turns, as one of the sinks.

    Parameters
    ----------
    patients : Patients
    ring_of : callable
        Returns a patient's last samples, by name; None if there are none.
    quit_ : callable
        Called when the person wants to leave.
    console : Console, optional
    keyboard : file, optional
        The terminal that keys come from; standard input if None.
    """

    def __init__(
        self,
        patients: Patients,
        ring_of: Callable[[str], Ring | None],
        quit_: Callable[[], None],
        console: Console | None = None,
        keyboard: TextIO | None = None,
    ) -> None:
        self._patients = patients
        self._ring_of = ring_of
        self._quit = quit_
        self._console = console or Console()
        self._keyboard = keyboard
        self._chosen: str | None = None
        self._order: list[str] = []
        self._alarms: Counter[Priority] = Counter()
        self._trace = WardTrace()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over the screen."""
        self._task = asyncio.create_task(self.run(), name="ward screen")

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Raise what ended the drawing, so that the loss of the display doesn't go unnoticed."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def drain(self) -> None:
        """Let a frame be drawn."""
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Give the screen back as it was."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def selected(self) -> int:
        """Which line has its waveform shown: the chosen patient's, else the most urgent."""
        return self._order.index(self._chosen) if self._chosen in self._order else 0

    async def run(self) -> None:
        """Draw until cancelled."""
        loop = asyncio.get_running_loop()
        screen = FullScreen(self._console)
        keys = Keyboard(self.press, self._keyboard)
        sort_at_s = float("-inf")
        screen.enter()
        atexit.register(screen.leave)
        keys.open()
        try:
            while True:
                began_s = loop.time()
                if began_s >= sort_at_s:
                    await self.sort()
                    spent_s = loop.time() - began_s
                    sort_at_s = loop.time() + max(_SORT_EVERY_S, _SORT_SHARE * spent_s)
                drawing_s = loop.time()
                frame = self.frame()
                await asyncio.to_thread(screen.draw, frame)
                await asyncio.sleep(max(_FRAME_S, _SHARE * (loop.time() - drawing_s)))
        finally:
            keys.close()
            screen.leave()
            atexit.unregister(screen.leave)

    async def sort(self) -> None:
        """Put the patients in order, some at a time: thousands take longer than a tick may."""
        keys: dict[str, tuple[int, ...]] = {}
        for number, patient in enumerate(list(self._patients)):
            keys[patient.info.source] = urgency(patient)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        self._order = sorted(keys, key=lambda source: (keys[source], source))
        self._alarms = Counter(Priority(-key[0]) for key in keys.values() if key[0])

    def frame(self) -> Frame:
        """Return what the screen shows now."""
        width, height = self._console.size
        patients = self._patients
        self._order = [source for source in self._order if source in patients]
        rows, selected = table_rows(height), self.selected
        first = max(min(selected - rows // 2, len(self._order) - rows), 0)
        patient = patients[self._order[selected]] if self._order else None
        lead = patient.info.leads[0] if patient is not None and patient.info.leads else ""
        ring = None if patient is None else self._ring_of(patient.info.source)
        now = 0 if ring is None else ring.stop or 0
        return render(
            [patient_line(patients[source]) for source in self._order[first : first + rows]],
            first=first,
            selected=selected,
            n=len(self._order),
            alarms=self._alarms,
            totals=patients.totals,
            trace=self._trace.lines(patient, ring, now, width, TRACE_ROWS),
            title=trace_title(None if patient is None else patient_line(patient), lead, width),
            width=width,
            height=height,
        )

    def press(self, key: str) -> None:
        """Follow one key."""
        step = _STEPS.get(key, 0) + _PAGES.get(key, 0) * table_rows(self._console.size[1])
        if key == "q":
            self._quit()
        elif key == "g":
            self._chosen = None
        elif step and self._order:
            number = min(max(self.selected + step, 0), len(self._order) - 1)
            self._chosen = self._order[number]
