"""How a CSV file is laid out: separator, names, units, where its rows begin."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.errors import RecordFormatError
from replay.formats.file_record import unique
from replay.formats.units import mv_per_unit

BLOCK_ROWS: Final = 2**15
"""Rows parsed at a time; where each block begins is kept."""
_SEPARATORS: Final = "\t;,"
"""Looked for in this order; else white space separates."""
_HEAD_BYTES: Final = 2**16
_SCANNED_BYTES: Final = 2**22
_S_PER_UNIT: Final = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_S_PER_UNIT.update({"msec": 1e-3, "milliseconds": 1e-3})
_TIME_NAMES: Final = frozenset(
    [
        *"time t timestamp datetime date sample samples index seconds milliseconds".split(),
        *("elapsed time", "sample #", "sample number"),
    ]
)
"""Names of columns that count time or samples: never leads."""
_NAME_AND_UNIT: Final = re.compile(r"(.*?)\s*(?:[(\[]([^)\]]*)[)\]]|[_/]([A-Za-zµμ]+))")
"""`MLII (mV)`, `V1 [uV]`, `ecg_mV`, `time/s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumn:
    """One column as the header has it."""

    name: str | None
    unit: str | None
    """As it is written; None if it isn't."""

    @property
    def is_time(self) -> bool:
        """Whether it counts time or samples."""
        return self.name is not None and self.name.casefold() in _TIME_NAMES

    @property
    def seconds(self) -> float | None:
        """Seconds in one unit of a time column; None where its unit isn't stated."""
        if not self.is_time or self.name is None:
            return None
        return _S_PER_UNIT.get((self.unit or self.name).casefold())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CsvLayout:
    """What reading needs of the file."""

    path: Path
    separator: str | None
    """None: white space."""
    decimal_comma: bool
    columns: tuple[CsvColumn, ...]
    n_rows: int
    header_rows: int
    offsets: NDArray[np.int64]
    """Byte at which each block of rows begins, and the end of the last."""

    def text(self, block: int) -> str:
        """Read the rows of a block."""
        with self.path.open("rb") as file:
            file.seek(int(self.offsets[block]))
            data = file.read(int(self.offsets[block + 1] - self.offsets[block]))
        text = data.decode("latin-1")
        return text.replace(",", ".") if self.decimal_comma else text

    def rows_of(self, block: int) -> int:
        """Return how many rows a block has."""
        return min(BLOCK_ROWS, self.n_rows - block * BLOCK_ROWS)


def read_layout(path: Path) -> CsvLayout:
    """Look at the header and find where rows begin; the file is read once.

    Raises
    ------
    RecordFormatError
        If it holds no rows of numbers.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    lines = head.splitlines(keepends=True)
    if b"\0" in head or not lines or (len(lines) == 1 and len(head) == _HEAD_BYTES):
        raise RecordFormatError(f"{path} is empty or no text; give CSV with a row a sample")
    first = _decoded(lines[0])
    separator = next((mark for mark in _SEPARATORS if mark in first), None)
    header_rows = 0
    while header_rows < min(3, len(lines)) and not _is_numeric(lines[header_rows], separator):
        header_rows += 1
    if header_rows == len(lines) or header_rows == 3:
        raise RecordFormatError(
            f"{path} has no row of numbers after its header; give CSV with a row a sample"
        )
    start = sum(len(line) for line in lines[:header_rows])
    n_rows, offsets = _scan(path, start)
    example = _fields(_decoded(lines[header_rows]), separator)
    return CsvLayout(
        path=path,
        separator=separator,
        decimal_comma=separator != "," and any("," in field for field in example),
        columns=_columns(
            path, [_decoded(line) for line in lines[:header_rows]], separator, example
        ),
        n_rows=n_rows,
        header_rows=header_rows,
        offsets=offsets,
    )


def _scan(path: Path, start: int) -> tuple[int, NDArray[np.int64]]:
    """Count the rows and note where each block of them begins."""
    offsets, n_rows, at = [start], 0, start
    end = _end_of_rows(path)
    with path.open("rb") as file:
        file.seek(start)
        while at < end:
            data = file.read(min(_SCANNED_BYTES, end - at))
            ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
            first = -(n_rows + 1) % BLOCK_ROWS
            offsets += (at + 1 + ends[first::BLOCK_ROWS]).tolist()
            n_rows += len(ends)
            at += len(data)
    if offsets[-1] < end:
        offsets.append(end)
    # The last row ends with the file, whether or not a line feed follows.
    return n_rows + 1, np.array(offsets)


def _end_of_rows(path: Path) -> int:
    """Return where the last row ends: blank lines after it are none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - _HEAD_BYTES, 0))
        tail = file.read()
    return size - len(tail) + len(tail.rstrip())


def _columns(
    path: Path, header: list[str], separator: str | None, example: list[str]
) -> tuple[CsvColumn, ...]:
    """Return the columns; a second line of the header holds their units."""
    if not header:
        return tuple(CsvColumn(name=None, unit=None) for _ in example)
    # The name of a single column may hold white space.
    split_at = "\n" if separator is None and len(example) == 1 else separator
    names, *more = [_fields(line.lstrip("# "), split_at) for line in header]
    units = more[0] if more else []
    if len(names) != len(example) or len(units) not in {0, len(names)}:
        raise RecordFormatError(
            f"{path} names {len(names)} columns, but its rows have {len(example)}; mend the header"
        )
    split = [_name_and_unit(name) for name in names]
    found = unique(name for name, _ in split)
    stated = units or [unit for _, unit in split]
    return tuple(
        CsvColumn(name=name, unit=unit or None) for name, unit in zip(found, stated, strict=True)
    )


def _name_and_unit(text: str) -> tuple[str, str]:
    match = _NAME_AND_UNIT.fullmatch(text)
    if match is None:
        return text, ""
    name, bracketed, joined = match.groups()
    if bracketed is not None:
        return name, bracketed
    is_unit = joined.casefold() in _S_PER_UNIT or mv_per_unit(joined) is not None
    # "lead_V" and "lead_v" may be the lead V, so that one letter is no unit of a lead.
    if is_unit and (len(joined) > 1 or name.casefold() in _TIME_NAMES):
        return name, joined
    return text, ""


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        return line.decode("latin-1").strip("\r\n")


def _fields(line: str, separator: str | None) -> list[str]:
    return [field.strip().strip("'\"").strip() for field in line.split(separator)]


def _is_numeric(line: bytes, separator: str | None) -> bool:
    """Whether a line is a row of numbers, some of them perhaps missing."""
    fields = _fields(_decoded(line), separator)
    return any(_is_number(field) for field in fields)


def _is_number(field: str) -> bool:
    try:
        return math.isfinite(float(field.replace(",", ".")))
    except ValueError:
        return False
