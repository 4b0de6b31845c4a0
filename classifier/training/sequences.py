"""Sequences of beats, which the rhythm model learns from: with a signal, and without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.features import Feature, FloatArray
from classifier.inputs.sequence import (
    HIDDEN,
    LOG_ODDS_LIMIT,
    LOG_ODDS_STEP,
    N_CLASSES,
    N_OUTPUTS,
    run,
)
from classifier.labels import MODEL_LABELS
from classifier.training.dataset import NO_BEAT, UNKNOWN, BeatDataset

IntArray = NDArray[np.int64]
_NOTHING: int = len(MODEL_LABELS) - 1
_SEQUENCE = slice(Feature.SEQUENCE_S.value, Feature.SEQUENCE_Q.value + 1)
_NEXT_SEQUENCE = slice(Feature.NEXT_SEQUENCE_S.value, Feature.NEXT_SEQUENCE_Q.value + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeatSequence:
    """All beats of one record, or one variant of it, as the chain described them."""

    record: str
    variant: int
    features: FloatArray
    """Provisional, shape (n, len(Feature))."""
    target: IntArray
    """Index into `MODEL_LABELS`, or UNKNOWN; shape (n,)."""
    fibrillates: IntArray
    """1, 0 or UNKNOWN; shape (n,)."""
    learns: NDArray[np.bool_]
    """Which beats are remembered, shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """The beats of a long recording of which the signal is not at hand."""

    name: str
    time_s: NDArray[np.float64]
    """Shape (n,), ascending."""
    target: IntArray
    """Index into `MODEL_LABELS`, or UNKNOWN; shape (n,)."""
    fibrillates: IntArray
    """1, 0 or UNKNOWN; shape (n,)."""


def sequence_of(dataset: BeatDataset) -> BeatSequence:
    """Return the sequence of one record or variant, of which no beat was left out."""
    known = (dataset.reference >= NO_BEAT) & dataset.judgeable
    return BeatSequence(
        record=str(dataset.record[0]) if len(dataset) else "",
        variant=int(dataset.variant[0]) if len(dataset) else 0,
        features=dataset.provisional,
        target=np.where(known, dataset.target, UNKNOWN),
        fibrillates=dataset.fibrillates,
        learns=dataset.judgeable,
    )


def outputs_of(weights: NDArray[np.void], sequence: BeatSequence) -> FloatArray:
    """Return what the rhythm model says at each beat, shape (n, N_OUTPUTS)."""
    found = np.zeros((len(sequence.target), N_OUTPUTS), np.float32)
    features = np.ascontiguousarray(sequence.features)
    run(weights, features, sequence.learns, np.zeros(HIDDEN, np.float32), found)
    return found


def with_rhythm(dataset: BeatDataset, outputs: Mapping[tuple[str, int], FloatArray]) -> BeatDataset:
    """Fill in the measures of the sequence.

    Parameters
    ----------
    dataset : BeatDataset
    outputs : mapping
        What `outputs_of` found, by record and variant.
    """
    provisional, confirmed = dataset.provisional.copy(), dataset.confirmed.copy()
    for (record, variant), found in outputs.items():
        own = np.flatnonzero((dataset.record == record) & (dataset.variant == variant))
        now = found[dataset.row[own]]
        following = found[np.minimum(dataset.row[own] + 1, len(found) - 1)]
        fibrillation = _limited(now[:, -1])
        for features in (provisional, confirmed):
            features[own, _SEQUENCE] = _log_odds(now[:, :N_CLASSES])
            features[own, Feature.SEQUENCE_FIBRILLATION] = fibrillation
        known = confirmed[own, Feature.NEXT_KNOWN, None]
        confirmed[own, _NEXT_SEQUENCE] = known * _log_odds(following[:, N_CLASSES:-1])
    return replace(dataset, provisional=provisional, confirmed=confirmed)


def _log_odds(logits: FloatArray) -> FloatArray:
    return _limited(logits[:, 1:].astype(np.float64) - logits[:, :1])


def _limited(values: NDArray[np.floating]) -> FloatArray:
    return (values.clip(-LOG_ODDS_LIMIT, LOG_ODDS_LIMIT) / LOG_ODDS_STEP).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtConfig:
    """What a detector does to the beats of an annotation file, and what other patients have."""

    jitter_s: Sequence[float] = (0.001, 0.003, 0.006)
    """Standard deviations, one of which a window gets: R peaks are not found to the sample."""
    missed: Sequence[float] = (0.0, 0.002, 0.01, 0.03)
    false: Sequence[float] = (0.0, 0.0, 0.003, 0.01)
    rate_sd: float = 0.12
    """Log-normal: the same rhythm at another rate."""
    longest_s: float = 4.0
    shortest_s: float = 0.12
    """Intervals beyond these are taken for a gap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Windows of beats without a signal."""

    features: FloatArray
    """Shape (n, beats, len(RHYTHM_INPUTS)), half precision."""
    target: IntArray
    fibrillates: IntArray
    """Shape (n, beats)."""


def intervals_of(
    source: Intervals, first: int, beats: int, dirt: DirtConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], IntArray, IntArray]:
    """Return the RR intervals, s, and targets of a window, as dirty as our own detector is.

    Parameters
    ----------
    source : Intervals
    first : int
        Index of the first beat.
    beats : int
        How many are wanted; at the end of a recording there may be fewer.
    """
    # A few more, as some will be missed.
    part = slice(first, first + beats + beats // 8 + 8)
    time_s = source.time_s[part] + rng.normal(
        0, rng.choice(dirt.jitter_s), len(source.time_s[part])
    )
    time_s = (time_s - time_s[0]) * np.exp(rng.normal(0, dirt.rate_sd))
    kept = rng.random(time_s.size) >= rng.choice(dirt.missed)
    n_false = rng.binomial(time_s.size, rng.choice(dirt.false))
    time_s = np.concatenate([time_s[kept], rng.uniform(time_s[0], time_s[-1], n_false)])
    target = np.concatenate([source.target[part][kept], np.full(n_false, _NOTHING)])
    fibrillates = np.concatenate([source.fibrillates[part][kept], np.full(n_false, UNKNOWN)])
    order = np.argsort(time_s)[:beats]
    rr_s = np.diff(time_s[order], prepend=time_s[order[0]])
    rr_s[(rr_s > dirt.longest_s) | (rr_s <= dirt.shortest_s)] = 0.0
    return rr_s, target[order], fibrillates[order]
