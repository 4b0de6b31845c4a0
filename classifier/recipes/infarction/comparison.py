"""Fit every way on some records, and score others: one fold. Imports torch."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from classifier.recipes.infarction.beats import (
    DiagnosedBeats,
    FloatArray,
    IntArray,
    patient_folds,
)
from classifier.recipes.infarction.logistic import Logistic, RidgePath
from classifier.recipes.infarction.measures import measure
from classifier.recipes.infarction.network import (
    LeadNetwork,
    features_of,
    log_odds_of,
    pretrained_trunk,
    untrained_trunk,
)
from classifier.recipes.infarction.recipe import (
    CLASSES,
    INFARCTION,
    OTHER,
    WAYS,
    InfarctionRecipe,
    Way,
)
from classifier.recipes.infarction.scores import ScoreArray, auroc
from classifier.recipes.infarction.tuning import tune

Scores = dict[str, ScoreArray]
FITTED = tuple(way for way in WAYS if not way.members)
"""Ways that are fitted; the others are means of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A network in its fold, for pictures."""

    network: LeadNetwork
    losses: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What the inner folds said."""

    penalties: dict[str, float]
    """Ridge penalty of each way's head."""
    auroc: dict[str, float]
    """Of each way, over the inner folds."""

    @property
    def chosen(self) -> str:
        """The way with the best inner AUROC."""
        return max(self.auroc, key=self.auroc.__getitem__)


class Comparison:
    """All ways on one set of records and leads.

    Parameters
    ----------
    beats : DiagnosedBeats
        Of records, or single beats of them.
    """

    def __init__(self, beats: DiagnosedBeats, recipe: InfarctionRecipe) -> None:
        self._recipe = recipe
        self.target, self.patient = beats.target, beats.patient
        self.is_ill = beats.target == CLASSES.index(INFARCTION)
        self._is_other = beats.target == CLASSES.index(OTHER)
        self._by_record = beats.by_record()
        self.medians = beats.medians()
        self._measures = measure(self.medians).reshape(len(self.medians), -1)
        self._pretrained = self._convolved(pretrained_trunk())

    def trainable(self, rows: IntArray) -> IntArray:
        """Leave out the records that are neither healthy nor an infarction."""
        return np.asarray(rows[~self._is_other[rows]], np.int64)

    def validate(self, train: IntArray, seed: int) -> Validated:
        """Choose each way's penalty, and score each way, within the training records."""
        recipe = self._recipe
        fold = patient_folds(self.patient[train], self.is_ill[train], recipe.inner_folds, seed)
        splits = [(train[fold != k], train[fold == k]) for k in range(recipe.inner_folds)]
        penalties: dict[str, float] = {}
        untrained = [self._convolved(self._random_trunk(rows, seed)) for rows, _ in splits]
        for way in FITTED:
            if not way.begins:
                sets = untrained if way.pretrained is False else [self._pretrained] * len(splits)
                penalties[way.name] = self._best_penalty(way, train, splits, sets)
        penalties |= {way.name: penalties[way.begins] for way in FITTED if way.begins}
        held_by: Scores = {way.name: np.zeros(self.is_ill.size) for way in WAYS}
        for rows, rest in splits:
            scores, _ = self.score(rows, rest, penalties, recipe.epochs, seed)
            for name, values in scores.items():
                held_by[name][rest] = values
        return Validated(
            penalties=penalties,
            auroc={name: auroc(v[train], self.is_ill[train]) for name, v in held_by.items()},
        )

    def _best_penalty(
        self,
        way: Way,
        train: IntArray,
        splits: list[tuple[IntArray, IntArray]],
        convolved: list[FloatArray],
    ) -> float:
        """Return the penalty with the best AUROC over the inner folds."""
        held = {penalty: np.zeros(self.is_ill.size) for penalty in self._recipe.penalties}
        for (rows, rest), seen in zip(splits, convolved, strict=True):
            inputs = self._seen(way, seen)
            path = RidgePath(inputs[rows], self.is_ill[rows])
            for penalty, values in held.items():
                values[rest] = path.fit(penalty).log_odds(inputs[rest])
        found = {p: auroc(values[train], self.is_ill[train]) for p, values in held.items()}
        return max(found, key=found.__getitem__)

    def score(
        self, train: IntArray, test: IntArray, penalties: dict[str, float], epochs: int, seed: int
    ) -> tuple[Scores, dict[str, Tuned]]:
        """Fit each way on the training records and return its log-odds of the test records."""
        scores: Scores = {}
        tuned: dict[str, Tuned] = {}
        random = self._random_trunk(train, seed)
        convolved = {True: self._pretrained, False: self._convolved(random), None: self._pretrained}
        for way in FITTED:
            fitted = self._fit_head(way, train, convolved[way.pretrained], penalties[way.name])
            if not way.begins:
                scores[way.name] = fitted.log_odds(self._seen(way, convolved[way.pretrained])[test])
                continue
            network = self._network(pretrained_trunk() if way.pretrained else random)
            network.set_head(fitted)
            network, losses = tune(
                network,
                [self._by_record[row] for row in train],
                self.is_ill[train],
                self._recipe,
                epochs,
                seed,
            )
            scores[way.name] = log_odds_of(network, self.medians[test]).astype(np.float64)
            tuned[way.name] = Tuned(network=network, losses=losses)
        for way in WAYS:
            if way.members:
                scores[way.name] = np.mean([scores[name] for name in way.members], axis=0)
        return scores, tuned

    def _fit_head(
        self, way: Way, rows: IntArray, convolved: FloatArray, penalty: float
    ) -> Logistic:
        return RidgePath(self._seen(way, convolved)[rows], self.is_ill[rows]).fit(penalty)

    def _seen(self, way: Way, convolved: FloatArray) -> FloatArray:
        """Return what the head of a way sees of each record."""
        parts = [convolved] * (way.pretrained is not None) + [self._measures] * way.measures
        return np.concatenate(parts, axis=1)

    def _network(self, trunk: nn.Sequential) -> LeadNetwork:
        return LeadNetwork(trunk, self._recipe.segments, self._recipe.dropout)

    def _convolved(self, trunk: nn.Sequential) -> FloatArray:
        return features_of(self._network(trunk), self.medians)

    def _random_trunk(self, rows: IntArray, seed: int) -> nn.Sequential:
        return untrained_trunk(self.medians[rows], self._recipe.segments, seed)
