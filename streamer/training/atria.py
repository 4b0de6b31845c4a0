"""Count the tables of `fibrillation_model`: `ecg-stream train atria` prints them.

Counts what single beats show in fibrillation, in regular and in irregular rhythms without it: in
the records of DS1, in the Supraventricular Arrhythmia Database, which has no marks of rhythm and
hardly any fibrillation, and in simulated paroxysms (`replay.simulate.paroxysms`, seeds from 1000
on). Each record counts alike, the real ones as much as the simulated. Beats go through the whole
chain, so labels are the classifier's own. Then prints how well fibrillation is named in simulated
paroxysms of other seeds.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.splits import DS1
from replay.places import locate_database
from replay.record import Record, Reference
from replay.records import open_record
from replay.simulate.paroxysms import PAROXYSMS
from replay.simulate.record import SimulatedRecord
from streamer.core.events import CHAIN_FS, Event, LabeledBeat
from streamer.patient.record_events import record_events
from streamer.rhythm.atria.fibrillation import nearest_pair
from streamer.rhythm.atria.fibrillation_model import (
    CHANGE_EDGES,
    FAST_S,
    PAIR_EDGES,
    SIMILARITY_EDGES,
    FloatArray,
)
from streamer.rhythm.atria.measures import HEART
from streamer.rhythm.atria.memory import AtriaState
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.context import RhythmContext
from streamer.scoring.episodes import NAMED, Agreement, agreement, named_spans, spans_of
from streamer.training.at_chain_rate import at_chain_rate

FIRST_SEED: Final = 1000
_RATES_HZ: Final = (128.0, 250.0, 360.0)
_LEAST: Final = 30
"""Beats of a kind that a record must have to be counted."""
_HALF: Final = 0.5
_RARE: Final = 0.002
"""Added to every share, so that what is never seen is no proof."""
_NEAR: Final = 17
_CHANGED: Final = 0.1
_IRREGULAR: Final = 0.3
"""Irregular is where among so many beats this share of the intervals changed by a tenth."""
_DECIMALS: Final = 1
FIBRILLATION, REGULAR, ECTOPIC = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtriaTrainingConfig:
    """How much is simulated, and how much each kind of evidence counts.

    The weights make up for evidence that overlaps; chosen on DS1 and simulated paroxysms, among a
    few, which hardly differ.
    """

    simulated: int = 24
    """Records of each kind."""
    held_out: int = 8
    change: float = 0.4
    pair: float = 0.6
    similarity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AtrialEvidence:
    """Evidence for or against fibrillation from each N and S beat of one record."""

    change: FloatArray
    pair: FloatArray
    similarity: FloatArray
    """Of beats after a slow interval, else NaN."""
    kind: NDArray[np.int64]
    """FIBRILLATION, REGULAR or ECTOPIC, or -1 for what doesn't count."""


def evidence_of(events: Iterable[Event], reference: Reference | None, stop: int) -> AtrialEvidence:
    """Gather the evidence of a record at the chain's rate."""
    context, rows = RhythmContext(RhythmConfig()), []
    for event in events:
        if isinstance(event, LabeledBeat) and event.revision == 1:
            context.add_beat(event)
            if event.label in HEART and context.atria.memory is not None:
                rows.append((event.beat.rpeak.sample, *_newest(context.atria.memory)))
    values = np.array(rows, np.float64).reshape(-1, 4)
    return AtrialEvidence(
        change=values[:, 1],
        pair=values[:, 2],
        similarity=values[:, 3],
        kind=_kinds(values[:, 0], values[:, 1], reference, stop),
    )


def _newest(memory: AtriaState) -> tuple[float, float, float]:
    n = int(memory.filled[0]) - 1
    change = float(abs(np.log(memory.interval_s[n] / memory.interval_s[n - 1]))) if n else np.nan
    pair = np.nan if np.isnan(change) else nearest_pair(memory.interval_s, n)
    is_fast = memory.interval_s[n] < FAST_S
    return change, pair, np.nan if is_fast else float(memory.similarity[n])


def _kinds(
    samples: FloatArray, change: FloatArray, reference: Reference | None, stop: int
) -> NDArray[np.int64]:
    known = np.isfinite(change).astype(float)
    changed = np.where(np.isfinite(change), change > _CHANGED, False).astype(float)
    near = np.ones(_NEAR)
    if samples.size < _NEAR:
        return np.full(samples.size, -1)
    share = np.convolve(changed, near, "same") / np.maximum(np.convolve(known, near, "same"), 1.0)
    kinds = np.where(share > _IRREGULAR, ECTOPIC, REGULAR)
    if reference is not None:
        for start, end in spans_of(reference, "AF or flutter", stop):
            kinds[(samples >= start) & (samples < end)] = -1
        for start, end in spans_of(reference, "AF", stop):
            kinds[(samples >= start) & (samples < end)] = FIBRILLATION
    return kinds


def events_of(record: Record) -> tuple[list[Event], Reference | None, int]:
    """Push a record through the chain at the chain's rate; return its marks at that rate too."""
    held = at_chain_rate(record)
    return list(record_events(held)), held.annotations, held.n_samples


def tables(
    real: Sequence[AtrialEvidence], simulated: Sequence[AtrialEvidence], config: AtriaTrainingConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log-odds of a regular and an ectopic rhythm against fibrillation.

    By change, by pair and by similarity; each of shape (2, columns).
    """
    kinds = (
        ("change", CHANGE_EDGES, config.change),
        ("pair", PAIR_EDGES, config.pair),
        ("similarity", SIMILARITY_EDGES, config.similarity),
    )
    change, pair, similarity = (
        weight * _log_odds([_values(real, name), _values(simulated, name)], edges)
        for name, edges, weight in kinds
    )
    return change, pair, similarity


Counted = list[tuple[FloatArray, NDArray[np.int64]]]
"""Of each record, the evidence of its beats and the kind of each beat."""


def _values(records: Sequence[AtrialEvidence], name: str) -> Counted:
    return [(getattr(record, name), record.kind) for record in records]


def _log_odds(groups: Sequence[Counted], edges: FloatArray) -> FloatArray:
    shares = np.zeros((3, edges.size + 1))
    for kind in (FIBRILLATION, REGULAR, ECTOPIC):
        means = []
        for group in groups:
            counted = [_share(values[kinds == kind], edges) for values, kinds in group]
            enough = [share for share in counted if share is not None]
            if enough:
                means.append(np.mean(enough, axis=0))
        shares[kind] = np.mean(means, axis=0)
    odds: FloatArray = np.log((shares[1:] + _RARE) / (shares[:1] + _RARE))
    return odds


def _share(values: FloatArray, edges: FloatArray) -> FloatArray | None:
    """Return how often a record's values fall into each column."""
    known = values[np.isfinite(values)]
    if known.size <= _LEAST:
        return None
    counts = np.bincount(np.searchsorted(edges, known, "right"), minlength=edges.size + 1) + _HALF
    result: FloatArray = counts / counts.sum()
    return result


def simulated_records(first_seed: int, count: int) -> Iterator[SimulatedRecord]:
    """Yield records of every kind, at several rates, every other one with a single lead."""
    for make in PAROXYSMS.values():
        for seed in range(first_seed, first_seed + count):
            record = make(_RATES_HZ[seed % len(_RATES_HZ)], seed)
            keep = 1 if seed % 2 else len(record.leads)
            yield replace(record, leads=record.leads[:keep], signal=record.signal[:keep])


def real_records() -> Iterator[Record]:
    """Yield DS1 and what is at hand of the Supraventricular Arrhythmia Database."""
    for name in DS1:
        yield open_record(name)
    for location in locate_database("svdb"):
        yield open_record(str(location.path))


def agreement_on(records: Iterable[Record]) -> Agreement:
    """Sum up how fibrillation agrees with the marks of records."""
    summed = Agreement()
    for record in records:
        events, reference, stop = events_of(record)
        if reference is not None:
            named = named_spans(events, NAMED["AF"], stop)
            summed += agreement(spans_of(reference, "AF", stop), named, fs=CHAIN_FS)
    return summed


def train_atria(config: AtriaTrainingConfig | None = None) -> int:
    """Count, print the tables, and how the shipped ones do in other simulated patients."""
    write = sys.stdout.write
    config = config or AtriaTrainingConfig()
    real = [evidence_of(*events_of(record)) for record in real_records()]
    records = simulated_records(FIRST_SEED, config.simulated)
    simulated = [evidence_of(*events_of(record)) for record in records]
    counted = tables(real, simulated, config)
    for name, table in zip(("CHANGE", "PAIR", "SIMILARITY"), counted, strict=True):
        write(f"{name}\n")
        for row in table:
            write("    [" + ", ".join(f"{value:.{_DECIMALS}f}" for value in row) + "],\n")
    found = agreement_on(simulated_records(FIRST_SEED + config.simulated, config.held_out))
    se, ppv = found.duration_se or 0.0, found.duration_ppv or 0.0
    write(
        f"held-out paroxysms and ectopy, by duration: Se {100 * se:.1f} %, +P {100 * ppv:.1f} %\n"
    )
    return 0
