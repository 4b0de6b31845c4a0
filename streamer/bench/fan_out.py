"""The same work on many records, one after another or several at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def fan_out(work: Callable[[str], T], names: Sequence[str], jobs: int) -> Iterator[T]:
    """Yield `work(name)` of each name, in their order.

    Parameters
    ----------
    work : callable
        Must be picklable if there are several jobs.
    names : sequence of str
    jobs : int
        Processes; with 1 everything happens in this one.

    Raises
    ------
    ValueError
        If `jobs` is less than 1.
    """
    if jobs < 1:
        raise ValueError(f"number of jobs is {jobs}; it must be 1 or more")
    if jobs == 1:
        yield from map(work, names)
        return
    # Torch and numba have threads and locks that a forked process would inherit half-way.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, names)
