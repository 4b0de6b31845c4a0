"""What came for each patient, and what was said of it, since its last snapshot.

Written before a message is acknowledged or sent, so that nobody who is killed loses or repeats
anything: a snapshot and what the journal holds since make the patient again. `kill -9` of the
process costs nothing, a power cut the last moments that the system had not written.
"""

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streamer.core.errors import OutputError

_HEAD: Final = struct.Struct("<IB")
"""Bytes that follow, and what they are."""
_SAMPLES: Final = 1
_SAID: Final = 2
_SUFFIX: Final = ".journal"
_APART: Final = 1000
"""Files that the owner of before may still begin while the next one's is open already."""


@dataclass(slots=True)
class _Part:
    """The file that a patient's records go to."""

    number: int
    descriptor: int
    path: Path
    size: int = 0
    stops: list[tuple[int, int]] = field(default_factory=list)
    """One past the last sample of each message, and where its record begins."""
    marks: list[tuple[int, int]] = field(default_factory=list)
    """The same of what was said, by how much had been said then."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a patient's journal holds, in order."""

    samples: list[bytes]
    said: list[bytes]


class Journal:
    """Records by patient, each patient's in files of its own, so that a patient can move.

    Parameters
    ----------
    folder : Path
        Holds a folder for each patient.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, _Part] = {}

    def sources(self) -> list[str]:
        """Return the patients that have records."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir())

    def keep_samples(self, source: str, payload: bytes, stop: int) -> None:
        """Keep a message with samples that end before `stop`.

        Raises
        ------
        OutputError
            If the storage is full or gone.
        """
        part = self._part(source)
        part.stops.append((stop, part.size))
        self._append(part, _SAMPLES, payload)

    def keep_said(self, source: str, record: bytes, mark: int) -> None:
        """Keep what is said; it is needed until so much as `mark` has been delivered.

        Raises
        ------
        OutputError
            If the storage is full or gone.
        """
        part = self._part(source)
        part.marks.append((mark, part.size))
        self._append(part, _SAID, record)

    def await_patient(self, source: str) -> None:
        """Keep a patient's records apart while its owner of before still has it."""
        self._part(source, _APART)

    def checkpoint(self, source: str, next_sample: int, delivered: int) -> int:
        """Begin a new file with what a snapshot of this moment doesn't cover; return its number.

        Parameters
        ----------
        source : str
        next_sample : int
            The first sample that the snapshot lacks.
        delivered : int
            How much of what was said nobody needs any more.
        """
        old = self._part(source)
        # The last message stays in any case: by it a patient is known who sends nothing more.
        newest = old.stops[-1][1] if old.stops else old.size
        places = [next((at for stop, at in old.stops if stop > next_sample), newest)]
        places.append(next((at for mark, at in old.marks if mark > delivered), old.size))
        begin = min(places)
        new = self._part(source, renew=True)
        try:
            with old.path.open("rb") as file:
                file.seek(begin)
                self._write(new, file.read())
        except OSError as error:
            raise _unusable(old.path, error) from error
        new.stops = [(stop, at - begin) for stop, at in old.stops if at >= begin]
        new.marks = [(mark, at - begin) for mark, at in old.marks if at >= begin]
        return new.number

    def settle(self, source: str) -> None:
        """Forget what was recalled, all of which has been kept anew."""
        if source in self._parts:
            self.forget(source, self._parts[source].number)

    def forget(self, source: str, before: int) -> None:
        """Remove a patient's files below a number: a snapshot covers them."""
        for number, path in self._files(source):
            if number < before:
                path.unlink(missing_ok=True)

    def recall(self, source: str, since: int = 0) -> Recalled:
        """Return a patient's records in the files from number `since` on.

        A last record that was cut off by a kill was neither acknowledged nor sent.
        """
        recalled = Recalled([], [])
        for number, path in self._files(source):
            if number < since:
                continue
            try:
                data = path.read_bytes()
            except OSError as error:
                raise _unusable(path, error) from error
            for kind, record in _records(data):
                (recalled.samples if kind == _SAMPLES else recalled.said).append(record)
        return recalled

    def let_go(self, source: str) -> None:
        """Write no more of a patient."""
        part = self._parts.pop(source, None)
        if part is not None:
            os.close(part.descriptor)

    def remove(self, source: str) -> None:
        """Forget a patient whose stream has ended."""
        self.let_go(source)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder / source)

    def close(self) -> None:
        """Let go of all files."""
        for source in list(self._parts):
            self.let_go(source)

    def _part(self, source: str, ahead: int = 1, *, renew: bool = False) -> _Part:
        """Return the file that is written to; by default a new one if there is none yet."""
        part = self._parts.get(source)
        if part is not None and not renew:
            return part
        folder = self._folder / source
        if part is not None:
            number = part.number + 1
        else:
            number = max((number for number, _ in self._files(source)), default=0) + ahead
        path = folder / f"{number}{_SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise _unusable(path, error) from error
        self.let_go(source)
        self._parts[source] = new = _Part(number, descriptor, path)
        return new

    def _files(self, source: str) -> list[tuple[int, Path]]:
        return sorted(
            (int(path.stem), path)
            for path in (self._folder / source).glob(f"*{_SUFFIX}")
            if path.stem.isdecimal()
        )

    def _append(self, part: _Part, kind: int, record: bytes) -> None:
        self._write(part, _HEAD.pack(len(record), kind) + record)

    @staticmethod
    def _write(part: _Part, data: bytes) -> None:
        try:
            written = os.write(part.descriptor, data) if data else 0
            if written < len(data):
                os.write(part.descriptor, data[written:])  # Says why not.
        except OSError as error:
            raise _unusable(part.path, error) from error
        part.size += len(data)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            return
        yield kind, data[at : at + length]
        at += length


def _unusable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"can't write or read {path}: {error.strerror}; the storage of --snapshots must be there "
        "and have room, or patients can't be kept"
    )
