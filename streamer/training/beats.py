"""`ecg-stream train`: cut the beats with the chain, train the beat classifier, report.

Importing this module imports torch.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from classifier.network.runtime import load_model
from classifier.network.spec import MODEL_NAME
from classifier.splits import DS1, DS2
from classifier.training.artefacts import (
    REVISION_NAMES,
    cross_validation_metrics,
    evaluate,
    experiments,
    write_metrics,
    write_model,
)
from classifier.training.config import TrainingConfig, with_settings
from classifier.training.dataset import BeatDataset, concatenate, require_disjoint
from classifier.training.evaluation import percent
from classifier.training.optimising import Report
from classifier.training.rhythm_fitting import TrainedRhythm, cross_fit, pretrained
from classifier.training.rhythm_windows import IntervalWindows
from classifier.training.sequences import BeatSequence, outputs_of, sequence_of, with_rhythm
from classifier.training.train import assign_folds, cross_validate, fit_all
from replay.records import open_record, records_of
from streamer.training.cut_dataset import cut_records, thinned
from streamer.training.intervals import read_intervals
from streamer.training.progress import training_progress
from streamer.training.report import write_training_report

Cut = Callable[..., tuple[BeatDataset, list[BeatSequence]]]


def train_beats(args: argparse.Namespace) -> int:
    """Run the whole pipeline.

    Parameters
    ----------
    args : argparse.Namespace
        Of `ecg-stream train`.
    """
    console = Console()
    torch.set_num_threads(args.threads)
    config = _configured(args)
    console.print(f"seed {config.seed}, {args.threads} threads, {config.folds} folds")
    with training_progress() as report:
        cut = _cutter(args.cache or args.out / "cuts", config, report)
        dataset, sequences = cut(
            args.records or list(DS1), "cutting training records", config.variants
        )
        trained = [str(name) for name in dataset.records]
        require_disjoint(trained, DS2)
        console.print(f"{len(dataset)} beats of {len(trained)} records; none of them in DS2")
        if "201" in trained:
            console.print(
                "201 (trained on) and 202 (in DS2) are of the same patient, as everywhere"
            )
        metrics = _train(args, config, dataset, sequences, report)
        if not (args.only_cv or args.no_ds2):
            model = load_model(args.out / f"{MODEL_NAME}.pt")
            ds2, sequences = cut(list(DS2), "cutting DS2")
            said = {(s.record, s.variant): outputs_of(model.spec.rhythm, s) for s in sequences}
            metrics["ds2"] = evaluate(model, with_rhythm(ds2, said))
    if not args.only_cv:
        write_metrics(args.out, metrics)
        path = write_training_report(args.out, metrics, experiments())
        console.print(f"report: {path}")
    _print(console, metrics)
    return 0


def _configured(args: argparse.Namespace) -> TrainingConfig:
    """Build the training configuration from the options."""
    given = {"epochs_max": args.epochs, "folds": args.folds, "seed": args.seed}
    changed = {name: value for name, value in given.items() if value is not None}
    config: TrainingConfig = with_settings(
        replace(TrainingConfig(), loss=args.loss, **changed), args.settings
    )
    return config


def _cutter(cache: Path, config: TrainingConfig, report: Report) -> Cut:
    """Return a function that cuts the beats of records and databases."""

    def cut(
        names: list[str], title: str, variants: int = 0
    ) -> tuple[BeatDataset, list[BeatSequence]]:
        records = [open_record(path) for name in names for path in records_of(name)]
        parts, sequences = [], []
        for part in cut_records(
            records,
            quality_min=config.quality_min,
            variants=variants,
            seed=config.seed,
            cache=cache,
        ):
            sequences.append(sequence_of(part))
            parts.append(thinned(part))
            report(title, len(parts), len(records) * (variants + 1))
        return concatenate(parts), sequences

    return cut


def _train(
    args: argparse.Namespace,
    config: TrainingConfig,
    dataset: BeatDataset,
    sequences: list[BeatSequence],
    report: Report,
) -> dict[str, Any]:
    """Cross-validate, fit, and write the model; return the metrics so far."""
    databases = _databases(args.records or list(DS1))
    trainable = dataset.trainable()
    folds = assign_folds(trainable.as_recorded(), config.folds)
    rhythm = _train_rhythm(args, config, sequences, folds, report)
    trainable = with_rhythm(trainable, rhythm.outputs)
    recorded = trainable.as_recorded()
    found = cross_validate(trainable, config, report)
    if args.only_cv:
        return {"cross_validation": cross_validation_metrics(recorded, found, databases)}
    network = fit_all(trainable, config, found, report)
    network.rhythm.load_state_dict(rhythm.model.state_dict())
    return write_model(args.out, network, recorded, found, config, databases)


def _databases(names: list[str]) -> dict[str, list[str]]:
    """Return the names of the training records by database."""
    found: dict[str, list[str]] = {}
    for record in (open_record(path) for name in names for path in records_of(name)):
        found.setdefault(record.database or "other", []).append(record.name)
    return found


def _train_rhythm(
    args: argparse.Namespace,
    config: TrainingConfig,
    sequences: list[BeatSequence],
    folds: Sequence[Sequence[str]],
    report: Report,
) -> TrainedRhythm:
    """Train the rhythm model on what is at hand of beats without a signal, and on the records."""
    cache = args.cache or args.out / "cuts"
    sources = read_intervals(args.rhythms, cache)
    windows = IntervalWindows(sources, config.rhythm, config.seed) if sources else None
    start = pretrained(sources, config.rhythm, config.seed, cache, report) if sources else None
    return cross_fit(start, sequences, windows, folds, config.rhythm, config.seed, report)


def _print(console: Console, metrics: dict[str, Any]) -> None:
    """Print the figures of both revisions."""
    for title, part, key in (
        ("cross-validation, held-out training records", "cross_validation", "figures"),
        ("DS2, end to end", "ds2", "figures"),
        ("DS2 without record 232", "ds2", "without_232"),
    ):
        if part not in metrics:
            continue
        table = Table("label", "class", "Se %", "+P %", "F1", title=title)
        for revision in REVISION_NAMES:
            for name, found in metrics[part][revision][key].items():
                shares = percent(found["sensitivity"], 2), percent(found["ppv"], 2)
                table.add_row(revision, name, *shares, f"{found['f1']:.4f}")
        console.print(table)
    console.print(f"epochs {metrics['cross_validation']['epochs']}")
