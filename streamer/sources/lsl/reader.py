"""Reads one LSL stream, finds it again when it is lost, and passes its samples on as messages."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamer.core.errors import StreamerError
from streamer.messages.samples import SampleMessage, encode
from streamer.sources.live import LiveConfig
from streamer.sources.lsl.description import (
    Channels,
    Description,
    StreamName,
    choose_channels,
    predicate_of,
)
from streamer.sources.lsl.library import load_pylsl
from streamer.sources.lsl.timeline import Timeline
from streamer.sources.streams import Receive
from streamer.sources.waiting import WAIT_S

_LOOK_EVERY_S: Final = 0.1
_SETTLE_S: Final = 0.6
"""From the first answer on, time for another stream of that name to answer too."""
_OPEN_S: Final = 5.0
_PIECE_S: Final = 0.1
"""Signal in one message, as of the other live sources."""
_PULL_EVERY_S: Final = 0.02
_LIMITS: Final = LiveConfig()


@dataclass(slots=True, kw_only=True)
class _Open:
    """A stream that is connected."""

    inlet: Any
    channels: Channels
    fs: float
    offset_s: float | None = None
    """From the sender's clock to ours, as last estimated; None: it can't be."""


class LslReader:
    """One LSL stream, wherever it is and as often as it comes back.

    Samples are put on a time line by their stamps, in our clock (the sender's with LSL's estimate
    of the offset added), so that what was lost is left out. A stream that comes back with another
    rate or number of leads is a new run of the source.

    Parameters
    ----------
    wanted : StreamName
    source : str
        Name of the source here.
    receive : callable
        Gets source, message and time of arrival.
    notice : callable
        Gets one line about what is waited for, lost and found again.
    first_sample : int, optional
        Index of the first sample; by its stamp if None.
    is_strict : bool
        Whether a stream that can't be used is an error before there was one that could; else that
        is told, and another is waited for.

    Attributes
    ----------
    leads : tuple of str
        Names of the leads, primary lead first; empty before the stream is found.
    timeline : Timeline or None
        Of the stream's newest run.
    """

    def __init__(
        self,
        wanted: StreamName,
        source: str,
        receive: Receive,
        notice: Callable[[str], None],
        *,
        first_sample: int | None = None,
        is_strict: bool = False,
    ) -> None:
        self._pylsl = load_pylsl()
        self._is_strict = is_strict
        self._wanted = wanted
        self._source = source
        self._receive = receive
        self._notice = notice
        self._first_sample = first_sample
        self._seq = 0
        self._last_s: float | None = None
        self._elapsed_s = 0.0
        self._refused: set[str] = set()
        self._told = ""
        self.leads: tuple[str, ...] = ()
        self.timeline: Timeline | None = None

    async def run(self) -> None:
        """Read until cancelled.

        Raises
        ------
        StreamerError
            If the first stream can't be used and `is_strict`.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lsl")
        predicate = predicate_of(self._wanted)
        try:
            # Old streams are forgotten soon, so that one that came back is found alone.
            resolver = self._pylsl.ContinuousResolver(pred=predicate, forget_after=2.0)
            while True:
                try:
                    stream = await self._find(resolver, thread)
                except StreamerError as error:
                    if self._is_strict and not self.leads:
                        raise
                    self._tell(f"{error}; waiting for another")
                    await asyncio.sleep(_LOOK_EVERY_S)
                    continue
                await self._read(stream, thread)
                self._tell(f"LSL stream {self._wanted.name!r} is lost; waiting for it")
        finally:
            # Not waited for: it ends with the piece that it reads.
            thread.shutdown(wait=False)

    async def _find(self, resolver: Any, thread: ThreadPoolExecutor) -> _Open:
        loop = asyncio.get_running_loop()
        say_at_s: float | None = None if self.leads else loop.time() + WAIT_S
        while True:
            if resolver.results() and not self.leads:
                await asyncio.sleep(_SETTLE_S)
            found = [one for one in resolver.results() if one.uid() not in self._refused]
            if not self.leads and len({one.uid() for one in found}) > 1:
                raise StreamerError(_several(self._wanted.name, found))
            for info in found:
                opened = await loop.run_in_executor(thread, self._open, info)
                if opened is not None:
                    return opened
            if say_at_s is not None and loop.time() >= say_at_s:
                say_at_s = None
                there = await asyncio.to_thread(self._who_is_there)
                self._tell(f"no LSL stream is named {self._wanted.name!r}, still waiting; {there}")
            await asyncio.sleep(_LOOK_EVERY_S)

    def _open(self, info: Any) -> _Open | None:
        """Connect to a stream; None if it has gone. On the thread."""
        lsl = self._pylsl
        # Found again by us: another stream under the same identity may have another rate.
        inlet = lsl.StreamInlet(info, recover=False)
        try:
            full = inlet.info(timeout=_OPEN_S)
            channels = self._choose(full)
            inlet.open_stream(timeout=_OPEN_S)
            # The first estimate takes a moment; later ones are there at once.
            offset_s = self._offset(inlet)
        except (lsl.util.LostError, lsl.util.TimeoutError):
            return None
        except StreamerError:
            self._refused.add(info.uid())
            raise
        stream = _Open(inlet=inlet, channels=channels, fs=full.nominal_srate(), offset_s=offset_s)
        self._begin(stream)
        return stream

    def _offset(self, inlet: Any) -> float | None:
        """Return what makes the sender's time stamps ours; None if it can't be asked."""
        try:
            return float(inlet.time_correction(timeout=_OPEN_S))
        except self._pylsl.util.TimeoutError:
            return None

    def _choose(self, full: Any) -> Channels:
        description = Description(
            name=full.name(),
            fs=full.nominal_srate(),
            n_channels=full.channel_count(),
            is_text=full.channel_format() == self._pylsl.cf_string,
            labels=full.get_channel_labels(),
            types=full.get_channel_types(),
            units=full.get_channel_units(),
        )
        return choose_channels(
            description,
            self._wanted.unit,
            lowest_fs=_LIMITS.lowest_fs,
            highest_fs=_LIMITS.highest_fs,
        )

    def _begin(self, stream: _Open) -> None:
        """Go on with the time line, or begin another where the stream is another."""
        leads, line = stream.channels.leads, self.timeline
        if line is None or (line.fs, len(self.leads)) != (stream.fs, len(leads)):
            self.timeline = Timeline(stream.fs, first_sample=self._first_sample)
            self._last_s = None
        self.leads = leads

    async def _read(self, stream: _Open, thread: ThreadPoolExecutor) -> None:
        """Pass samples on until the stream is lost."""
        loop = asyncio.get_running_loop()
        self._elapsed_s = 0.0 if self._last_s is None else loop.time() - self._last_s
        if stream.offset_s is None:
            self._tell(
                f"the clock of LSL stream {self._wanted.name!r} can't be asked; its time stamps "
                "are taken for ours"
            )

        def hand_over(rows: list[Any], stamps: list[float]) -> None:
            with contextlib.suppress(RuntimeError):  # The loop may have ended meanwhile.
                loop.call_soon_threadsafe(self._pass_on, stream, rows, stamps)

        stop = threading.Event()
        try:
            await loop.run_in_executor(thread, self._pump, stream, stop, hand_over)
        finally:
            stop.set()

    def _pump(
        self,
        stream: _Open,
        stop: threading.Event,
        hand_over: Callable[[list[Any], list[float]], None],
    ) -> None:
        """Hand pieces over until the stream is lost. On the thread, however busy the loop is.

        LSL drops what it holds of a stream that is lost: so little is left there.
        """
        size = max(round(_PIECE_S * stream.fs), 1)
        rows: list[Any] = []
        stamps: list[float] = []
        is_lost, since_s = False, 0.0
        while not (stop.is_set() or is_lost):
            try:
                some, their = stream.inlet.pull_chunk(timeout=0.0, max_samples=size)
            except self._pylsl.util.LostError:
                some, their, is_lost = [], [], True
            if their:
                since_s = since_s if stamps else time.monotonic()
                offset_s = self._newest_offset(stream)
                rows += some
                stamps += [stamp + offset_s for stamp in their]
            is_due = is_lost or len(stamps) >= size or time.monotonic() - since_s >= _PIECE_S
            if stamps and is_due:
                hand_over(rows, stamps)
                rows, stamps = [], []
            if not their:
                stop.wait(_PULL_EVERY_S)

    def _newest_offset(self, stream: _Open) -> float:
        """Return what makes the sender's time stamps ours; 0 where it can't be asked."""
        if stream.offset_s is not None:
            # What was pulled counts, even if the stream is lost a moment later.
            with contextlib.suppress(self._pylsl.util.LostError):
                stream.offset_s = self._offset(stream.inlet)
        return stream.offset_s or 0.0

    def _pass_on(self, stream: _Open, rows: list[Any], stamps: list[float]) -> None:
        if self.timeline is None:
            return
        samples = stream.channels.millivolts(rows)
        now_s = asyncio.get_running_loop().time()
        runs = self.timeline.place(np.array(stamps), self._elapsed_s)
        self._last_s, self._elapsed_s = now_s, 0.0
        stops = [at for at, _ in runs[1:]] + [len(stamps)]
        for (at, first), stop in zip(runs, stops, strict=True):
            message = SampleMessage(
                seq=self._seq, first_sample=first, fs=stream.fs, samples=samples[:, at:stop]
            )
            self._seq += 1
            self._receive(self._source, encode(message), now_s)

    def _tell(self, line: str) -> None:
        """Say what is new."""
        if line != self._told:
            self._told = line
            self._notice(line)

    def _who_is_there(self) -> str:
        streams = self._pylsl.resolve_streams(wait_time=1.0)
        if not streams:
            return "there are no LSL streams on this network"
        return "there are " + ", ".join(
            f"{one.name()!r} ({one.type()}, {one.channel_count()} channels, "
            f"{one.nominal_srate():g} Hz)"
            for one in streams[:8]
        )


def _several(name: str, found: list[Any]) -> str:
    which = ", ".join(f"{one.source_id() or 'none'} on {one.hostname()}" for one in found)
    return (
        f"{len(found)} LSL streams are named {name!r} (source_id {which}); "
        f"choose one: lsl://{name}?source_id=ID"
    )
