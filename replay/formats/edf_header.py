"""The header of an EDF or EDF+ file (https://www.edfplus.info/specs/edfplus.html).

Read here rather than by `edfio`, which hides the annotation signals and the time stamps of the data
records, cuts a truncated file without an error, and stops at a unit of µV that isn't ASCII.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.errors import RecordFormatError

ANNOTATIONS: Final = "EDF Annotations"
"""Label of a signal that holds annotations and time stamps."""
SAMPLE_BYTES: Final = 2
_FIXED_BYTES: Final = 256
_SIGNAL_BYTES: Final = 256
_WIDTHS: Final = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Bytes of each field of a signal: label, transducer, dimension, physical minimum and maximum,
digital minimum and maximum, prefiltering, samples in a data record, reserved."""
_UNKNOWN_LENGTH: Final = -1
"""Number of data records while recording; it stays where the recorder lost its power."""
_ANONYMOUS: Final = date(1985, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdfSignal:
    """One signal of a data record."""

    label: str
    unit: str
    offset: int
    """Its first sample in a data record."""
    samples: int
    """How many it has there."""
    physical: tuple[float, float]
    digital: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdfHeader:
    """What reading needs of it."""

    path: Path
    size: int
    """Bytes of the header."""
    n_records: int
    record_s: float
    record_samples: int
    """Samples of all signals in a data record, 2 bytes each."""
    is_plus: bool
    signals: tuple[EdfSignal, ...]
    base_time: time | None
    base_date: date | None

    @property
    def annotations(self) -> tuple[EdfSignal, ...]:
        """The signals that hold annotations; the first also holds the time stamps."""
        return tuple(s for s in self.signals if self.is_plus and s.label == ANNOTATIONS)


def read_header(path: Path) -> EdfHeader:
    """Read the header and hold the file's size against it.

    Raises
    ------
    RecordFormatError
        If it is no EDF file, is truncated or holds more than its header says.
    """
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        if fixed[:1] == b"\xff":
            raise RecordFormatError(f"{path} is BDF with 24 bits; convert it to EDF+ or WFDB")
        if len(fixed) < _FIXED_BYTES or fixed[:8].strip() != b"0":
            raise RecordFormatError(f"{path} is not an EDF file; choose another, or convert it")
        n_signals = _integer(path, fixed[252:256], "number of signals")
        fields = file.read(_SIGNAL_BYTES * n_signals)
    if len(fields) < _SIGNAL_BYTES * n_signals:
        raise RecordFormatError(f"{path} ends within its header; fetch or export it again")
    signals = tuple(_signals(path, fields, n_signals))
    size, record_samples = _FIXED_BYTES + len(fields), sum(s.samples for s in signals)
    is_plus = fixed[192:196] == b"EDF+"
    of_day, day = _recorded(fixed, is_plus=is_plus)
    return EdfHeader(
        path=path,
        size=size,
        n_records=_count(path, fixed, size, record_samples * SAMPLE_BYTES),
        record_s=_number(path, fixed[244:252], "duration of a data record"),
        record_samples=record_samples,
        is_plus=is_plus,
        signals=signals,
        base_time=of_day,
        base_date=day,
    )


def read_records(header: EdfHeader, first: int, last: int) -> NDArray[np.int16]:
    """Return data records, shape (records, samples of all signals).

    Read, not mapped, so that 24 hours take no more memory than one block.
    """
    size = header.record_samples
    with header.path.open("rb") as file:
        file.seek(header.size + first * size * SAMPLE_BYTES)
        data = file.read((last - first) * size * SAMPLE_BYTES)
    if len(data) < (last - first) * size * SAMPLE_BYTES:
        raise RecordFormatError(f"{header.path} became shorter while it was read; open it again")
    return np.frombuffer(data, "<i2").reshape(last - first, size)


def _signals(path: Path, fields: bytes, n: int) -> Iterator[EdfSignal]:
    columns, first = [], 0
    for width in _WIDTHS:
        rows = range(first, first + n * width, width)
        columns.append([fields[at : at + width] for at in rows])
        first += n * width
    offset = 0
    for label, _, unit, *ranges, _, samples, _ in zip(*columns, strict=True):
        name = _text(label)
        numbers = [_number(path, value, f"range of {name}") for value in ranges]
        count = _integer(path, samples, f"samples of {name}")
        yield EdfSignal(
            label=name,
            unit=_text(unit),
            offset=offset,
            samples=count,
            physical=(numbers[0], numbers[1]),
            digital=(round(numbers[2]), round(numbers[3])),
        )
        offset += count


def _count(path: Path, fixed: bytes, header_bytes: int, record_bytes: int) -> int:
    """Return the number of data records, once the size of the file agrees."""
    promised = _integer(path, fixed[236:244], "number of data records", least=_UNKNOWN_LENGTH)
    held, rest = divmod(path.stat().st_size - header_bytes, max(record_bytes, 1))
    if promised == _UNKNOWN_LENGTH:
        return held
    if held < promised:
        raise RecordFormatError(
            f"{path} is truncated: it holds {held} of the {promised} data records that its header "
            "promises; fetch or export it again"
        )
    if held > promised:
        raise RecordFormatError(
            f"{path} holds {held} data records{' and more' if rest else ''}, but its header says "
            f"{promised}; export it again"
        )
    return promised


def _recorded(fixed: bytes, *, is_plus: bool) -> tuple[time | None, date | None]:
    """Return start time and date; the date that stands for an anonymous one is none."""
    try:
        of_day = datetime.strptime(_text(fixed[176:184]), "%H.%M.%S").time()
        day, month, year = (int(part) for part in _text(fixed[168:176]).split("."))
        known = date(year + (1900 if year >= 85 else 2000), month, day)
    except ValueError:
        return None, None
    recording = _text(fixed[88:168]).split()
    hidden = is_plus and recording[:2] == ["Startdate", "X"]
    return (None, None) if hidden or known == _ANONYMOUS else (of_day, known)


def _text(field: bytes) -> str:
    """Return a field; the standard has ASCII, recorders write µ in one of two codes."""
    try:
        return field.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return field.decode("latin-1").strip(" \0")


def _number(path: Path, field: bytes, what: str) -> float:
    try:
        value = float(_text(field).replace(",", "."))
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise RecordFormatError(
            f"{path} has {_text(field)!r} for the {what}; it is damaged, or not an EDF file"
        ) from None
    return value


def _integer(path: Path, field: bytes, what: str, *, least: int = 0) -> int:
    value = _number(path, field, what)
    if value != int(value) or value < least:
        raise RecordFormatError(f"{path} has {value:g} for the {what}; expected a whole number")
    return int(value)
