"""Plays a record on an absolute schedule: every chunk has a moment at which it is due."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator
from typing import Final, Protocol

from replay.chunk import Chunk
from replay.record import Record

LATE_S: Final = 0.010
"""A chunk released more than this after it was due counts as late: a scheduler's usual wake-up
takes a millisecond or less, a beat at 360 Hz tolerates three samples."""

YIELD_CHUNKS: Final = 64
"""While there is no time to sleep, other tasks get their turn once in so many chunks."""


class Clock(Protocol):
    """Time as the player sees it; tests bring their own."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return once `monotonic()` has reached `when`; at once if it has, but let others run."""
        ...


class AsyncioClock:
    """The real clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    async def sleep_until(self, when: float) -> None:
        """Sleep to `when`; an early wake-up goes back to sleep."""
        await asyncio.sleep(max(0.0, when - self.monotonic()))
        while (remaining := when - self.monotonic()) > 0:  # noqa: ASYNC110 (a sleep, no poll)
            await asyncio.sleep(remaining)


class Player:
    """Asynchronous iterator over the chunks of a record, each released when it is due.

    A chunk is due when the last of its samples would have been taken. The schedule is absolute:
    it starts with the iteration, lateness doesn't add up, and a player that is late releases what
    is overdue without sleeping.

    Parameters
    ----------
    record : Record
        What to play.
    start, stop : int
        First sample and one past the last, in the record's own sampling frequency; `stop` None
        plays to the end.
    chunk : int
        Samples released at a time.
    speed : float or None
        1 is real time, 10 ten times as fast; None releases chunks as fast as they are consumed.
    clock : Clock, optional
        Source of time; the real one by default.
    begin_at : float, optional
        Clock time at which the first sample is due; by default the moment the iteration begins.

    Attributes
    ----------
    started_at : float or None
        Clock time at which the first sample was due; None before the iteration.
    released : int
        Chunks released so far.
    late : int
        How many of them were released more than `LATE_S` after they were due.
    max_lateness_s : float
        The longest delay of a chunk behind its schedule.

    Raises
    ------
    ValueError
        If the range is empty or not inside the record, or `chunk` or `speed` is not positive.
    """

    def __init__(
        self,
        record: Record,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk: int = 1,
        speed: float | None = 1.0,
        clock: Clock | None = None,
        begin_at: float | None = None,
    ) -> None:
        if speed is not None and not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"speed is {speed}; it must be a number above 0, or max")
        if chunk < 1:
            raise ValueError(f"chunk is {chunk}; it must be 1 sample or more")
        self.record = record
        self.start = start
        self.stop = record.n_samples if stop is None else stop
        _require_range(record, self.start, self.stop)
        self.chunk = chunk
        self.speed = speed
        self._clock = clock or AsyncioClock()
        self.begin_at = begin_at
        self.started_at: float | None = None
        self.released = 0
        self.late = 0
        self.max_lateness_s = 0.0

    @property
    def n_samples(self) -> int:
        """How many samples are played in all."""
        return self.stop - self.start

    def due(self, sample: int) -> float | None:
        """Return the clock time at which a sample is due; None if nothing is scheduled."""
        if self.started_at is None or self.speed is None:
            return None
        return self.started_at + (sample - self.start) / (self.record.fs * self.speed)

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Start the schedule and yield every chunk when it is due."""
        self.released = self.late = 0
        self.max_lateness_s = 0.0
        chunks = self.record.chunks(self.start, self.stop, self.chunk)
        self.started_at = self._clock.monotonic() if self.begin_at is None else self.begin_at
        for chunk in chunks:
            await self._wait_for(chunk)
            self.released += 1
            yield chunk

    async def _wait_for(self, chunk: Chunk) -> None:
        due = self.due(chunk.stop - 1)
        now = self._clock.monotonic()
        if due is not None and now < due:
            await self._clock.sleep_until(due)
        elif self.released % YIELD_CHUNKS == 0:
            await self._clock.sleep_until(now)
        if due is not None:
            lateness_s = self._clock.monotonic() - due
            self.late += lateness_s > LATE_S
            self.max_lateness_s = max(self.max_lateness_s, lateness_s)


def _require_range(record: Record, start: int, stop: int) -> None:
    end = format_time(record.n_samples, record.fs)
    if not 0 <= start < record.n_samples:
        raise ValueError(
            f"start {format_time(start, record.fs)} is not inside record {record.name}; "
            f"choose a time from 0:00 to before {end}"
        )
    if stop > record.n_samples:
        raise ValueError(
            f"stop {format_time(stop, record.fs)} is beyond the end of record {record.name}; "
            f"choose a time up to {end}"
        )
    if stop <= start:
        raise ValueError(
            f"stop {format_time(stop, record.fs)} is not after start "
            f"{format_time(start, record.fs)}; choose a later stop"
        )


_TIME: Final = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)(s?)", re.ASCII)
_BASE: Final = 60


def parse_time(text: str, fs: float) -> int:
    """Turn a time such as `5:00`, `1:02:03.5`, `90` or `90s` into a sample index.

    Parameters
    ----------
    text : str
        Hours, minutes and seconds, minutes and seconds, or seconds.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    int
        Index of the nearest sample.

    Raises
    ------
    ValueError
        If the text is no such time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is not None:
        hours, minutes, seconds, unit = match.groups()
        fields = [float(field) for field in (hours, minutes, seconds) if field is not None]
        if all(field < _BASE for field in fields[1:]) and not (unit and len(fields) > 1):
            total_s = 0.0
            for field in fields:
                total_s = total_s * _BASE + field
            return round(total_s * fs)
    raise ValueError(f"{text!r} is no time; write 5:00, 1:02:03.5, or 90 for seconds")


def time_range(
    start: str | None, stop: str | None, *, fs: float, n_samples: int
) -> tuple[int, int]:
    """Turn times such as 5:00 into the first sample and one past the last, within a record.

    Raises
    ------
    ValueError
        If nothing of the record lies between them.
    """
    first = 0 if start is None else parse_time(start, fs)
    last = n_samples if stop is None else min(n_samples, parse_time(stop, fs))
    if first >= last:
        raise ValueError(
            f"nothing lies between {start or '0:00'} and {stop or 'the end'}; "
            f"the record goes from 0:00 to {format_time(n_samples, fs)}"
        )
    return first, last


def format_time(sample: int, fs: float) -> str:
    """Write a sample index as minutes and seconds, or hours, minutes and seconds (`30:05.556`)."""
    sign, milliseconds = ("-" if sample < 0 else ""), round(abs(sample) / fs * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{milliseconds / 1000:06.3f}".rstrip("0").rstrip(".")
    return f"{sign}{hours}:{minutes:02}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"
