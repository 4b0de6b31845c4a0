"""A record in an EDF or EDF+ file, read in blocks of data records."""

import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.errors import RecordFormatError
from replay.formats.edf_annotations import (
    TIME_RESOLUTION,
    Note,
    annotation_bytes,
    as_reference,
    notes_of,
    onset_s,
)
from replay.formats.edf_header import EdfHeader, EdfSignal, read_header, read_records
from replay.formats.file_record import (
    LONGEST_DAYS,
    Column,
    FileRecord,
    FileSource,
    choose_columns,
    unique,
)
from replay.formats.units import mv_per_unit
from replay.record import Reference

ECG_TYPES: Final = ("ECG", "EKG")
"""What an EDF+ label of an ECG lead begins with."""
OTHER_TYPES: Final = tuple("EEG EOG EMG ERG MEG MCG EP ERP NIRS".split())
"""Types of other signals measured in volts."""


class EdfRecord(FileRecord):
    """An EDF, EDF+C or EDF+D file.

    Leads are the signals measured in volts, without those that their labels give another type
    (EEG, EMG ...); where some are labelled ECG, those alone. "ECG II" is lead II. A hole in a
    discontinuous file is NaN, which the chain reports as a gap. Beat annotations of an EDF+ file
    are the reference; where most of its annotations are others, they are `notes`.

    Raises
    ------
    RecordFormatError
        If the file is damaged, has no ECG, or leads of different sampling frequencies.
    LeadNotFoundError
        If it has no such lead.
    """

    def __init__(self, source: FileSource) -> None:
        self._header = header = read_header(source.path)
        if header.record_s <= 0 or not header.n_records:
            raise RecordFormatError(
                f"{source.path} holds no signals, only annotations; give the file with the signals"
            )
        signals = _ecg_signals(header)
        columns = [Column(number=k + 1, name=name) for k, name in enumerate(signals)]
        chosen, names = choose_columns(columns, source)
        self._signals = [list(signals.values())[column.number - 1] for column in chosen]
        self._per_record = _samples_per_record(header, self._signals)
        fs = source.options.rate(self._per_record / header.record_s, source.path.name)
        self._starts = self._record_starts(fs)
        n_samples = int(self._starts[-1]) + self._per_record
        super().__init__(source, fs=fs, n_samples=n_samples)
        if source.options.units is not None:
            raise RecordFormatError(f"{source.path.name} states its units; leave --units out")
        self.leads = tuple(names)
        self.offered = tuple(column.lead for column in columns)
        self.base_time, self.base_date = header.base_time, header.base_date

    def reference(self) -> Reference | None:
        """Return the beat annotations in the file; else those of a WFDB file beside it, or None."""
        return self.beats or super().reference()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was noted while recording, where the annotations aren't beats."""
        return () if self.beats else self._notes

    @cached_property
    def beats(self) -> Reference | None:
        """The beat annotations that the file itself holds."""
        return as_reference(self._notes, self.fs, self.n_samples, str(self.path))

    @cached_property
    def _notes(self) -> tuple[Note, ...]:
        return tuple(notes_of(self._header, self._began_s))

    def _onsets(self) -> NDArray[np.float64]:
        """Return the time stamp of each data record in s."""
        first = self._header.annotations[0]
        found = (onset_s(raw) for raw in annotation_bytes(self._header, first))
        return np.fromiter((self._required(k, onset) for k, onset in enumerate(found)), np.float64)

    def _required(self, k: int, onset: float | None) -> float:
        if onset is None:
            raise RecordFormatError(
                f"{self._header.path}: data record {k + 1} has no time stamp; the file is damaged, "
                "export it again"
            )
        return onset

    def _record_starts(self, fs: float) -> NDArray[np.int64]:
        """Return the sample index of each data record's first sample: holes leave some out."""
        header, per_record = self._header, self._per_record
        self._began_s = 0.0
        if not header.annotations:
            return np.arange(header.n_records, dtype=np.int64) * per_record
        onsets = self._onsets()
        self._began_s = float(onsets[0])  # Below 1: the header states the start in whole seconds.
        holes = np.rint((np.diff(onsets) - header.record_s) * fs)
        back = np.flatnonzero(holes < 0)
        if back.size:
            raise RecordFormatError(
                f"{header.path}: data record {back[0] + 2} begins at {onsets[back[0] + 1]:g} s, "
                "before the one ahead of it has ended; export the file again"
            )
        if not (onsets[-1] - onsets[0]) / 86400 < LONGEST_DAYS:
            raise RecordFormatError(
                f"{header.path}: its time stamps span {(onsets[-1] - onsets[0]) / 86400:.0f} days; "
                "they are damaged, export the file again"
            )
        return np.concatenate([[0], np.cumsum(per_record + holes.astype(np.int64))])

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        first = max(int(np.searchsorted(self._starts, start, side="right")) - 1, 0)
        last = max(int(np.searchsorted(self._starts, stop)), first + 1)
        records = read_records(self._header, first, last)
        # Where each sample of these data records belongs; what is outside the range is cut off.
        at = (self._starts[first:last, None] + np.arange(self._per_record)).ravel() - start
        inside = (at >= 0) & (at < stop - start)
        samples = np.full((stop - start, len(self._signals)), np.nan)
        for row, signal in enumerate(self._signals):
            digital = records[:, signal.offset : signal.offset + signal.samples].ravel()[inside]
            samples[at[inside], row] = _to_mv(signal, digital)
        return samples


def read_edf_annotations(path: Path) -> tuple[Reference, float]:
    """Return the beat annotations of an EDF+ file and the rate in Hz at which they were placed.

    The file is a recording, or holds annotations alone, one of which notes the rate.

    Raises
    ------
    RecordFormatError
        If it is damaged, holds no beat annotations or doesn't tell the rate.
    """
    header = read_header(path)
    if header.record_s > 0:
        record = EdfRecord(FileSource(path=path))
        found, fs = record.beats, record.fs
    else:
        notes = notes_of(header, 0.0)
        fs = _noted_rate(path, notes)
        found = as_reference(notes, fs, sys.maxsize, str(path))
    if found is None:
        raise RecordFormatError(
            f"{path} holds no beat annotations (N, V, A and the like); choose another file"
        )
    return found, fs


def _noted_rate(path: Path, notes: Sequence[Note]) -> float:
    """Return the rate that a file of annotations alone notes."""
    found = [note.text for note in notes if note.text.startswith(TIME_RESOLUTION)]
    try:
        return float(found[0].removeprefix(TIME_RESOLUTION))
    except (IndexError, ValueError):
        raise RecordFormatError(
            f"{path} doesn't tell at which sampling frequency its beats were placed; it needs an "
            f"annotation such as '{TIME_RESOLUTION}360'"
        ) from None


def _ecg_signals(header: EdfHeader) -> dict[str, EdfSignal]:
    """Return the signals that may be leads, by lead name."""
    volts = [s for s in header.signals if mv_per_unit(s.unit) is not None]
    types = [signal.label.partition(" ")[0].upper() for signal in volts]
    ecg = [s for s, kind in zip(volts, types, strict=True) if kind in ECG_TYPES]
    others = [s for s, kind in zip(volts, types, strict=True) if kind not in OTHER_TYPES]
    chosen = ecg or others
    if not chosen:
        listed = ", ".join(f"{s.label} in {s.unit or 'no unit'}" for s in header.signals)
        raise RecordFormatError(
            f"{header.path} has no ECG measured in volts, but {listed or 'no signals'}; "
            "choose another file"
        )
    names = unique(_lead_name(signal.label) for signal in chosen)
    return dict(zip(names, chosen, strict=True))


def _lead_name(label: str) -> str:
    """Return "II" of "ECG II", and a label of no type, or nothing else, as it is."""
    kind, _, rest = label.partition(" ")
    return rest.strip() if kind.upper() in ECG_TYPES and rest.strip() else label


def _samples_per_record(header: EdfHeader, signals: list[EdfSignal]) -> int:
    counts = {signal.samples for signal in signals}
    if len(counts) > 1 or not min(counts):
        listed = ", ".join(f"{s.label} {s.samples / header.record_s:g} Hz" for s in signals)
        raise RecordFormatError(
            f"{header.path} has leads of different sampling frequencies ({listed}); choose some of "
            "one frequency with --leads"
        )
    for signal in signals:
        if signal.digital[0] == signal.digital[1] or signal.physical[0] == signal.physical[1]:
            raise RecordFormatError(
                f"{header.path} gives {signal.label} no range, so its numbers are no voltages; "
                "export it again, or choose other leads with --leads"
            )
    return counts.pop()


def _to_mv(signal: EdfSignal, digital: NDArray[np.int16]) -> NDArray[np.float64]:
    (low, high), (lowest, highest) = signal.physical, signal.digital
    physical = (digital.astype(np.float64) - lowest) * (high - low) / (highest - lowest) + low
    return physical * (mv_per_unit(signal.unit) or 1.0)
