"""Writes what the monitor's trace shows to a file, while the monitor goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from replay.player import format_time
from streamer.monitor.state import TRACE_SECONDS, MonitorState
from streamer.monitor.trace import letter
from streamer.report.strip.file import FreezeFormat, strip_paths, write_strip
from streamer.report.strip.paper import Picture, StripMark, describe_strip


class Freezer:
    """Writes strips in a thread of their own: beats and frames don't wait for a drawing.

    Parameters
    ----------
    folder : Path
        Where the files go.
    kind : {"svg", "png", "both"}
        What is written.
    say : callable
        Told in a line where a strip is, or why it isn't.
    """

    def __init__(self, folder: Path, kind: FreezeFormat, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._kind: FreezeFormat = kind
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self, state: MonitorState) -> None:
        """Begin to write the last seconds, as they are now."""
        info = state.info
        if state.now <= info.first_sample:
            self._say("there is nothing to freeze yet")
            return
        name = f"{info.source}-{format_time(state.now, info.fs).replace(':', '-')}"
        paths = strip_paths(self._folder.absolute(), name, self._kind)
        task = asyncio.create_task(self._write(picture_of(state), paths), name="freeze")
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


def picture_of(state: MonitorState) -> Picture:
    """Describe a strip of the last seconds."""
    info = state.info
    start = max(state.now - round(TRACE_SECONDS * info.fs), info.first_sample)
    return describe_strip(
        state.ring.read(start, state.now),
        fs=info.fs,
        start=start,
        leads=info.leads,
        marks=[StripMark(beat.sample, letter(beat)) for beat in state.ledger.since(start)],
        title=f"{info.source} at {format_time(start, info.fs)}",
    )
