"""Figures by record: area under the ROC curve, sensitivity at a specificity, their intervals."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ScoreArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SPECIFICITY: Final = 0.9
RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
_ROUNDING: Final = 1e-9
"""0.9 of ten records must not become more than nine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFigures:
    """What scores of records are worth, with 95 % intervals."""

    n_ill: int
    n_others: int
    auroc: float
    auroc_interval: tuple[float, float]
    sensitivity: float
    """At a specificity of 90 %."""
    sensitivity_interval: tuple[float, float]


class Ranked:
    """Scores in order, with their ties, for any weights of the records.

    Parameters
    ----------
    score : ndarray of float, shape (r,)
        Rises with the suspicion of an infarction.
    is_ill : ndarray of bool, shape (r,)
    """

    def __init__(self, score: ScoreArray, is_ill: BoolArray) -> None:
        self._order = np.argsort(score, kind="stable")
        self._ill = is_ill[self._order]
        self._first = np.flatnonzero(np.diff(score[self._order], prepend=-np.inf) > 0)

    def auroc(self, weight: ScoreArray) -> ScoreArray:
        """Return the share of pairs, one ill and one not, in which the ill record scores higher.

        Ties count half (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747).

        Parameters
        ----------
        weight : ndarray of float, shape (draws, r)
            How often each record counts.

        Returns
        -------
        ndarray of float, shape (draws,)
        """
        ill, others = self._by_score(weight)
        below = np.cumsum(others, axis=1) - 0.5 * others
        pairs = ill.sum(axis=1) * others.sum(axis=1)
        return np.asarray((ill * below).sum(axis=1) / pairs, np.float64)

    def sensitivity(self, weight: ScoreArray, specificity: float = SPECIFICITY) -> ScoreArray:
        """Return the share of ill records above the threshold with `specificity` not above it.

        Weights as for `auroc`.
        """
        ill, others = self._by_score(weight)
        wanted = specificity * others.sum(axis=1, keepdims=True)
        threshold = (np.cumsum(others, axis=1) >= wanted - _ROUNDING).argmax(axis=1)
        found = np.cumsum(ill, axis=1)[np.arange(len(ill)), threshold]
        return np.asarray(1.0 - found / ill.sum(axis=1), np.float64)

    def _by_score(self, weight: ScoreArray) -> tuple[ScoreArray, ScoreArray]:
        """Add up the weights of ill and other records at each score, (draws, scores)."""
        ordered = weight[:, self._order]
        ill, others = (
            np.add.reduceat(ordered * kind, self._first, axis=1) for kind in (self._ill, ~self._ill)
        )
        return ill, others


def auroc(score: ScoreArray, is_ill: BoolArray) -> float:
    """Return the area under the ROC curve, each record counted once."""
    return float(Ranked(score, is_ill).auroc(np.ones((1, is_ill.size)))[0])


def figures(
    score: ScoreArray, is_ill: BoolArray, patient: NDArray[np.str_], seed: int
) -> RecordFigures:
    """Compute both figures, and draw patients anew for their intervals.

    Parameters
    ----------
    score : ndarray of float, shape (r,)
        Rises with the suspicion of an infarction.
    is_ill : ndarray of bool, shape (r,)
    patient : ndarray of str, shape (r,)
        Drawn whole, with replacement (percentile bootstrap): records of one patient are alike.
    """
    ranked, drawn = Ranked(score, is_ill), _draws(is_ill, patient, seed)
    once = np.ones((1, is_ill.size))
    return RecordFigures(
        n_ill=int(is_ill.sum()),
        n_others=int((~is_ill).sum()),
        auroc=float(ranked.auroc(once)[0]),
        auroc_interval=_interval(ranked.auroc(drawn)),
        sensitivity=float(ranked.sensitivity(once)[0]),
        sensitivity_interval=_interval(ranked.sensitivity(drawn)),
    )


def difference(
    first: ScoreArray,
    second: ScoreArray,
    is_ill: BoolArray,
    patient: NDArray[np.str_],
    seed: int,
) -> tuple[float, float, float]:
    """Return by how much the first scores' AUROC is larger, and the ends of its interval.

    The same patients are drawn for both.
    """
    drawn = _draws(is_ill, patient, seed)
    gains = Ranked(first, is_ill).auroc(drawn) - Ranked(second, is_ill).auroc(drawn)
    return auroc(first, is_ill) - auroc(second, is_ill), *_interval(gains)


def _draws(is_ill: BoolArray, patient: NDArray[np.str_], seed: int) -> ScoreArray:
    """Draw as many patients as there are, again and again; how often each record counts."""
    _, who = np.unique(patient, return_inverse=True)
    n_patients = int(who.max()) + 1
    random = np.random.default_rng(seed)
    times = random.multinomial(n_patients, np.full(n_patients, 1.0 / n_patients), RESAMPLES)
    drawn = times[:, who].astype(np.float64)
    # A draw without either kind has no figure.
    both = (drawn[:, is_ill].sum(axis=1) > 0) & (drawn[:, ~is_ill].sum(axis=1) > 0)
    return np.asarray(drawn[both], np.float64)


def _interval(values: ScoreArray) -> tuple[float, float]:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
