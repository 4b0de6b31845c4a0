"""The average beat of each class with its spread, as the network sees it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from classifier.training.dataset import CLASSES, BeatDataset

SPREAD_PERCENT: Final = (10.0, 90.0)
"""Percentiles between which the spread lies: outliers don't widen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageBeat:
    """The beats of one class, in units of the template's QRS amplitude, one value a column."""

    beats: int
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Lower and upper end of the spread (`SPREAD_PERCENT`)."""


def average_beats(dataset: BeatDataset) -> dict[str, AverageBeat]:
    """Average the judgeable beats of each reference class; every beat counts the same.

    Parameters
    ----------
    dataset : BeatDataset
        The first row of its signal is averaged.

    Returns
    -------
    dict
        By class; classes without a beat are left out.
    """
    found = {}
    for index, label in enumerate(CLASSES):
        beats = dataset.signal[(dataset.reference == index) & dataset.judgeable, 0]
        if len(beats):
            low, high = np.percentile(beats, SPREAD_PERCENT, axis=0)
            curves = {"mean": beats.mean(axis=0), "low": low, "high": high}
            rounded = {name: tuple(np.round(c, 3).tolist()) for name, c in curves.items()}
            found[label.value] = AverageBeat(beats=len(beats), **rounded)
    return found
