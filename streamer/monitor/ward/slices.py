"""Work on the event loop cut into slices: patients come first."""

import asyncio
import time
from typing import Final

SLICE_S: Final = 0.002
"""After so much computing others have their turn."""


class Slices:
    """Adds up what a piece of work computes, and lets others in between.

    Notes
    -----
    Time is the thread's own (`time.thread_time`): what others do meanwhile, in this process or on
    this machine, doesn't count.
    """

    def __init__(self) -> None:
        self._spent_s = 0.0
        self._since_s = time.thread_time()

    async def rest(self) -> None:
        """Give way if the slice is over."""
        if time.thread_time() - self._since_s > SLICE_S:
            self._spent_s = self.spent_s
            await asyncio.sleep(0)
            self._since_s = time.thread_time()

    @property
    def spent_s(self) -> float:
        """Computing time so far, if it is called without an `await` since the last `rest`."""
        return self._spent_s + time.thread_time() - self._since_s
