"""Runs a ward at real time: samples in once a tick, events out, snapshots now and then."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from streamer.beats.label_request import LabelRequest
from streamer.core.errors import SnapshotError, StreamerError
from streamer.core.events import CHAIN_FS, StreamInfo
from streamer.messages.samples import SampleMessage
from streamer.patient.ward import Ward
from streamer.patient.ward_patient import PatientStep, WardEvent
from streamer.runner.beds import Beds
from streamer.runner.calm_memory import calm_memory
from streamer.runner.snapshots import Memory, SnapshotTurns
from streamer.runner.stop_signals import stop_signals
from streamer.runner.ward_budget import BatchPace
from streamer.sources.intake import IntakeConfig, LiveIntake
from streamer.sources.looped import LoopedRecords
from streamer.sources.track import SampleTrack

_TRAINING_UNKNOWN: Final = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WardRunConfig:
    """Times of a ward.

    Attributes
    ----------
    tick_s : float
        From one look at a patient's samples to the next; half of it is added to the latency on
        average.
    turns : int
        Groups of patients whose turn comes one after another within a tick: nobody waits for the
        work on all.
    intake : IntakeConfig
        What live sources may do.
    snapshot_every_s : float
        How often each patient's state is written.
    paced : bool
        Whether looped records are played at real time, else as fast as possible.
    """

    tick_s: float = 0.05
    turns: int = 2
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    snapshot_every_s: float = 30.0
    paced: bool = True

    @property
    def turn_s(self) -> float:
        """From one group's turn to the next one's."""
        return self.tick_s / self.turns


def looped_turns(config: WardRunConfig, total: int | None) -> Iterator[tuple[slice, range]]:
    """Yield whose turn it is, and which samples of the chain's rate they take.

    A turn comes when its last sample is due. With `total`, each group gets as many, then it ends.
    """
    done = [0] * config.turns
    for turn in count(1):
        group = (turn - 1) % config.turns
        due = round(turn * config.turn_s * CHAIN_FS)
        due = due if total is None else min(due, total)
        if due > done[group]:
            yield slice(group, None, config.turns), range(done[group], due)
        done[group] = due
        if total is not None and min(done) >= total:
            return


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
    memory : Memory, optional
        What else snapshots are to hold.

    Attributes
    ----------
    intake : LiveIntake
        Live sources.
    ticks, late_ticks : int
        How many there were, and how many ended after the next was due.
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
        memory: Memory | None = None,
    ) -> None:
        self.late_ticks = 0
        self.ticks = 0
        self._ward = ward
        self._beds = beds
        self._n_leads = n_leads
        self._config = config = config or WardRunConfig()
        self._saving = (
            None if snapshots is None else SnapshotTurns(snapshots, config.snapshot_every_s)
        )
        self._on_source = on_source or (lambda info, came: None)
        self._on_tick = on_tick or (lambda now_s: None)
        self._memory = memory
        self._stopping = asyncio.Event()
        self._pace = BatchPace()
        self._failure: StreamerError | None = None
        self.intake = LiveIntake(
            n_leads=n_leads, admit=self._admit_live, leave=self._leave, config=config.intake
        )

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
            total = None if seconds is None else round(seconds * CHAIN_FS)
            with calm_memory():
                for group, due in looped_turns(self._config, total):
                    await self._wait_until(began_s + due.stop / CHAIN_FS)
                    if self._stopping.is_set():
                        break
                    self._push_looped(records, names, group, len(due))
                    self._save_some(self._config.turn_s)
            await self._finish()

    def _push_looped(self, records: LoopedRecords, names: list[str], group: slice, n: int) -> None:
        """Push the next n samples of a group of patients."""
        samples = records.read(self._ward.rows.next_samples[: len(names)], n, group)
        counts = np.zeros(len(names), np.int64)
        counts[group] = n
        for name in names[group]:
            self._beds.beds[name].last_sample += n
        self._publish(self._ward.push(samples, counts))

    async def run_live(self, seconds: float | None) -> None:
        """Label what comes in by `receive` until stopped.

        Raises
        ------
        StreamerError
            If a patient's snapshot can't be used, or snapshots can't be written.
        """
        with stop_signals(self.stop):
            began_s, turns = self._now(), 0
            while not self._stopping.is_set():
                group, turns = turns % self._config.turns, turns + 1
                await self._wait_until(began_s + turns * self._config.turn_s)
                self.intake.pass_time(self._now())
                self._push_pending(self._live_sources(group))
                self._save_some(self._config.turn_s)
                if seconds is not None and self._now() - began_s >= seconds:
                    break
            await self._finish()
        if self._failure is not None:
            raise self._failure

    def receive(self, source: str, payload: bytes, now_s: float) -> None:
        """Take one message of live samples; what isn't in our form is counted and dropped.

        A patient's snapshot that can't be used ends the run with its error.
        """
        try:
            self.intake.receive(source, payload, now_s)
        except StreamerError as error:
            self._failure = error
            self.stop()

    def _live_sources(self, group: int) -> list[str]:
        """Return the live sources whose turn it is."""
        rows = ((source, self._ward.patients[source].row) for source in self.intake.sources)
        return [source for source, row in rows if row % self._config.turns == group]

    def _push_pending(self, sources: list[str]) -> None:
        """Push what has come of some sources."""
        now_s = self._now()
        due = {source: chunks for source in sources if (chunks := self.intake.take(source))}
        for source, chunks in due.items():
            bed = self._beds.beds[source]
            bed.last_sample = chunks[-1].stop - 1
            # Not the sender's clock but the arrival says when a sample was due here.
            newest_s = now_s - (bed.last_sample - bed.info.first_sample) / bed.info.fs
            bed.began_s = min(bed.began_s, newest_s)
        self._publish(self._ward.push_chunks(due))

    def _label(self, steps: Sequence[PatientStep]) -> list[WardEvent]:
        """Have the labels worked out; publish late beats before a slow network is asked."""
        asked = [(patient, step) for patient, step in steps if isinstance(step, LabelRequest)]
        if asked and self._config.paced:
            now_s = self._now()
            self._beds.tell_late(asked, self._pace.expected_s(len(asked)), now_s)
            self._pace.ask(len(asked), now_s)
        return self._ward.label(steps)

    def _publish(self, steps: Sequence[PatientStep]) -> None:
        events = self._label(steps)
        self._pace.answered(self._now())
        self._take(events)
        self.ticks += 1
        self._on_tick(self._now())

    def _take(self, events: list[WardEvent]) -> None:
        self._beds.take(events, self._now(), is_timed=self._config.paced)

    def _admit_looped(self, source: str, began_s: float) -> None:
        self._ward.admit(source)
        if self._resume(source, began_s) is not None:
            return
        info = self._info(source, fs=CHAIN_FS, first_sample=0, began_s=began_s)
        self._beds.open(info, began_s)
        self._on_source(info, True)

    def _admit_live(
        self, source: str, message: SampleMessage, now_s: float, track: SampleTrack
    ) -> None:
        self._ward.admit(source, fs=message.fs)
        began_s = now_s - message.samples.shape[1] / message.fs
        following = self._resume(source, began_s, message)
        if following is not None:
            track.resume(following)
            return
        info = self._info(source, fs=message.fs, first_sample=message.first_sample, began_s=began_s)
        self._beds.open(info, began_s)
        self._on_source(info, True)

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

    def _resume(
        self, source: str, began_s: float, message: SampleMessage | None = None
    ) -> int | None:
        """Go on from the patient's snapshot, if one fits; return the sample that follows it."""
        saved = None if self._saving is None else self._saving.find(source)
        if saved is None:
            return None
        try:
            state, chain = saved["bed"], saved["chain"]
            following = int(saved["next_sample"])
            first, fs = int(state["info"]["first_sample"]), float(state["info"]["fs"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"the snapshot of {source} is none of a ward; remove it to start that patient anew"
            ) from error
        if message is not None and message.stop <= following - message.samples.shape[1]:
            # The source goes back further than the overlap of a replay: a new run.
            return None
        self._ward.restore(source, chain)
        began_s -= (following - first) / fs
        bed = self._beds.restore(state, began_s, time.time() + began_s - self._now())
        bed.last_sample = following - 1
        self._on_source(bed.info, True)
        if self._memory is not None and saved.get("memory") is not None:
            self._memory.restore_alerts(source, saved["memory"])
        return following

    def _leave(self, source: str) -> None:
        if source in self.intake.sources:
            self._push_pending([source])
            self.intake.forget(source)
        # The end of the stream decided these, no matter when it was noticed.
        patient = self._ward.patients[source]
        events = self._label(self._ward.finish(source))
        events += [WardEvent(patient=patient, event=event) for event in patient.chain.end()]
        self._ward.discharge(source)
        self._beds.take(events, self._now(), is_timed=False)
        self._on_source(self._beds.beds[source].info, False)
        self._beds.close(source)
        if self._saving is not None:
            self._saving.remove(source)

    def _save_some(self, elapsed_s: float) -> None:
        """Write the states of a few patients each tick, in turn."""
        if self._saving is None:
            return
        states = {}
        for source in self._saving.due(elapsed_s, self._beds.beds):
            self._take(self._label(self._ward.settle(source)))
            states[source] = self._state(source)
        self._saving.write(states)

    def _state(self, source: str) -> dict[str, object]:
        chain = self._ward.snapshot(source)
        return {
            "bed": self._beds.state(source),
            "chain": chain,
            "next_sample": self._ward.patients[source].chain.next_sample or 0,
            "memory": None if self._memory is None else self._memory.alert_state(source),
        }

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
            await self._saving.close()
        for source in list(self._beds.beds):
            self._leave(source)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
