"""Keep Python's search for cyclic garbage from stopping a stream."""

import contextlib
import gc
from collections.abc import Iterator
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
