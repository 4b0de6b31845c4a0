"""Of the whole process: an orderly stop by signals, and memory that doesn't stop a stream."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from typing import Final

_THRESHOLD: Final = 100_000
"""New objects between two looks at the youngest; ours hold no cycles, so little is ever found."""


@contextlib.contextmanager
def calm_memory() -> Iterator[None]:
    """Leave out of the search what exists by now, and search seldom.

    A full search through the state of thousands of patients takes a tenth of a second and more.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_THRESHOLD, before[1], before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[list[signal.Signals]]:
    """Have SIGINT and SIGTERM call `stop`, where the platform and the thread allow it.

    Yields the list of those that have come.
    """
    loop = asyncio.get_running_loop()
    installed: list[signal.Signals] = []
    received: list[signal.Signals] = []

    def handle(number: signal.Signals) -> None:
        received.append(number)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, handle, number)
            installed.append(number)
    try:
        yield received
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
