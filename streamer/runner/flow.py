"""From samples that are due to published events: the ward, patients' lines, labels, sessions."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from classifier.network.runtime import BeatModel
from streamer.beats.label_request import Step
from streamer.core.events import CHAIN_FS, Alarm, AlarmState, Event, Priority, Rhythm
from streamer.patient.patients import Patient
from streamer.patient.ward import Ward
from streamer.runner.labeller import Ask, Labeller
from streamer.runner.outputs import Outputs
from streamer.runner.pending import Arrival, LabelLine, PendingLabel, Timed
from streamer.runner.run_config import RunnerConfig
from streamer.runner.sessions import PatientSession, Sessions
from streamer.sources.source import Block, Piece, Turn


class PatientFlow:
    """Pushes samples into the ward and publishes what follows from its steps.

    Parameters
    ----------
    ward : Ward
    sessions : Sessions
    outputs : Outputs
        See the samples.
    model : BeatModel
        Works out labels, on a thread of its own.
    config : RunnerConfig
    ask : callable, optional
        Works out labels in place of the model.

    Attributes
    ----------
    labeller : Labeller
    n_not_shown : int
        Samples that were not shown to the sinks, because the run was behind schedule.
    """

    def __init__(
        self,
        ward: Ward,
        sessions: Sessions,
        outputs: Outputs,
        model: BeatModel,
        *,
        config: RunnerConfig,
        ask: Ask | None = None,
    ) -> None:
        self.labeller = Labeller(model, self._publish, ask=ask)
        self.n_not_shown = 0
        self._ward = ward
        self._sessions = sessions
        self._outputs = outputs
        self._config = config

    def push(self, turn: Turn) -> None:
        """Push what is due; publish what needs no label, and have the labels worked out."""
        now_s = asyncio.get_running_loop().time()
        for source, piece in turn.pieces.items():
            self._show(self._sessions[source], piece, now_s)
        if turn.pieces:
            steps = self._ward.push_chunks({s: piece.chunks for s, piece in turn.pieces.items()})
            self.add(steps, lambda source: turn.pieces[source].due_s, now_s)
        if turn.block is not None:
            self._push_block(turn.block, now_s)

    def add(
        self,
        steps: Iterable[tuple[Patient, Step]],
        due_of: Callable[[str], float | None] = lambda source: None,
        pushed_s: float | None = None,
    ) -> None:
        """Put steps into their patients' lines, and have their labels worked out.

        Parameters
        ----------
        steps : iterable of (Patient, Step)
            What the samples pushed a moment ago completed.
        due_of : callable
            Returns when a source's newest sample was due; None without a schedule.
        pushed_s : float, optional
            When the samples were pushed, on the event loop's clock; now if None.
        """
        if pushed_s is None:
            pushed_s = asyncio.get_running_loop().time()
        requests: list[PendingLabel] = []
        arrivals: dict[str, tuple[LabelLine, Arrival]] = {}
        for patient, step in steps:
            source = patient.source
            arrived = arrivals.get(source)
            if arrived is None:
                session = self._sessions[source]
                arrival = Arrival(
                    pushed_s=pushed_s, due_s=due_of(source), last_sample=session.last_sample
                )
                arrivals[source] = arrived = session.line, arrival
            line, arrival = arrived
            pending = line.add(step, arrival)
            if pending is not None:
                requests.append(pending)
        for line, _ in arrivals.values():
            self._publish(line, line.concluded())
        self.labeller.submit(requests)

    async def settle(self, sources: Sequence[str], timeout_s: float | None = None) -> int:
        """Wait until some patients' labels are known; return how many were given up in the end."""
        lines = [self._sessions[source].line for source in sources]
        if await self.labeller.settle(lines, timeout_s):
            return 0
        return self.labeller.give_up(lines)

    def note_silence(self, source: str, *, is_silent: bool) -> None:
        """Publish that a source has sent no samples for a while, or that it sends again.

        Its onset is the last sample that came; where silence is no news, nothing is published.
        """
        session = self._sessions[source]
        known = session.alerts.ongoing_onset(Rhythm.NO_SIGNAL)
        if is_silent == (known is not None):
            return
        alarm = Alarm(
            rhythm=Rhythm.NO_SIGNAL,
            priority=Priority.MEDIUM,
            onset=session.last_sample if known is None else known,
            decided_at=session.last_sample,
            beats=(),
            state=AlarmState.ONGOING if is_silent else AlarmState.OVER,
        )
        self._publish_now(session, [alarm])

    def finish(self, source: str) -> None:
        """End a patient's stream, all but the rhythm, which waits for the labels."""
        # The end of the stream decided these, no matter when it was noticed: no schedule.
        self.add(self._ward.finish(source))

    def discharge(self, source: str) -> None:
        """Publish the rhythm's last events, and forget the patient."""
        self._publish_now(self._sessions[source], self._ward.patients[source].chain.end())
        self._ward.discharge(source)

    def _publish_now(self, session: PatientSession, events: Sequence[Event]) -> None:
        """Publish what no sample that was due has caused."""
        now_s = asyncio.get_running_loop().time()
        arrival = Arrival(pushed_s=now_s, due_s=None, last_sample=session.last_sample)
        self._publish(session.line, [Timed(event=event, arrival=arrival) for event in events])

    def _push_block(self, block: Block, now_s: float) -> None:
        self._sessions.advance(block.sources, block.n)
        self._count_samples(block.n * len(block.sources), CHAIN_FS)
        self.add(self._ward.push(block.samples, block.counts), lambda _: block.due_s, now_s)

    def _count_samples(self, n: int, fs: float) -> None:
        self._sessions.totals.samples += n
        self._sessions.totals.signal_s += n / fs

    def _show(self, session: PatientSession, piece: Piece, now_s: float) -> None:
        """Let the sinks see the samples, unless there is no time for it."""
        session.last_sample = piece.chunks[-1].stop - 1
        n = sum(chunk.samples.shape[1] for chunk in piece.chunks)
        self._count_samples(n, session.info.fs)
        if not self._config.shows_samples:
            return
        if piece.due_s is not None and now_s - piece.due_s > self._config.shed_after_s:
            self.n_not_shown += n
            return
        for chunk in piece.chunks:
            self._outputs.observe(session.info, chunk)

    def _publish(self, line: LabelLine, events: Sequence[Timed]) -> None:
        if not events:
            return
        session, now_s = self._sessions[line.source], asyncio.get_running_loop().time()
        for timed in events:
            self._sessions.publish(session, timed, now_s)
