"""Reads events back from lines, as files and `listen --json` hold them."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from streamer.messages.wire import TYPES, AnyMessage, MalformedError, loads


class _Kind(msgspec.Struct):
    type: str


_KIND: Final = msgspec.json.Decoder(_Kind)


def read_events(lines: Iterable[bytes]) -> Iterator[AnyMessage]:
    """Decode the lines of an events file, or of `listen --json`.

    Blank lines are skipped, and those of a type that only a later version knows.

    Raises
    ------
    ValueError
        If a line is no event; with its number.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield loads(line)
        except MalformedError as error:
            if _is_of_another_type(line):
                continue
            raise ValueError(
                f"line {number} is no event ({error}); expected a file that "
                "ecg-stream replay --events wrote"
            ) from None


def _is_of_another_type(line: bytes) -> bool:
    try:
        return _KIND.decode(line).type not in set(TYPES)
    except (ValueError, RecursionError):
        return False
