"""Windows of beats that the rhythm model learns from, drawn anew for each batch.

Importing this module imports torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from classifier.inputs.features import FloatArray
from classifier.inputs.intervals import rhythm_features
from classifier.inputs.sequence import (
    EVIDENCE_STEP,
    INPUT_LIMIT,
    N_INPUTS,
    N_RHYTHM,
    N_SECOND,
    RHYTHM_INPUTS,
)
from classifier.labels import MODEL_LABELS, Label
from classifier.network.rhythm_model import RhythmModel
from classifier.training.dataset import UNKNOWN
from classifier.training.sequences import (
    BeatSequence,
    DirtConfig,
    IntArray,
    Intervals,
    intervals_of,
)

EARLY: Final = MODEL_LABELS.index(Label.S)
VENTRICULAR: Final = MODEL_LABELS.index(Label.V)
FUSION: Final = MODEL_LABELS.index(Label.F)
NOISE: Final = MODEL_LABELS.index(Label.Q)


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmTrainingConfig:
    """How the rhythm model is trained."""

    beats: int = 192
    """Of a window: two to four minutes."""
    warm_up_beats: int = 60
    """Before most windows, so that medians and means are settled; the rest begin cold."""
    cold_share: float = 0.25
    pretraining_steps: int = 2400
    """Batches of windows without a signal."""
    pretraining_batch: int = 192
    pretraining_rate: float = 6e-3
    chosen_share: tuple[float, float, float] = (0.4, 0.1, 0.2)
    """Of the windows, those that hold an S beat, a V beat or a change to or from fibrillation;
    drawn anywhere, most would show sinus rhythm alone."""
    pretraining_weights: tuple[float, ...] = (1.0, 3.0, 2.0, 0.0, 2.0)
    """Of the classes in the loss."""
    steps: int = 200
    """Batches of windows of the training records, each with one of those without a signal, so
    that these are not forgotten."""
    batch: int = 64
    rate: float = 2e-3
    remembered: float = 0.5
    """Weight of the windows without a signal."""
    noise: float = 0.1
    """Added to every input, in standard deviations."""
    without_shape: float = 0.1
    """Share of the windows whose measures of shape are taken away."""
    without_second: float = 0.3
    """Share of the windows whose second lead is taken away."""
    fusion_weight: float = 0.3
    noise_weight: float = 0.5
    """Factors on the weights of F and Q."""
    average_decay: float = 0.98
    dirt: DirtConfig = field(default_factory=DirtConfig)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Windows of beats, as the rhythm model takes them."""

    inputs: Tensor
    """Shape (n, beats, N_INPUTS)."""
    target: Tensor
    fibrillates: Tensor
    weight: Tensor
    """Shape (n, beats); targets that are UNKNOWN don't count."""


class IntervalWindows:
    """Draws windows of beats that have no signal.

    Parameters
    ----------
    sources : sequence of Intervals
    config : RhythmTrainingConfig
    seed : int
    """

    def __init__(
        self, sources: Sequence[Intervals], config: RhythmTrainingConfig, seed: int
    ) -> None:
        self._config = config
        self._sources = [s for s in sources if s.time_s.size > 4 * self._longest]
        self._rng = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)
        self._chosen = [_places(source) for source in self._sources]
        self._weights = torch.tensor(config.pretraining_weights)
        self._columns = [int(feature) for feature in RHYTHM_INPUTS]

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def _longest(self) -> int:
        return self._config.beats + self._config.warm_up_beats

    def draw(self, model: RhythmModel, n: int) -> Batch:
        """Draw n windows, standardised as the model does it."""
        beats = self._config.beats
        features = np.zeros((n, beats, N_RHYTHM), np.float32)
        target = np.full((n, beats), UNKNOWN)
        fibrillates = np.full((n, beats), UNKNOWN)
        for i in range(n):
            measures, *truth = self._window()
            count = len(measures)
            features[i, :count] = measures
            target[i, :count], fibrillates[i, :count] = truth
        inputs = torch.zeros(n, beats, N_INPUTS)
        rhythm = (torch.from_numpy(features) - model.mean[:N_RHYTHM]) / model.scale[:N_RHYTHM]
        inputs[:, :, :N_RHYTHM] = rhythm.clamp(-INPUT_LIMIT, INPUT_LIMIT)
        wanted = torch.from_numpy(target)
        inputs[:, :, N_RHYTHM] = self._evidence(wanted)
        weight = self._weights[wanted.clamp_min(0)]
        return Batch(
            inputs=inputs, target=wanted, fibrillates=torch.from_numpy(fibrillates), weight=weight
        )

    def measures(self, n: int) -> FloatArray:
        """Return the measures of n windows' beats, shape (m, N_RHYTHM), to standardise by."""
        return np.concatenate([self._window()[0] for _ in range(n)])

    def _window(self) -> tuple[FloatArray, IntArray, IntArray]:
        number = int(self._rng.integers(len(self._sources)))
        source = self._sources[number]
        kinds = np.cumsum(self._config.chosen_share)
        kind = int(np.searchsorted(kinds, self._rng.random()))
        places = self._chosen[number][kind] if kind < len(kinds) else np.zeros(0, np.int64)
        first = int(self._rng.integers(source.time_s.size))
        if places.size:
            within = int(self._rng.integers(self._config.warm_up_beats, self._longest))
            first = int(places[self._rng.integers(places.size)]) - within
        first = min(max(first, 0), source.time_s.size - 2 * self._longest)
        rr_s, target, fibrillates = intervals_of(
            source, first, self._longest, self._config.dirt, self._rng
        )
        cold = self._rng.random() < self._config.cold_share
        start = 0 if cold else self._config.warm_up_beats
        part = slice(start, start + self._config.beats)
        return rhythm_features(rr_s)[part, self._columns], target[part], fibrillates[part]

    def _evidence(self, target: Tensor) -> Tensor:
        """Draw the ventricular evidence that a beat's shape would have given; now and then none."""

        def normal(mean: float, spread: float) -> Tensor:
            return mean + spread * torch.randn(target.shape, generator=self._noise)

        evidence = torch.where(target == VENTRICULAR, normal(3.0, 2.0), normal(-3.5, 1.5))
        unclear = torch.rand(target.shape, generator=self._noise) < 0.02
        evidence = torch.where(unclear | (target == NOISE), normal(0.0, 3.0), evidence)
        return evidence.clamp(-INPUT_LIMIT, INPUT_LIMIT) / EVIDENCE_STEP


def _places(source: Intervals) -> tuple[IntArray, ...]:
    """Where S beats, V beats and changes of fibrillation are."""
    early, ventricular = (np.flatnonzero(source.target == c) for c in (EARLY, VENTRICULAR))
    return early, ventricular, np.flatnonzero(np.diff(source.fibrillates))


class SequenceWindows:
    """Draws windows of the training records' beats.

    Parameters
    ----------
    sequences : sequence of BeatSequence
    config : RhythmTrainingConfig
    seed : int
    """

    def __init__(
        self, sequences: Sequence[BeatSequence], config: RhythmTrainingConfig, seed: int
    ) -> None:
        self._config = config
        self._sequences = [s for s in sequences if len(s.target) >= config.beats]
        self._rng = np.random.default_rng(seed)
        self._noise = torch.Generator().manual_seed(seed)
        self._weights = _beat_weights(self._sequences, config)
        chance = np.array([_interest(sequence) for sequence in self._sequences])
        self._chance = chance / chance.sum()

    def draw(self, model: RhythmModel) -> Batch:
        """Draw a batch, standardised as the model does it, and varied."""
        config = self._config
        features, target, fibrillates, weight = [], [], [], []
        for number in self._rng.choice(len(self._sequences), config.batch, p=self._chance):
            sequence = self._sequences[number]
            room = len(sequence.target) - config.beats + 1
            cold = self._rng.random() < 0.1
            first = 0 if cold else int(self._rng.integers(room))
            part = slice(first, first + config.beats)
            features.append(sequence.features[part])
            target.append(sequence.target[part])
            fibrillates.append(sequence.fibrillates[part])
            weight.append(self._weights[number][part])
        inputs = model.standardise(torch.from_numpy(np.stack(features)))
        return Batch(
            inputs=self._varied(inputs),
            target=torch.from_numpy(np.stack(target)),
            fibrillates=torch.from_numpy(np.stack(fibrillates)),
            weight=torch.from_numpy(np.stack(weight)),
        )

    def _varied(self, inputs: Tensor) -> Tensor:
        config = self._config
        varied = inputs + config.noise * torch.randn(inputs.shape, generator=self._noise)
        for share, first in (
            (config.without_shape, N_RHYTHM + 1),
            (config.without_second, N_INPUTS - N_SECOND),
        ):
            taken = torch.rand(len(inputs), generator=self._noise) < share
            varied[taken, :, first:] = 0.0
        return varied.clamp(-INPUT_LIMIT, INPUT_LIMIT)


def _interest(sequence: BeatSequence) -> float:
    """How often a record is drawn: by its length, more often where it has rare beats."""
    early, ventricular = ((sequence.target == c).mean() for c in (EARLY, VENTRICULAR))
    return len(sequence.target) * (1.0 + 2.0 * float(early > 0.01) + float(ventricular > 0.01))


def _beat_weights(
    sequences: Sequence[BeatSequence], config: RhythmTrainingConfig
) -> list[FloatArray]:
    """Weigh each beat: patients count more than beats, and rare classes more than their share."""
    n_classes = len(MODEL_LABELS)
    counts = np.array(
        [np.bincount(s.target[s.target >= 0], minlength=n_classes) for s in sequences], np.float64
    ).reshape(-1, n_classes)
    own = np.maximum(counts, 1.0) ** -0.5
    factor = np.sqrt(counts.sum(axis=0)) / np.maximum((own * counts).sum(axis=0), 1e-9)
    factor[FUSION] *= config.fusion_weight
    factor[NOISE] *= config.noise_weight
    factor *= counts.sum() / np.maximum((factor * own * counts).sum(), 1e-9)
    return [
        (share * factor)[np.maximum(s.target, 0)].astype(np.float32)
        for s, share in zip(sequences, own, strict=True)
    ]
