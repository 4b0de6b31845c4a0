"""The loop from sources through patients to sinks, for one patient and for thousands."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from classifier.network.runtime import BeatModel
from replay.record import Reference
from streamer.beats.ledger import LedgerConfig
from streamer.core.events import StreamInfo
from streamer.patient.journal import Journal
from streamer.patient.ward import Ward
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.runner.flow import PatientFlow
from streamer.runner.labeller import Ask
from streamer.runner.outputs import Outputs
from streamer.runner.pending import LabelLine
from streamer.runner.process import stop_signals
from streamer.runner.run_config import RunnerConfig, RunReport
from streamer.runner.sessions import Sessions, restore_alerts
from streamer.runner.snapshots import PatientMemory, Snapshots
from streamer.scoring.account import Account
from streamer.sinks.sink import Sink
from streamer.sources.source import Source


class Runner:
    """One source of samples, its patients, several sinks; the `Host` of the source.

    Parameters
    ----------
    source : Source
        Gives samples at its own pace.
    model : BeatModel
        Works out labels, on a thread of its own.
    sinks : sequence of Sink
        Where events go. A sink that fails while playing is closed and reported; the others go on.
    ward : Ward
        Follows the patients.
    config : RunnerConfig, optional
    snapshots : Path, optional
        Folder of the patients' states, from which a new run goes on.
    memory, journal : optional
        A publisher's numbers, beside those of the snapshots; and what came and was said since.
    ledger, accounts, alerts : optional
        How much is remembered of each patient's beats; where accounts and alerts are kept, for
        sinks to read and to acknowledge.
    ask : callable, optional
        Works out labels in place of the model.
    on_failure, on_turn, on_saved, on_fault : callable, optional
        Called with each failure, in one line; after each turn, with the event loop's time; with a
        source whose snapshot is written, and the sample that follows; when an error ends the run.

    Attributes
    ----------
    sessions : Sessions
    n_turns : int
    """

    def __init__(
        self,
        source: Source,
        model: BeatModel,
        sinks: Sequence[Sink],
        *,
        ward: Ward,
        config: RunnerConfig | None = None,
        snapshots: Path | None = None,
        memory: PatientMemory | None = None,
        journal: Journal | None = None,
        ledger: LedgerConfig | None = None,
        accounts: dict[str, Account] | None = None,
        alerts: PatientAlerts | None = None,
        ask: Ask | None = None,
        on_failure: Callable[[str], None] | None = None,
        on_turn: Callable[[float], None] = lambda now_s: None,
        on_saved: Callable[[str, int], None] = lambda source, next_sample: None,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._ward = ward
        self._config = config = config or RunnerConfig()
        timeout_s = config.close_timeout_s
        self._outputs = Outputs(sinks, close_timeout_s=timeout_s, on_failure=on_failure)
        self.sessions = Sessions(self._outputs.publish, config.budget_ms, ledger, accounts, alerts)
        self.n_turns = 0
        self._flow = PatientFlow(ward, self.sessions, self._outputs, model, config=config, ask=ask)
        self._snapshots = Snapshots(snapshots, config.snapshot_every_s, memory, journal, on_saved)
        self._memory = memory
        self._on_turn = on_turn
        self._on_fault = on_fault
        self._is_started = self._is_stopped = False
        self._playing: asyncio.Task[None] | None = None
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._saved_at_s = 0.0

    async def run(self) -> RunReport:
        """Play to the end, or until `stop`, SIGINT or SIGTERM; then flush and close everything.

        Every patient's stream is ended however the run ends, so that the last beats are published.

        Raises
        ------
        StreamerError, OSError
            If a sink can't start; those already started are closed.
        ReplayError
            If the source turns out to be damaged; the events so far have been published.
        """
        self._source.begin(self)
        known = {session.info.source: session.info for session in self.sessions}
        await self._outputs.start(known.values())
        self._is_started = True
        for session in self.sessions:  # Live sources may come while sinks start.
            if session.info.source not in known:
                self._outputs.open(session.info)
        self._snapshots.tell_resumed()
        with stop_signals(self.stop) as signals:
            try:
                await self._play_until_stopped()
            except Exception:
                self._on_fault()
                raise
            finally:
                await self._finish()
        totals = self.sessions.totals
        return RunReport(
            n_samples=totals.samples,
            n_given_up=self._flow.labeller.desk.given_up,
            n_not_shown=self._flow.n_not_shown,
            n_events=totals.events,
            n_beats=totals.beats,
            n_late=totals.late + totals.late_at_start,
            interrupted=self._is_stopped,
            signal=signals[0] if signals else None,
            failures=tuple(self._outputs.failures),
        )

    def stop(self) -> None:
        """End the run at the current sample, as the end of the source would."""
        self._is_stopped = True
        if self._playing is not None:
            self._playing.cancel()

    def add_sink(self, sink: Sink) -> None:
        """Have one more sink, before the run."""
        self._outputs.add(sink)

    def open(
        self,
        info: StreamInfo,
        *,
        first_sample: int | None = None,
        reference: Reference | None = None,
    ) -> int | None:
        """Begin with a patient, or go on from its snapshot; see `Host.open`."""
        patient = self._ward.admit(info.source, fs=info.fs)
        resumed = self._snapshots.resume(info, first_sample)
        seq, following = 0 if self._memory is None else self._memory.next_seq(info.source), None
        if resumed is not None:
            self._ward.restore(info.source, resumed.chain)
            info, following = resumed.info, resumed.next_sample
            seq = resumed.seq if resumed.repeats else max(resumed.seq, seq)
        budget_s = self._config.budget_ms / 1000.0
        line = LabelLine(info.source, patient.chain, fs=info.fs, budget_s=budget_s)
        session = self.sessions.open(info, line, seq, reference)
        session.said = self._snapshots.said(info.source)
        if following is not None:
            session.last_sample = following - 1
        if resumed is not None:
            restore_alerts(session, resumed.alerts)
            self._snapshots.remember(info.source)
        elif first_sample is not None and self._snapshots.are_kept:
            # From here on nothing is lost: whoever sends live may send it all again.
            self._save([info.source])
        if self._is_started:
            self._outputs.open(info)
            self._snapshots.tell_resumed()
        return following

    def close(self, source: str) -> "asyncio.Task[None]":
        """End a patient's stream; the task ends when its last labels are published."""
        if source not in self._closing:
            task = asyncio.create_task(self._close([source]), name=f"close {source}")
            self._closing[source] = task
            task.add_done_callback(lambda _: self._closing.pop(source, None))
        return self._closing[source]

    def recall(self, source: str) -> list[bytes]:
        """Say again what was said of a patient since its snapshot; return its messages since."""
        return self._snapshots.recall(source)

    async def hand_over(self, sources: Sequence[str]) -> None:
        """Follow patients no longer, whose states are written for whoever goes on with them."""
        await self._suspend(sources)
        for source in sources:
            self._ward.discharge(source)
            self.sessions.close(source)
            self._snapshots.let_go(source)

    def silent(self, source: str, *, is_silent: bool) -> None:
        """Publish that a source has sent no samples for a while, or sends again."""
        self._flow.note_silence(source, is_silent=is_silent)
        if is_silent and self._snapshots.are_kept:
            self._save([source])  # Its sender may have ended, and wait until all is kept.

    async def _play_until_stopped(self) -> None:
        """Play in a task of its own, because a stop must end a wait for the next sample."""
        if self._is_stopped:
            return
        self._playing = asyncio.create_task(self._play(), name="play")
        try:
            await self._playing
        except asyncio.CancelledError:
            if not self._is_stopped:
                self._playing.cancel()
                raise

    async def _play(self) -> None:
        yielded_s = self._now()
        async for turn in self._source.turns():
            n_events = self.sessions.totals.events
            self._flow.push(turn)
            self.n_turns += 1
            if not turn.is_recall:  # What was said must be known before it may be forgotten.
                self._save_some()
            self._end_turn()
            if self._source.is_paced and not (turn.is_recall or turn.is_behind):
                continue
            await self._flow.labeller.settle()
            if self.sessions.totals.events > n_events:
                await self._outputs.drain()
            if self._now() - yielded_s >= self._config.yield_every_s:
                await asyncio.sleep(0)
                yielded_s = self._now()

    def _end_turn(self) -> None:
        """Call who follows the turns; what fails there costs the patients nothing."""
        try:
            self._on_turn(self._now())
        except Exception as error:  # noqa: BLE001 - statistics must not end a ward
            self._on_turn = lambda now_s: None
            self._outputs.report(f"statistics failed: {type(error).__name__}: {error}")

    def _save_some(self) -> None:
        """Have the states of the patients written whose turn it is."""
        if not self._snapshots.are_kept:
            return
        signal_s = self.sessions.totals.signal_s
        elapsed_s = (signal_s - self._saved_at_s) / max(len(self.sessions), 1)
        self._saved_at_s = signal_s
        self._save(self._snapshots.due(elapsed_s, [s.info.source for s in self.sessions]))

    def _save(self, sources: Sequence[str]) -> None:
        """Have the states of patients written whose labels are known; of the others, next time."""
        for source in sources:
            session = self.sessions[source]
            self._flow.add(self._ward.settle(source))
            if len(session.line) == 0:
                self._snapshots.put(session, self._ward.snapshot(source))
            else:
                self._snapshots.postpone(source)
        self._snapshots.write()

    async def _close(self, sources: Sequence[str]) -> None:
        """End the streams of patients, once their labels are known or given up."""
        for source in sources:
            self._flow.finish(source)
        bound_s = self._config.close_timeout_s
        if left := await self._flow.settle(sources, bound_s):
            self._outputs.report(f"{left} labels were not worked out within {bound_s:g} s")
        for source in sources:
            self._flow.discharge(source)
            self._outputs.close_source(source)
            self.sessions.close(source)
            self._snapshots.remove(source)

    async def _suspend(self, sources: Sequence[str]) -> None:
        """Write all patients' states, so that a new run goes on where this one stopped."""
        for source in sources:
            self._flow.add(self._ward.settle(source))
        await self._flow.settle(sources, self._config.close_timeout_s)
        for source in sources:
            self._snapshots.put(self.sessions[source], self._ward.snapshot(source))
            self._outputs.close_source(source)
        await self._snapshots.write_now()

    async def _finish(self) -> None:
        """End all streams and close everything, whatever happens on the way."""
        try:
            await asyncio.gather(*self._closing.values())
            sources = [session.info.source for session in self.sessions]
            if self._is_stopped and self._snapshots.are_kept:
                await self._suspend(sources)
            else:
                await self._close(sources)
            self._flow.labeller.raise_failure()
        finally:
            await self._flow.labeller.close()
            await self._snapshots.close()
            await self._outputs.close()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
