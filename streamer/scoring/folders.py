"""Score two folders of annotation files against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.splits import DS1, DS2
from replay.player import parse_time
from streamer.core.errors import ScoringError
from streamer.scoring.annotation_file import AnnotationFile, annotation_path, read_annotations
from streamer.scoring.ec57 import TOLERANCE_MS, RecordScore, score_record
from streamer.scoring.edf_annotations import is_edf, read_edf_beats

GROUPS: Final[dict[str, tuple[str, ...]]] = {"DS1": DS1, "DS2": DS2}
"""Names that stand for several records."""

_NAMED_AT_MOST: Final = 8
"""Missing files that a message names; it counts the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What to compare with what, and how."""

    reference: Path
    """Folder of the reference annotations, with headers."""
    predicted: Path
    """Folder of the annotations to score."""
    reference_annotator: str = "atr"
    predicted_annotator: str = "pred"
    start: str = "5:00"
    """First time of the test period; EC57 leaves the first 5 minutes to learn from."""
    stop: str | None = None
    """Last time of it; None for the end of the record."""
    tolerance_ms: float = TOLERANCE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records can be scored."""

    records: tuple[str, ...]
    unpredicted: tuple[str, ...]
    """Records of the reference folder that nobody predicted."""


def select_records(comparison: Comparison, wanted: Sequence[str] | None = None) -> Selection:
    """Choose the records to score.

    Parameters
    ----------
    wanted : sequence of str, optional
        Names, DS1 or DS2. Without it, every record that has both files.

    Raises
    ------
    ScoringError
        If a folder or a wanted file is missing, a prediction has no reference, or nothing is left.
    """
    for folder in (comparison.reference, comparison.predicted):
        if not folder.is_dir():
            raise ScoringError(f"no folder {folder}; give one with annotation files")
    reference = _records(comparison.reference, comparison.reference_annotator)
    predicted = _records(comparison.predicted, comparison.predicted_annotator)
    names = sorted(predicted) if wanted is None else _expand(wanted)
    _require(names, reference, comparison.reference, comparison.reference_annotator)
    _require(names, predicted, comparison.predicted, comparison.predicted_annotator)
    if not names:
        raise ScoringError(
            f"no file {annotation_path(comparison.predicted, '*', comparison.predicted_annotator)};"
            " write some with ecg-stream annotate, or name another --predicted-annotator"
        )
    unpredicted = sorted(reference - predicted) if wanted is None else []
    return Selection(records=tuple(names), unpredicted=tuple(unpredicted))


def score_folder(comparison: Comparison, records: Sequence[str]) -> list[RecordScore]:
    """Score these records.

    Raises
    ------
    ScoringError
        If a file can't be read or two files don't count at the same sampling frequency.
    ValueError
        If a time or the match window makes no sense.
    """
    return [_score(comparison, record) for record in records]


def name_some(names: Sequence[str]) -> str:
    """List names for a message, not too many."""
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def _records(folder: Path, annotator: str) -> set[str]:
    return {path.name.removesuffix(f".{annotator}") for path in folder.glob(f"[!.]*.{annotator}")}


def _expand(wanted: Sequence[str]) -> list[str]:
    """Replace groups by their records; keep the order, and each record once."""
    return list(dict.fromkeys(name for word in wanted for name in GROUPS.get(word, (word,))))


def _require(names: Sequence[str], there: set[str], folder: Path, annotator: str) -> None:
    missing = [f"{name}.{annotator}" for name in names if name not in there]
    if missing:
        raise ScoringError(
            f"not in {folder}: {name_some(missing)}; check the folder and the annotator's name, "
            "or choose records with --records"
        )


def _score(comparison: Comparison, record: str) -> RecordScore:
    reference = _read(comparison.reference, record, comparison.reference_annotator)
    predicted = _read(comparison.predicted, record, comparison.predicted_annotator)
    fs = reference.fs or predicted.fs
    if fs is None:
        raise ScoringError(
            f"record {record}: sampling frequency unknown; put {record}.hea into "
            f"{comparison.reference}"
        )
    if predicted.fs not in (None, fs):
        raise ScoringError(
            f"record {record}: {comparison.predicted_annotator} counts at {predicted.fs:g} Hz and "
            f"{comparison.reference_annotator} at {fs:g} Hz; annotate at the record's own frequency"
        )
    start = parse_time(comparison.start, fs)
    stop = None if comparison.stop is None else parse_time(comparison.stop, fs)
    stop = _length(comparison.reference, record) if stop is None else stop
    if stop is not None and stop < start:
        raise ScoringError(
            f"record {record} ends before {comparison.start}; start earlier with --from 0:00"
            if comparison.stop is None
            else f"--to {comparison.stop} is before --from {comparison.start}"
        )
    return score_record(
        reference.beats,
        predicted.beats,
        fs=fs,
        name=record,
        start=start,
        stop=stop,
        tolerance_ms=comparison.tolerance_ms,
    )


def _read(folder: Path, record: str, annotator: str) -> AnnotationFile:
    if is_edf(annotator):
        return read_edf_beats(annotation_path(folder, record, annotator))
    return read_annotations(folder, record, annotator)


def _length(folder: Path, record: str) -> int | None:
    """Read a record's length from its header; None without one."""
    import wfdb  # noqa: PLC0415 - slow to import

    if not (folder / f"{record}.hea").is_file():
        return None
    length = wfdb.rdheader(str(folder / record)).sig_len
    return int(length) if length else None
