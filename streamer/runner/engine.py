"""Play a source through the chain to the sinks, at its own pace, until it ends or is stopped."""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from replay.chunk import Chunk
from streamer.core.events import Event, LabeledBeat, Published, StreamInfo
from streamer.core.stage import Stage
from streamer.patient.chain import Chain
from streamer.runner.label_queue import Timed
from streamer.runner.labelling import Ask, Labelling
from streamer.runner.outputs import Outputs
from streamer.runner.stop_signals import stop_signals
from streamer.sinks.sink import Sink

_MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Bounds of the engine.

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
    """

    budget_ms: float = 500.0
    close_timeout_s: float = 10.0
    shed_after_s: float = 0.25
    yield_every_s: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run came to."""

    n_samples: int
    """Samples played, per lead."""
    n_events: int
    """Events published; their `seq` runs from the first one's without holes."""
    n_beats: int
    """Beats with a provisional label."""
    n_late: int
    """Those that missed the latency budget."""
    n_given_up: int
    """Labels, provisional and confirmed, that there was no time to work out."""
    n_not_shown: int
    """Samples that were not shown to the sinks, because the engine was behind schedule."""
    interrupted: bool
    """Whether it was stopped before the end of the source."""
    failures: tuple[str, ...]
    """One line for every sink that failed."""


class Engine:
    """One source, one chain, several sinks.

    Parameters
    ----------
    player : async iterable of Chunk
        The source; it sets the pace.
    chain : Stage
        From chunks to events. A `streamer.patient.chain.Chain` that is paced has its labels worked
        out beside it, so that a slow network delays labels but no beat (see `Labelling`).
    sinks : sequence of Sink
        Where events go. A sink that fails while playing is closed and reported; the others go on.
    info : StreamInfo
        The source in words.
    paced : bool
        Whether the player keeps real time. If not, the engine waits for the sinks after events,
        so that none of them sheds any.
    config : EngineConfig, optional
        Bounds.
    schedule : callable, optional
        When a sample is due, on the event loop's clock; latencies count from there. None, or a
        result of None: when it is pushed.
    ask : callable, optional
        Works out labels of a paced chain; the chain's own network on a thread if None.
    clock : callable
        Seconds from any origin, for the compute latency of what isn't paced.
    on_failure : callable, optional
        Told of each failure, in one line, as it happens.
    first_seq : int
        `seq` of the first event; more than 0 where numbers go on from an earlier run.
    """

    def __init__(
        self,
        player: AsyncIterable[Chunk],
        chain: Stage[Chunk, Event],
        sinks: Sequence[Sink],
        info: StreamInfo,
        *,
        paced: bool = True,
        config: EngineConfig | None = None,
        schedule: Callable[[int], float | None] | None = None,
        ask: Ask | None = None,
        clock: Callable[[], float] = time.perf_counter,
        on_failure: Callable[[str], None] | None = None,
        first_seq: int = 0,
    ) -> None:
        self._player = player
        self._chain = chain
        self._info = info
        self._paced = paced
        self._config = EngineConfig() if config is None else config
        self._outputs = Outputs(
            sinks, close_timeout_s=self._config.close_timeout_s, on_failure=on_failure
        )
        self._schedule = schedule or (lambda sample: None)
        self._ask = ask
        self._clock = clock
        self._labelling: Labelling | None = None
        self._first_seq = first_seq
        self._playing: asyncio.Task[None] | None = None
        self._stopped = False
        self._n_samples = 0
        self._n_not_shown = 0
        self._last_sample = info.first_sample
        self._unlabelled: set[int] = set()
        self._n_events = 0
        self._n_beats = 0
        self._n_late = 0

    async def run(self) -> RunReport:
        """Play to the end, or until `stop`, SIGINT or SIGTERM; then flush and close everything.

        The chain is flushed however the run ends, so that the last beats are published too.

        Raises
        ------
        StreamerError, OSError
            If a sink can't start; those already started are closed.
        ReplayError
            If the source turns out to be damaged; the events so far have been published.
        """
        await self._outputs.start(self._info)
        if self._paced and isinstance(self._chain, Chain):
            self._labelling = self._labelling_for(self._chain)
        with stop_signals(self.stop):
            try:
                await self._play_until_stopped()
            finally:
                await self._flush()
                await self._outputs.close()
        return RunReport(
            n_samples=self._n_samples,
            n_given_up=0 if self._labelling is None else self._labelling.queue.given_up,
            n_not_shown=self._n_not_shown,
            n_events=self._n_events,
            n_beats=self._n_beats,
            n_late=self._n_late,
            interrupted=self._stopped,
            failures=tuple(self._outputs.failures),
        )

    def stop(self) -> None:
        """End the run at the current sample, as the end of the source would."""
        self._stopped = True
        if self._playing is not None:
            self._playing.cancel()

    def _labelling_for(self, chain: Chain) -> Labelling:
        return Labelling(
            chain,
            fs=self._info.fs,
            publish=self._publish_known,
            budget_s=self._config.budget_ms / _MS,
            ask=self._ask,
        )

    async def _flush(self) -> None:
        """Publish what the end of the stream makes known, and the labels that are still due."""
        if self._labelling is None:
            self._publish_timed(self._chain.flush)
            return
        bound_s = self._config.close_timeout_s
        left = await self._labelling.finish(self._last_sample, bound_s)
        if left:
            self._outputs.report(f"{left} labels were not worked out within {bound_s:g} s")

    async def _play_until_stopped(self) -> None:
        """Play in a task of its own, because a stop must end a wait for the next sample."""
        if self._stopped:
            return
        self._playing = asyncio.create_task(self._play(), name="play")
        try:
            await self._playing
        except asyncio.CancelledError:
            if not self._stopped:
                self._playing.cancel()
                raise

    async def _play(self) -> None:
        yielded_at = self._clock()
        async for chunk in self._player:
            self._n_samples += chunk.samples.shape[1]
            self._last_sample = chunk.stop - 1
            due_s = self._schedule(chunk.stop - 1)
            self._show(chunk, due_s)
            if self._labelling is not None:
                self._labelling.push(chunk, due_s)
                continue
            published = self._push(chunk)
            if self._paced:
                continue
            if published:
                await self._outputs.drain()
            if self._clock() - yielded_at >= self._config.yield_every_s:
                await asyncio.sleep(0)
                yielded_at = self._clock()

    def _push(self, chunk: Chunk) -> bool:
        """Push one chunk and publish what came of it; whether anything did."""
        return self._publish_timed(lambda: self._chain.push(chunk))

    def _publish_timed(self, events_of: Callable[[], list[Event]]) -> bool:
        before = self._clock()
        events = events_of()
        if not events:
            return False
        compute_ms = (self._clock() - before) * _MS
        for event in events:
            self._publish(event, compute_ms)
        return True

    def _publish_known(self, known: Sequence[Timed]) -> None:
        """Publish what a paced chain made known."""
        if not known:
            return
        now_s = asyncio.get_running_loop().time()
        for timed in known:
            self._publish(timed.event, (now_s - timed.pushed_s) * _MS)

    def _publish(self, event: Event, compute_ms: float) -> None:
        seq = self._first_seq + self._n_events
        message = Published(seq=seq, event=event, compute_ms=compute_ms)
        self._n_events += 1
        self._count(message)
        self._outputs.publish(message)

    def _show(self, chunk: Chunk, due_s: float | None) -> None:
        """Let the sinks see the samples, unless there is no time for it."""
        behind_s = 0.0 if due_s is None else asyncio.get_running_loop().time() - due_s
        if self._paced and behind_s > self._config.shed_after_s:
            self._n_not_shown += chunk.samples.shape[1]
            return
        self._outputs.observe(chunk)

    def _count(self, message: Published) -> None:
        event = message.event
        if not isinstance(event, LabeledBeat) or event.revision > 0:
            return
        sample = event.beat.rpeak.sample
        if sample in self._unlabelled:
            self._unlabelled.discard(sample)
            return
        if event.late and event.label is None:
            self._unlabelled.add(sample)
        delay_ms = (event.decided_at - sample) / self._info.fs * _MS
        self._n_beats += 1
        self._n_late += event.late or delay_ms + message.compute_ms > self._config.budget_ms
