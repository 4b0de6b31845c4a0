"""The terminal monitor as a sink: keeps a state, draws it some twenty times a second."""

import asyncio
import atexit
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import ControlType, Segment

from replay.chunk import Chunk
from replay.player import format_time
from streamer.errors import OutputError
from streamer.events import Alarm, Published, StreamInfo
from streamer.monitor_keys import Command, KeyReader
from streamer.monitor_state import TRACE_SECONDS, MonitorState, MqttStatus, ReferenceAnnotations
from streamer.monitor_view import render
from streamer.screen_lines import Frame
from streamer.strip_svg import StripMark, strip_svg
from streamer.trace_view import letter
from streamer.transport import Transport

_SLOWEST_S: Final = 0.5
"""A frame is drawn at least this often, however late the event loop is."""


# Rich has no name for these controls; any name marks them as text without width.
_NO_WIDTH: Final = ((ControlType.HOME,),)
_BEGIN_UPDATE: Final = Segment("\x1b[?2026h", None, _NO_WIDTH)
_END_UPDATE: Final = Segment("\x1b[?2026l", None, _NO_WIDTH)
"""Synchronised output: a terminal that knows it shows a frame at once, others ignore it."""


class _WholeFrame:
    """A frame that a terminal shows only when all of it has come, so that it doesn't tear."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _BEGIN_UPDATE
        yield self._frame
        yield _END_UPDATE


@dataclass(slots=True)
class FramePacer:
    """Decides when to draw: at the frame rate, but never while others are waiting for the loop.

    Attributes
    ----------
    period_s : float
        Time from one frame to the next when all is well.
    due_s : float
        When the next frame should be drawn, on the caller's clock.
    """

    period_s: float
    due_s: float
    _drawn_s: float = float("-inf")

    def is_time(self, now_s: float) -> bool:
        """Tell whether to draw now; when the loop is a frame late, the frame is given up."""
        late = now_s - self.due_s > self.period_s
        if late and now_s - self._drawn_s < _SLOWEST_S:
            self.due_s = now_s + self.period_s
            return False
        return True

    def drawn(self, started_s: float, ended_s: float) -> None:
        """Plan the next frame: drawing takes at most half of the time."""
        self._drawn_s = ended_s
        self.due_s = max(self.due_s + self.period_s, ended_s + (ended_s - started_s))


class MonitorSink:
    """Shows the stream on the whole screen of a terminal.

    Parameters
    ----------
    console : Console, optional
        Where to draw; standard output if None.
    budget_ms : float
        Latency budget of a provisional label in ms.
    mqtt : MqttStatus, optional
        Counters of the MQTT sink.
    reference : ReferenceAnnotations, optional
        Annotations that came with the record, for the running score.
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
    on_quit : callable, optional
        Called when the person at the keys has had enough.

    Raises
    ------
    ValueError
        If `fps` or `budget_ms` isn't positive.

    Notes
    -----
    A frame is put together between two samples, in a few milliseconds, and written to the
    terminal by a thread, so that a terminal that doesn't read can't hold up a beat.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        budget_ms: float = 500.0,
        mqtt: MqttStatus | None = None,
        reference: ReferenceAnnotations | None = None,
        fps: float = 20.0,
        speed: float | None = 1.0,
        transport: Transport | None = None,
        keyboard: TextIO | None = None,
        folder: Path | None = None,
        on_quit: Callable[[], None] | None = None,
    ) -> None:
        if fps <= 0.0:
            raise ValueError(f"got {fps} frames per second, expected more than 0")
        if budget_ms <= 0.0:
            raise ValueError(f"got a latency budget of {budget_ms} ms, expected more than 0")
        self._console = console or Console()
        self._budget_ms = budget_ms
        self._mqtt = mqtt
        self._reference = reference
        self._fps = fps
        self._speed = speed
        self._transport = transport
        self._keys = KeyReader(self.command, keyboard)
        self._folder = Path() if folder is None else folder
        self._on_quit = on_quit
        self._message_until = 0.0
        self._state: MonitorState | None = None
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None
        self._frame = _WholeFrame(Frame([]))

    @property
    def state(self) -> MonitorState:
        """What is shown.

        Raises
        ------
        RuntimeError
            If the sink wasn't started.
        """
        if self._state is None:
            raise RuntimeError("the monitor has nothing to show before start()")
        return self._state

    async def start(self, info: StreamInfo) -> None:
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
        self._state = MonitorState(
            info,
            budget_ms=self._budget_ms,
            mqtt=self._mqtt,
            reference=self._reference,
            speed=self._speed,
            pace=self._transport,
        )
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=lambda: self._frame,
        )
        self._live.start()
        if self._transport is not None:
            self._keys.open()
        # An interrupt may come at any moment, even during close().
        atexit.register(self._live.stop)
        self._task = asyncio.create_task(self._draw(self._state, self._live), name="monitor")

    def observe(self, chunk: Chunk) -> None:
        """Take the samples for the trace."""
        self.state.observe(chunk)

    def publish(self, message: Published) -> None:
        """Take one event.

        Raises
        ------
        Exception
            Whatever ended the drawing, so that the loss of the display doesn't go unnoticed.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        self.state.publish(message)
        if isinstance(message.event, Alarm) and self._transport is not None:
            self._transport.found()

    def command(self, command: Command) -> None:
        """Do what a key asks for."""
        match command:
            case Command.HELP:
                self.state.shows_help = not self.state.shows_help
            case Command.LEAD:
                self._say(f"lead {self.state.next_lead()} on top")
            case Command.ACKNOWLEDGE:
                alarm = self.state.acknowledge()
                self._say("no alarm" if alarm is None else f"{alarm.rhythm} acknowledged")
            case Command.FREEZE:
                self._freeze()
            case Command.QUIT:
                if self._on_quit is not None:
                    self._on_quit()
            case _:
                if self._transport is not None:
                    _change_pace(self._transport, command)

    def _freeze(self) -> None:
        """Write what the trace shows as a strip."""
        state = self.state
        info = state.info
        start = max(state.now - round(TRACE_SECONDS * info.fs), info.first_sample)
        at = format_time(state.now, info.fs).replace(":", "-")
        path = self._folder / f"{info.source}-{at}.svg"
        svg = strip_svg(
            state.ring.read(start, state.now),
            fs=info.fs,
            start=start,
            leads=info.leads,
            marks=[StripMark(beat.sample, letter(beat)) for beat in state.ledger.since(start)],
            title=f"{info.source} at {format_time(start, info.fs)}",
        )
        try:
            path.write_text(svg, encoding="utf-8")
        except OSError as error:
            self._say(f"can't write {path.name}: {error.strerror or error}")
        else:
            self._say(f"wrote {path.name}")

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
        if self._live is not None:
            self._live.stop()
            atexit.unregister(self._live.stop)
            self._live = None
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise

    async def _draw(self, state: MonitorState, live: Live) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pacer = FramePacer(1.0 / self._fps, begun)
        try:
            while True:
                started = loop.time()
                if pacer.is_time(started):
                    if started > self._message_until:
                        state.message = None
                    state.measured_speed = _speed_since(state, started - begun)
                    width, height = self._console.size
                    self._frame = _WholeFrame(render(state, width, height))
                    await asyncio.to_thread(live.refresh)
                    pacer.drawn(started, loop.time())
                await asyncio.sleep(max(pacer.due_s - loop.time(), 0.0))
        finally:
            live.stop()


def _change_pace(transport: Transport, command: Command) -> None:
    changes = {
        Command.PAUSE: transport.toggle_pause,
        Command.FASTER: transport.faster,
        Command.SLOWER: transport.slower,
        Command.NEXT_ALARM: transport.seek,
    }
    changes[command]()


def _speed_since(state: MonitorState, elapsed_s: float) -> float | None:
    """Signal time over wall time; None while there is too little of either."""
    played_s = (state.now - state.info.first_sample) / state.info.fs
    return played_s / elapsed_s if elapsed_s > 1.0 else None
