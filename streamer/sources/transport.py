"""Plays a source at a pace that a person may change: pause, faster, slower, to the next alarm."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from replay.chunk import Chunk
from replay.player import YIELD_CHUNKS, AsyncioClock, Clock

SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
"""Factors of real time to step through."""


class Transport:
    """An asynchronous iterator over another's chunks, on a schedule of its own.

    Parameters
    ----------
    chunks : async iterable of Chunk
        The source, as fast as it is consumed.
    fs : float
        Sampling frequency in Hz.
    speed : float or None
        Factor of real time to begin with; None is as fast as possible.
    clock : Clock, optional
        Source of time; the real one by default.

    Attributes
    ----------
    paused : bool
        Whether it stands still.
    seeking : bool
        Whether it runs ahead to the next alarm.
    speed : float or None
        Factor of real time while neither holds.
    begin_at : float or None
        Clock time at which the first sample is due; None is when it is asked for.

    Notes
    -----
    The schedule is absolute from each change of pace on, so that lateness doesn't add up.
    """

    def __init__(
        self,
        chunks: AsyncIterable[Chunk],
        *,
        fs: float,
        speed: float | None = 1.0,
        clock: Clock | None = None,
    ) -> None:
        self._chunks = chunks
        self._fs = fs
        self.speed = speed
        self._clock = clock or AsyncioClock()
        self.paused = False
        self.seeking = False
        self._changed = asyncio.Event()
        self._anchor: tuple[float, int] | None = None
        self._played = 0
        self.begin_at: float | None = None

    def toggle_pause(self) -> None:
        """Pause, or continue."""
        self.paused = not self.paused
        self.seeking = False
        self._change()

    def faster(self) -> None:
        """Take the next higher speed."""
        higher = [speed for speed in SPEEDS if self.speed is not None and speed > self.speed]
        self._set_speed(higher[0] if higher else None)

    def slower(self) -> None:
        """Take the next lower speed."""
        lower = [speed for speed in SPEEDS if self.speed is None or speed < self.speed]
        self._set_speed(lower[-1] if lower else SPEEDS[0])

    def seek(self) -> None:
        """Run ahead until `found`."""
        self.seeking, self.paused = True, False
        self._change()

    def found(self) -> None:
        """End the run ahead: what was looked for is reached."""
        if self.seeking:
            self.seeking = False
            self._change()

    def due(self, sample: int) -> float | None:
        """Return the clock time at which a sample is due; None while nothing is scheduled."""
        if self._anchor is None or self.speed is None or self.paused or self.seeking:
            return None
        began, first = self._anchor
        return began + (sample - first) / (self._fs * self.speed)

    def _set_speed(self, speed: float | None) -> None:
        self.speed = speed
        self._change()

    def _change(self) -> None:
        self._anchor = None
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield every chunk when it is due at the pace of that moment."""
        async for chunk in self._chunks:
            await self._wait_for(chunk)
            yield chunk

    async def _wait_for(self, chunk: Chunk) -> None:
        self._played += 1
        while self.paused:
            self._changed.clear()
            await self._changed.wait()
        if self.speed is None or self.seeking:
            if self._played % YIELD_CHUNKS == 0:
                await self._clock.sleep_until(self._clock.monotonic())
            return
        await self._sleep_until_due(chunk)

    async def _sleep_until_due(self, chunk: Chunk) -> None:
        """Sleep in short pieces, so that a change of pace is felt at once."""
        while self.speed is not None and not self.seeking:
            if self.paused:
                self._changed.clear()
                await self._changed.wait()
                continue
            if self._anchor is None:
                begin, self.begin_at = self.begin_at, None
                self._anchor = (self._clock.monotonic() if begin is None else begin, chunk.start)
            due = self.due(chunk.stop - 1)
            now = self._clock.monotonic()
            if due is None or now >= due:
                if self._played % YIELD_CHUNKS == 0:
                    await self._clock.sleep_until(now)
                return
            await self._clock.sleep_until(min(due, now + _PATIENCE_S))


_PATIENCE_S: Final = 0.1
"""Longest sleep before the pace is looked at again."""
