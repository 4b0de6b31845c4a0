"""Train the rhythm model: first on beats without a signal, then on those of the training records.

Millions of annotated beats teach what rhythms there are and how their intervals run on; the
training records teach what beats look like in them. Importing this module imports torch.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from classifier.inputs.features import FloatArray, inputs_hash
from classifier.inputs.sequence import COLUMNS, N_RHYTHM, N_SHAPE
from classifier.network.rhythm_model import RhythmModel, compiled_weights, split_logits
from classifier.training.dataset import UNKNOWN
from classifier.training.optimising import Optimisation, Report
from classifier.training.rhythm_windows import (
    FUSION,
    VENTRICULAR,
    Batch,
    IntervalWindows,
    RhythmTrainingConfig,
    SequenceWindows,
)
from classifier.training.sequences import BeatSequence, Intervals, outputs_of


def rhythm_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of this beat's class, of the beat before's, and of fibrillation."""
    now, before, fibrillation = split_logits(logits)
    loss = _weighted(now[:, 1:], batch.target[:, 1:], batch.weight[:, 1:])
    loss = loss + _weighted(before[:, 1:], batch.target[:, :-1], batch.weight[:, :-1])
    # Of a few intervals nobody can tell.
    known = batch.fibrillates != UNKNOWN
    known[:, :4] = False
    if known.any():
        truth = batch.fibrillates[known].to(fibrillation.dtype)
        loss = loss + functional.binary_cross_entropy_with_logits(fibrillation[known], truth)
    return loss


def _weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    known = target != UNKNOWN
    loss = functional.cross_entropy(logits[known], target[known], reduction="none")
    return (loss * weight[known]).sum() / weight[known].sum().clamp_min(1e-6)


def pretrain(
    sources: Sequence[Intervals], config: RhythmTrainingConfig, seed: int, report: Report
) -> RhythmModel:
    """Train a rhythm model on beats without a signal."""
    torch.manual_seed(seed)
    windows = IntervalWindows(sources, config, seed)
    model, averaged = RhythmModel(), RhythmModel()
    measures = torch.from_numpy(windows.measures(config.pretraining_batch))
    for one in (model, averaged):
        one.mean[:N_RHYTHM] = measures.mean(dim=0)
        one.scale[:N_RHYTHM] = measures.std(dim=0) + 1e-3
    averaged.load_state_dict(model.state_dict())
    optimisation = _optimisation(
        model, averaged, config.pretraining_rate, config.pretraining_steps, config
    )
    for number in range(config.pretraining_steps):
        report("rhythm model, without signals", number, config.pretraining_steps)
        batch = windows.draw(model, config.pretraining_batch)
        optimisation.step(rhythm_loss(model(batch.inputs), batch))
    return averaged


def pretrained(
    sources: Sequence[Intervals],
    config: RhythmTrainingConfig,
    seed: int,
    cache: Path,
    report: Report,
) -> RhythmModel:
    """Return what `pretrain` makes, from the cache folder if it was made before."""
    beats = [(source.name, source.time_s.size) for source in sources]
    meaning = json.dumps([asdict(config), seed, beats, inputs_hash()], sort_keys=True)
    path = cache / f"rhythm-{hashlib.sha256(meaning.encode()).hexdigest()[:16]}.pt"
    model = RhythmModel()
    if path.exists():
        model.load_state_dict(torch.load(path))
        return model
    model = pretrain(sources, config, seed, report)
    torch.save(model.state_dict(), path)
    return model


def _optimisation(
    model: RhythmModel,
    averaged: RhythmModel,
    rate: float,
    steps: int,
    config: RhythmTrainingConfig,
) -> Optimisation:
    return Optimisation(
        model,
        averaged,
        learning_rate=rate,
        weight_decay=1e-2,
        average_decay=config.average_decay,
        steps=steps,
        clip=1.0,
    )


def fine_tune(
    start: RhythmModel | None,
    sequences: Sequence[BeatSequence],
    windows: IntervalWindows | None,
    config: RhythmTrainingConfig,
    seed: int,
) -> RhythmModel:
    """Train a rhythm model on the sequences of training records.

    Parameters
    ----------
    start : RhythmModel, optional
        What `pretrain` made; without it the model starts from nothing.
    sequences : sequence of BeatSequence
    windows : IntervalWindows, optional
        Of beats without a signal, so that they are not forgotten.
    """
    torch.manual_seed(seed)
    model, averaged = RhythmModel(), RhythmModel()
    if start is not None:
        model.load_state_dict(start.state_dict())
    _standardise(model, sequences, only_shape=start is not None)
    _fit_evidence(model, sequences, seed)
    averaged.load_state_dict(model.state_dict())
    drawn = SequenceWindows(sequences, config, seed)
    optimisation = _optimisation(model, averaged, config.rate, config.steps, config)
    for _ in range(config.steps):
        batch = drawn.draw(model)
        loss = rhythm_loss(model(batch.inputs), batch)
        if windows is not None:
            other = windows.draw(model, config.batch)
            loss = loss + config.remembered * rhythm_loss(model(other.inputs), other)
        optimisation.step(loss)
    averaged.is_trained.fill_(1)
    return averaged.eval()


def _standardise(
    model: RhythmModel, sequences: Sequence[BeatSequence], *, only_shape: bool
) -> None:
    """Fix how measures are standardised; those that were fixed before stay."""
    measures = np.concatenate([s.features[s.learns][:, COLUMNS] for s in sequences])
    part = slice(N_RHYTHM, None) if only_shape else slice(None)
    model.mean[part] = torch.from_numpy(measures.mean(axis=0))[part]
    model.scale[part] = torch.from_numpy(measures.std(axis=0) + 1e-3)[part]


def _fit_evidence(model: RhythmModel, sequences: Sequence[BeatSequence], seed: int) -> None:
    """Fit the ventricular evidence: a logistic regression on the measures of shape."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for sequence in sequences:
        other = (sequence.target >= 0) & (sequence.target != FUSION) & sequence.learns
        # Beats that are not ventricular are many; some of them are enough.
        chosen = other & ((sequence.target == VENTRICULAR) | (rng.random(len(other)) < 0.1))
        rows.append(sequence.features[chosen])
        truth.append(sequence.target[chosen] == VENTRICULAR)
    shape = model.standardise(torch.from_numpy(np.concatenate(rows)))[:, -N_SHAPE:]
    wanted = torch.from_numpy(np.concatenate(truth)).float()
    weight = torch.zeros(N_SHAPE, requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=60)

    def closure() -> Tensor:
        solver.zero_grad()
        logits = shape @ weight + bias
        loss = functional.binary_cross_entropy_with_logits(logits, wanted)
        loss = loss + 1e-3 * (weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    model.ventricular.copy_(weight.detach())
    model.ventricular_bias.copy_(bias.detach())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedRhythm:
    """The rhythm model, and what models that have not seen a record say of it."""

    model: RhythmModel
    outputs: Mapping[tuple[str, int], FloatArray]
    """By record and variant, each by the model of the fold that held the record out."""


def cross_fit(
    start: RhythmModel | None,
    sequences: Sequence[BeatSequence],
    windows: IntervalWindows | None,
    folds: Sequence[Sequence[str]],
    config: RhythmTrainingConfig,
    seed: int,
    report: Report,
) -> TrainedRhythm:
    """Train on all records but one fold, for each fold, and once on all.

    The beat network learns from what the rhythm models of the folds say, as on new patients the
    final one will do no better.
    """
    outputs: dict[tuple[str, int], FloatArray] = {}
    for number, held_out in enumerate(folds):
        report("rhythm model", number, len(folds) + 1)
        model = fine_tune(
            start,
            [s for s in sequences if s.record not in held_out],
            windows,
            config,
            seed + number,
        )
        weights = compiled_weights(model.state_dict())
        for sequence in sequences:
            if sequence.record in held_out:
                outputs[sequence.record, sequence.variant] = outputs_of(weights, sequence)
    report("rhythm model", len(folds), len(folds) + 1)
    return TrainedRhythm(
        model=fine_tune(start, sequences, windows, config, seed + len(folds)), outputs=outputs
    )
