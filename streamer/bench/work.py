"""Work on many records, one after another or several at a time, and its progress."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol, TextIO, TypeVar

from replay.progress import progress_bar

Advance = Callable[[str], None]
"""Called with the name of what has just been finished."""


class Named(Protocol):
    """The result of one record."""

    @property
    def name(self) -> str:
        """Which record."""


T = TypeVar("T")
R = TypeVar("R", bound=Named)


def silent(_done: str) -> None:
    """Show nothing."""


def fan_out(
    work: Callable[[T], R], items: Sequence[T], *, jobs: int = 1, advance: Advance = silent
) -> list[R]:
    """Return `work(item)` of each item, in their order.

    Parameters
    ----------
    work : callable
        Must be picklable if there are several jobs.
    jobs : int
        Processes; with 1 everything happens in this one.
    advance : callable
        Gets the name of each result.

    Raises
    ------
    ValueError
        If `jobs` is less than 1.
    """
    if jobs < 1:
        raise ValueError(f"number of jobs is {jobs}; it must be 1 or more")
    if jobs == 1:
        return _gathered(map(work, items), advance)
    # Torch and numba have threads and locks that a forked process would inherit half-way.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return _gathered(pool.map(work, items), advance)


def _gathered(found: Iterator[R], advance: Advance) -> list[R]:
    results = []
    for result in found:
        results.append(result)
        advance(result.name)
    return results


@contextmanager
def progress(title: str, total: int, stream: TextIO | None = None) -> Iterator[Advance]:
    """Show progress on standard error: a bar on a terminal, otherwise a line a record."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield _liner(title, total, stream)
        return
    with progress_bar(title, total, "{task.fields[done]}", stream=stream, done="") as update:
        yield lambda done: update(advance=1, done=done)


def _liner(title: str, total: int, stream: TextIO) -> Advance:
    done = 0

    def advance(what: str) -> None:
        nonlocal done
        done += 1
        stream.write(f"{title}: {done}/{total} {what}\n")
        stream.flush()

    return advance
