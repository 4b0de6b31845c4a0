"""Train the beat classifier, from the dataset to the two files that ship; read top to bottom.

``ecg-stream train --out DIR`` cuts the beats of the training records, and of noisy and other
variants of them, with the chain itself, and then:

1. cross-validates, whole records held out and judged as recorded, all folds one epoch at a time;
   stops when the held-out score has not risen for a while; keeps the best number of epochs and,
   for each revision, the class offsets that trade sensitivity against false labels;
2. trains once more on all records for that number of epochs;
3. write weights, TorchScript with sidecar, ONNX, `metrics.json` and `MODEL_CARD.md`.

DS2 is opened by the caller afterwards, to report. Importing this module imports torch.
"""

from dataclasses import dataclass

import numpy as np
import torch

from classifier.inputs.features import FloatArray
from classifier.labels import MODEL_LABELS, SCORED_LABELS
from classifier.network.beat_cnn import BeatNetwork
from classifier.training.config import TrainingConfig
from classifier.training.dataset import BeatDataset
from classifier.training.evaluation import IntArray, confusion, figures
from classifier.training.fitting import REVISIONS, Fit, predict
from classifier.training.optimising import Report
from classifier.training.rhythm_windows import EARLY

OFFSET_CLASSES = (2,)
"""V. F, which one training record teaches, keeps its own logit; that of S is given, as one record,
with a fifth of all S beats, would set it."""
OFFSET_MAX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossValidation:
    """What cross-validation decided, and the evidence."""

    epochs: int
    offsets: FloatArray
    """Shape (2, 4): added to the logits of each class, by revision."""
    scores: tuple[float, ...]
    """Held-out score after each epoch."""
    losses: tuple[float, ...]
    """Training loss of each epoch."""
    accuracies: tuple[float, ...]
    """Share of the held-out labels that were right after each epoch, both revisions together."""
    probabilities: FloatArray
    """Held-out, at the best epoch, offsets applied: shape (2, n, classes), order of the beats as
    recorded."""
    folds: tuple[tuple[str, ...], ...]
    """Records held out in each fold."""


def assign_folds(dataset: BeatDataset, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal the records into folds so that each has its part of every rare class."""
    names = [str(name) for name in dataset.records]
    rare = np.array(
        [
            [((dataset.record == n) & (dataset.reference == c)).sum() for c in (1, 2, 3)]
            for n in names
        ]
    )
    share = rare / np.maximum(rare.sum(axis=0), 1)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    load = np.zeros((folds, share.shape[1]))
    for row in np.argsort(-share.max(axis=1), kind="stable"):
        after = ((load + share[row]) ** 2).sum(axis=1) - (load**2).sum(axis=1)
        fold = min(range(folds), key=lambda f: (round(after[f], 6), len(dealt[f])))
        dealt[fold].append(names[row])
        load[fold] += share[row]
    return tuple(tuple(sorted(part)) for part in dealt)


def held_out_score(
    logits: FloatArray, reference: IntArray, config: TrainingConfig
) -> tuple[float, FloatArray]:
    """Find the class offsets with the best weighted F1, by coordinate ascent.

    Returns
    -------
    score : float
    offsets : ndarray of float32, shape (classes,)
    """

    def score(offsets: FloatArray) -> float:
        counts = confusion(reference, (logits + offsets).argmax(axis=1).astype(np.int64))
        found = figures(counts)
        weights = zip(SCORED_LABELS, config.score_weights, strict=True)
        return sum(weight * found[label.value].f1 for label, weight in weights)

    offsets = np.zeros(len(MODEL_LABELS), np.float32)
    offsets[EARLY] = config.early_offset
    best = score(offsets)
    for step in (1.0, 0.5, 0.25):
        for label in 2 * OFFSET_CLASSES:
            for sign in (-1.0, 1.0):
                trial = offsets.copy()
                trial[label] = np.clip(trial[label] + sign * step, -OFFSET_MAX, OFFSET_MAX)
                if score(trial) > best:
                    best, offsets = score(trial), trial
    return best, offsets


def cross_validate(dataset: BeatDataset, config: TrainingConfig, report: Report) -> CrossValidation:
    """Train on all but one fold, for each fold, and choose epochs and offsets on what was held out.

    Parameters
    ----------
    dataset : BeatDataset
        Trainable beats of the training records only.
    """
    recorded = dataset.as_recorded()
    folds = assign_folds(recorded, config.folds)
    fits = [
        Fit(
            dataset,
            np.flatnonzero(~np.isin(dataset.record, names)),
            config,
            config.seed + number,
        )
        for number, names in enumerate(folds)
    ]
    held_out = [np.isin(recorded.record, names) for names in folds]
    tests = [recorded.select(held) for held in held_out]
    scores: list[float] = []
    losses: list[float] = []
    accuracies: list[float] = []
    best_logits = np.zeros((len(REVISIONS), len(recorded), len(MODEL_LABELS)), np.float32)
    best_offsets = np.zeros((len(REVISIONS), len(MODEL_LABELS)), np.float32)
    for epoch in range(config.epochs_max):
        report("cross-validation", epoch, config.epochs_max)
        losses.append(float(np.mean([fit.epoch() for fit in fits])))
        logits = np.zeros_like(best_logits)
        for fit, test, held in zip(fits, tests, held_out, strict=True):
            logits[:, held] = predict(fit.averaged, test)
        found = [held_out_score(logits[r], recorded.reference, config) for r in REVISIONS]
        scores.append(float(np.mean([score for score, _ in found])))
        offsets = np.stack([offsets for _, offsets in found])
        right = (logits + offsets[:, None]).argmax(axis=2) == recorded.reference
        accuracies.append(float(right.mean()))
        if scores[-1] == max(scores):
            best_logits, best_offsets = logits, offsets
        if epoch - int(np.argmax(scores)) >= config.patience:
            break
    shifted = best_logits + best_offsets[:, None, :]
    return CrossValidation(
        epochs=int(np.argmax(scores)) + 1,
        offsets=best_offsets,
        scores=tuple(scores),
        losses=tuple(losses),
        accuracies=tuple(accuracies),
        probabilities=_softmax(shifted),
        folds=folds,
    )


def fit_all(
    dataset: BeatDataset, config: TrainingConfig, found: CrossValidation, report: Report
) -> BeatNetwork:
    """Train on every record for the number of epochs that cross-validation chose."""
    fit = Fit(dataset, np.arange(len(dataset)), config, config.seed)
    for epoch in range(found.epochs):
        report("final fit", epoch, found.epochs)
        fit.epoch()
    fit.averaged.set_offsets(torch.from_numpy(found.offsets))
    fit.averaged.set_noise_bonus(config.noise_bonus)
    return fit.averaged.eval()


def _softmax(logits: FloatArray) -> FloatArray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)
