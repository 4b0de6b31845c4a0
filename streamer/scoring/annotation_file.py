"""WFDB annotation files: write beat labels as they become known, read them for scoring.

The format is that of the WFDB Applications Guide, annot(5): 16-bit words, little endian, a type
code in the upper 6 bits and the distance from the annotation before in the lower 10. `wfdb` reads
the files but doesn't write them: its `wrann` writes at the end only, so that a killed replay would
lose its labels, and refuses a file without beats and a name with a dot. The bytes are the same.
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from classifier.labels import Label
from streamer.core.errors import ScoringError, writing
from streamer.scoring.ec57 import BeatAnnotations

DEFAULT_ANNOTATOR: Final = "pred"
"""Extension of the files we write."""

CODES: Final[dict[Label, int]] = {Label.N: 1, Label.S: 9, Label.V: 5, Label.F: 6, Label.Q: 13}
"""Type code of each label's WFDB symbol."""

_NOTE, _SKIP, _AUX = 22, 59, 63
_CODE_SHIFT: Final = 10
_LARGEST_STEP: Final = (1 << _CODE_SHIFT) - 1
_LARGEST_SKIP: Final = (1 << 31) - 1
_END: Final = bytes(2)


def check_annotator(annotator: str) -> str:
    """Return an annotator name that can be a file's extension, or raise ValueError."""
    if not annotator.isascii() or not annotator.isalnum():
        raise ValueError(
            f"annotator is {annotator!r}; use ASCII letters and digits only, such as "
            f"{DEFAULT_ANNOTATOR!r}"
        )
    return annotator


class _Encoder:
    """Turn beats into the bytes of a file, one after the other."""

    def __init__(self, fs: float) -> None:
        self.head = _time_resolution(fs)
        self._last = 0

    def beat(self, sample: int, label: Label) -> bytes:
        """Encode the next beat."""
        step = sample - self._last
        if step < 0:
            raise ValueError(f"got a beat at sample {sample}, expected {self._last} or later")
        self._last = sample
        data = b""
        while step > _LARGEST_STEP:
            skip = min(step, _LARGEST_SKIP)
            data += _word(_SKIP, 0) + _long(skip)
            step -= skip
        return data + _word(CODES[label], step)


class AnnotationWriter:
    """Write one annotation file, beat by beat; after every beat it is complete and readable.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there; its folder is made.
    fs : float
        Sampling frequency at which the samples count, Hz; stored in the file.

    Raises
    ------
    OutputError
        If it can't be written.
    """

    def __init__(self, path: Path, *, fs: float) -> None:
        self._path = path
        self._encoder = _Encoder(fs)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("wb")
        self._write(self._encoder.head)

    def write(self, sample: int, label: Label) -> None:
        """Append a beat.

        Raises
        ------
        ValueError
            If it lies before the beat before it.
        OutputError
            If the file can't be written any more.
        """
        self._write(self._encoder.beat(sample, label))

    def close(self) -> None:
        """Close the file; again is harmless.

        Raises
        ------
        OutputError
            If the system can't finish it.
        """
        with _writing(self._path):
            self._file.close()

    def _write(self, data: bytes) -> None:
        """Write over the end mark, and the mark again after it."""
        with _writing(self._path):
            self._file.write(data + _END)
            self._file.flush()
            self._file.seek(-len(_END), os.SEEK_CUR)


def write_annotations(path: Path, beats: Iterable[tuple[int, Label]], *, fs: float) -> int:
    """Write a whole file, and only a whole one: it appears under its name when it is complete.

    Returns
    -------
    int
        Number of beats written.

    Raises
    ------
    ValueError
        If the beats don't ascend.
    OutputError
        If it can't be written.
    """
    encoder = _Encoder(fs)
    encoded = [encoder.beat(sample, label) for sample, label in beats]
    write_whole(path, encoder.head + b"".join(encoded) + _END)
    return len(encoded)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears under its name when it is complete.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _writing(path: Path) -> AbstractContextManager[None]:
    return writing(f"annotations to {path}", "choose a folder that can be written")


def _word(code: int, value: int) -> bytes:
    return (code << _CODE_SHIFT | value).to_bytes(2, "little")


def _long(value: int) -> bytes:
    """Encode 32 bits as WFDB does: the upper word first, each little endian."""
    value &= 0xFFFFFFFF
    return (value >> 16).to_bytes(2, "little") + (value & 0xFFFF).to_bytes(2, "little")


def _time_resolution(fs: float) -> bytes:
    """Encode the note that tells WFDB programs the sampling frequency, then go back to time 0."""
    text = f"## time resolution: {fs:.10g}".encode("ascii")
    padding = bytes(len(text) % 2)
    end = _word(_SKIP, 0) + _long(-1) + _word(0, 1)
    return _word(_NOTE, 0) + _word(_AUX, len(text)) + text + padding + end


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFile:
    """What an annotation file holds for the scorer."""

    beats: BeatAnnotations
    fs: float | None
    """Sampling frequency, Hz, from the file or the header beside it; None where both are mute."""


def annotation_path(folder: Path, record: str, annotator: str) -> Path:
    """Return where the annotations of a record are."""
    return folder / f"{record}.{annotator}"


def read_annotations(folder: Path, record: str, annotator: str) -> AnnotationFile:
    """Read one annotation file.

    Raises
    ------
    ScoringError
        If it is missing or is no annotation file.
    """
    import wfdb  # noqa: PLC0415 - slow to import

    path = annotation_path(folder, record, annotator)
    if not path.is_file():
        raise ScoringError(f"no annotation file {path}; check the folder and the annotator's name")
    try:
        read = wfdb.rdann(str(folder / record), annotator)
        samples = np.asarray(read.sample, dtype=np.int64)
        beats = BeatAnnotations.from_symbols(samples, list(read.symbol), read.subtype)
        descending = bool(np.any(np.diff(samples) < 0))
    except Exception as error:  # wfdb raises anything on a damaged file
        raise ScoringError(f"{path} is no WFDB annotation file, or damaged: {error}") from error
    if descending:
        raise ScoringError(f"annotations in {path} descend in time; sort them with WFDB's sortann")
    return AnnotationFile(beats=beats, fs=None if read.fs is None else float(read.fs))
