"""The terminal monitor as a sink: keeps a state, draws it some twenty times a second."""

import asyncio
import atexit
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from rich.console import Console

from replay.chunk import Chunk
from streamer.core.errors import OutputError
from streamer.core.events import Alarm, Published, StreamInfo
from streamer.monitor.freezer import Freezer
from streamer.monitor.keys import Command, KeyReader
from streamer.monitor.shown_alerts import ShownAlert
from streamer.monitor.state import MonitorState
from streamer.monitor.status import MqttStatus
from streamer.monitor.terminal.frame_pace import FramePacer, SpeedMeter
from streamer.monitor.terminal.full_screen import FullScreen
from streamer.monitor.view import render
from streamer.report.strip.writers import FreezeFormat
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.scoring.account import Accounts
from streamer.sources.transport import Transport


class MonitorSink:
    """Shows the stream on the whole screen of a terminal.

    Parameters
    ----------
    accounts : Accounts
        Of the source's beats.
    alerts : PatientAlerts, optional
        Where alarms are acknowledged; shared with whoever else shows or publishes them.
    console : Console, optional
        Where to draw; standard output if None.
    mqtt : MqttStatus, optional
        Counters of the MQTT sink.
    fps : float
        Frames per second while the machine keeps up.
    speed : float, optional
        Factor of real time that was asked for; None is as fast as possible.

    transport : Transport, optional
        What the keys change the pace of; without it there are no keys.
    keyboard : file, optional
        The terminal that keys come from; standard input if None.
    folder : Path, optional
        Where strips are written; the current folder if None.
    freeze_format : {"svg", "png", "both"}
        What a frozen strip is written as.
    on_quit : callable, optional
        Called when the person at the keys has had enough.

    Raises
    ------
    ValueError
        If `fps` isn't positive.

    Notes
    -----
    A frame is put together between two samples, in a few milliseconds, and written to the
    terminal by a thread, so that a terminal that doesn't read can't hold up a beat.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        accounts: Accounts,
        alerts: PatientAlerts | None = None,
        mqtt: MqttStatus | None = None,
        fps: float = 20.0,
        speed: float | None = 1.0,
        transport: Transport | None = None,
        keyboard: TextIO | None = None,
        folder: Path | None = None,
        freeze_format: FreezeFormat = "svg",
        on_quit: Callable[[], None] | None = None,
    ) -> None:
        if fps <= 0.0:
            raise ValueError(f"got {fps} frames per second, expected more than 0")
        self._console = console or Console()
        self._accounts = accounts
        self._alerts = alerts
        self._mqtt = mqtt
        self._fps = fps
        self._speed = speed
        self._transport = transport
        self._keys = KeyReader(self.command, keyboard)
        self._freezer = Freezer(folder or Path(), freeze_format, self._say)
        self._on_quit = on_quit
        self._message_until = 0.0
        self._state: MonitorState | None = None
        self._banner: list[ShownAlert] = []
        """As it was drawn last: what came since was not seen."""
        self._screen: FullScreen | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> MonitorState:
        """What is shown.

        Raises
        ------
        RuntimeError
            If no source was opened.
        """
        if self._state is None:
            raise RuntimeError("the monitor has nothing to show before open()")
        return self._state

    def open(self, info: StreamInfo) -> None:
        """Begin to show a source; a monitor has one, which is opened before `start`."""
        self._state = MonitorState(
            info,
            self._accounts[info.source],
            alerts=self._alerts,
            mqtt=self._mqtt,
            speed=self._speed,
            pace=self._transport,
        )

    def close_source(self, source: str) -> None:
        """Go on showing the end of the source."""

    async def start(self) -> None:
        """Take over the screen.

        Raises
        ------
        OutputError
            If the terminal can't show the characters that the trace is made of.
        """
        encoding = self._console.encoding
        if not encoding.lower().startswith("utf"):
            raise OutputError(
                f"the terminal's encoding is {encoding}, the monitor needs UTF-8; "
                "set LANG=C.UTF-8 or use --no-monitor"
            )
        self._screen = FullScreen(self._console)
        self._screen.enter()
        if self._transport is not None:
            self._keys.open()
        # An interrupt may come at any moment, even during close().
        atexit.register(self._screen.leave)
        self._task = asyncio.create_task(self._draw(self.state, self._screen), name="monitor")

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Take the samples for the trace."""
        self.state.observe(chunk)

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Take one event.

        Raises
        ------
        Exception
            Whatever ended the drawing, so that the loss of the display doesn't go unnoticed.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        self.state.publish(message)
        event = message.event
        if isinstance(event, Alarm) and event.is_raised and self._transport is not None:
            self._transport.found()

    def command(self, command: Command) -> None:
        """Do what a key asks for."""
        match command:
            case Command.HELP:
                self.state.shows_help = not self.state.shows_help
            case Command.LEAD:
                self._say(f"lead {self.state.next_lead()} on top")
            case Command.ACKNOWLEDGE:
                seen = self.state.acknowledge(self._banner)
                self._say("no alarm" if seen is None else f"{seen.condition} acknowledged")
            case Command.FREEZE:
                self._freezer.freeze(self.state)
            case Command.QUIT:
                if self._on_quit is not None:
                    self._on_quit()
            case _:
                if self._transport is not None:
                    _change_pace(self._transport, command)

    def _say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self.state.message = message
        loop = asyncio.get_running_loop()
        self._message_until = loop.time() + self.state.config.message_s

    async def drain(self) -> None:
        """Let a frame be drawn."""
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Give the screen back as it was; raises what went wrong while drawing, if anything did."""
        self._keys.close()
        await self._freezer.close()
        if self._screen is not None:
            self._screen.leave()
            atexit.unregister(self._screen.leave)
            self._screen = None
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise

    async def _draw(self, state: MonitorState, screen: FullScreen) -> None:
        loop = asyncio.get_running_loop()
        pacer = FramePacer(1.0 / self._fps, loop.time())
        meter = SpeedMeter(state.info.fs)
        try:
            while True:
                started = loop.time()
                if pacer.is_time(started):
                    if started > self._message_until:
                        state.message = None
                    stands = self._transport is not None and self._transport.paused
                    state.measured_speed = meter.measure(started, state.now, paused=stands)
                    width, height = self._console.size
                    self._banner = state.banner
                    frame = render(state, width, height)
                    await asyncio.to_thread(screen.draw, frame)
                    pacer.drawn(started, loop.time())
                await asyncio.sleep(max(pacer.due_s - loop.time(), 0.0))
        finally:
            screen.leave()


def _change_pace(transport: Transport, command: Command) -> None:
    changes = {
        Command.PAUSE: transport.toggle_pause,
        Command.FASTER: transport.faster,
        Command.SLOWER: transport.slower,
        Command.NEXT_ALARM: transport.seek,
    }
    changes[command]()
