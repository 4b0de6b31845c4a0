"""Runs a chain in real time, with a slow network on a thread of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from classifier.inputs.features import FloatArray
from replay.chunk import Chunk
from streamer.beats.label_request import LabelRequest, Step, compute_probabilities
from streamer.patient.chain import Chain
from streamer.runner.label_queue import Arrival, LabelQueue, Timed

Ask = Callable[[LabelRequest], Awaitable[FloatArray]]
"""Works out one question's probabilities, shape (classes,)."""


@dataclass(slots=True)
class Quickness:
    """Whether the network is quick enough to be asked between two samples.

    Handing a question to a thread and its answer back costs two waits for a processor: on a busy
    machine several times what the network itself takes.
    """

    limit_s: float = 0.004
    """Longer answers aren't quick; a sample and a half at 360 Hz."""
    needed: int = 8
    """Quick answers in a row after which the network is trusted."""
    run: int = 0
    """Quick answers in a row so far."""

    def take(self, answer_s: float) -> None:
        """Note how long an answer took."""
        self.run = self.run + 1 if answer_s <= self.limit_s else 0

    @property
    def is_proven(self) -> bool:
        """Whether the last answers were all quick."""
        return self.run >= self.needed


class Labelling:
    """Pushes samples through a chain and has the labels worked out beside it.

    A slow network so delays labels, never samples or the beats themselves: see `LabelQueue`.
    Labels are the same as those of `Chain.push`; only when they are published differs.

    Parameters
    ----------
    chain : Chain
    fs : float
        Sampling frequency of the source in Hz.
    publish : callable
        Gets what became known, on the event loop.
    budget_s : float
        From an R peak to its provisional label.
    ask : callable, optional
        Works out one question; the chain's own network if None.

    Attributes
    ----------
    queue : LabelQueue

    Notes
    -----
    The chain's own network is asked on a thread until it has proven quick, then between two
    samples; after one slow answer it is back on the thread. So a network that becomes slow holds
    up the samples once, by one answer.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        fs: float,
        publish: Callable[[Sequence[Timed]], None],
        budget_s: float,
        ask: Ask | None = None,
    ) -> None:
        self.queue = LabelQueue(chain, fs=fs, budget_s=budget_s)
        self._chain = chain
        self._publish = publish
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="labels")
        self._ask = ask or self._ask_thread
        self._quickness = Quickness()
        self._is_asking = False
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def push(self, chunk: Chunk, due_s: float | None) -> None:
        """Push samples that were due at `due_s` on the event loop's clock (now if None)."""
        self._raise_failure()
        now_s = self._now()
        steps = self._chain.advance(chunk)
        arrived_s = now_s if due_s is None else due_s
        self._add(steps, Arrival(pushed_s=now_s, due_s=arrived_s, last_sample=chunk.stop - 1))

    async def finish(self, last_sample: int, timeout_s: float) -> int:
        """End the stream and wait for the labels; return how many were given up at the end.

        Parameters
        ----------
        last_sample : int
            The last one pushed.
        timeout_s : float
            After this, what is left is published without its label.
        """
        now_s = self._now()
        steps = self._chain.finish()
        self._add(steps, Arrival(pushed_s=now_s, due_s=now_s, last_sample=last_sample))
        await self._wait_idle(timeout_s)
        before = self.queue.given_up
        self._publish(self.queue.give_up())
        rest = self._chain.end()
        self._publish([Timed(event=event, pushed_s=self._now()) for event in rest])
        await self._close()
        self._raise_failure()
        return self.queue.given_up - before

    async def _wait_idle(self, timeout_s: float) -> None:
        if self._worker is None or not len(self.queue):
            return
        idle = asyncio.ensure_future(self._idle.wait())
        await asyncio.wait(
            {idle, self._worker}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        idle.cancel()

    def _add(self, steps: Sequence[Step], arrival: Arrival) -> None:
        self._publish(self.queue.add(steps, arrival))
        if len(self.queue) and self._quickness.is_proven:
            self._answer_at_once()
        if len(self.queue):
            self._idle.clear()
            self._more.set()
            if self._worker is None:
                self._worker = asyncio.create_task(self._work(), name="labels")
        self._set_timer()

    async def _work(self) -> None:
        while True:
            place = self.queue.next_question(self._now())
            if place is None:
                self._more.clear()
                if not len(self.queue):
                    self._idle.set()
                await self._more.wait()
            elif isinstance(place.step, LabelRequest):
                self._is_asking = True
                probabilities = await self._ask(place.step)
                self._is_asking = False
                self._publish(self.queue.answer(place, probabilities, self._now()))
                self._set_timer()

    def _answer_at_once(self) -> None:
        """Ask between two samples, unless the thread is at work on what came before."""
        while self._quickness.is_proven and not self._is_asking:
            place = self.queue.next_question(self._now())
            if place is None or not isinstance(place.step, LabelRequest):
                return
            found = self._predict(place.step)
            self._publish(self.queue.answer(place, found, self._now()))

    async def _ask_thread(self, question: LabelRequest) -> FloatArray:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._predict, question)

    def _predict(self, question: LabelRequest) -> FloatArray:
        """Ask the network, and note how long it takes."""
        began_s = time.perf_counter()
        found: FloatArray = compute_probabilities(self._chain.model, [question])[0]
        self._quickness.take(time.perf_counter() - began_s)
        return found

    def _set_timer(self) -> None:
        """Be there when the next beat's time is up."""
        deadline_s = self.queue.next_deadline_s
        if self._timer is not None:
            if self._timer.when() == deadline_s and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if deadline_s is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._publish(self.queue.expire(self._now()))
        self._set_timer()

    def _raise_failure(self) -> None:
        """Raise what ended the worker, if anything did."""
        if self._worker is not None and self._worker.done() and not self._worker.cancelled():
            self._worker.result()

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        # A network that hangs must not keep the program from ending.
        self._executor.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
