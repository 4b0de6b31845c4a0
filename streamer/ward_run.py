"""Runs a ward at real time: samples in once a tick, events out, snapshots now and then."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from classifier.runtime import BeatModel
from replay.chunk import Chunk
from streamer.calm_memory import calm_memory
from streamer.errors import SnapshotError
from streamer.events import CHAIN_FS, StreamInfo
from streamer.live_payload import SampleMessage, SamplesError, decode
from streamer.live_track import SampleTrack, TrackConfig
from streamer.looped import LoopedRecords
from streamer.payload import check_source
from streamer.snapshot_file import SUFFIX, read_snapshot, write_snapshot
from streamer.stop_signals import stop_signals
from streamer.ward import Ward, WardEvent
from streamer.ward_beds import Beds

_TRAINING_UNKNOWN: Final = False
_WARM_UP_S: Final = 6.0
"""Long enough for the detector to finish learning and for beats to be labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WardRunConfig:
    """Times of a ward.

    Attributes
    ----------
    tick_s : float
        From one compiled call to the next; half of it is added to the latency on average.
    absent_s : float
        A live source that is silent for so long has left.
    track : TrackConfig
        How long a live source's missing messages are waited for.
    snapshot_every_s : float
        How often each patient's state is written.
    paced : bool
        Whether looped records are played at real time, else as fast as possible.
    """

    tick_s: float = 0.05
    absent_s: float = 30.0
    track: TrackConfig = field(default_factory=TrackConfig)
    snapshot_every_s: float = 30.0
    paced: bool = True


@dataclass(slots=True, kw_only=True)
class LiveSource:
    """A source whose samples come over the network."""

    track: SampleTrack
    heard_s: float
    pending: list[Chunk]


class WardRun:
    """A ward with its sources and outputs.

    Parameters
    ----------
    ward : Ward
    beds : Beds
        Publishes the events.
    n_leads : int
    config : WardRunConfig, optional
    snapshots : Path, optional
        Folder for the patients' states, which a new run resumes from.
    on_source : callable, optional
        Told of each source that comes (True) or leaves (False).
    on_tick : callable, optional
        Called after each tick with the event loop's time.

    Attributes
    ----------
    late_ticks : int
        Ticks that ended after the next was due.
    """

    def __init__(
        self,
        ward: Ward,
        beds: Beds,
        *,
        n_leads: int = 2,
        config: WardRunConfig | None = None,
        snapshots: Path | None = None,
        on_source: Callable[[StreamInfo, bool], None] | None = None,
        on_tick: Callable[[float], None] | None = None,
    ) -> None:
        self.late_ticks = 0
        self.ticks = 0
        self.malformed = 0
        self.live: dict[str, LiveSource] = {}
        self._ward = ward
        self._beds = beds
        self._n_leads = n_leads
        self._config = config or WardRunConfig()
        self._snapshots = snapshots
        self._on_source = on_source or (lambda info, came: None)
        self._on_tick = on_tick or (lambda now_s: None)
        self._credit = 0.0
        self._turns: deque[str] = deque()
        self._saving: asyncio.Future[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshots")
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the run after the current tick."""
        self._stopping.set()

    async def run_looped(
        self, records: LoopedRecords, names: list[str], seconds: float | None
    ) -> None:
        """Play looped records to so many patients; for ever if `seconds` is None."""
        with stop_signals(self.stop):
            began_s = self._now()
            for name in names:
                self._admit_looped(name, began_s)
            size = max(round(self._config.tick_s * CHAIN_FS), 1)
            total = None if seconds is None else round(seconds * CHAIN_FS)
            states, done = self._ward.memory.states, 0
            with calm_memory():
                while not self._stopping.is_set() and (total is None or done < total):
                    n = size if total is None else min(size, total - done)
                    done += n
                    await self._wait_until(began_s + done / CHAIN_FS)
                    samples = records.read(states["n"][: len(names)], n)
                    for bed in self._beds.beds.values():
                        bed.last_sample += n
                    self._publish(self._ward.push(samples))
                    self._save_some(size / CHAIN_FS)
            await self._finish()

    async def run_live(self, seconds: float | None) -> None:
        """Label what comes in by `receive` until stopped."""
        with stop_signals(self.stop):
            began_s, ticks = self._now(), 0
            while not self._stopping.is_set():
                ticks += 1
                await self._wait_until(began_s + ticks * self._config.tick_s)
                self._push_live()
                self._save_some(self._config.tick_s)
                if seconds is not None and self._now() - began_s >= seconds:
                    break
            await self._finish()

    def receive(self, source: str, payload: bytes, now_s: float) -> None:
        """Take one message of live samples; what isn't in our form is counted and dropped."""
        try:
            check_source(source)
            message = decode(payload)
            live = self.live.get(source)
            if live is not None and live.track.is_restart(message):
                self._leave(source)
                live = None
            if live is None:
                live = self._admit_live(source, message, now_s)
            live.heard_s = now_s
            live.pending += live.track.push(message, now_s)
        except ValueError:
            self.malformed += 1

    def _push_live(self) -> None:
        now_s = self._now()
        for source, live in list(self.live.items()):
            live.pending += live.track.tick(now_s)
            if now_s - live.heard_s > self._config.absent_s:
                self._leave(source)
        self._push_pending(list(self.live))

    def _push_pending(self, sources: list[str]) -> None:
        """Push what has come of some sources."""
        now_s = self._now()
        due = {s: self.live[s].pending for s in sources if self.live[s].pending}
        fitted = {s: [self._fit(chunk) for chunk in chunks] for s, chunks in due.items()}
        for source in due:
            bed = self._beds.beds[source]
            bed.last_sample = due[source][-1].stop - 1
            # Not the sender's clock but the arrival says when a sample was due here.
            newest_s = now_s - (bed.last_sample - bed.info.first_sample) / bed.info.fs
            bed.began_s = min(bed.began_s, newest_s)
            self.live[source].pending = []
        self._publish(self._ward.push_chunks(fitted))

    def _fit(self, chunk: Chunk) -> Chunk:
        """Give a chunk the ward's number of leads: missing ones are invalid, others left out."""
        leads, n = chunk.samples.shape
        if leads == self._n_leads:
            return chunk
        samples = np.full((self._n_leads, n), np.nan, np.float32)
        samples[:leads] = chunk.samples[: self._n_leads]
        return Chunk(start=chunk.start, samples=samples)

    def _publish(self, events: list[WardEvent]) -> None:
        self._take(events)
        self.ticks += 1
        self._on_tick(self._now())

    def _take(self, events: list[WardEvent]) -> None:
        self._beds.take(events, self._now(), is_timed=self._config.paced)

    def _admit_looped(self, source: str, began_s: float) -> None:
        self._ward.admit(source)
        if self._resume(source, began_s):
            return
        info = self._info(source, fs=CHAIN_FS, first_sample=0, began_s=began_s)
        self._beds.open(info, began_s)
        self._on_source(info, True)

    def _admit_live(self, source: str, message: SampleMessage, now_s: float) -> LiveSource:
        if not 50.0 <= message.fs <= 5000.0:
            raise SamplesError(f"{source} has {message.fs:g} Hz; expected 50 to 5000")
        self._ward.admit(source, fs=message.fs)
        began_s = now_s - message.samples.shape[1] / message.fs
        live = LiveSource(track=SampleTrack(self._config.track), heard_s=now_s, pending=[])
        self.live[source] = live
        if not self._resume(source, began_s, message):
            info = self._info(
                source, fs=message.fs, first_sample=message.first_sample, began_s=began_s
            )
            self._beds.open(info, began_s)
            self._on_source(info, True)
        return live

    def _info(self, source: str, *, fs: float, first_sample: int, began_s: float) -> StreamInfo:
        return StreamInfo(
            source=source,
            fs=fs,
            leads=tuple(f"lead{k + 1}" for k in range(self._n_leads)),
            first_sample=first_sample,
            n_samples=None,
            training_record=_TRAINING_UNKNOWN,
            started_at=time.time() + began_s - self._now(),
        )

    def _resume(self, source: str, began_s: float, message: SampleMessage | None = None) -> bool:
        """Go on from the patient's snapshot, if there is one that fits."""
        path = self._path(source)
        if path is None or not path.exists():
            return False
        saved = read_snapshot(path)
        try:
            state, chain = saved["bed"], saved["chain"]
            following = int(saved["next_sample"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"{path} is no snapshot of a ward; remove it") from error
        if message is not None and message.stop <= following - message.samples.shape[1]:
            # The source goes back further than the overlap of a replay: a new run.
            return False
        self._ward.restore(source, chain)
        first = int(state["info"]["first_sample"])
        began_s -= (following - first) / float(state["info"]["fs"])
        bed = self._beds.restore(state, began_s, time.time() + began_s - self._now())
        bed.last_sample = following - 1
        if message is not None:
            self.live[source].track.resume(following)
        self._on_source(bed.info, True)
        return True

    def _leave(self, source: str) -> None:
        if source in self.live:
            self._push_pending([source])
            del self.live[source]
        # The end of the stream decided these, no matter when it was noticed.
        self._beds.take(self._ward.discharge(source), self._now(), is_timed=False)
        self._on_source(self._beds.beds[source].info, False)
        self._beds.close(source)
        path = self._path(source)
        if path is not None:
            path.unlink(missing_ok=True)

    def _path(self, source: str) -> Path | None:
        return None if self._snapshots is None else self._snapshots / f"{source}{SUFFIX}"

    def _save_some(self, elapsed_s: float) -> None:
        """Write the states of a few patients each tick, in turn."""
        if self._snapshots is None:
            return
        self._credit += elapsed_s / self._config.snapshot_every_s * len(self._beds)
        if self._saving is not None:
            if not self._saving.done():
                return
            self._saving.result()
        states = []
        while self._credit >= 1.0 and self._beds.beds:
            self._credit -= 1.0
            if not self._turns:
                self._turns.extend(self._beds.beds)
            source = self._turns.popleft()
            path = self._path(source)
            if source in self._beds.beds and path is not None:
                self._take(self._ward.settle(source))
                states.append((path, self._state(source)))
        if states:
            loop = asyncio.get_running_loop()
            self._saving = loop.run_in_executor(self._executor, _write_all, states)

    def _state(self, source: str) -> dict[str, object]:
        chain = self._ward.snapshot(source)
        last = chain.state["last_sample"]
        return {"bed": self._beds.state(source), "chain": chain, "next_sample": last + 1}

    async def _wait_until(self, due_s: float) -> None:
        """Wait for the tick; count it if the one before took too long."""
        if not self._config.paced:
            await asyncio.sleep(0)
            return
        remaining_s = due_s - self._now()
        if remaining_s <= 0:
            self.late_ticks += 1
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), remaining_s)

    async def _finish(self) -> None:
        if self._saving is not None:
            await self._saving
        for source in list(self._beds.beds):
            self._leave(source)
        self._executor.shutdown()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def warm_up_ward(model: BeatModel, n_leads: int) -> None:
    """Have the ward's kernel compiled and loaded: the first time takes half a minute.

    A few spikes go through a ward that is then thrown away.
    """
    ward = Ward(model, n_leads=n_leads)
    ward.admit("nobody")
    samples = np.zeros((n_leads, round(_WARM_UP_S * CHAIN_FS)), np.float32)
    samples[:, :: round(CHAIN_FS)] = 1.0
    ward.push_chunks({"nobody": [Chunk(start=0, samples=samples)]})
    ward.discharge("nobody")


def _write_all(states: list[tuple[Path, dict[str, object]]]) -> None:
    for path, state in states:
        write_snapshot(path, state)
