"""What the keys of the monitor mean."""

from collections.abc import Callable
from enum import Enum
from typing import Final, TextIO

from streamer.monitor.terminal.keyboard import Keyboard


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


class KeyReader(Keyboard):
    """Calls back for every key that means something, while it is open.

    Parameters
    ----------
    on_command : callable
        Told each command, on the event loop.
    stream : file, optional
        The terminal to read; standard input if None.
    """

    def __init__(self, on_command: Callable[[Command], None], stream: TextIO | None = None) -> None:
        def follow(key: str) -> None:
            command = KEYS.get(key.lower())
            if command is not None:
                on_command(command)

        super().__init__(follow, stream)
