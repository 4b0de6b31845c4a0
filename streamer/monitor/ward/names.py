"""What a person calls the sources of a ward: a file of names."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from streamer.core.errors import StreamerError

_LONGEST: Final = 64


class NamesError(StreamerError):
    """A file of names that can't be used."""


def read_names(path: Path) -> Mapping[str, str]:
    """Read the patients' names, by source.

    Raises
    ------
    NamesError
        In one line: what came, what is legal, what to do.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NamesError(f"can't read names from {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NamesError(
            f'{path} holds no names: {error}; write a line a source, such as bed4 = "Room 2, Smith"'
        ) from None
    for source, name in found.items():
        if not (isinstance(name, str) and 0 < len(name) <= _LONGEST):
            raise NamesError(
                f"{path} has {name!r} for {source}; a name is text of 1 to {_LONGEST} characters "
                '(in quotes a source that has a dot: "100.2" = "Smith")'
            )
    return found


def names_of_looped(sources: Sequence[str]) -> Mapping[str, str]:
    """Return what patients who play records are called: `record 100`, `record 100, copy 2`."""
    parts = {source: source.rpartition(".") for source in sources}
    return {
        source: f"record {record}, copy {copy}" if record and copy.isdigit() else f"record {source}"
        for source, (record, _, copy) in parts.items()
    }
