"""Cut a diagnosed record's beats in twelve leads where our own chain finds them."""

from typing import Final

import numpy as np

from classifier.errors import DatasetError
from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.recipe import FS_HZ, LEADS, R_COLUMN, WINDOW_SAMPLES
from replay.record import Record, read_samples
from replay.simulate.record import SimulatedRecord
from streamer.core.events import LabeledBeat
from streamer.patient.record_events import record_events
from streamer.training.at_chain_rate import at_chain_rate
from streamer.training.cut_dataset import RecordingModel

DETECTED_ON: Final = ("II", "V5")
"""Primary and second lead of the detector: an upright QRS in most people."""
ISOELECTRIC_S: Final = (-0.08, -0.05)
"""PR segment, from the R peak: what ST deviation is measured against."""


def cut_beats(record: Record, beats_max: int) -> FloatArray:
    """Cut the beats that the chain's detector finds.

    Parameters
    ----------
    record : Record
        With the twelve standard leads, named in any case; others are ignored.
    beats_max : int
        Of a longer record so many are kept, evenly spaced.

    Returns
    -------
    ndarray of float32, shape (beats, len(LEADS), WINDOW_SAMPLES)
        In mV over the PR segment's mean, at `FS_HZ`; beats that the record cuts short or in which
        samples are missing are left out.

    Raises
    ------
    DatasetError
        If a lead is missing.
    """
    rows = {name.casefold(): row for row, name in enumerate(record.leads)}
    missing = [lead for lead in LEADS if lead.casefold() not in rows]
    if missing:
        raise DatasetError(
            f"record {record.name} has no lead {', '.join(missing)}; the recipe takes records with "
            f"{', '.join(LEADS)}"
        )
    order = [*DETECTED_ON, *(lead for lead in LEADS if lead not in DETECTED_ON)]
    twelve = SimulatedRecord(
        name=record.name,
        fs=record.fs,
        leads=tuple(order),
        signal=read_samples(record)[[rows[lead.casefold()] for lead in order]],
    )
    chained = at_chain_rate(twelve)
    events = record_events(chained, model=RecordingModel(quality_min=0.0))
    found = [e for e in events if isinstance(e, LabeledBeat) and e.revision == 0]
    starts = np.array([e.beat.rpeak.sample - R_COLUMN for e in found], np.int64)
    starts = starts[(starts >= 0) & (starts + WINDOW_SAMPLES <= chained.n_samples)]
    signal = chained.signal[[order.index(lead) for lead in LEADS]]
    beats = signal[:, starts[:, None] + np.arange(WINDOW_SAMPLES)].transpose(1, 0, 2)
    beats = beats[np.isfinite(beats).all(axis=(1, 2))]
    if len(beats) > beats_max:
        beats = beats[np.linspace(0, len(beats) - 1, beats_max).round().astype(np.int64)]
    first, last = (R_COLUMN + round(t * FS_HZ) for t in ISOELECTRIC_S)
    level = beats[:, :, first:last].mean(axis=2, keepdims=True)
    return np.ascontiguousarray(beats - level, np.float32)
