"""How far a probability can be believed: reliability curves and expected calibration error."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.features import FloatArray
from classifier.labels import SCORED_LABELS
from classifier.training.dataset import CLASSES
from classifier.training.evaluation import IntArray

BINS: Final = 10
TOP: Final = "label"
"""Name of the curve of the given label, whatever it is, beside those of the classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Probability against the share of beats for which it was right; empty bins are left out."""

    predicted: tuple[float, ...]
    """Mean probability in each bin."""
    observed: tuple[float, ...]
    """Share of the bin's beats for which the class was right."""
    beats: tuple[int, ...]
    error: float
    """Mean distance of the two, weighted by beats: the expected calibration error."""


def reliability(predicted: NDArray[np.floating], was_right: NDArray[np.bool_]) -> Reliability:
    """Compare probabilities with what happened, in bins of equal width.

    The expected calibration error is that of Naeini et al. 2015 (doi:10.1609/aaai.v29i1.9602).

    Parameters
    ----------
    predicted : ndarray of float, shape (n,)
        From 0 to 1.
    was_right : ndarray of bool, shape (n,)

    Returns
    -------
    Reliability
        Without any bin, and with error 0, for n = 0.
    """
    place = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    beats = np.bincount(place, minlength=BINS)
    used = beats > 0
    mean = np.bincount(place, weights=predicted, minlength=BINS)[used] / beats[used]
    share = np.bincount(place, weights=was_right, minlength=BINS)[used] / beats[used]
    weights = beats[used] / max(predicted.size, 1)
    return Reliability(
        predicted=tuple(mean.tolist()),
        observed=tuple(share.tolist()),
        beats=tuple(beats[used].tolist()),
        error=float(np.abs(mean - share) @ weights),
    )


def class_reliability(probabilities: FloatArray, reference: IntArray) -> dict[str, Reliability]:
    """Compare the label's probability, and that of each class, with the reference.

    Most beats are N, so that the label's curve shows little of the other classes; their own curves
    do (class-wise calibration, Kull et al. 2019, arXiv:1910.12656).

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, classes)
        Of beats that were judged.
    reference : ndarray of int, shape (n,)
        Index into `classifier.training.dataset.CLASSES`, or NO_BEAT, which no label is right for.

    Returns
    -------
    dict
        Under `TOP` that of the label given, under each class's name that of the class.
    """
    given = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
    found = {TOP: reliability(probabilities[np.arange(given.size), given], given == reference)}
    for column, label in enumerate(SCORED_LABELS):
        was_right = reference == CLASSES.index(label)
        found[label.value] = reliability(probabilities[:, column], was_right)
    return found
