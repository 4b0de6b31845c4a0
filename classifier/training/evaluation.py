"""Beat-by-beat figures as ANSI/AAMI EC57:2012 asks: sensitivity, +P, false-positive rate, F1."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.features import FloatArray
from classifier.labels import SCORED_LABELS, Label
from classifier.training.dataset import CLASSES, NO_BEAT, NOT_SCORED, BeatDataset

IntArray = NDArray[np.int64]

N_CLASSES: Final = len(CLASSES)
NONE: Final = N_CLASSES
"""Row of detections that are no beat, column of beats that were missed."""

_NOT_FALSE: Final[dict[Label, tuple[Label, ...]]] = {
    Label.S: (Label.Q,),
    Label.V: (Label.F, Label.Q),
    Label.F: (Label.Q,),
}
"""Reference classes whose beats don't count as false when given the key's label (EC57, 4.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFigures:
    """Figures of one class; None where the denominator is zero."""

    sensitivity: float | None
    ppv: float | None
    f1: float
    """0 where nothing is right."""
    n_reference: int
    n_predicted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures(PlainFigures):
    """Those figures, and what EC57 asks for besides."""

    false_positive_rate: float | None


def plain_figures(right: int, n_reference: int, n_predicted: int) -> PlainFigures:
    """Compute the figures of one class from its counts."""
    return PlainFigures(
        sensitivity=_share(right, n_reference),
        ppv=_share(right, n_predicted),
        f1=2.0 * right / max(n_reference + n_predicted, 1),
        n_reference=n_reference,
        n_predicted=n_predicted,
    )


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; a dash where it is unknown."""
    return "-" if share is None else f"{100 * share:.{digits}f}"


def confusion(reference: IntArray, predicted: IntArray, missed: IntArray | None = None) -> IntArray:
    """Count reference class (rows) against label (columns).

    Parameters
    ----------
    reference : ndarray of int, shape (n,)
        Index into `CLASSES`, NO_BEAT, or NOT_SCORED, which isn't counted.
    predicted : ndarray of int, shape (n,)
        Index into `CLASSES`.
    missed : ndarray of int, shape (len(CLASSES),), optional
        Reference beats without a detection, by class.

    Returns
    -------
    ndarray of int64, shape (len(CLASSES) + 1, len(CLASSES) + 1)
        The last row holds false detections, the last column missed beats.
    """
    scored = reference != NOT_SCORED
    reference, predicted = reference[scored], predicted[scored]
    rows = np.where(reference == NO_BEAT, NONE, reference)
    size = N_CLASSES + 1
    counts = np.bincount(rows * size + predicted, minlength=size * size).reshape(size, size)
    if missed is not None:
        counts[:N_CLASSES, NONE] += missed
    return counts


def class_figures(counts: IntArray, label: Label) -> ClassFigures:
    """Compute one class's figures from a `confusion` matrix."""
    own = CLASSES.index(label)
    excused = [CLASSES.index(other) for other in _NOT_FALSE.get(label, ())]
    true_positives = int(counts[own, own])
    n_reference = int(counts[own].sum())
    others = [row for row in range(N_CLASSES + 1) if row != own and row not in excused]
    false_positives = int(counts[others, own].sum())
    plain = plain_figures(true_positives, n_reference, true_positives + false_positives)
    rate = _share(false_positives, int(counts[others].sum()))
    return ClassFigures(**asdict(plain), false_positive_rate=rate)


def figures(counts: IntArray) -> dict[str, ClassFigures]:
    """Compute the figures of N, S, V and F from a `confusion` matrix."""
    return {label.value: class_figures(counts, label) for label in SCORED_LABELS}


def labels_of(probabilities: FloatArray, dataset: BeatDataset) -> IntArray:
    """Turn probabilities (n, classes) into labels as the chain does: Q where it can't judge."""
    unknown = CLASSES.index(Label.Q)
    return np.where(dataset.judgeable, probabilities.argmax(axis=1), unknown).astype(np.int64)


def dataset_confusion(
    dataset: BeatDataset, predicted: IntArray, without: tuple[str, ...] = ()
) -> IntArray:
    """Count a whole dataset end to end: missed beats and false detections included.

    Parameters
    ----------
    predicted : ndarray of int, shape (n,)
    without : tuple of str
        Records to leave out.
    """
    kept = ~np.isin(dataset.record, without)
    missed = dataset.missed[~np.isin(dataset.records, without)].sum(axis=0)
    return confusion(dataset.reference[kept], predicted[kept], missed)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def bootstrap_f1(
    per_record: IntArray, *, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % confidence interval of each class's F1 when whole records are drawn anew.

    Parameters
    ----------
    per_record : ndarray of int, shape (r, len(CLASSES) + 1, len(CLASSES) + 1)
        A `confusion` matrix for each record.

    Returns
    -------
    dict
        Lower and upper end for each of the network's classes.
    """
    random = np.random.default_rng(seed)
    n = len(per_record)
    drawn = [figures(per_record[random.integers(0, n, n)].sum(axis=0)) for _ in range(resamples)]
    ends = {}
    for label in SCORED_LABELS:
        low, high = np.percentile([one[label.value].f1 for one in drawn], [2.5, 97.5])
        ends[label.value] = (round(float(low), 4), round(float(high), 4))
    return ends
