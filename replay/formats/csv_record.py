"""A record in a CSV file with a row a sample, parsed in blocks of rows."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.errors import RecordFormatError
from replay.formats.csv_layout import BLOCK_ROWS, CsvColumn, read_layout
from replay.formats.file_record import LONGEST_DAYS, Column, FileRecord, FileSource, choose_columns
from replay.formats.units import UNITS_HELP, Scale, mv_per_unit, parse_units

MISSING: Final = frozenset(["", "nan", "na", "n/a", "-", "null", "none"])
"""What stands for no value, in lower case; `-` is how WFDB writes an invalid sample."""
_WHOLE_HZ: Final = 1e-6
"""A rate from exact time stamps that is this near to a whole number, as a share, is one."""
_HOLE_SAMPLES: Final = 1.5
"""Rows further apart than this have others missing between them; nearer ones have jitter."""
_LOOKED_AT: Final = 1000
"""Rows in which time is looked for."""


class CsvRecord(FileRecord):
    """A CSV file: separated by tab, semicolon, comma or white space, with or without a header.

    A column that is named as time (or sample number) is no lead. Where it states its unit, as
    `time_s` does, it gives the sampling frequency, and a jump in it is a hole (NaN). Units come
    from the header or from the options.

    Raises
    ------
    RecordFormatError
        If sampling frequency or units are stated nowhere, or the file isn't laid out as a table.
    LeadNotFoundError
        If it has no such lead.
    """

    def __init__(self, source: FileSource) -> None:
        self._layout = layout = read_layout(source.path)
        file = source.path.name
        candidates = [
            Column(number=number, name=column.name)
            for number, column in enumerate(layout.columns, start=1)
            if not column.is_time and _may_be_volts(column)
        ]
        if not candidates:
            raise RecordFormatError(f"{source.path} has no column of voltages; name one with mV")
        chosen, names = choose_columns(candidates, source)
        self._columns = [column.number - 1 for column in chosen]
        self._scales = [
            _scale(layout.columns[k], source.options.units, file) for k in self._columns
        ]
        timed = [k for k, column in enumerate(layout.columns) if column.seconds is not None]
        self._time = timed[0] if timed else None
        fs = source.options.rate(self._stated_rate(), file)
        self._has_holes = False
        # Sample index of the first row of each block.
        self._starts = np.arange(len(layout.offsets) - 1, dtype=np.int64) * BLOCK_ROWS
        super().__init__(source, fs=fs, n_samples=self._place(fs))
        self.leads = tuple(names)
        self.offered = tuple(column.lead for column in candidates)
        if all(column.name is None for column in layout.columns) and not source.options.leads:
            self._require_no_time()
        self._check_units()

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        samples = np.full((stop - start, len(self._columns)), np.nan)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop))
        for block in range(first, max(last, first + 1)):
            rows = self._parse(block, self._columns)
            at = self._starts[block] + np.arange(len(rows)) - start
            if self._has_holes:
                at[1:] += np.cumsum(self._holes(self._seconds(block), self.fs))
            inside = (at >= 0) & (at < stop - start)
            for column, scale in enumerate(self._scales):
                samples[at[inside], column] = scale.to_mv(rows[inside, column])
        return samples

    def _parse(self, block: int, columns: Sequence[int]) -> NDArray[np.float64]:
        """Return the numbers of some columns of a block, shape (rows, columns)."""
        layout, text = self._layout, self._layout.text(block)
        n_rows, width = layout.rows_of(block), len(layout.columns)
        separator = layout.separator
        if separator is None or text.count(separator) == n_rows * (width - 1):
            try:
                rows = np.loadtxt(
                    io.StringIO(text),
                    delimiter=separator,
                    usecols=columns,
                    ndmin=2,
                    comments=None,
                    quotechar='"',
                )
            except ValueError:
                pass  # A value is missing, or is none: row by row it can be told which.
            else:
                if len(rows) == n_rows:
                    return rows
        lines = text.splitlines()
        return np.array([self._row(block, k, line, columns) for k, line in enumerate(lines)])

    def _row(self, block: int, row: int, line: str, columns: Sequence[int]) -> list[float]:
        """Parse one row, with values that are missing."""
        number = self._layout.header_rows + block * BLOCK_ROWS + row + 1
        fields = [field.strip().strip("'\"") for field in line.split(self._layout.separator)]
        if len(fields) != len(self._layout.columns):
            raise RecordFormatError(
                f"{self._layout.path}: line {number} has {len(fields)} columns, expected "
                f"{len(self._layout.columns)}; mend it, or leave the value between separators empty"
            )
        return [self._number(fields[column], number, column) for column in columns]

    def _number(self, field: str, line: int, column: int) -> float:
        if field.casefold() in MISSING:
            return np.nan
        try:
            return float(field)
        except ValueError:
            raise RecordFormatError(
                f"{self._layout.path}: line {line} has {field!r} in column {column + 1}; "
                "expected a number, or nothing where a sample is missing"
            ) from None

    def _seconds(self, block: int) -> NDArray[np.float64]:
        """Return the time stamps of a block."""
        if self._time is None:
            raise RuntimeError("there is no time column")
        unit_s = self._layout.columns[self._time].seconds or 1.0
        times = self._parse(block, [self._time])[:, 0] * unit_s
        if not np.isfinite(times).all():
            raise RecordFormatError(
                f"{self._layout.path} has rows without a time; give each row one, or leave the "
                "column out"
            )
        return times

    def _stated_rate(self) -> float | None:
        """Return the sampling frequency that the time stamps at the beginning show."""
        if self._time is None or self._layout.n_rows < 2:
            return None
        times = self._seconds(0)
        steps = np.diff(times)
        steps = steps[steps > 0]
        steps = steps[steps < _HOLE_SAMPLES * np.median(steps)]
        if not steps.size:
            raise RecordFormatError(
                f"{self._layout.path}: its time column doesn't ascend; sort the rows"
            )
        rate = 1.0 / float(steps.mean())
        # Stamps are rounded, so that the rate is known to within that only.
        unsure = rate * float(np.ptp(steps)) / float(steps.sum()) + _WHOLE_HZ
        return float(round(rate)) if abs(rate - round(rate)) < unsure * rate else rate

    def _place(self, fs: float) -> int:
        """Find the holes that the time stamps show; return the number of samples with them."""
        if self._time is None:
            return self._layout.n_rows
        following, before = 0, None
        for block in range(len(self._starts)):
            times = self._seconds(block)
            if before is not None:
                following += int(self._holes(np.array([before, times[0]]), fs)[0])
            self._starts[block] = following
            following += len(times) + int(self._holes(times, fs).sum())
            before = times[-1]
        if following / fs / 86400 > LONGEST_DAYS:
            raise RecordFormatError(
                f"{self._layout.path}: its times span {following / fs / 86400:.0f} days; mend the "
                "time column"
            )
        self._has_holes = following > self._layout.n_rows
        return following

    def _holes(self, times: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
        """Return how many samples are missing between each row and the next."""
        steps = np.diff(times) * fs
        if (steps <= 0).any():
            at = times[1:][steps <= 0][0]
            raise RecordFormatError(
                f"{self._layout.path}: time goes back, or stands still, at {at:g} s; sort the "
                "rows, or write the time with more digits"
            )
        return np.where(steps < _HOLE_SAMPLES, 0, np.rint(steps) - 1).astype(np.int64)

    def _require_no_time(self) -> None:
        """Raise if the first of several unnamed columns ascends in equal steps."""
        head = self._parse(0, [0])[:_LOOKED_AT, 0]
        steps = np.diff(head)
        if len(self._layout.columns) > 1 and steps.size > 1 and (steps > 0).all():
            others = ",".join(str(k) for k in range(2, len(self._layout.columns) + 1))
            raise RecordFormatError(
                f"{self._layout.path}: column 1 ascends like time; choose the leads with "
                f"--leads {others}, or name the columns in a first row"
            )


def _may_be_volts(column: CsvColumn) -> bool:
    return column.unit is None or mv_per_unit(column.unit) is not None


def _scale(column: CsvColumn, given: str | None, file: str) -> Scale:
    """Return the scale of a column: as its header states it, or as it was given."""
    stated = None if column.unit is None else mv_per_unit(column.unit)
    if given is None:
        if stated is None:
            raise RecordFormatError(f"{file} states no units; give them: {UNITS_HELP}")
        return Scale(mv_per_unit=stated)
    scale = parse_units(given)
    if stated is not None and scale != Scale(mv_per_unit=stated):
        raise RecordFormatError(
            f"{file} says {column.unit}, not {given}; leave --units out, or mend the header"
        )
    return scale
