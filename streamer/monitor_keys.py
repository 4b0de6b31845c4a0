"""Keys of the monitor, read from the terminal without ever waiting for it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TextIO

_READ_BYTES: Final = 64


class Command(Enum):
    """What a key asks for; the value says it in the help."""

    PAUSE = "pause, go on"
    FASTER = "faster"
    SLOWER = "slower"
    NEXT_ALARM = "run to the next alarm"
    LEAD = "next lead on top"
    FREEZE = "write the last 10 s to a strip file"
    ACKNOWLEDGE = "acknowledge the alarm"
    HELP = "show or hide this help"
    QUIT = "quit"


KEYS: Final[dict[str, Command]] = {
    " ": Command.PAUSE,
    "+": Command.FASTER,
    "=": Command.FASTER,
    "-": Command.SLOWER,
    "n": Command.NEXT_ALARM,
    "l": Command.LEAD,
    "f": Command.FREEZE,
    "a": Command.ACKNOWLEDGE,
    "?": Command.HELP,
    "h": Command.HELP,
    "q": Command.QUIT,
}
"""Command of each key."""


def help_rows() -> list[tuple[str, str]]:
    """Return the keys of each command with its words, in the order of `Command`."""
    names = {" ": "space"}
    return [
        (" ".join(names.get(key, key) for key, found in KEYS.items() if found is command), words)
        for command, words in ((command, command.value) for command in Command)
    ]


class KeyReader:
    """Calls back for every key that means something, while it is open.

    Parameters
    ----------
    on_command : callable
        Told each command, on the event loop.
    stream : file, optional
        The terminal to read; standard input if None. Anything else is left alone.

    Notes
    -----
    The terminal gives keys at once and doesn't show them (cbreak mode; Ctrl-C still interrupts),
    and is given back as it was on `close`.
    """

    def __init__(self, on_command: Callable[[Command], None], stream: TextIO | None = None) -> None:
        self._on_command = on_command
        self._stream = sys.stdin if stream is None else stream
        self._before: list[Any] | None = None
        self._number: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether keys are being read."""
        return self._before is not None

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
        text = typed.decode("utf-8", errors="ignore")
        if text.startswith("\x1b"):
            # A cursor or function key: a sequence of its own, none of which means anything here.
            return
        for key in text:
            command = KEYS.get(key.lower())
            if command is not None:
                self._on_command(command)
