"""Beat labels as an EDF+ file of annotations alone, written by `edfio` and read for scoring.

Its texts are WFDB's symbols. A note at its beginning, as in WFDB annotation files, tells the
sampling frequency at which the beats were placed, because EDF+ has times in seconds.
"""

import io
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Final

from classifier.labels import Label
from replay.errors import ReplayError
from replay.formats.edf_annotations import TIME_RESOLUTION
from replay.formats.edf_record import read_edf_annotations
from streamer.core.errors import ScoringError
from streamer.scoring.annotation_file import AnnotationFile, write_whole
from streamer.scoring.ec57 import BeatAnnotations

EDF_EXTENSION: Final = "edf"
"""What the extension of such a file ends in: `208.pred.edf`."""


def is_edf(annotator: str) -> bool:
    """Whether files of this extension are EDF+."""
    return annotator.rpartition(".")[2].casefold() == EDF_EXTENSION


def write_edf_annotations(
    path: Path,
    beats: Sequence[tuple[int, Label]],
    *,
    fs: float,
    recorded: tuple[time | None, date | None] = (None, None),
) -> int:
    """Write a whole file, and only a whole one; return the number of beats.

    Parameters
    ----------
    path : Path
    beats : sequence of (int, Label)
        Sample and label of each.
    fs : float
        Hz.
    recorded : tuple of time and date, each or None
        Of the first sample, so that a viewer can lay the annotations over the recording.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    import edfio  # noqa: PLC0415 - slow to import, and not needed for WFDB

    note = edfio.EdfAnnotation(0.0, None, f"{TIME_RESOLUTION}{fs:.10g}")
    found = [edfio.EdfAnnotation(sample / fs, None, str(label)) for sample, label in beats]
    of_day, day = recorded
    recording = None if day is None else edfio.Recording(startdate=day)
    edf = edfio.Edf([], annotations=[note, *found], starttime=of_day, recording=recording)
    buffer = io.BytesIO()
    edf.write(buffer)
    write_whole(path, buffer.getvalue())
    return len(found)


def read_edf_beats(path: Path) -> AnnotationFile:
    """Read the beats of an EDF+ file: a recording's, or of annotations alone.

    Raises
    ------
    ScoringError
        If it is damaged or holds no beat annotations.
    """
    try:
        reference, fs = read_edf_annotations(path)
    except (ReplayError, OSError) as error:
        raise ScoringError(str(error)) from error
    beats = BeatAnnotations.from_symbols(reference.samples, reference.symbols)
    return AnnotationFile(beats=beats, fs=fs)
