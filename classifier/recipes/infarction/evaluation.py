"""The whole comparison: five folds by patient, and a random split of beats. Imports torch."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from classifier.recipes.beats import stratified_split
from classifier.recipes.infarction.beats import (
    DiagnosedBeats,
    IntArray,
    patient_folds,
)
from classifier.recipes.infarction.comparison import Comparison, Scores, Tuned
from classifier.recipes.infarction.recipe import CLASSES, HEALTHY, OTHER, WAYS, InfarctionRecipe
from classifier.recipes.infarction.scores import BoolArray, ScoreArray, auroc, difference, figures
from classifier.recipes.scores import score_labels
from classifier.training.optimising import Report

CHOSEN: Final = "chosen"
"""In each fold the way that inner validation found best."""
COMPARED: Final = (
    ("fine-tuned", "scratch"),
    ("fine-tuned", "frozen"),
    ("frozen", "untrained"),
    (CHOSEN, "measures"),
)
"""Pairs of ways whose difference gets an interval."""
_TWO: Final = (HEALTHY, CLASSES[2])


@dataclass(slots=True, kw_only=True)
class ByPatient:
    """What five folds by patient gave."""

    scores: Scores
    """Log-odds of each record by way, from the fold that held it out; `CHOSEN` among them."""
    fold: IntArray
    choices: list[str] = field(default_factory=list)
    inner: list[dict[str, float]] = field(default_factory=list)
    """Inner AUROC of each way, fold by fold."""
    penalties: list[dict[str, float]] = field(default_factory=list)
    tuned: list[dict[str, Tuned]] = field(default_factory=list)


def by_patient(
    comparison: Comparison, recipe: InfarctionRecipe, title: str, report: Report
) -> ByPatient:
    """Hold every patient out once, choosing by inner validation."""
    size = comparison.is_ill.size
    fold = patient_folds(comparison.patient, comparison.is_ill, recipe.folds, recipe.seed)
    names = [*(way.name for way in WAYS), CHOSEN]
    found = ByPatient(scores={name: np.zeros(size) for name in names}, fold=fold)
    for number in range(recipe.folds):
        report(title, number, recipe.folds)
        train = comparison.trainable(np.flatnonzero(fold != number))
        test = np.flatnonzero(fold == number)
        seed = recipe.seed + number
        validated = comparison.validate(train, seed)
        scores, tuned = comparison.score(train, test, validated.penalties, recipe.epochs, seed)
        for name, values in (scores | {CHOSEN: scores[validated.chosen]}).items():
            found.scores[name][test] = values
        found.choices.append(validated.chosen)
        found.inner.append(validated.auroc)
        found.penalties.append(validated.penalties)
        found.tuned.append(tuned)
    report(title, recipe.folds, recipe.folds)
    return found


def intra_patient(beats: DiagnosedBeats, recipe: InfarctionRecipe) -> dict[str, Any]:
    """Split single beats at random, class by class; return how well those drawn are labelled."""
    kept = np.flatnonzero(beats.target[beats.owner] != CLASSES.index(OTHER))
    single = Comparison(beats.each_beat(kept), recipe)
    train, test = stratified_split(single.target, recipe.test_share, recipe.seed)
    penalties = {way.name: recipe.intra_penalty for way in WAYS}
    scores, _ = single.score(train, test, penalties, recipe.intra_epochs, recipe.seed)
    is_ill = single.is_ill[test]
    return {
        "n_trained": int(train.size),
        "n_test": int(test.size),
        "ways": {
            name: {"auroc": auroc(values, is_ill)} | _labelled(values, is_ill)
            for name, values in scores.items()
        },
    }


def patient_metrics(
    comparison: Comparison, found: ByPatient, recipe: InfarctionRecipe
) -> dict[str, Any]:
    """Collect the figures of each way, for metrics.json."""
    is_ill, patient = comparison.is_ill, comparison.patient
    two = comparison.trainable(np.arange(is_ill.size))

    def versus(values: ScoreArray, rows: IntArray) -> dict[str, Any]:
        return asdict(figures(values[rows], is_ill[rows], patient[rows], recipe.seed))

    def gain(first: str, second: str) -> tuple[float, float, float]:
        pair = found.scores[first][two], found.scores[second][two]
        return difference(*pair, is_ill[two], patient[two], recipe.seed)

    everyone = np.arange(is_ill.size)
    return {
        "ways": {
            name: {"healthy": versus(values, two), "everyone": versus(values, everyone)}
            | _labelled(values[two], is_ill[two])
            for name, values in found.scores.items()
        },
        "differences": {f"{a} - {b}": gain(a, b) for a, b in COMPARED},
        "choices": found.choices,
        "inner": found.inner,
        "penalties": found.penalties,
        "losses": {name: [one[name].losses for one in found.tuned] for name in found.tuned[0]},
    }


def _labelled(values: ScoreArray, is_ill: BoolArray) -> dict[str, Any]:
    """Return the plain figures of labels given at log-odds above 0."""
    found = score_labels(is_ill.astype(np.int64), (values > 0.0).astype(np.int64), _TWO)
    return {
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
        "confusion": found.confusion,
    }
