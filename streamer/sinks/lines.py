"""Plain lines instead of the monitor, for a pipe, a file or a simple terminal."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, TextIO

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.clock_format import record_time
from streamer.core.events import Alarm, Event, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.core.text import clean
from streamer.scoring.account import Accounts

_RATE_EVERY_S: Final = 10.0
_MOST_QUEUED: Final = 10_000
"""Lines kept for a reader that doesn't read; more are counted and dropped."""
_DRAIN_AT: Final = 1_000
_CLOSE_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class _Clock:
    """How far the lines of one source have been written."""

    info: StreamInfo
    rate_due: int
    known: int
    """Sample of the last line."""
    played: int = 0


class LinesSink:
    """Writes a line for every confirmed beat that isn't normal, and for what happens besides.

    One line for each change of rhythm, alarm and gap, and the heart rate every 10 s of signal.
    Times are those of the record, as m:ss.mmm. The first column is when a line became known, and
    never goes back; when it happened follows `at` or `since`.

    Parameters
    ----------
    stream : text stream
        Where to write. A thread writes, so that a pipe that isn't read can't hold up a beat; if it
        is closed at the other end, the rest is dropped silently.
    accounts : Accounts
        Source of the heart rates.
    """

    def __init__(self, stream: TextIO, accounts: Accounts) -> None:
        self._stream = stream
        self._accounts = accounts
        self._queued: deque[str] = deque()
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._broken = False
        self._dropped = 0
        self._clocks: dict[str, _Clock] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._work(), name="lines")

    def open(self, info: StreamInfo) -> None:
        """Write what is about to be played."""
        self._clocks[info.source] = _Clock(
            info=info, rate_due=info.first_sample + _rate_every(info), known=info.first_sample
        )
        training = ", training record" if info.training_record else ""
        self._write(f"{info.source}: leads {info.lead_names}, {info.fs:g} Hz{training}")

    def close_source(self, source: str) -> None:
        """Write the heart rates that are due still."""
        clock = self._clocks.pop(source, None)
        if clock is not None:
            self._write_rates(clock, clock.played)

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Write the heart rate whenever another 10 s have been played."""
        clock = self._clocks[info.source]
        self._write_rates(clock, chunk.start)
        clock.played = chunk.stop

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Write one event, if it is worth a line."""
        words = event_words(message.event, info.fs)
        if words is not None:
            clock = self._clocks[info.source]
            self._write_rates(clock, message.event.decided_at)
            self._write_known(clock, message.event.decided_at, words)

    async def drain(self) -> None:
        """Wait while many lines are queued."""
        if len(self._queued) >= _DRAIN_AT:
            await self._empty.wait()

    async def close(self) -> None:
        """Write what is queued, for at most 2 s."""
        if self._task is None:
            return
        task, self._task = self._task, None
        try:
            await asyncio.wait_for(self._empty.wait(), _CLOSE_S)
        except TimeoutError:
            self._broken = True
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _write_rates(self, clock: "_Clock", until: int) -> None:
        """Write the heart rates that are due before what became known at `until`."""
        while clock.rate_due <= until:
            ledger = self._accounts[clock.info.source].ledger
            rate = ledger.heart_rate_bpm(clock.rate_due)
            words = "--" if rate is None else f"{rate:.0f} bpm"
            self._write_known(clock, clock.rate_due, f"heart rate {words}")
            clock.rate_due += _rate_every(clock.info)

    def _write_known(self, clock: "_Clock", sample: int, words: str) -> None:
        # A label that took the network long is known later than its sample.
        clock.known = max(clock.known, sample)
        self._write(f"{record_time(clock.known, clock.info.fs)}  {words}")

    def _write(self, line: str) -> None:
        if self._broken:
            return
        if len(self._queued) >= _MOST_QUEUED:
            self._dropped += 1
            return
        if self._dropped:
            self._queued.append(f"({self._dropped} lines left out)")
            self._dropped = 0
        self._queued.append(clean(line))
        self._empty.clear()
        self._more.set()

    async def _work(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            batch = "".join(f"{text}\n" for text in self._queued)
            self._queued.clear()
            if batch and not self._broken:
                await asyncio.to_thread(self._put, batch)
            if not self._queued:
                self._empty.set()

    def _put(self, batch: str) -> None:
        try:
            self._stream.write(batch)
            self._stream.flush()
        except (OSError, ValueError):
            # The reader has ended (`| head`), or the stream was closed.
            self._broken = True


def _rate_every(info: StreamInfo) -> int:
    return max(round(_RATE_EVERY_S * info.fs), 1)


def event_words(event: Event, fs: float) -> str | None:
    """Return the text of an event's line; None for normal and provisional beats.

    Parameters
    ----------
    event : Event
    fs : float
        Sampling frequency of its samples in Hz.
    """
    if isinstance(event, LabeledBeat):
        return _beat_words(event, fs)
    if isinstance(event, RhythmEvent):
        rate = event.heart_rate_bpm
        words = "" if rate is None else f", {rate:.0f} bpm"
        return f"rhythm {event.rhythm} since {record_time(event.onset, fs)}{words}"
    if isinstance(event, Alarm):
        since, priority = record_time(event.onset, fs), event.priority.name.lower()
        if not event.is_raised:
            return f"over {event.rhythm} since {since}"
        return f"ALARM {event.rhythm} since {since}, {priority} priority"
    start, duration = record_time(event.start, fs), (event.stop - event.start) / fs
    if event.ongoing:
        return f"gap {event.reason} since {start}, no signal"
    words = f"gap {event.reason} at {start}, {duration:.3f} s without signal"
    return f"{words}, {' and '.join(event.leads)} from now on" if event.leads else words


def _beat_words(event: LabeledBeat, fs: float) -> str | None:
    if event.revision == 0 or event.label in {None, Label.N}:
        return None
    rr_s = event.beat.rr_s
    interval = f"  RR {float(rr_s[-1]) * 1000.0:.0f} ms" if rr_s.size else ""
    reason = f"  ({event.reason})" if event.reason else ""
    return f"beat {event.label} at {record_time(event.beat.rpeak.sample, fs)}{interval}{reason}"
