"""Keys read from a terminal without ever waiting for it."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

_READ_BYTES: Final = 64
_KEY: Final = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|[^\x1b]|\x1b")
"""What a key sends: one character, or the sequence of a cursor or function key."""


class Keyboard:
    """Calls back for every key, while it is open.

    Parameters
    ----------
    on_key : callable
        Told each key, on the event loop: a character, or a whole escape sequence.
    stream : file, optional
        The terminal to read; standard input if None. Anything else is left alone.

    Notes
    -----
    The terminal gives keys at once and doesn't show them (cbreak mode; Ctrl-C still interrupts),
    and is given back as it was on `close`.
    """

    def __init__(self, on_key: Callable[[str], None], stream: TextIO | None = None) -> None:
        self._on_key = on_key
        self._stream = sys.stdin if stream is None else stream
        self._before: list[Any] | None = None
        self._number: int | None = None

    def open(self) -> None:
        """Begin, if the stream is a terminal and the platform has one to be read so."""
        with contextlib.suppress(ImportError, OSError, ValueError, NotImplementedError):
            import termios  # noqa: PLC0415 - not on every platform
            import tty  # noqa: PLC0415

            if not self._stream.isatty():
                return
            number = self._stream.fileno()
            if os.tcgetpgrp(number) != os.getpgrp():
                # A process in the background would be stopped by touching the terminal.
                return
            before = termios.tcgetattr(number)
            asyncio.get_running_loop().add_reader(number, self._read)
            tty.setcbreak(number)
            self._number, self._before = number, before

    def close(self) -> None:
        """Give the terminal back."""
        if self._number is None or self._before is None:
            return
        import termios  # noqa: PLC0415

        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(self._number)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._number, termios.TCSADRAIN, self._before)
        self._number = self._before = None

    def _read(self) -> None:
        if self._number is None:
            return
        try:
            typed = os.read(self._number, _READ_BYTES)
        except OSError:
            typed = b""
        if not typed:
            self.close()
            return
        for key in _KEY.findall(typed.decode("utf-8", errors="ignore")):
            self._on_key(key)
