"""Shows a ward on the whole screen and follows the keyboard."""

import asyncio
import atexit
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, TextIO

from rich.console import Console

from streamer.core.events import Priority, Published, StreamInfo
from streamer.monitor.shown_alerts import ShownAlert, in_sight
from streamer.monitor.terminal.full_screen import FullScreen
from streamer.monitor.terminal.keyboard import Keyboard
from streamer.monitor.terminal.screen_lines import Frame, Line
from streamer.monitor.ward.history import history_header, history_lines
from streamer.monitor.ward.patient_line import alerts_of, patient_line, urgency
from streamer.monitor.ward.patients import Patients, Ring
from streamer.monitor.ward.trace import WardTrace
from streamer.monitor.ward.view import (
    TRACE_ROWS,
    render,
    table_rows,
    trace_title,
)
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.sinks.sink import QuietSink

_FRAME_S: Final = 0.1
_SORT_EVERY_S: Final = 0.5
_SHARE: Final = 10.0
"""Drawing takes at most a tenth of the time: patients come first."""
_SORT_SHARE: Final = 20.0
"""Sorting at most a twentieth."""
_SLICE: Final = 100
"""Patients looked at before others have their turn on the event loop."""
_MESSAGE_S: Final = 6.0
_STEPS: Final = {"\x1b[A": -1, "\x1bOA": -1, "k": -1, "\x1b[B": 1, "\x1bOB": 1, "j": 1}
_PAGES: Final = {"\x1b[5~": -1, "\x1b[6~": 1}


class WardScreen(QuietSink):
    """Draws some times a second, between two turns, as one of the sinks.

    Parameters
    ----------
    patients : Patients
    alerts : PatientAlerts
        Where alarms are acknowledged and silent sources removed; shared with the publisher.
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
        alerts: PatientAlerts,
        ring_of: Callable[[str], Ring | None],
        quit_: Callable[[], None],
        console: Console | None = None,
        keyboard: TextIO | None = None,
    ) -> None:
        self._patients = patients
        self._alerts = alerts
        self._shown: tuple[str, list[ShownAlert]] | None = None
        """The selected patient and their alarms as drawn: what came since was not seen."""
        self._shows_history = False
        self._message: str | None = None
        self._message_until_s = 0.0
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
        self._shown = None if patient is None else (patient.info.source, alerts_of(patient))
        now_s = time.time()
        if time.monotonic() > self._message_until_s:
            self._message = None
        lead = patient.info.leads[0] if patient is not None and patient.info.leads else ""
        ring = None if patient is None else self._ring_of(patient.info.source)
        now = 0 if ring is None else ring.stop or 0
        return render(
            [patient_line(patients[source], now_s) for source in self._order[first : first + rows]],
            first=first,
            selected=selected,
            n=len(self._order),
            alarms=self._alarms,
            totals=patients.totals,
            trace=self._trace.lines(patient, ring, now, width, TRACE_ROWS),
            title=trace_title(
                None if patient is None else patient_line(patient, now_s), lead, width
            ),
            history=self._history(width, rows) if self._shows_history else (),
            message=self._message,
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
        elif key == "l":
            self._shows_history = not self._shows_history
        elif key == "a":
            self._acknowledge()
        elif key == "x":
            self._remove_silent()
        elif step and self._order:
            number = min(max(self.selected + step, 0), len(self._order) - 1)
            self._chosen = self._order[number]

    def _history(self, width: int, rows: int) -> list[Line]:
        return [history_header(width), *history_lines(self._alerts, width, rows)]

    def _acknowledge(self) -> None:
        """Acknowledge the selected patient's alarm as it was drawn; the next one, once seen."""
        if self._shown is None:
            return
        source, alerts = self._shown
        unseen = [one for one in in_sight(alerts) if one.state and not one.is_acknowledged]
        if not unseen:
            self._say(f"{source}: no alarm to acknowledge")
            return
        self._alerts.acknowledge(source, unseen[0].condition)
        self._say(f"{source}: {unseen[0].condition} acknowledged")

    def _remove_silent(self) -> None:
        if self._shown is None:
            return
        source, _ = self._shown
        if self._alerts.remove(source):
            self._say(f"{source} is removed")
        else:
            self._say(f"{source} sends samples; only a silent source can be removed")

    def _say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self._message, self._message_until_s = message, time.monotonic() + _MESSAGE_S
