"""Lets a program hear that kernels are being compiled, which takes a while at a first start."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

_listeners: Final[list[Callable[[], None]]] = []


@contextlib.contextmanager
def listen_for_compiling(listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener`, inside the block, before each kernel that has to be compiled."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def announce_compiling() -> None:
    """Tell those who listen that a kernel is about to be compiled."""
    for listener in _listeners:
        listener()
