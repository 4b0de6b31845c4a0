"""Pairing of reference beats with predicted beats, one to one, as EC57's comparison does it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEVER: Final = 1 << 62
"""Stands for the time of a beat after the last one; far from every sample index."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matching:
    """Which beat belongs to which.

    All fields are int64 arrays of *positions in the lists given*, ascending, not sample indices.
    `pairs_reference[k]` and `pairs_predicted[k]` belong together.
    """

    pairs_reference: NDArray[np.int64]
    pairs_predicted: NDArray[np.int64]
    missed: NDArray[np.int64]
    """Reference beats without a predicted one."""
    extra: NDArray[np.int64]
    """Predicted beats without a reference one."""


class Verdict(Enum):
    """What becomes of the earlier of two beats at hand, or of both."""

    PAIR = "pair"
    MISSED = "missed"
    EXTRA = "extra"


def judge_beats(reference: tuple[int, int], predicted: tuple[int, int], tolerance: int) -> Verdict:
    """Decide on the beats at hand, one of each list with the one after it; NEVER where none is."""
    (here, after_here), (there, after_there) = reference, predicted
    distance = abs(here - there)
    other = abs(here - after_there) if there < here else abs(there - after_here)
    if distance <= tolerance and distance < other:
        return Verdict.PAIR
    return Verdict.EXTRA if there < here else Verdict.MISSED


def tolerance_samples(tolerance_ms: float, fs: float) -> int:
    """Turn a match window into samples, half a sample rounded up as WFDB's `strtim` does."""
    if not 0 <= tolerance_ms < np.inf:
        raise ValueError(f"match window is {tolerance_ms} ms; it must be 0 ms or more")
    return int(tolerance_ms * fs / 1000 + 0.5)


def match_beats(
    reference: ArrayLike,
    predicted: ArrayLike,
    tolerance: int,
    *,
    start: int = 0,
    stop: int | None = None,
) -> Matching:
    """Pair beats by the rule of ANSI/AAMI EC57 that WFDB's `bxb` is the reference for.

    Both lists are walked in time. The earlier of the two beats at hand is paired with the later
    one if they are at most `tolerance` apart and the next beat of the earlier one's own list lies
    farther from the later one; otherwise the earlier one stays alone. So a tie goes to the later
    candidate.

    At the start of the test period a predicted beat just before `start` may belong to the first
    reference beat; and a predicted beat within `tolerance` after `start` that is not the best
    candidate for the first reference beat is not counted, because its partner may lie before
    `start`. At the end a pair counts if either of its beats is in the period.

    Parameters
    ----------
    reference, predicted : array_like of int, shape (n,), (m,)
        Sample indices of the beats, never descending; either may be empty.
    tolerance : int
        Largest distance of a pair, in samples, inclusive.
    start : int
        First sample of the test period; 0 compares from the first beat.
    stop : int or None
        Last sample of the test period, inclusive; None compares to the end.

    Returns
    -------
    Matching

    Raises
    ------
    ValueError
        If a list descends or has another shape, or `tolerance` is negative.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance is {tolerance} samples; it must be 0 or more")
    ref, pred = _samples("reference", reference), _samples("predicted", predicted)
    found = _walk(ref.tolist(), pred.tolist(), tolerance, start)
    return _in_period(ref, pred, found, stop)


def _samples(name: str, samples: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(samples, dtype=np.int64)
    if array.ndim != 1:
        raise ValueError(f"{name} beats have shape {array.shape}; give one list of sample indices")
    if np.any(np.diff(array) < 0):
        raise ValueError(f"{name} beats descend in time; sort them first")
    return array


@dataclass(slots=True)
class _Walked:
    """What walking both lists found, before the end of the period is looked at."""

    pairs: list[tuple[int, int]]
    missed: list[int]
    extra: list[int]


def _walk(ref: list[int], pred: list[int], tolerance: int, start: int) -> _Walked:
    """Walk both lists from `start` on."""
    found = _Walked([], [], [])
    i, j = _enter(ref, pred, tolerance, start, found)
    n, m = len(ref), len(pred)
    while i < n or j < m:
        verdict = judge_beats(two_from(ref, i), two_from(pred, j), tolerance)
        if verdict is Verdict.PAIR:
            found.pairs.append((i, j))
        elif verdict is Verdict.EXTRA:
            found.extra.append(j)
        else:
            found.missed.append(i)
        i += verdict is not Verdict.EXTRA
        j += verdict is not Verdict.MISSED
    return found


def two_from(samples: list[int], at: int) -> tuple[int, int]:
    """Return the beat at a position and the one after it; NEVER where there is none."""
    here, following = [*samples[at : at + 2], NEVER, NEVER][:2]
    return here, following


def _enter(
    ref: list[int], pred: list[int], tolerance: int, start: int, found: _Walked
) -> tuple[int, int]:
    """Settle the beats at the start of the period; return where both lists go on."""
    i = int(np.searchsorted(ref, start))
    j = int(np.searchsorted(pred, start))
    if start <= 0:
        return i, j
    first = ref[i] if i < len(ref) else NEVER
    there = pred[j] if j < len(pred) else NEVER
    before = pred[j - 1] if j > 0 else -NEVER
    if first - before <= tolerance and first - before < abs(first - there):
        found.pairs.append((i, j - 1))
        return i + 1, j
    following = pred[j + 1] if j + 1 < len(pred) else NEVER
    if there - start <= tolerance and abs(first - following) < abs(first - there):
        j += 1
    return i, j


def _in_period(
    ref: NDArray[np.int64], pred: NDArray[np.int64], found: _Walked, stop: int | None
) -> Matching:
    """Leave out what lies after the end of the period."""
    pairs = np.array(found.pairs, dtype=np.int64).reshape(-1, 2)
    missed = np.array(found.missed, dtype=np.int64)
    extra = np.array(found.extra, dtype=np.int64)
    if stop is not None:
        pairs = pairs[(ref[pairs[:, 0]] <= stop) | (pred[pairs[:, 1]] <= stop)]
        missed = missed[ref[missed] <= stop]
        extra = extra[pred[extra] <= stop]
    return Matching(
        pairs_reference=pairs[:, 0].copy(),
        pairs_predicted=pairs[:, 1].copy(),
        missed=missed,
        extra=extra,
    )
