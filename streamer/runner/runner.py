"""The loop from sources through patients to sinks, for one patient and for thousands."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.network.runtime import BeatModel
from replay.record import Reference
from streamer.beats.label_request import Step
from streamer.beats.ledger import LedgerConfig
from streamer.core.events import CHAIN_FS, StreamInfo
from streamer.patient.ward import Ward
from streamer.patient.ward_patient import Patient
from streamer.runner.labeller import Ask, Labeller
from streamer.runner.outputs import Outputs
from streamer.runner.pending import Arrival, LabelLine, PendingLabel, Timed
from streamer.runner.sessions import PatientSession, Sessions
from streamer.runner.snapshots import PatientMemory, Resumed, Snapshots
from streamer.runner.stop_signals import stop_signals
from streamer.scoring.account import Account
from streamer.sinks.sink import Sink
from streamer.sources.source import Block, Piece, Source, Turn

_MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """Bounds of the runner.

    Attributes
    ----------
    budget_ms : float
        Latency that a provisional label may have, from its R peak: decision delay in signal time
        plus compute time.
    close_timeout_s : float
        How long one sink may take to finish what it has queued, and the network to label the last
        beats.
    shed_after_s : float
        Behind schedule by more than this, samples are no longer shown to the sinks (which draw
        them and keep statistics of them), so that beats come first. Five frames of the monitor.
    yield_every_s : float
        When not paced by a clock, how often other tasks get their turn.
    snapshot_every_s : float
        How often each patient's state is written.
    shows_samples : bool
        Whether sinks see the samples.
    """

    budget_ms: float = 500.0
    close_timeout_s: float = 10.0
    shed_after_s: float = 0.25
    yield_every_s: float = 0.01
    snapshot_every_s: float = 30.0
    shows_samples: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What happened in a run."""

    n_samples: int
    """Samples played, per lead."""
    n_events: int
    """Events published; each source's `seq` run from its first one's without holes."""
    n_beats: int
    """Beats with a provisional label."""
    n_late: int
    """Those that missed the latency budget."""
    n_given_up: int
    """Labels, provisional and confirmed, that there was no time to work out."""
    n_not_shown: int
    """Samples that were not shown to the sinks, because the run was behind schedule."""
    interrupted: bool
    """Whether it was stopped before the end of the source."""
    failures: tuple[str, ...]
    """One line for every sink that failed."""


class Runner:
    """One source of samples, its patients, several sinks.

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
        Bounds.
    snapshots : Path, optional
        Folder of the patients' states, from which a new run goes on.
    memory : PatientMemory, optional
        What snapshots hold beside: a publisher's alerts and numbers.
    ledger : LedgerConfig, optional
        How much is remembered of each patient's beats.
    accounts : dict, optional
        Where the patients' accounts are kept, for sinks to read.
    ask : callable, optional
        Works out labels in place of the model.
    on_failure : callable, optional
        Gets each failure, in one line, as it happens.
    on_turn : callable, optional
        Called after each turn with the event loop's time.
    on_fault : callable
        Called when an error ends the run, before the sinks are closed.

    Attributes
    ----------
    sessions : Sessions
        The account of every patient.
    n_turns : int
        How many there were.
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
        ledger: LedgerConfig | None = None,
        accounts: dict[str, Account] | None = None,
        ask: Ask | None = None,
        on_failure: Callable[[str], None] | None = None,
        on_turn: Callable[[float], None] | None = None,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._ward = ward
        self._config = config = config or RunnerConfig()
        self._outputs = Outputs(
            sinks, close_timeout_s=config.close_timeout_s, on_failure=on_failure
        )
        self.sessions = Sessions(
            self._outputs.publish, budget_ms=config.budget_ms, ledger=ledger, accounts=accounts
        )
        self.n_turns = 0
        self._model = model
        self._ask = ask
        self._labeller: Labeller | None = None
        self._snapshots = Snapshots(snapshots, config.snapshot_every_s, memory)
        self._memory = memory
        self._on_turn = on_turn or _nothing
        self._on_fault = on_fault
        self._is_started = self._is_stopped = False
        self._playing: asyncio.Task[None] | None = None
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._n_not_shown = 0
        self._saved_at_s = 0.0
        self._resumed: dict[str, Resumed] = {}

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
        self._labeller = Labeller(self._model, self._publish, ask=self._ask)
        self._source.begin(self)
        await self._outputs.start(session.info for session in self.sessions)
        self._is_started = True
        self._restore_memory()
        with stop_signals(self.stop):
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
            n_given_up=self._labels.desk.given_up,
            n_not_shown=self._n_not_shown,
            n_events=totals.events,
            n_beats=totals.beats,
            n_late=totals.late,
            interrupted=self._is_stopped,
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
            # Samples that were lost make other events than those published before.
            seq = resumed.seq if resumed.is_gapless else max(resumed.seq, seq)
        line = LabelLine(
            info.source, patient.chain, fs=info.fs, budget_s=self._config.budget_ms / _MS
        )
        session = self.sessions.open(info, line, seq, reference)
        if following is not None:
            session.last_sample = following - 1
        if self._is_started:
            self._outputs.open(info)
        if resumed is not None:
            self._resumed[info.source] = resumed
            if self._is_started:
                self._restore_memory()
        return following

    def close(self, source: str) -> "asyncio.Task[None]":
        """End a patient's stream; the task ends when its last labels are published."""
        if source not in self._closing:
            task = asyncio.create_task(self._close([source]), name=f"close {source}")
            self._closing[source] = task
            task.add_done_callback(lambda _: self._closing.pop(source, None))
        return self._closing[source]

    def _restore_memory(self) -> None:
        """Restore what snapshots hold beside the patients, once all sinks know the sources."""
        for source, resumed in self._resumed.items():
            self._snapshots.restore_memory(source, resumed)
        self._resumed.clear()

    @property
    def _labels(self) -> Labeller:
        if self._labeller is None:
            raise RuntimeError("nothing is labelled before run()")
        return self._labeller

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
            self._push(turn)
            self.n_turns += 1
            self._save_some()
            self._end_turn()
            if self._source.is_paced:
                continue
            await self._labels.settle([session.line for session in self.sessions])
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
            self._on_turn = _nothing
            self._outputs.report(f"statistics failed: {type(error).__name__}: {error}")

    def _push(self, turn: Turn) -> None:
        """Push what is due; publish what needs no label, and have the labels worked out."""
        now_s = self._now()
        for source, piece in turn.pieces.items():
            self._show(self.sessions[source], piece, now_s)
        if turn.pieces:
            steps = self._ward.push_chunks({s: piece.chunks for s, piece in turn.pieces.items()})
            self._add(steps, now_s, lambda source: turn.pieces[source].due_s)
        if turn.block is not None:
            self._push_block(turn.block, now_s)

    def _push_block(self, block: Block, now_s: float) -> None:
        for source in block.sources:
            self.sessions[source].last_sample += block.n
        self._count_samples(block.n * len(block.sources), CHAIN_FS)
        steps = self._ward.push(block.samples, block.counts)
        self._add(steps, now_s, lambda _: block.due_s)

    def _count_samples(self, n: int, fs: float) -> None:
        self.sessions.totals.samples += n
        self.sessions.totals.signal_s += n / fs

    def _show(self, session: PatientSession, piece: Piece, now_s: float) -> None:
        """Let the sinks see the samples, unless there is no time for it."""
        session.last_sample = piece.chunks[-1].stop - 1
        n = sum(chunk.samples.shape[1] for chunk in piece.chunks)
        self._count_samples(n, session.info.fs)
        if not self._config.shows_samples:
            return
        if piece.due_s is not None and now_s - piece.due_s > self._config.shed_after_s:
            self._n_not_shown += n
            return
        for chunk in piece.chunks:
            self._outputs.observe(session.info, chunk)

    def _add(
        self,
        steps: Iterable[tuple[Patient, Step]],
        now_s: float,
        due_of: Callable[[str], float | None],
    ) -> None:
        """Put steps into their patients' lines, and the label requests on the desk."""
        requests: list[PendingLabel] = []
        arrivals: dict[str, Arrival] = {}
        for patient, step in steps:
            source = patient.source
            session = self.sessions[source]
            if source not in arrivals:
                arrivals[source] = Arrival(
                    pushed_s=now_s, due_s=due_of(source), last_sample=session.last_sample
                )
            pending = session.line.add(step, arrivals[source])
            if pending is not None:
                requests.append(pending)
        for source in arrivals:
            line = self.sessions[source].line
            self._publish(line, line.concluded())
        self._labels.submit(requests)

    def _publish(self, line: LabelLine, events: Sequence[Timed]) -> None:
        if not events:
            return
        session, now_s = self.sessions[line.source], self._now()
        for timed in events:
            self.sessions.publish(session, timed, now_s)

    def _save_some(self) -> None:
        """Have the states of the patients written whose turn it is, and whose labels are known."""
        if not self._snapshots.are_kept:
            return
        signal_s = self.sessions.totals.signal_s
        elapsed_s = (signal_s - self._saved_at_s) / max(len(self.sessions), 1)
        self._saved_at_s = signal_s
        for source in self._snapshots.due(elapsed_s, [s.info.source for s in self.sessions]):
            session = self.sessions[source]
            self._add(self._ward.settle(source), self._now(), lambda _: None)
            if len(session.line) == 0:
                self._snapshots.put(session, self._ward.snapshot(source))
            else:
                self._snapshots.postpone(source)
        self._snapshots.write()

    async def _close(self, sources: Sequence[str]) -> None:
        """End the streams of patients, once their labels are known or given up."""
        now_s = self._now()
        for source in sources:
            # The end of the stream decided these, no matter when it was noticed.
            self._add(self._ward.finish(source), now_s, lambda _: None)
        bound_s = self._config.close_timeout_s
        lines = [self.sessions[source].line for source in sources]
        if not await self._labels.settle(lines, bound_s):
            left = self._labels.give_up(lines)
            self._outputs.report(f"{left} labels were not worked out within {bound_s:g} s")
        for source in sources:
            session = self.sessions[source]
            arrival = Arrival(pushed_s=self._now(), due_s=None, last_sample=session.last_sample)
            ended = self._ward.patients[source].chain.end()
            self._publish(session.line, [Timed(event=e, arrival=arrival) for e in ended])
            self._ward.discharge(source)
            self._outputs.close_source(source)
            self.sessions.close(source)
            self._snapshots.remove(source)

    async def _suspend(self, sources: Sequence[str]) -> None:
        """Write all patients' states, so that a new run goes on where this one stopped."""
        for source in sources:
            self._add(self._ward.settle(source), self._now(), lambda _: None)
        lines = [self.sessions[source].line for source in sources]
        if not await self._labels.settle(lines, self._config.close_timeout_s):
            self._labels.give_up(lines)
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
            self._labels.raise_failure()
        finally:
            await self._labels.close()
            await self._snapshots.close()
            await self._outputs.close()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _nothing(now_s: float) -> None:
    """Follow no turns."""
