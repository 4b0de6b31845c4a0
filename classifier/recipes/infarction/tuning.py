"""Train a lead network's convolutions and head on varied records. Imports torch."""

import copy

import numpy as np
import torch
from torch.nn import functional

from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.network import LeadNetwork
from classifier.recipes.infarction.recipe import (
    FS_HZ,
    R_COLUMN,
    InfarctionRecipe,
    LeadVariation,
)
from classifier.recipes.infarction.scores import BoolArray
from classifier.training.optimising import Optimisation

_WANDER_HZ = (0.2, 0.8)


def tune(
    network: LeadNetwork,
    beats: list[FloatArray],
    is_ill: BoolArray,
    recipe: InfarctionRecipe,
    epochs: int,
    seed: int,
) -> tuple[LeadNetwork, list[float]]:
    """Train all weights, from where they are.

    The convolutions keep their normalisation: a batch of few records would move it about.

    Parameters
    ----------
    network : LeadNetwork
        With its head set; left as it is.
    beats : list of ndarray of float32, shape (beats, leads, window_samples)
        Of each record.
    is_ill : ndarray of bool, shape (records,)

    Returns
    -------
    network : LeadNetwork
        Running mean of the weights.
    losses : list of float
        Mean of each epoch.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    own, averaged = copy.deepcopy(network), copy.deepcopy(network)
    batches = -(-len(beats) // recipe.batch)
    optimisation = Optimisation(
        own,
        averaged,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        average_decay=recipe.average_decay,
        steps=epochs * batches,
        plain_start=True,
    )
    weight = np.where(is_ill, 0.5 / is_ill.mean(), 0.5 / (1.0 - is_ill.mean()))
    wanted = is_ill * (1.0 - recipe.label_smoothing) + 0.5 * recipe.label_smoothing
    losses = []
    for _ in range(epochs):
        own.train()
        own.trunk.eval()
        found = []
        for rows in np.array_split(random.permutation(len(beats)), batches):
            signal = varied([beats[row] for row in rows], recipe.variation, random)
            loss = functional.binary_cross_entropy_with_logits(
                own(torch.from_numpy(signal)),
                torch.from_numpy(wanted[rows].astype(np.float32)),
                weight=torch.from_numpy(weight[rows].astype(np.float32)),
            )
            found.append(optimisation.step(loss))
        losses.append(float(np.mean(found)))
    return averaged.eval(), losses


def varied(
    beats: list[FloatArray], variation: LeadVariation, random: np.random.Generator
) -> FloatArray:
    """Return one beat a record: the mean of some of its beats, changed as a recording may be.

    Returns
    -------
    ndarray of float32, shape (records, leads, window_samples)
    """
    signal = np.stack([_mean_of_some(part, random) for part in beats])
    n, leads, length = signal.shape
    signal = _moved(signal, variation, random)
    mixing = random.normal(0.0, variation.mix_sd, (n, leads, leads)).astype(np.float32)
    # A lead's own share is its gain.
    mixing[:, np.arange(leads), np.arange(leads)] = np.exp(
        random.normal(0.0, variation.gain_sd, (n, leads))
    )
    signal = mixing @ signal
    noise = np.float32(variation.noise_max_mv) * random.random((n, 1, 1), np.float32)
    signal += noise * random.standard_normal(signal.shape, np.float32)
    height = variation.wander_max_mv * random.random((n, leads, 1))
    hz = random.uniform(*_WANDER_HZ, (n, 1, 1))
    turns = hz * np.arange(length) / FS_HZ + random.random((n, leads, 1))
    wander = height * np.sin(2.0 * np.pi * turns.astype(np.float32))
    return np.asarray(signal + wander, np.float32)


def _mean_of_some(beats: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return the mean of beats drawn from a record, two of them at least."""
    size = int(random.integers(min(2, len(beats)), len(beats) + 1))
    drawn = beats[random.permutation(len(beats))[:size]]
    return np.asarray(drawn.mean(axis=0), np.float32)


def _moved(signal: FloatArray, variation: LeadVariation, random: np.random.Generator) -> FloatArray:
    """Stretch the time axis about the R peak and shift it."""
    n, _, length = signal.shape
    reach = round(variation.shift_max_s * FS_HZ)
    stretch = np.exp(random.normal(0.0, variation.stretch_sd, (n, 1)))
    place = (np.arange(length) - R_COLUMN) * stretch + R_COLUMN
    place = (place + random.integers(-reach, reach + 1, (n, 1))).clip(0, length - 1.001)
    low = place.astype(np.int64)[:, None, :]
    part = (place[:, None, :] - low).astype(np.float32)
    left, right = (np.take_along_axis(signal, low + step, axis=2) for step in (0, 1))
    return np.asarray(left + part * (right - left), np.float32)
