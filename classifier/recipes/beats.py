"""Beats of a recipe, and how they are split at random, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DatasetError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecipeBeats:
    """Prepared beats of some records; n beats."""

    signal: FloatArray
    """Shape (n, window_samples), scaled as the recipe says."""
    target: IntArray
    """Index into the recipe's classes, shape (n,)."""
    record: NDArray[np.str_]
    """Record of each beat, shape (n,)."""

    def __len__(self) -> int:
        return int(self.target.size)

    def select(self, rows: IntArray) -> "RecipeBeats":
        """Keep some beats, in the order given."""
        return RecipeBeats(
            signal=self.signal[rows], target=self.target[rows], record=self.record[rows]
        )

    def of_records(self, names: Sequence[str]) -> "RecipeBeats":
        """Keep the beats of some records."""
        return self.select(np.flatnonzero(np.isin(self.record, list(names))))

    def counts(self, classes: Sequence[str]) -> dict[str, int]:
        """Count the beats of each class."""
        found = np.bincount(self.target, minlength=len(classes))
        return {name: int(n) for name, n in zip(classes, found, strict=True)}


def join(parts: Sequence[RecipeBeats]) -> RecipeBeats:
    """Put the beats of several records one after another.

    Raises
    ------
    DatasetError
        If there is none.
    """
    if not any(len(part) for part in parts):
        raise DatasetError(
            "no beat of the recipe's classes in these records; give records with reference beats"
        )
    return RecipeBeats(
        signal=np.concatenate([part.signal for part in parts]),
        target=np.concatenate([part.target for part in parts]),
        record=np.concatenate([part.record for part in parts]),
    )


def stratified_split(target: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Draw a share of every class at random.

    Parameters
    ----------
    target : ndarray of int, shape (n,)
    share : float
        Between 0 and 1; a class of k beats gives round(share * k) of them.

    Returns
    -------
    rest, drawn : ndarray of int
        Row numbers, each in rising order; together every row once.
    """
    random = np.random.default_rng(seed)
    chosen = np.zeros(target.size, np.bool_)
    for label in np.unique(target):
        own = random.permutation(np.flatnonzero(target == label))
        chosen[own[: round(share * own.size)]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
