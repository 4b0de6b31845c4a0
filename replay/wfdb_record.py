"""A record in WFDB files (https://physionet.org/physiotools/wag/header-5.htm), read in blocks."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.errors import RecordFormatError
from replay.record import Reference, check_range, cut_chunks, lead_order
from replay.wfdb_header import WfdbHeader, read_header

DEFAULT_ANNOTATOR: Final = "atr"


class WfdbRecord:
    """A WFDB record on disk; satisfies `replay.record.Record`.

    Opening reads the header, holds the signal files' sizes against it and compares the first
    sample with the header's initial value; the samples are read later, block by block.

    Parameters
    ----------
    path : Path
        Where the record is, without extension.
    database : str, optional
        Name of its database.
    lead : str, optional
        Lead to put first, in any case; by default MLII where there is one, else the first.
    annotator : str
        Extension of the reference annotation file.

    Attributes
    ----------
    base_time : time or None
        Time of day of the first sample, where the header states it.
    base_date : date or None

    Raises
    ------
    RecordFormatError
        If the header can't be read, has no lead measured in volts, or disagrees with the data.
    LeadNotFoundError
        If the record has no such lead.
    """

    def __init__(
        self,
        path: Path,
        *,
        database: str | None = None,
        lead: str | None = None,
        annotator: str = DEFAULT_ANNOTATOR,
    ) -> None:
        self._path = path
        self._annotator = annotator
        self._header: WfdbHeader = read_header(path)
        self._header.require_complete_files()
        order = lead_order(self._header.leads, lead, path.name)
        self.name = path.name
        self.database = database
        self.fs = self._header.fs
        self.leads = tuple(self._header.leads[row] for row in order)
        self.n_samples = self._header.n_samples
        self.base_time, self.base_date = self._header.base_time, self._header.base_date
        self._columns = [self._header.columns[row] for row in order]
        self._to_mv = np.array([self._header.to_mv[row] for row in order])
        self._require_initial_values()

    def chunks(self, start: int = 0, stop: int | None = None, size: int = 1) -> Iterator[Chunk]:
        """Yield the samples in chunks; see `replay.record.Record.chunks`.

        Raises
        ------
        RecordFormatError
            While iterating, if a block can't be decoded.
        """
        return cut_chunks(self._read, start, check_range(start, stop, size, self.n_samples), size)

    def _read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples in mV, shape (leads, n), NaN where WFDB marks them invalid."""
        physical = self._decode(start, stop, physical=True)
        return np.ascontiguousarray((physical * self._to_mv).T, dtype=np.float32)

    def _decode(self, start: int, stop: int, *, physical: bool) -> NDArray[Any]:
        """Return samples in the file's units or in ADC units, shape (n, leads).

        Without a length in the header wfdb can only read to the end of the file.
        """
        import wfdb  # noqa: PLC0415

        try:
            record = wfdb.rdrecord(
                str(self._path),
                sampfrom=start,
                sampto=stop if self._header.states_length else None,
                channels=self._columns,
                physical=physical,
                smooth_frames=True,
            )
        except (ValueError, IndexError, KeyError, TypeError, OSError, RuntimeError) as error:
            raise RecordFormatError(
                f"samples {start} to {stop} of record {self._path} can't be decoded ({error}); "
                "fetch the record again"
            ) from error
        signal: NDArray[Any] = (record.p_signal if physical else record.d_signal)[: stop - start]
        if signal.shape != (stop - start, len(self._columns)):
            raise RecordFormatError(
                f"record {self._path} gave {signal.shape[0]} samples of {signal.shape[1]} leads "
                f"where its header promises {stop - start} of {len(self._columns)}; "
                "fetch the record again"
            )
        return signal

    def _require_initial_values(self) -> None:
        """Raise if the first sample isn't the one that the header states."""
        stated = [self._header.initial_values[column] for column in self._columns]
        if all(value is None for value in stated):
            return
        found = self._decode(0, 1, physical=False)[0]
        for lead, expected, actual in zip(self.leads, stated, found, strict=True):
            if expected is not None and expected != actual:
                raise RecordFormatError(
                    f"record {self._path}: lead {lead} starts with {actual} but its header says "
                    f"{expected}; header and data are not of the same record, fetch both again"
                )

    def reference(self) -> Reference | None:
        """Return the reference annotations, or None if the record has no such file.

        Raises
        ------
        RecordFormatError
            If the file is damaged or has annotations outside the record.
        """
        return self._reference

    @cached_property
    def _reference(self) -> Reference | None:
        path = self._path.with_name(f"{self._path.name}.{self._annotator}")
        return read_reference(path, self.n_samples)


def read_reference(path: Path, n_samples: int) -> Reference | None:
    """Read a WFDB annotation file; None if there is none.

    Raises
    ------
    RecordFormatError
        If it is damaged or has annotations outside the record.
    """
    if not path.is_file():
        return None
    import wfdb  # noqa: PLC0415

    try:
        found = wfdb.rdann(str(path.with_suffix("")), path.suffix.removeprefix("."))
    except (ValueError, IndexError, KeyError, TypeError, OSError) as error:
        raise RecordFormatError(
            f"{path} is not a WFDB annotation file ({error}); fetch it again"
        ) from error
    samples = np.asarray(found.sample, dtype=np.int64)
    if samples.size and not (samples.min() >= 0 and samples.max() < n_samples):
        raise RecordFormatError(
            f"{path} has an annotation at sample {samples.max()}, but the record has only "
            f"{n_samples}; they are not of the same record, fetch both again"
        )
    return Reference(
        samples=samples,
        symbols=tuple(found.symbol),
        aux=tuple((aux or "").rstrip("\0") for aux in found.aux_note),
    )
