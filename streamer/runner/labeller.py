"""Works out labels beside the event loop, on one thread, for one patient and for thousands."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from classifier.inputs.features import FloatArray
from classifier.network.runtime import BeatModel
from streamer.beats.label_request import LabelRequest, compute_probabilities
from streamer.runner.label_desk import LabelDesk
from streamer.runner.pending import LabelLine, PendingLabel, Timed

Ask = Callable[[Sequence[LabelRequest]], Awaitable[FloatArray]]
"""Works out some labels' probabilities, shape (n, classes)."""


class Labeller:
    """Hands label requests to the network and its answers back to the patients' lines.

    A slow network so delays labels, never samples or the beats themselves. Labels are the same as
    those of `Chain.push`; only when they are published differs.

    Parameters
    ----------
    model : BeatModel
    publish : callable
        Gets a patient's line and its events, on the event loop.
    ask : callable, optional
        Works out labels; the model on a thread of its own if None.
    desk : LabelDesk, optional
        Chooses what is worked out next.
    """

    def __init__(
        self,
        model: BeatModel,
        publish: Callable[[LabelLine, list[Timed]], None],
        *,
        ask: Ask | None = None,
        desk: LabelDesk | None = None,
    ) -> None:
        self.desk = desk or LabelDesk()
        self._model = model
        self._publish = publish
        self._ask = ask or self._ask_thread
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="labels")
        self._more = asyncio.Event()
        self._changed = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, labels: Sequence[PendingLabel]) -> None:
        """Have labels worked out.

        Raises
        ------
        Exception
            Whatever the network failed with.
        """
        self.raise_failure()
        for pending in labels:
            self.desk.submit(pending)
        if not labels:
            return
        self._more.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="labels")
            self._worker.add_done_callback(lambda _: self._changed.set())
        self._conclude(self.desk.give_up_some(self._now()))
        self._set_timer()

    async def settle(
        self, lines: Sequence[LabelLine] | None = None, timeout_s: float | None = None
    ) -> bool:
        """Wait until labels are known; tell whether that came within the time.

        Parameters
        ----------
        lines : sequence of LabelLine, optional
            Whose labels; all if None.
        timeout_s : float, optional

        Raises
        ------
        Exception
            Whatever the network failed with.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._waits_for(lines):
                    self._changed.clear()
                    await self._changed.wait()
                    self.raise_failure()
        except TimeoutError:
            return False
        return True

    def _waits_for(self, lines: Sequence[LabelLine] | None) -> bool:
        if self._worker is None:
            return False
        return len(self.desk) > 0 if lines is None else any(map(len, lines))

    def give_up(self, lines: Sequence[LabelLine]) -> int:
        """Wait for some patients' labels no longer; return how many were given up."""
        before = self.desk.given_up
        self._conclude(self.desk.give_up(lines))
        return self.desk.given_up - before

    def raise_failure(self) -> None:
        """Raise what the network failed with, if it did."""
        worker = self._worker
        if worker is not None and worker.done() and not worker.cancelled():
            worker.result()

    async def close(self) -> None:
        """Stop working."""
        if self._timer is not None:
            self._timer.cancel()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        # A network that hangs must not keep the program from ending.
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while True:
            batch = self.desk.next_batch(self._now())
            if not batch:
                self._more.clear()
                await self._more.wait()
                continue
            found = await self._ask([pending.request for pending in batch])
            now_s = self._now()
            self.desk.answered(now_s)
            for pending, probabilities in zip(batch, found.tolist(), strict=True):
                end_s = pending.budget_end_s
                is_late = end_s is not None and now_s > end_s
                pending.answer(pending.request.labeled(probabilities, late=is_late))
            self._conclude(batch)
            self._set_timer()

    async def _ask_thread(self, requests: Sequence[LabelRequest]) -> FloatArray:
        loop = asyncio.get_running_loop()
        work = functools.partial(compute_probabilities, self._model, requests)
        return await loop.run_in_executor(self._executor, work)

    def _conclude(self, labels: Iterable[PendingLabel]) -> None:
        """Publish what the answered or abandoned labels settle."""
        lines: dict[int, tuple[LabelLine, list[PendingLabel]]] = {}
        for pending in labels:
            lines.setdefault(id(pending.line), (pending.line, []))[1].append(pending)
        for line, settled in lines.values():
            events = line.concluded()
            for pending in settled:
                events += line.ahead(pending)
            self._publish(line, events)
        self._changed.set()

    def _expire(self) -> None:
        """Publish the beats whose deadlines have passed without their labels."""
        self._timer = None
        for pending in self.desk.expired(self._now()):
            self._publish(pending.line, [pending.line.expire(pending)])
        self._conclude(self.desk.give_up_some(self._now()))
        self._set_timer()

    def _set_timer(self) -> None:
        """Be there when the next beat's time is up."""
        deadline_s = self.desk.next_deadline_s
        if self._timer is not None:
            if self._timer.when() == deadline_s:
                return
            self._timer.cancel()
            self._timer = None
        if deadline_s is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline_s, self._expire)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
