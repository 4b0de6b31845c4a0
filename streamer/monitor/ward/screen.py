"""Shows a ward on the whole screen and follows the keyboard."""

import asyncio
import atexit
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from rich.console import Console

from streamer.core.events import Published, StreamInfo
from streamer.monitor.shown_alerts import ShownAlert, in_sight
from streamer.monitor.terminal import palette
from streamer.monitor.terminal.full_screen import FullScreen
from streamer.monitor.terminal.keyboard import Keyboard
from streamer.monitor.terminal.screen_lines import Frame, Part, boxed, in_the_middle
from streamer.monitor.ward import view
from streamer.monitor.ward.grid import GRID_HEIGHT, GRID_WIDTH
from streamer.monitor.ward.limits import rate_limits
from streamer.monitor.ward.pages import Pages, View
from streamer.monitor.ward.patient_line import alerts_of
from streamer.monitor.ward.patients import Patients, Ring
from streamer.monitor.ward.query import ENTER, ESCAPE
from streamer.monitor.ward.roster import Roster
from streamer.monitor.ward.slices import Slices
from streamer.rhythm.alerting.limits import AlarmLimits
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.sinks.sink import QuietSink

_FRAME_S: Final = 0.1
_SORT_EVERY_S: Final = 0.5
_SHARE: Final = 10.0
"""Drawing takes at most a tenth of the time: patients come first."""
_SORT_SHARE: Final = 20.0
"""Sorting at most a twentieth."""
_MESSAGE_S: Final = 6.0
_HELP_WIDTH: Final = 54
_CHROME_ROWS: Final = 2
"""Title and keys."""
_UP, _DOWN = ("\x1b[A", "\x1bOA", "k"), ("\x1b[B", "\x1bOB", "j")
_LEFT, _RIGHT = ("\x1b[D", "\x1bOD"), ("\x1b[C", "\x1bOC")
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
    limits : AlarmLimits, optional
        That rows tell of.
    names : mapping of str to str, optional
        What a person calls a source.
    """

    def __init__(
        self,
        patients: Patients,
        alerts: PatientAlerts,
        ring_of: Callable[[str], Ring | None],
        quit_: Callable[[], None],
        console: Console | None = None,
        keyboard: TextIO | None = None,
        limits: AlarmLimits | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.roster = roster = Roster(patients, limits, names)
        self._limits = rate_limits(limits or AlarmLimits())
        self._pages = Pages(roster, patients, alerts, ring_of, self._limits)
        self._patients = patients
        self._alerts = alerts
        self._quit = quit_
        self._console = console or Console()
        self._keyboard = keyboard
        self._shown: tuple[str, list[ShownAlert]] | None = None
        """The selected patient and their alarms as drawn: what came since was not seen."""
        self._overview: View | None = None
        """List or grid, if the person chose; else as the screen's size allows."""
        self._over: View | None = None
        """What is shown instead until the person goes back."""
        self._shows_help = False
        self._message: str | None = None
        self._message_until_s = 0.0
        self._sort_at_s = float("-inf")
        self._pressed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over the screen."""
        self._task = asyncio.create_task(self.run(), name="ward screen")

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Note what changes; raise what ended the drawing, so that nobody misses its loss."""
        self.roster.take(info, message.event)
        if self._task is not None and self._task.done():
            self._task.result()

    def close_source(self, source: str) -> None:
        """Forget a patient."""
        self.roster.forget(source)

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
    def view(self) -> View:
        """What is shown."""
        width, height = self._console.size
        is_large = width >= GRID_WIDTH and height >= GRID_HEIGHT
        return self._over or self._overview or (View.GRID if is_large else View.LIST)

    async def run(self) -> None:
        """Draw until cancelled."""
        loop = asyncio.get_running_loop()
        screen = FullScreen(self._console)
        keys = Keyboard(self.press, self._keyboard)
        screen.enter()
        atexit.register(screen.leave)
        keys.open()
        try:
            while True:
                if loop.time() >= self._sort_at_s:
                    spent_s = await self.roster.sort()
                    self._sort_at_s = loop.time() + max(_SORT_EVERY_S, _SORT_SHARE * spent_s)
                slices = Slices()
                frame = await self.frame(slices)
                spent_s = slices.spent_s + await asyncio.to_thread(_timed, screen.draw, frame)
                await self._wait(_SHARE * spent_s)
        finally:
            keys.close()
            screen.leave()
            atexit.unregister(screen.leave)

    async def _wait(self, seconds: float) -> None:
        """Wait for the next frame, which a key asks for at once."""
        await asyncio.sleep(_FRAME_S)
        self._pressed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pressed.wait(), max(seconds - _FRAME_S, 0.0))

    async def frame(self, slices: Slices | None = None) -> Frame:
        """Return what the screen shows now; `slices` adds up what that takes."""
        width, height = self._console.size
        roster = self.roster
        roster.drop_gone()
        patient = roster.patient
        self._shown = None if patient is None else (patient.info.source, alerts_of(patient))
        slices, height_left = slices or Slices(), height - _CHROME_ROWS
        body, place = await self._pages.draw(self.view, width, height_left, slices)
        if self._shows_help:
            body = in_the_middle(body, boxed("KEYS", _help(), min(_HELP_WIDTH, width)))
        if time.monotonic() > self._message_until_s:
            self._message = None
        n = sum(1 for _ in self._patients)
        lines = [
            view.title(n, roster.alarms, self._patients.totals, self._limits, width),
            *body,
            view.footer(place, roster.query.words(roster.hidden), self._message, width),
        ]
        return Frame(lines[:height])

    def press(self, key: str) -> None:
        """Follow one key."""
        self._pressed.set()
        if self.roster.query.is_typing:
            self.roster.query.type(key)
            self._sort_soon()
        elif key in ENTER:
            self._over = None if self._over else View.DETAIL
        elif key == ESCAPE:
            self._go_back()
        elif key in _COMMANDS:
            _COMMANDS[key](self)
        elif step := self._step(key):
            self.roster.choose(self.roster.selected + step)

    def _step(self, key: str) -> int:
        """Return how many patients further a key goes."""
        width, height = self._console.size
        across, page = 1, view.table_rows(height - _CHROME_ROWS)
        if self.view is View.GRID:
            tiles = self._pages.tiling(width, height - _CHROME_ROWS)
            across, page = tiles.across, tiles.shown
        steps = {_UP: -across, _DOWN: across, _LEFT: -1, _RIGHT: 1}
        moved = next((step for keys, step in steps.items() if key in keys), 0)
        return moved + _PAGES.get(key, 0) * page

    def _sort_soon(self) -> None:
        self._sort_at_s = float("-inf")

    def _go_back(self) -> None:
        if self._shows_help or self._over:
            self._shows_help, self._over = False, None
        else:
            self.roster.query.clear()
            self._sort_soon()

    def _begin_search(self) -> None:
        self.roster.query.search, self.roster.query.is_typing = "", True
        self._message = None
        self._sort_soon()

    def _filter(self) -> None:
        self.roster.query.only = self.roster.query.only.following
        self._sort_soon()

    def _reorder(self) -> None:
        self.roster.is_by_name = not self.roster.is_by_name
        self._say(f"order: {'names' if self.roster.is_by_name else 'urgency'}")
        self._sort_soon()

    def _change_view(self) -> None:
        self._over = None
        self._overview = View.LIST if self.view is View.GRID else View.GRID

    def _list_alarms(self) -> None:
        self._over = None if self._over is View.HISTORY else View.HISTORY

    def _help(self) -> None:
        self._shows_help = not self._shows_help

    def _acknowledge(self) -> None:
        """Acknowledge the selected patient's alarm as it was drawn; the next one, once seen."""
        if self._shown is None:
            return
        source, alerts = self._shown
        name = self.roster.name_of(source)
        unseen = [one for one in in_sight(alerts) if one.state and not one.is_acknowledged]
        if not unseen:
            self._say(f"{name}: no alarm to acknowledge")
            return
        self._alerts.acknowledge(source, unseen[0].condition)
        self._say(f"{name}: {unseen[0].condition} acknowledged")

    def _remove_silent(self) -> None:
        if self._shown is None:
            return
        source, _ = self._shown
        if self._alerts.remove(source):
            self._say(f"{self.roster.name_of(source)} is removed")
        else:
            self._say(f"{source} sends samples; only a silent source can be removed")

    def _say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self._message, self._message_until_s = message, time.monotonic() + _MESSAGE_S


_COMMANDS: Final[Mapping[str, Callable[[WardScreen], None]]] = {
    "q": lambda screen: screen._quit(),
    "g": lambda screen: screen.roster.choose_most_urgent(),
    "v": WardScreen._change_view,
    "s": WardScreen._reorder,
    "f": WardScreen._filter,
    "/": WardScreen._begin_search,
    "l": WardScreen._list_alarms,
    "a": WardScreen._acknowledge,
    "x": WardScreen._remove_silent,
    "?": WardScreen._help,
    "h": WardScreen._help,
}
"""What each key does."""


def _timed(draw: Callable[[Frame], None], frame: Frame) -> float:
    """Draw in a thread of its own, and return the seconds that it computed."""
    began_s = time.thread_time()
    draw(frame)
    return time.thread_time() - began_s


def _help() -> list[list[Part]]:
    return [[(f" {keys:<12}", palette.STRONG), (words, palette.PLAIN)] for keys, words in view.HELP]
