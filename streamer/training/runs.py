"""Fit the weights of runs: `ecg-stream train runs` prints them.

Learns from the alarms for ventricular tachycardia of the PhysioNet/CinC Challenge 2015 (`cinc2015`;
Clifford et al. 2016, doi:10.1088/0967-3334/37/8/E5), of which only the whole is known to be true or
false, and from DS1, a minute at a time, lest couplets, bigeminy and fusion pass for runs. Which
beats of a true alarm are its run is not known, so that the most likely ones of each segment stand
for it, are learned from, and are sought again (Andrews et al. 2002, multiple-instance learning).
Also prints what a fit without a record says of that record.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from classifier.splits import DS1
from replay.record import BLOCK_SAMPLES, Record
from replay.records import open_record
from streamer.beats.label_request import LabelRequest, label_beats
from streamer.core.events import CHAIN_FS, Gap, Rhythm
from streamer.patient.chain import Chain
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.run_evidence import RunMeasure, measure_run
from streamer.scoring.bedside_alarms import WINDOW_S, BedsideAlarm, bedside_alarms
from streamer.scoring.episodes import flutter_spans, reference_runs, spans_of

FloatArray = NDArray[np.float64]
_MINUTE_S: Final = 60
_MINUTE_WEIGHT: Final = 0.15
"""Of a minute of DS1: it is 11 hours, the alarms' last seconds are half an hour."""
_TRUE_WEIGHT: Final = 2.0
"""A true alarm that is missed is worse than a false one."""
_RIDGE: Final = 1.0
_ROUNDS: Final = 8
_STEPS: Final = 30
_FOLDS: Final = 5
_SILENCED: Final = (0.90, 0.93, 0.95)
_START: Final = np.array([1.0, 1.0, 1.0, -1.0, 0.0])
"""Signs of the weights, from which the first most likely beats are found."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Part of a record: all its sequences of fast beats, and whether one of them is a run."""

    record: str
    is_true: bool
    weight: float
    measures: FloatArray
    """Shape (sequences, measures)."""


def sequences(record: Record) -> Iterator[tuple[int, int, tuple[float, ...]]]:
    """Yield first and last sample, at the chain's rate, and measures of fast beats in a row."""
    chain = Chain(fs=record.fs, n_leads=len(record.leads))
    context = RhythmContext(RhythmConfig())
    for step in _steps(chain, record):
        if isinstance(step, Gap):
            context.clear_beats(step.start)
        elif isinstance(step, LabelRequest) and step.revision == 1:
            context.add_beat(label_beats(chain.model, [step])[0])
            run = context.runs.sequence
            looks = [beat.looks for beat in run if beat.looks is not None]
            found = measure_run(looks) if context.runs.run_odds > -inf else None
            if found is not None:
                yield run[0].sample, run[-1].sample, found


def _steps(chain: Chain, record: Record) -> Iterator[object]:
    for chunk in record.chunks(0, None, BLOCK_SAMPLES):
        yield from chain.advance(chunk)
    yield from chain.finish()


def challenge_segment(case: BedsideAlarm) -> Segment:
    """Take the last seconds of a record that a bedside alarm ends."""
    record = open_record(case.path)
    since = (record.n_samples / record.fs - WINDOW_S) * CHAIN_FS
    found = [measures for _, last, measures in sequences(record) if last >= since]
    weight = _TRUE_WEIGHT if case.is_true else 1.0
    return Segment(record=record.name, is_true=case.is_true, weight=weight, measures=_array(found))


def minutes(name: str) -> Iterator[Segment]:
    """Yield the minutes of an annotated record, without what belongs to its runs."""
    record = open_record(name)
    reference = record.reference()
    if reference is None:
        return
    stop, reach = record.n_samples, round(record.fs)
    runs = [
        *reference_runs(reference, Label.V),
        *flutter_spans(reference, stop),
        *spans_of(reference, "VT", stop),
    ]
    by_minute: dict[int, list[tuple[float, ...]]] = {}
    for first, last, measures in sequences(record):
        if not any(a < last + reach and first - reach < b for a, b in runs):
            by_minute.setdefault(last // round(_MINUTE_S * CHAIN_FS), []).append(measures)
    for found in by_minute.values():
        yield Segment(
            record=record.name, is_true=False, weight=_MINUTE_WEIGHT, measures=_array(found)
        )


def _array(found: Sequence[tuple[float, ...]]) -> FloatArray:
    return np.array(found, np.float64).reshape(-1, len(RunMeasure))


def fit(segments: Sequence[Segment]) -> FloatArray:
    """Return the weights and, last, the constant."""
    known = [segment for segment in segments if segment.measures.size]
    every = np.concatenate([segment.measures for segment in known])
    centre, scale = every.mean(axis=0), every.std(axis=0)
    terms = [_terms((segment.measures - centre) / scale) for segment in known]
    is_true = np.array([segment.is_true for segment in known], np.float64)
    weights = np.array([segment.weight for segment in known])
    found = _START
    for _ in range(_ROUNDS):
        likeliest = np.array([rows[np.argmax(rows @ found)] for rows in terms])
        found = _regression(likeliest, is_true, weights)
    raw = found[:-1] / scale
    return np.append(raw, found[-1] - centre @ raw)


def _terms(measures: FloatArray) -> FloatArray:
    return np.column_stack([measures, np.ones(len(measures))])


def _regression(terms: FloatArray, is_true: FloatArray, weights: FloatArray) -> FloatArray:
    """Fit a logistic regression by Newton's method; the constant, the last term, is free."""
    ridge = np.diag([_RIDGE] * (terms.shape[1] - 1) + [1e-6])
    found = np.zeros(terms.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(terms @ found, -30.0, 30.0)))
        slope = terms.T @ (weights * (p - is_true)) + ridge @ found
        curve = (terms.T * (weights * p * (1.0 - p))) @ terms + ridge
        found = found - np.linalg.solve(curve, slope)
    return found


def score(segment: Segment, weights: FloatArray) -> float:
    """Return the log-odds of a segment's most likely run; minus infinity without fast beats."""
    return float((_terms(segment.measures) @ weights).max(initial=-inf))


def held_out(segments: Sequence[Segment], seed: int) -> FloatArray:
    """Score every segment by a fit without its record."""
    records = sorted({segment.record for segment in segments})
    order = np.random.default_rng(seed).permutation(len(records))
    fold = {name: int(k) % _FOLDS for name, k in zip(records, order, strict=True)}
    folds = np.array([fold[segment.record] for segment in segments])
    scores = np.empty(len(segments))
    for k in range(_FOLDS):
        weights = fit([s for s, other in zip(segments, folds, strict=True) if other != k])
        for at in np.flatnonzero(folds == k).tolist():
            scores[at] = score(segments[at], weights)
    return scores


def describe(segments: Sequence[Segment], scores: FloatArray) -> Iterator[str]:
    """Yield a line for each share of false alarms that could be silenced."""
    is_true = np.array([segment.is_true for segment in segments])
    is_alarm = np.array([segment.weight != _MINUTE_WEIGHT for segment in segments])
    false = np.sort(scores[is_alarm & ~is_true])
    for share in _SILENCED:
        limit = false[min(int(np.ceil(share * false.size)), false.size - 1)]
        kept = (scores[is_alarm & is_true] > limit).mean()
        wrong = int((scores[~is_alarm] > limit).sum())
        yield (
            f"{share:.0%} of false alarms silenced above {limit:.2f}: {kept:.1%} of the true ones "
            f"kept, {wrong} minutes of DS1 with a false run"
        )


def train_runs() -> int:
    """Collect, fit and print."""
    write = sys.stdout.write
    cases = [case for case in bedside_alarms() if case.rhythm is Rhythm.VENTRICULAR_TACHYCARDIA]
    segments = [challenge_segment(case) for case in cases]
    segments += [segment for name in DS1 for segment in minutes(name)]
    write(f"{len(cases)} alarms, {len(segments) - len(cases)} minutes of DS1 with fast beats\n")
    for seed in range(3):
        for line in describe(segments, held_out(segments, seed)):
            write(f"records held out, folds {seed}: {line}\n")
    write(", ".join(f"{value:.3f}" for value in fit(segments)) + "\n")
    return 0
