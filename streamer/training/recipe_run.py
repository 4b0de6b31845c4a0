"""`ecg-stream train --recipe`: a small project's protocol, and the same network inter-patient."""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table

from classifier.network.beat_cnn import count_parameters
from classifier.recipes.artefacts import (
    protocol_metrics,
    recipe_metrics,
    write_recipe_metrics,
    write_recipe_model,
)
from classifier.recipes.beats import RecipeBeats, join, stratified_split
from classifier.recipes.network import RecipeNetwork
from classifier.recipes.recipe import RECIPES, Recipe
from classifier.recipes.training import fit, score
from classifier.splits import DS1, DS2
from classifier.training.config import with_settings
from classifier.training.evaluation import percent
from classifier.training.optimising import Report
from replay.records import open_record, records_of
from streamer.training.progress import training_progress
from streamer.training.recipe_data import prepare
from streamer.training.recipe_pictures import draw_recipe, write_pictures

DATABASE: Final = "mitdb"
"""What recipes are trained on unless records are named."""
INTRA: Final = "intra-patient"
INTER: Final = "inter-patient"


def run_recipe(args: argparse.Namespace) -> int:
    """Prepare, train and score by both protocols; write and print what came out.

    Parameters
    ----------
    args : argparse.Namespace
        Of `ecg-stream train`: recipe, out, records, epochs, seed, settings, threads, no_ds2.

    Raises
    ------
    ValueError
        If an option of the beat classifier's own training is given, or a setting is not known.
    """
    refuse_foreign_options(
        {"--folds": args.folds is not None, "--loss focal": args.loss == "focal"}
        | {"--cache": args.cache is not None, "--only-cv": args.only_cv},
        "--records, --epochs, --seed, --set, --threads and --no-ds2",
    )
    recipe = _configured(args)
    console = Console()
    torch.set_num_threads(args.threads)
    console.print(f"recipe {recipe.name}: {recipe.title}; seed {recipe.seed}")
    with training_progress() as report:
        beats = prepare_all(args.records or [DATABASE], recipe, report)
        protocols: dict[str, dict[str, Any]] = {}
        divisions = divide(beats, recipe, inter=not args.no_ds2)
        networks = {}
        for protocol, division in divisions.items():
            protocols[protocol], networks[protocol] = train_and_score(
                args.out, recipe, protocol, division, report
            )
            console.print(_headline(protocol, protocols[protocol]))
    parameters = count_parameters(RecipeNetwork(recipe))
    metrics = recipe_metrics(recipe, beats, protocols, parameters)
    _, tested = divisions[INTRA]
    pictures = draw_recipe(metrics, recipe, beats, tested, networks[INTRA])
    metrics["pictures"] = list(pictures)
    write_recipe_metrics(args.out, metrics)
    write_pictures(args.out, pictures)
    _print(console, metrics)
    return 0


def prepare_all(names: list[str], recipe: Recipe, report: Report) -> RecipeBeats:
    """Prepare the beats of records and databases."""
    paths = [path for name in names for path in records_of(name)]
    parts = []
    for path in paths:
        parts.append(prepare(open_record(path), recipe))
        report("preparing beats", len(parts), len(paths))
    return join(parts)


def divide(
    beats: RecipeBeats, recipe: Recipe, *, inter: bool
) -> dict[str, tuple[RecipeBeats, RecipeBeats]]:
    """Return training and test beats of each protocol.

    Inter-patient is left out unless asked for and unless there are beats of both DS1 and DS2.
    """
    rest, drawn = stratified_split(beats.target, recipe.test_share, recipe.seed)
    divisions = {INTRA: (beats.select(rest), beats.select(drawn))}
    ds1, ds2 = beats.of_records(DS1), beats.of_records(DS2)
    if inter and len(ds1) and len(ds2):
        divisions[INTER] = (ds1, ds2)
    return divisions


def train_and_score(
    out: Path,
    recipe: Recipe,
    protocol: str,
    division: tuple[RecipeBeats, RecipeBeats],
    report: Report,
) -> tuple[dict[str, Any], RecipeNetwork]:
    """Train by one protocol, write the model, and open the test beats once."""
    training, test = division
    wall, cpu = time.perf_counter(), time.process_time()
    fitted = fit(training, recipe, f"training, {protocol}", report)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    files = write_recipe_model(out, recipe, protocol, fitted.network)
    scores = score(fitted.network, test, recipe)
    return protocol_metrics(fitted, scores, test, seconds) | {"files": files}, fitted.network


def _configured(args: argparse.Namespace) -> Recipe:
    """Return the recipe with what the options change."""
    recipe: Recipe = with_settings(RECIPES[args.recipe], args.settings)
    for name, value in (("epochs", args.epochs), ("seed", args.seed)):
        if value is not None:
            recipe = replace(recipe, **{name: value})
    return recipe


def refuse_foreign_options(given: dict[str, bool], takes: str) -> None:
    """Say so if an option has no meaning for a recipe, instead of passing over it.

    Parameters
    ----------
    given : dict
        Whether each option without a meaning was given.
    takes : str
        The options that have one.

    Raises
    ------
    ValueError
        If one was given.
    """
    foreign = [option for option, is_given in given.items() if is_given]
    if foreign:
        raise ValueError(f"{', '.join(foreign)}: not for --recipe; it takes {takes}")


def _headline(protocol: str, found: dict[str, Any]) -> str:
    """Put one protocol into a line."""
    scores = found["scores"]
    without = scores.get("macro_f1_without_q")
    return (
        f"{protocol}: accuracy {100 * scores['accuracy']:.2f} %, macro-F1 {scores['macro_f1']:.4f}"
        + ("" if without is None else f" ({without:.4f} without Q)")
        + f", {found['n_test']} test beats, epoch {found['epoch']}, "
        f"{found['seconds']['cpu']:.0f} s of one core"
    )


def _print(console: Console, metrics: dict[str, Any]) -> None:
    """Print each class under each protocol."""
    table = Table("protocol", "class", "Se %", "+P %", "F1", "beats", title=metrics["title"])
    for protocol, found in metrics["protocols"].items():
        for name, one in found["scores"]["classes"].items():
            shares = percent(one["sensitivity"], 2), percent(one["ppv"], 2)
            table.add_row(protocol, name, *shares, f"{one['f1']:.4f}", str(one["n_reference"]))
    console.print(table)
