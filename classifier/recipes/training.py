"""Train and score a recipe's network; read top to bottom. Importing this module imports torch.

One way for both protocols: a validation part is drawn from the training beats, the network is
trained for the recipe's number of epochs, and the epoch with the best validation macro-F1 is kept.
The test beats are seen once, at the end, by `score`.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from classifier.recipes.beats import FloatArray, IntArray, RecipeBeats, stratified_split
from classifier.recipes.network import RecipeNetwork
from classifier.recipes.recipe import BeatVariation, Recipe
from classifier.recipes.scores import RecipeScores, score_labels
from classifier.training.optimising import Optimisation, Report

_PREDICT_BATCH = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A trained network and how it came about."""

    network: RecipeNetwork
    epoch: int
    """The one kept, counted from 1."""
    losses: tuple[float, ...]
    validation: tuple[RecipeScores, ...]
    """After each epoch, on beats drawn from the training part."""
    n_trained: int
    n_validation: int


class RecipeFit:
    """One network in training: beats, optimiser and averaged weights."""

    def __init__(self, beats: RecipeBeats, recipe: Recipe, seed: int) -> None:
        self._recipe = recipe
        self._generator = torch.Generator().manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self._signal = torch.from_numpy(beats.signal)
        self._target = torch.from_numpy(beats.target)
        self._rows = [np.flatnonzero(beats.target == label) for label in range(len(recipe.classes))]
        present = np.array([rows.size for rows in self._rows])
        self._drawn = np.where(present, present.clip(recipe.drawn_min, recipe.drawn_max), 0)
        weight = (present / np.maximum(self._drawn, 1)) ** recipe.prior_power
        self._weight = torch.from_numpy(weight.astype(np.float32))
        torch.manual_seed(seed)
        self.network = RecipeNetwork(recipe)
        self.averaged = copy.deepcopy(self.network)
        self._optimisation = Optimisation(
            self.network,
            self.averaged,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            average_decay=recipe.average_decay,
            steps=recipe.epochs * -(-int(self._drawn.sum()) // recipe.batch),
            plain_start=True,
        )

    def epoch(self) -> float:
        """Train for one epoch and return the mean loss."""
        self.network.train()
        return float(np.mean([self._step(rows) for rows in self._batches()]))

    def _batches(self) -> Iterator[Tensor]:
        """Draw anew from each class, shuffle, and cut into batches."""
        drawn = [self._draw(rows, n) for rows, n in zip(self._rows, self._drawn, strict=True)]
        shuffled = self._random.permutation(np.concatenate(drawn))
        yield from torch.split(torch.from_numpy(shuffled), self._recipe.batch)

    def _draw(self, rows: IntArray, n: int) -> IntArray:
        """Draw n of one class's rows; each as often as the others, give or take one."""
        if rows.size == 0:
            return rows
        whole, rest = divmod(int(n), rows.size)
        return np.concatenate(
            [np.tile(rows, whole), self._random.choice(rows, rest, replace=False)]
        )

    def _step(self, rows: Tensor) -> float:
        """Learn from one batch."""
        signal = vary(
            self._signal[rows], self._recipe.variation, self._recipe.fs_hz, self._generator
        )
        loss = functional.cross_entropy(
            self.network(signal),
            self._target[rows],
            weight=self._weight,
            label_smoothing=self._recipe.label_smoothing,
        )
        return self._optimisation.step(loss)


def vary(
    signal: Tensor, variation: BeatVariation, fs_hz: float, generator: torch.Generator
) -> Tensor:
    """Return beats, (n, window_samples), with other gain, R peak position and noise.

    Padding (exact zeros) stays free of noise.
    """
    n, length = signal.shape
    reach = round(variation.shift_max_s * fs_hz)
    offsets = torch.randint(-reach, reach + 1, (n, 1), generator=generator)
    columns = (torch.arange(length) + offsets).clamp(0, length - 1)
    signal = signal.gather(1, columns)
    gain = torch.exp(variation.gain_sd * torch.randn(n, 1, generator=generator))
    strength = variation.noise_max * torch.rand(n, 1, generator=generator)
    strength = strength * signal.std(dim=1, keepdim=True)
    noise = strength * torch.randn(n, length, generator=generator)
    return signal * gain + noise * (signal != 0)


def predict(network: RecipeNetwork, signal: FloatArray) -> FloatArray:
    """Logits of beats, shape (n, classes)."""
    network.eval()
    with torch.inference_mode():
        parts = [network(part) for part in torch.split(torch.from_numpy(signal), _PREDICT_BATCH)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def score(network: RecipeNetwork, beats: RecipeBeats, recipe: Recipe) -> RecipeScores:
    """Compare a network's labels with the experts'."""
    labels = predict(network, beats.signal).argmax(axis=1).astype(np.int64)
    return score_labels(beats.target, labels, recipe.classes)


def fit(beats: RecipeBeats, recipe: Recipe, title: str, report: Report) -> Fitted:
    """Train on beats that hold no test beat.

    Parameters
    ----------
    title : str
        For `report`.

    Returns
    -------
    Fitted
        With the averaged weights of the best epoch.
    """
    rest, drawn = stratified_split(beats.target, recipe.validation_share, recipe.seed + 1)
    held = beats.select(drawn)
    running = RecipeFit(beats.select(rest), recipe, recipe.seed)
    losses: list[float] = []
    found: list[RecipeScores] = []
    best = copy.deepcopy(running.averaged)
    for epoch in range(recipe.epochs):
        report(title, epoch, recipe.epochs)
        losses.append(running.epoch())
        found.append(score(running.averaged, held, recipe))
        if found[-1].macro_f1 == max(one.macro_f1 for one in found):
            best.load_state_dict(running.averaged.state_dict())
    report(title, recipe.epochs, recipe.epochs)
    return Fitted(
        network=best.eval(),
        epoch=_last_best(found),
        losses=tuple(losses),
        validation=tuple(found),
        n_trained=rest.size,
        n_validation=drawn.size,
    )


def _last_best(found: list[RecipeScores]) -> int:
    """Return the number of the last epoch with the best macro-F1."""
    best = max(one.macro_f1 for one in found)
    return max(number for number, one in enumerate(found, 1) if one.macro_f1 == best)
