"""Annotations of EDF+: lists of time-stamped texts between the samples of a data record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from replay.errors import RecordFormatError
from replay.formats.edf_header import SAMPLE_BYTES, EdfHeader, EdfSignal, read_records
from replay.record import Reference

BEAT_SYMBOLS: Final = frozenset("NLRBAaJSVrFejnE/fQ")
"""WFDB's symbols of beats."""
RHYTHM_MARK: Final = "("
"""What the text of a rhythm change begins with, as in WFDB: "(AFIB"."""
TIME_RESOLUTION: Final = "## time resolution: "
"""Note, as in WFDB annotation files, of the sampling frequency at which beats were placed."""
_RHYTHM_SYMBOL: Final = "+"
_COMMENT_SYMBOL: Final = '"'
_TEXT_END, _DURATION, _LIST_END = b"\x14", b"\x15", b"\x00"
_BATCH_RECORDS: Final = 4096
"""Data records read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One annotation."""

    at_s: float
    """From the first sample, in s."""
    text: str


def annotation_bytes(header: EdfHeader, signal: EdfSignal) -> Iterator[bytes]:
    """Yield what an annotation signal holds in each data record."""
    for first in range(0, header.n_records, _BATCH_RECORDS):
        last = min(first + _BATCH_RECORDS, header.n_records)
        records = read_records(header, first, last)
        held = np.ascontiguousarray(records[:, signal.offset : signal.offset + signal.samples])
        data, size = held.tobytes(), signal.samples * SAMPLE_BYTES
        yield from (data[at : at + size] for at in range(0, len(data), size))


def onset_s(raw: bytes) -> float | None:
    """Return the time stamp of a data record, or None if it has none."""
    try:
        return float(raw.partition(_TEXT_END)[0].partition(_DURATION)[0])
    except ValueError:
        return None


def notes_of(header: EdfHeader, began_s: float) -> list[Note]:
    """Return every annotation, in order of time.

    Parameters
    ----------
    header : EdfHeader
    began_s : float
        Time stamp of the first sample; annotations count from it.
    """
    found = []
    for signal in header.annotations:
        for raw in annotation_bytes(header, signal):
            for listed in raw.split(_LIST_END):
                onset = onset_s(listed)
                # A time stamp of a data record has no text.
                texts = [text for text in listed.split(_TEXT_END)[1:] if text]
                if onset is not None:
                    found += [Note(at_s=onset - began_s, text=_decoded(text)) for text in texts]
    return sorted(found, key=lambda note: note.at_s)


def as_reference(notes: Sequence[Note], fs: float, n_samples: int, file: str) -> Reference | None:
    """Return annotations as a reference, or None if fewer than half of them are beats.

    Raises
    ------
    RecordFormatError
        If a beat lies outside the record.
    """
    kept = [(round(note.at_s * fs), note.text) for note in notes]
    kept = [(at, text) for at, text in kept if not text.startswith(TIME_RESOLUTION)]
    beats = [at for at, text in kept if text in BEAT_SYMBOLS]
    if not beats or 2 * len(beats) < len(kept):
        return None
    if beats[0] < 0 or beats[-1] >= n_samples:
        outside_s = (beats[0] if beats[0] < 0 else beats[-1]) / fs
        raise RecordFormatError(
            f"{file} has a beat annotation at {outside_s:g} s, but lasts {n_samples / fs:g} s; "
            "export it again"
        )
    kept = [(at, text) for at, text in kept if 0 <= at < n_samples]
    coded = [_code(text) for _, text in kept]
    return Reference(
        samples=np.array([at for at, _ in kept], np.int64),
        symbols=tuple(symbol for symbol, _ in coded),
        aux=tuple(aux for _, aux in coded),
    )


def _code(text: str) -> tuple[str, str]:
    """Return WFDB's symbol and auxiliary text of an annotation."""
    if text in BEAT_SYMBOLS:
        return text, ""
    return (_RHYTHM_SYMBOL if text.startswith(RHYTHM_MARK) else _COMMENT_SYMBOL), text


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", errors="replace").strip()
