"""Does noise make the labels cry wolf? False V labels on record 118 of the Noise Stress Test.

The records are those of `streamer.bench.detection.noise`: MIT-BIH record 118 with electrode motion
in two minutes of every four after the first five, at 24 to 0 dB. Whole records count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replay.noise import NoiseConfig
from replay.player import parse_time
from streamer.bench.classification.measure import measure_classification
from streamer.bench.classification.peers import OSEA_FALSE_V
from streamer.bench.classification.results import (
    ClassificationResults,
    ClassificationSettings,
    RecordLabels,
)
from streamer.bench.detection.noise import noise_records
from streamer.bench.work import Advance, silent
from streamer.core.errors import ScoringError
from streamer.report.table import Table, columns, table
from streamer.scoring.ec57 import LABELS, RecordScore, aggregate
from streamer.sinks.annotations import REVISIONS, Which

BASE: Final = "118"
RECORDS: Final = tuple(f"{BASE}e{snr_db:02}" for snr_db in (24, 18, 12, 6, 0))
_Q: Final = LABELS.index("Q")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisyLabels:
    """How one of the records was labelled."""

    snr_db: int | None
    """Signal-to-noise ratio; None without noise."""
    labels: RecordLabels

    def score(self, which: Which) -> RecordScore:
        """Return the beat-by-beat score of one revision."""
        return self.labels.revisions[which].score


def sources(stop: str | None = None) -> list[tuple[int | None, str]]:
    """Return signal-to-noise ratio and name of the clean record and of each noisy one.

    Raises
    ------
    ScoringError
        If the records are to be cut before the noise begins.
    """
    begins_s = NoiseConfig().learning_s
    if stop is not None and parse_time(stop, 1.0) <= begins_s:
        raise ScoringError(
            f"nothing to count: the noise begins after {begins_s:g} s; give a later --stop"
        )
    noisy = [(record.snr_db, record.source) for record in noise_records(RECORDS)]
    return [(None, f"mitdb/{BASE}"), *noisy]


def measure_noisy_labels(
    settings: ClassificationSettings,
    records: Sequence[tuple[int | None, str]],
    *,
    jobs: int = 1,
    advance: Advance = silent,
) -> list[NoisyLabels]:
    """Label the record without noise and with it; `records` are as `sources` returns them."""
    found = measure_classification(
        "nstdb", [source for _, source in records], settings, jobs=jobs, advance=advance
    )
    return [
        NoisyLabels(snr_db=snr_db, labels=labels)
        for (snr_db, _), labels in zip(records, found.records, strict=True)
    ]


def noise_line(results: ClassificationResults) -> str:
    """Return the line on whether the model was trained on the record."""
    trained = BASE in results.model.training_records
    return (
        f"Noise: record {BASE} was {'' if trained else 'not '}trained on, without this noise; "
        "OSEA has never seen it."
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseFigures:
    """What noise does to one revision of a record's labels."""

    false_v: int
    """Labels V of beats that are none; EC57 forgives reference F and Q."""
    v_se: float | None
    labelled_q: int
    matrix: NDArray[np.int64]


def noise_figures(score: RecordScore) -> NoiseFigures:
    """Return what counts in noise."""
    v_ppv = score.ratio("v_ppv")
    return NoiseFigures(
        false_v=v_ppv.denominator - v_ppv.numerator,
        v_se=score.value("v_se"),
        labelled_q=int(score.matrix[:, _Q].sum()),
        matrix=score.matrix,
    )


def noise_table(noisy: Sequence[NoisyLabels], results: ClassificationResults) -> Table:
    """Put false V labels beside OSEA's, and the V that are found beside those of clean records."""
    rows = [
        (
            f"{BASE} without noise" if record.snr_db is None else f"{BASE} at {record.snr_db} dB",
            *_cells([record.score(which) for which in REVISIONS]),
            OSEA_FALSE_V.get(record.snr_db),
        )
        for record in noisy
    ]
    clean = [aggregate(results.scores(which)).gross for which in REVISIONS]
    rows.append((f"{results.groups[0].title}, as they are", *_cells(clean), None))
    false, se, q = (
        columns(*(f"{which} {what}" for which in REVISIONS), form=form)
        for what, form in (("false V", ""), ("V Se %", ".2%"), ("Q", ""))
    )
    return table(
        f"Labels in noise: record {BASE} with electrode motion from 5:00 on, whole records",
        (*columns("record"), *false, *se, *q, *columns("OSEA false V")),
        rows,
        summary_rows=1,
    )


def _cells(scores: Sequence[RecordScore]) -> list[float | None]:
    """Return false V, V Se and labels Q, each of every revision."""
    found = [noise_figures(score) for score in scores]
    return [getattr(f, name) for name in ("false_v", "v_se", "labelled_q") for f in found]


def record_figures(record: NoisyLabels) -> dict[str, Any]:
    """Return everything on one record for programs; `snr_db` null is without noise."""
    return {
        "record": record.labels.name,
        "snr_db": record.snr_db,
        "osea_false_v": OSEA_FALSE_V.get(record.snr_db),
        **{which: noise_figures(record.score(which)) for which in REVISIONS},
    }
