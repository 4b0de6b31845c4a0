"""A record in a NumPy file: `.npy` with samples alone, `.npz` with what belongs to them."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from replay.errors import RecordFormatError
from replay.formats.file_record import Column, FileRecord, FileSource, choose_columns
from replay.formats.units import UNITS_HELP, parse_units

SAMPLES: Final = "samples"
"""Name of the samples in a .npz file; where it holds a single array, any name will do."""
STATED: Final = ("fs", "units", "leads")
"""What else a .npz file may hold: Hz, units as in `--units`, names."""
MOST_LEADS: Final = 64
"""More columns than this are taken for an array on its side."""
DAMAGED: Final = (
    *(ValueError, OSError, EOFError, KeyError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What a file that isn't one makes `numpy` and `zipfile` raise."""
_LOCAL_HEADER_BYTES: Final = 30
_NAME_LENGTH_AT: Final = 26


class NumpyRecord(FileRecord):
    """Samples of shape (n,) or (n, leads) of any real type.

    Raises
    ------
    RecordFormatError
        If the array has another shape or type, or sampling frequency or units are stated nowhere.
    LeadNotFoundError
        If it has no such lead.
    """

    def __init__(self, source: FileSource) -> None:
        self._path = source.path
        self._stated = _stated(source.path)
        self._packed: NDArray[Any] | None = None
        samples, file = self._samples(), source.path.name
        names = self._names(samples.shape[1])
        columns = [Column(number=k + 1, name=name) for k, name in enumerate(names)]
        chosen, leads = choose_columns(columns, source)
        self._columns = [column.number - 1 for column in chosen]
        stated, given = self._stated.get("units"), source.options.units
        if stated is None and given is None:
            raise RecordFormatError(f"{file} states no units; give them: {UNITS_HELP}")
        self._scale = parse_units(str(given if stated is None else stated))
        if given is not None and parse_units(given) != self._scale:
            raise RecordFormatError(f"{file} says {stated}, not {given}; leave --units out")
        fs = self._stated.get("fs")
        fs = source.options.rate(None if fs is None else float(fs), file)
        super().__init__(source, fs=fs, n_samples=len(samples))
        self.leads = tuple(leads)
        self.offered = tuple(column.lead for column in columns)
        self._check_units()

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        # Mapped for this block only, so that what was read doesn't stay in memory.
        return self._scale.to_mv(self._samples()[start:stop, self._columns])

    def _names(self, n_leads: int) -> list[str | None]:
        if "leads" not in self._stated:
            return [None] * n_leads
        names = [str(name) for name in np.atleast_1d(self._stated["leads"])]
        if len(names) != n_leads:
            raise RecordFormatError(
                f"{self._path} names {len(names)} leads but has {n_leads}; name each column"
            )
        return list(names)

    def _samples(self) -> NDArray[Any]:
        """Map the samples, shape (n, leads); what is packed is kept."""
        if self._packed is not None:
            return self._packed
        try:
            if self._path.suffix.casefold() == ".npz":
                samples = _member(self._path)
            else:
                samples = np.load(self._path, mmap_mode="r", allow_pickle=False)
        except DAMAGED as error:
            raise RecordFormatError(
                f"{self._path} can't be read ({error}); save it again"
            ) from None
        if samples.ndim == 1:
            samples = samples[:, None]
        n, n_leads = samples.shape if samples.ndim == 2 else (0, 0)
        if not n or not n_leads or n_leads > min(n, MOST_LEADS) or samples.dtype.kind not in "fiu":
            raise RecordFormatError(
                f"{self._path} holds {samples.dtype} of shape {samples.shape}; expected numbers of "
                "shape (samples, leads): save the transpose if it is (leads, samples)"
            )
        if not isinstance(samples, np.memmap):
            self._packed = samples
        return samples


def _name_of_samples(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    if SAMPLES in names:
        return SAMPLES
    others = [name for name in names if name not in STATED]
    if len(others) != 1:
        raise RecordFormatError(
            f"{path} holds {', '.join(names) or 'nothing'}; call the array of shape "
            f"(samples, leads) {SAMPLES!r}"
        )
    return others[0]


def _stated(path: Path) -> dict[str, Any]:
    """Return what a .npz file says beside its samples."""
    if path.suffix.casefold() != ".npz":
        return {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in STATED if name in archive.files}
    except DAMAGED as error:
        raise RecordFormatError(f"{path} can't be read ({error}); save it again") from None
    if "fs" in found and (found["fs"].size != 1 or found["fs"].dtype.kind not in "fiu"):
        raise RecordFormatError(f"{path} has {found['fs']} for fs; save one number in Hz")
    return found


def _member(path: Path) -> NDArray[Any]:
    """Map the samples within a .npz file, which `numpy` can only read whole; read packed ones."""
    name = _name_of_samples(path)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    with path.open("rb") as file:
        file.seek(member.header_offset + _NAME_LENGTH_AT)
        lengths = np.frombuffer(file.read(_LOCAL_HEADER_BYTES - _NAME_LENGTH_AT), "<u2")
        file.seek(int(lengths.sum()), 1)
        version = npy_format.read_magic(file)
        read = npy_format.read_array_header_1_0
        if version != (1, 0):
            read = npy_format.read_array_header_2_0
        shape, fortran_order, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        return np.memmap(file, dtype, "r", file.tell(), shape, "F" if fortran_order else "C")
