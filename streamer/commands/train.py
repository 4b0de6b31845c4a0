"""`ecg-stream train`: cut the beats with the chain, train, report."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.recipes.recipe import RECIPES

if TYPE_CHECKING:
    from classifier.training.config import TrainingConfig
    from classifier.training.dataset import BeatDataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True, help="folder for model, metrics, card")
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="RECORD",
        help="training records or databases (default: DS1); never DS2",
    )
    parser.add_argument(
        "--loss", choices=("weighted", "focal"), default="weighted", help="default: %(default)s"
    )
    parser.add_argument("--epochs", type=int, help="most epochs tried (default: the config's)")
    parser.add_argument("--folds", type=int, help="cross-validation folds (default: the config's)")
    parser.add_argument("--seed", type=int, help="default: the config's")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="any training setting, such as network.use_template=false",
    )
    parser.add_argument("--threads", type=int, default=1, help="for torch (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="folder for cut beats (default: OUT/cuts)")
    parser.add_argument(
        "--only-cv", action="store_true", help="cross-validate, print the figures and stop"
    )
    parser.add_argument("--no-ds2", action="store_true", help="skip the report on DS2")
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        help="train a known small project's network on its own, intra-patient protocol instead",
    )


def run(args: argparse.Namespace) -> int:
    """Run the whole pipeline."""
    if args.recipe:
        from streamer.training.recipe_run import run_recipe

        return run_recipe(args, _reporter)
    import torch
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from classifier.network.runtime import MODEL_NAME, load_model
    from classifier.splits import DS1, DS2
    from classifier.training.artefacts import evaluate, experiments, write_metrics
    from classifier.training.dataset import require_disjoint
    from streamer.training.report import write_training_report

    console = Console()
    torch.set_num_threads(args.threads)
    config = _config(args)
    names = args.records or list(DS1)
    console.print(f"seed {config.seed}, {args.threads} threads, {config.folds} folds")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        report = _reporter(progress)
        cut = _cutter(args.cache or args.out / "cuts", config.quality_min, config.seed, report)
        dataset = cut(names, "cutting training records", config.variants)
        trained = [str(name) for name in dataset.records]
        require_disjoint(trained, DS2)
        console.print(f"{len(dataset)} beats of {len(trained)} records; none of them in DS2")
        if {"201"} & set(trained):
            console.print(
                "201 (trained on) and 202 (in DS2) are of the same patient, as everywhere"
            )
        metrics = _train(args, config, dataset, report)
        if not (args.only_cv or args.no_ds2):
            ds2 = cut(list(DS2), "cutting DS2")
            metrics["ds2"] = evaluate(load_model(args.out / f"{MODEL_NAME}.pt"), ds2)
    if not args.only_cv:
        write_metrics(args.out, metrics)
        path = write_training_report(args.out, metrics, experiments())
        console.print(f"report: {path}")
    _print(console, metrics)
    return 0


def _config(args: argparse.Namespace) -> "TrainingConfig":
    """Build the training configuration from the options."""
    from dataclasses import replace

    from classifier.training.config import TrainingConfig, with_settings

    config = replace(TrainingConfig(), loss=args.loss)
    for name, value in (
        ("epochs_max", args.epochs),
        ("folds", args.folds),
        ("seed", args.seed),
    ):
        if value is not None:
            config = replace(config, **{name: value})
    changed: TrainingConfig = with_settings(config, args.settings)
    return changed


def _cutter(
    cache: Path, quality_min: float, seed: int, report: Callable[[str, int, int], None]
) -> Callable[..., "BeatDataset"]:
    """Return a function that cuts the beats of records and databases."""
    from classifier.training.dataset import concatenate
    from replay.records import open_record, records_of
    from streamer.training.cut_dataset import cut_records

    def cut(names: list[str], title: str, variants: int = 0) -> "BeatDataset":
        records = [open_record(path) for name in names for path in records_of(name)]
        parts = []
        cuts = cut_records(
            records, quality_min=quality_min, variants=variants, seed=seed, cache=cache
        )
        for part in cuts:
            parts.append(part)
            report(title, len(parts), len(records) * (variants + 1))
        return concatenate(parts)

    return cut


def _train(
    args: argparse.Namespace,
    config: "TrainingConfig",
    dataset: "BeatDataset",
    report: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Cross-validate, fit, and write the model; return the metrics so far."""
    from classifier.training.artefacts import cross_validation_metrics, write_model
    from classifier.training.train import cross_validate, fit_all

    trainable = dataset.trainable()
    recorded = trainable.as_recorded()
    found = cross_validate(trainable, config, report)
    if args.only_cv:
        return {"cross_validation": cross_validation_metrics(recorded, found)}
    network = fit_all(trainable, config, found, report)
    return write_model(args.out, network, recorded, found, config)


def _reporter(progress: Any) -> Callable[[str, int, int], None]:
    """Return a function that moves one progress bar for each title."""
    tasks: dict[str, Any] = {}

    def report(title: str, done: int, total: int) -> None:
        if title not in tasks:
            tasks[title] = progress.add_task(title, total=total)
        progress.update(tasks[title], completed=done)

    return report


def _print(console: Any, metrics: dict[str, Any]) -> None:
    """Print the figures of both revisions."""
    from rich.table import Table

    for title, part, key in (
        ("cross-validation, held-out training records", "cross_validation", "figures"),
        ("DS2, end to end", "ds2", "figures"),
        ("DS2 without record 232", "ds2", "without_232"),
    ):
        if part not in metrics:
            continue
        table = Table("label", "class", "Se %", "+P %", "F1", title=title)
        for revision in ("provisional", "confirmed"):
            for name, found in metrics[part][revision][key].items():
                shares = [found["sensitivity"], found["ppv"]]
                cells = ["-" if share is None else f"{100 * share:.2f}" for share in shares]
                table.add_row(revision, name, *cells, f"{found['f1']:.4f}")
        console.print(table)
    console.print(f"epochs {metrics['cross_validation']['epochs']}")
