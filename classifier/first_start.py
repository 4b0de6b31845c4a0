"""Tell listeners that kernels are being compiled, which takes a while at a first start."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

_listeners: Final[list[Callable[[bool], None]]] = []


@contextlib.contextmanager
def listen_for_compiling(listener: Callable[[bool], None]) -> Iterator[None]:
    """Call `listener`, inside the block, before each kernel that has to be compiled.

    Its argument: whether there is a folder in which the compiled kernel can be kept.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def announce_compiling(is_kept: bool) -> None:
    """Call every listener: a kernel is about to be compiled."""
    for listener in _listeners:
        listener(is_kept)
