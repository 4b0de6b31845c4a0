"""Figures of a recipe: accuracy, macro-F1, and each class's sensitivity, +P and F1.

These are the plain figures that the small projects publish; the product's own are EC57's
(`classifier.training.evaluation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifier.recipes.beats import IntArray
from classifier.training.evaluation import PlainFigures, plain_figures


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeScores:
    """What labels are worth against the experts'."""

    n: int
    accuracy: float
    macro_f1: float
    """Mean F1 over the classes of which the experts marked a beat."""
    classes: dict[str, PlainFigures]
    confusion: tuple[tuple[int, ...], ...]
    """Experts' class (rows) against label (columns)."""

    def macro_f1_without(self, name: str) -> float:
        """Mean F1 over the other classes of which the experts marked a beat."""
        return _macro_f1({other: f for other, f in self.classes.items() if other != name})


def score_labels(reference: IntArray, predicted: IntArray, classes: Sequence[str]) -> RecipeScores:
    """Count and compute.

    Parameters
    ----------
    reference, predicted : ndarray of int, shape (n,)
        Index into `classes`.

    Raises
    ------
    ValueError
        If there is no beat.
    """
    if reference.size == 0:
        raise ValueError("no beat to score; give records with beats of the recipe's classes")
    size = len(classes)
    counts = np.bincount(reference * size + predicted, minlength=size * size).reshape(size, size)
    found = {name: _figures(counts, row) for row, name in enumerate(classes)}
    return RecipeScores(
        n=int(reference.size),
        accuracy=float(np.trace(counts) / reference.size),
        macro_f1=_macro_f1(found),
        classes=found,
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
    )


def _figures(counts: IntArray, row: int) -> PlainFigures:
    return plain_figures(int(counts[row, row]), int(counts[row].sum()), int(counts[:, row].sum()))


def _macro_f1(found: dict[str, PlainFigures]) -> float:
    present = [one.f1 for one in found.values() if one.n_reference]
    return float(np.mean(present)) if present else 0.0
