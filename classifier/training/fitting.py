"""Fit the beat classifier to some records, one epoch at a time.

Importing this module imports torch.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from classifier.inputs.features import FloatArray
from classifier.labels import MODEL_LABELS, Label
from classifier.network.beat_cnn import BeatNetwork
from classifier.training.augmentation import augment_features, augment_signal
from classifier.training.config import TrainingConfig
from classifier.training.dataset import AS_RECORDED, BeatDataset
from classifier.training.evaluation import IntArray
from classifier.training.optimising import Optimisation

REVISIONS = (0, 1)
NORMAL = MODEL_LABELS.index(Label.N)
FUSION = MODEL_LABELS.index(Label.F)
NOISE = MODEL_LABELS.index(Label.Q)


class Fit:
    """One network in training: optimiser and averaged weights; the data are shared.

    Parameters
    ----------
    dataset : BeatDataset
        Trainable beats.
    rows : ndarray of int64, shape (n,)
        Those of them to train on.
    """

    def __init__(
        self, dataset: BeatDataset, rows: IntArray, config: TrainingConfig, seed: int
    ) -> None:
        self._config = config
        self._generator = torch.Generator().manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self._rows = rows
        self._class = dataset.target[rows]
        self._is_recorded = dataset.variant[rows] == AS_RECORDED
        self._group = _groups(dataset)[rows]
        self._signal = torch.from_numpy(dataset.signal)
        self._features = [
            torch.from_numpy(dataset.provisional),
            torch.from_numpy(dataset.confirmed),
        ]
        self._target = torch.from_numpy(dataset.target)
        self._weight = torch.zeros(len(dataset))
        self._draw = np.zeros(0)
        self._weigh()
        torch.manual_seed(seed)
        self.network = BeatNetwork(config.network)
        confirmed = self._features[1][torch.from_numpy(rows)]
        self._spread = confirmed.std(dim=0).clamp_min(1e-3)
        self.network.set_normalisation(confirmed.mean(dim=0), self._spread)
        self.averaged = BeatNetwork(config.network)
        self.averaged.load_state_dict(self.network.state_dict())
        self._optimisation = Optimisation(
            self.network,
            self.averaged,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            average_decay=config.average_decay,
            steps=config.epochs_max * -(-self._epoch_size() // config.batch),
        )

    def epoch(self) -> float:
        """Train for one epoch and return the mean loss."""
        self.network.train()
        losses = [self._step(rows) for rows in self._batches()]
        return float(np.mean(losses))

    def _step(self, rows: Tensor) -> float:
        """Learn from one batch, as provisional and as confirmed beats at once."""
        config = self._config
        signal = augment_signal(self._signal[rows], config.augmentation, self._generator)
        embedding = self.network.embed(signal)
        loss = torch.zeros(())
        for revision in REVISIONS:
            features = augment_features(
                self._features[revision][rows], self._spread, config.augmentation, self._generator
            )
            for logits in self.network.classify(embedding, features):
                loss = loss + beat_loss(logits, self._target[rows], self._weight[rows], config)
        return self._optimisation.step(loss) / len(REVISIONS)

    def _weigh(self) -> None:
        """Set each beat's weight in the loss, and each N beat's chance to be drawn."""
        config = self._config
        in_group = np.bincount(self._group)[self._group]
        weight = in_group**-config.record_power
        normal = self._class == NORMAL
        drawn = np.bincount(self._class, minlength=len(MODEL_LABELS)).astype(np.float64)
        drawn[NORMAL] = self._normals()
        for label in np.unique(self._class):
            own = self._class == label
            weight[own] *= drawn[label] ** -config.class_power / weight[own].mean()
        weight[normal] = weight[normal].mean()
        weight[self._class == FUSION] *= config.fusion_weight
        weight[self._class == NOISE] *= config.noise_weight
        chance = in_group[normal] ** -config.record_power
        self._draw = chance / chance.sum()
        own_weight = torch.from_numpy((weight / weight.mean()).astype(np.float32))
        self._weight[torch.from_numpy(self._rows)] = own_weight

    def _normals(self) -> int:
        return min(int((self._class == NORMAL).sum()), self._config.normal_per_epoch)

    def _others(self) -> tuple[IntArray, IntArray, int]:
        """Rows of the other classes as recorded, those of variants, and how many of these count."""
        rare = self._class != NORMAL
        recorded = self._rows[rare & self._is_recorded]
        variants = self._rows[rare & ~self._is_recorded]
        return recorded, variants, round(self._config.variant_share * variants.size)

    def _epoch_size(self) -> int:
        recorded, _, n_variants = self._others()
        return self._normals() + recorded.size + n_variants

    def _batches(self) -> Iterator[Tensor]:
        """Draw anew what isn't taken whole, shuffle, and cut into batches."""
        normal = self._rows[self._class == NORMAL]
        normals = self._random.choice(normal, self._normals(), replace=False, p=self._draw)
        recorded, variants, n_variants = self._others()
        some = self._random.choice(variants, n_variants, replace=False)
        rows = self._random.permutation(np.concatenate([normals, recorded, some]))
        yield from torch.split(torch.from_numpy(rows), self._config.batch)


def _groups(dataset: BeatDataset) -> IntArray:
    """Return a number for each class, record and variant, shape (n,)."""
    record = np.unique(dataset.record, return_inverse=True)[1]
    keys = np.stack([dataset.target, record, dataset.variant], axis=1)
    return np.unique(keys, axis=0, return_inverse=True)[1].astype(np.int64).reshape(-1)


def beat_loss(logits: Tensor, target: Tensor, weight: Tensor, config: TrainingConfig) -> Tensor:
    """Weighted cross-entropy; focal loss makes beats that are right already count less."""
    loss = functional.cross_entropy(logits, target, reduction="none")
    if config.loss == "focal":
        loss = (1.0 - torch.exp(-loss)) ** config.focal_gamma * loss
    return (weight * loss).sum() / weight.sum()


def predict(network: BeatNetwork, dataset: BeatDataset, batch: int = 1024) -> FloatArray:
    """Logits of both revisions, shape (2, n, classes)."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for first in range(0, len(dataset), batch):
            rows = slice(first, first + batch)
            embedding = network.embed(torch.from_numpy(dataset.signal[rows]))
            both = []
            for features in (dataset.provisional, dataset.confirmed):
                given = torch.from_numpy(features[rows])
                both.append(network.combine(network.classify(embedding, given), given))
            parts.append(torch.stack(both))
    return np.asarray(torch.cat(parts, dim=1).numpy(), np.float32)
