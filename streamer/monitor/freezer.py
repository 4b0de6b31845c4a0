"""Writes what the monitor's trace shows to a file, while the monitor goes on."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from replay.player import format_time
from streamer.core.events import Rhythm
from streamer.monitor.panels import shown_rate
from streamer.monitor.state import TRACE_SECONDS, MonitorState
from streamer.monitor.trace import letter
from streamer.report.strip.paper import Picture, StripMark, describe_strip
from streamer.report.strip.writers import FreezeFormat, strip_paths, write_strip


class Freezer:
    """Writes strips in a thread of their own: beats and frames don't wait for a drawing.

    Parameters
    ----------
    folder : Path
        Where the files go.
    kind : {"svg", "png", "both"}
        What is written.
    say : callable
        Called with a line that says where a strip is, or why it isn't.
    wall_time : callable
        Seconds since 1970, for the date in the caption.
    """

    def __init__(
        self,
        folder: Path,
        kind: FreezeFormat,
        say: Callable[[str], None],
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._kind: FreezeFormat = kind
        self._say = say
        self._wall_time = wall_time
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self, state: MonitorState) -> None:
        """Begin to write the last seconds, as they are now."""
        info = state.info
        if state.now <= info.first_sample:
            self._say("there is nothing to freeze yet")
            return
        name = f"{info.source}-{format_time(_start(state), info.fs).replace(':', '-')}"
        paths = strip_paths(self._folder.absolute(), name, self._kind)
        taken = datetime.fromtimestamp(self._wall_time()).astimezone()
        task = asyncio.create_task(self._write(picture_of(state, taken), paths), name="freeze")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _write(self, picture: Picture, paths: tuple[Path, ...]) -> None:
        names = " and ".join(path.name for path in paths)
        self._say(f"writing {names}")
        try:
            for path in paths:
                await asyncio.to_thread(write_strip, picture, path)
        except OSError as error:
            why = error.strerror or str(error)
            self._say(f"can't write to {paths[0].parent}: {why}; start in another folder")
        else:
            self._say(f"wrote {paths[0].parent / names}")


def _start(state: MonitorState) -> int:
    return max(state.now - round(TRACE_SECONDS * state.info.fs), state.info.first_sample)


def picture_of(state: MonitorState, taken: datetime | None = None) -> Picture:
    """Describe a strip of the last seconds, its leads in the order of the screen.

    Parameters
    ----------
    state : MonitorState
    taken : datetime, optional
        When it is taken, for the caption.
    """
    info, start, order = state.info, _start(state), list(state.lead_order)
    return describe_strip(
        state.ring.read(start, state.now)[order],
        fs=info.fs,
        start=start,
        leads=[info.leads[row] for row in order],
        marks=[StripMark(beat.sample, letter(beat)) for beat in state.ledger.since(start)],
        title=_caption(state, taken),
    )


def _caption(state: MonitorState, taken: datetime | None) -> str:
    """Name source, time in the record, heart rate, rhythm and date, as far as they are known."""
    words = [f"{state.info.source} at {format_time(_start(state), state.info.fs)}"]
    rate = shown_rate(state)
    if rate is not None:
        words.append(f"{rate:.0f} bpm")
    if state.rhythm is not None and state.rhythm.rhythm is not Rhythm.UNKNOWN:
        words.append(str(state.rhythm.rhythm))
    if taken is not None:
        words.append(f"{taken:%Y-%m-%d %H:%M}")
    return ", ".join(words)
