"""What a WFDB header says, checked against the files that it describes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final

from replay.errors import RecordFormatError
from replay.formats.units import mv_per_unit
from replay.places import HEADER_SUFFIX

BITS_PER_SAMPLE: Final = {
    "8": 8,
    "16": 16,
    "24": 24,
    "32": 32,
    "61": 16,
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 32 / 3,
    "311": 32 / 3,
}
"""Storage formats of fixed size, so that the size of the file can be checked."""

COMPRESSED_FORMATS: Final = ("508", "516", "524")
"""FLAC."""

PADDING_BYTES: Final = 512
"""Writers may fill the last block of a signal file; more than that belongs to no sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFile:
    """One signal file of a record, as the header describes it."""

    path: Path
    bits_per_frame: float | None
    """None if the format has no fixed size."""
    offset_bytes: int

    @property
    def size_bytes(self) -> int:
        """Size on disk; RecordFormatError if there is no such file."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise RecordFormatError(
                f"signal file {self.path} can't be read ({error.strerror}); fetch the record again"
            ) from error

    def frames(self) -> int | None:
        """How many whole frames the file holds, if its format tells."""
        if self.bits_per_frame is None:
            return None
        return int(max(0, self.size_bytes - self.offset_bytes) * 8 / self.bits_per_frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class WfdbHeader:
    """The part of a WFDB header that reading needs."""

    path: Path
    """Of the record, without extension."""
    fs: float
    n_samples: int
    leads: tuple[str, ...]
    """Names of the signals measured in volts, as the header orders them."""
    columns: tuple[int, ...]
    """Signal number of each lead."""
    to_mv: tuple[float, ...]
    """Factor from each lead's unit to mV."""
    initial_values: tuple[int | None, ...]
    """First sample of every signal in ADC units, where stated and comparable."""
    files: tuple[SignalFile, ...]
    base_time: time | None
    """Time of day of the first sample, where stated."""
    base_date: date | None
    states_length: bool
    """Whether `n_samples` comes from the header rather than from the size of the files."""

    def require_complete_files(self) -> None:
        """Raise RecordFormatError if a signal file is missing, truncated or too long."""
        for file in self.files:
            size = file.size_bytes
            if file.bits_per_frame is None:
                continue
            wanted = file.offset_bytes + math.ceil(self.n_samples * file.bits_per_frame / 8)
            if size < wanted:
                raise RecordFormatError(
                    f"{file.path} is truncated: {size} bytes, but the header asks for {wanted}; "
                    "fetch the record again"
                )
            if size > wanted + PADDING_BYTES:
                raise RecordFormatError(
                    f"{file.path} has {size} bytes, but the header asks for {wanted}; header and "
                    "data are not of the same record, fetch both again"
                )


def read_header(path: Path) -> WfdbHeader:
    """Read the header of the record at `path` (no extension).

    A header without a length gets it from the size of the signal file.

    Raises
    ------
    RecordFormatError
        If it can't be read, describes several segments, or has no signal measured in volts.
    """
    header = _parse(path)
    files = tuple(_signal_files(header, path.parent))
    kept = [
        (name, column, factor)
        for column, (name, unit) in enumerate(zip(_names(header), _units(path), strict=True))
        if (factor := mv_per_unit(unit)) is not None
    ]
    if not kept:
        raise RecordFormatError(
            f"record {path} has no signal measured in volts, so no ECG; choose another record"
        )
    leads, columns, to_mv = zip(*kept, strict=True)
    return WfdbHeader(
        path=path,
        fs=float(header.fs),
        n_samples=int(header.sig_len) if header.sig_len else _length(files, path),
        leads=leads,
        columns=columns,
        to_mv=to_mv,
        initial_values=tuple(
            # Where no checksum was worked out, the value may be that of a longer recording: 35 of
            # 722 records of the CinC Challenge 2017 were cut without it.
            value if frame == 1 and checksum else None
            for value, frame, checksum in zip(
                header.init_value, header.samps_per_frame, header.checksum, strict=True
            )
        ),
        files=files,
        base_time=header.base_time,
        base_date=header.base_date,
        states_length=bool(header.sig_len),
    )


def _parse(path: Path) -> Any:
    """Let wfdb parse the header; turn whatever it stumbles over into one clear line."""
    import wfdb  # noqa: PLC0415

    file = path.with_name(path.name + HEADER_SUFFIX)
    try:
        header = wfdb.rdheader(str(path))
    except OSError as error:
        raise RecordFormatError(f"header {file} can't be read ({error.strerror})") from error
    except Exception as error:  # wfdb raises a dozen kinds for a header that isn't one
        raise RecordFormatError(
            f"{file} is not a WFDB header ({error}); fetch the record again"
        ) from error
    if isinstance(header, wfdb.MultiRecord):
        segments = ", ".join(name for name in header.seg_name if name != "~")
        raise RecordFormatError(f"record {path} is made of segments; choose one of: {segments}")
    if not header.n_sig or not header.file_name:
        raise RecordFormatError(f"{file} describes no signals; choose another record")
    if not header.fs or header.fs <= 0:
        raise RecordFormatError(f"{file} states no sampling frequency; fetch the record again")
    return header


def _names(header: Any) -> list[str]:
    """Signal names, made unique; a signal without a name is called by its number."""
    names: list[str] = []
    for column, name in enumerate(header.sig_name or [None] * header.n_sig):
        name_or_number = name or f"signal {column}"
        names.append(f"{name_or_number} ({column})" if name_or_number in names else name_or_number)
    return names


def _units(path: Path) -> list[str]:
    """Read each signal's unit ourselves: wfdb drops what isn't ASCII and so takes µV for V."""
    content = path.with_name(path.name + HEADER_SUFFIX).read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line.split() for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    n_signals = int(lines[0][1])
    gains = [fields[2] if len(fields) > 2 else "" for fields in lines[1 : 1 + n_signals]]
    return [gain.partition("/")[2] or "mV" for gain in gains]


def _signal_files(header: Any, folder: Path) -> Iterator[SignalFile]:
    """Yield each signal file once, with the bits that one frame of all its signals takes."""
    for name in dict.fromkeys(header.file_name):
        columns = [i for i, file_name in enumerate(header.file_name) if file_name == name]
        fmt = header.fmt[columns[0]]
        bits = BITS_PER_SAMPLE.get(fmt)
        if bits is None and fmt not in COMPRESSED_FORMATS:
            raise RecordFormatError(
                f"{folder / name} is in format {fmt}, which is none of WFDB's; "
                "fetch the record again"
            )
        samples_per_frame = sum(header.samps_per_frame[column] for column in columns)
        yield SignalFile(
            path=folder / name,
            bits_per_frame=None if bits is None else bits * samples_per_frame,
            offset_bytes=int(header.byte_offset[columns[0]] or 0),
        )


def _length(files: tuple[SignalFile, ...], path: Path) -> int:
    """Length of a record whose header doesn't state it."""
    lengths = [frames for file in files if (frames := file.frames())]
    if not lengths:
        raise RecordFormatError(
            f"header {path}.hea states no length and the signal files don't tell it; "
            "add the number of samples to its first line"
        )
    return min(lengths)
