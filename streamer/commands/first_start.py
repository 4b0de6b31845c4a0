"""Say on standard error why a first start takes a while: the signal path is being compiled."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from classifier.first_start import listen_for_compiling
from streamer.core.text import say

_QUIET_S: Final = 1.0
"""A kernel or two, as after a small change, are compiled without a word."""
_NOTICE: Final = (
    "compiling the signal path, once after installation or a change: about half a minute ..."
)
_NOTICE_UNKEPT: Final = (
    "compiling the signal path, about half a minute at every start, as no folder to keep it in can "
    "be written; set NUMBA_CACHE_DIR to one ..."
)


class FirstStartNotice:
    """Speaks once, when kernels have been compiled for a second and more are to come.

    Parameters
    ----------
    say : callable
        Takes the line.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._began_s: float | None = None
        self._has_spoken = False

    def __call__(self, is_kept: bool) -> None:
        """Hear that a kernel is about to be compiled."""
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
        if not self._has_spoken and now_s - self._began_s > _QUIET_S:
            self._has_spoken = True
            self._say(_NOTICE if is_kept else _NOTICE_UNKEPT)


@contextmanager
def first_start_told() -> Iterator[None]:
    """Tell whoever waits that kernels are being compiled."""
    with listen_for_compiling(FirstStartNotice(say)):
        yield
