"""`ecg-stream train --recipe infarction`: read, cut, compare, write card and pictures."""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from classifier.errors import DatasetError
from classifier.recipes.infarction.beats import DiagnosedBeats
from classifier.recipes.infarction.card import render_infarction_card
from classifier.recipes.infarction.comparison import Comparison
from classifier.recipes.infarction.evaluation import (
    CHOSEN,
    by_patient,
    intra_patient,
    patient_metrics,
)
from classifier.recipes.infarction.recipe import (
    CLASSES,
    LEADS,
    NAME,
    ONE,
    RECIPE,
    TWELVE,
    InfarctionRecipe,
)
from classifier.training.config import with_settings
from classifier.training.optimising import Report
from replay.wfdb_record import WfdbRecord
from streamer.core.errors import writing
from streamer.training.infarction.cut import cut_beats
from streamer.training.infarction.diagnoses import diagnosed_records
from streamer.training.infarction.pictures import Evidence, draw
from streamer.training.progress import training_progress
from streamer.training.recipe_pictures import write_pictures
from streamer.training.recipe_run import refuse_foreign_options

DATABASE: Final = "ptbxl"
"""What is read unless databases are named."""


def run_infarction(args: argparse.Namespace) -> int:
    """Compare all ways by patient and on a random split; write and print what came out.

    Parameters
    ----------
    args : argparse.Namespace
        Of `ecg-stream train`: out, records (folders or databases), epochs, folds, seed, settings,
        threads.

    Raises
    ------
    ValueError
        If an option of another training is given, or a setting is not known.
    DatasetError
        If there are too few patients with or without an infarction.
    """
    refuse_foreign_options(
        {"--loss focal": args.loss == "focal", "--cache": args.cache is not None}
        | {"--only-cv": args.only_cv, "--no-ds2": args.no_ds2},
        "--records, --epochs, --folds, --seed, --set and --threads",
    )
    recipe = _configured(args)
    console = Console()
    torch.set_num_threads(args.threads)
    wall, cpu = time.perf_counter(), time.process_time()
    names = args.records or [DATABASE]
    console.print(f"recipe {NAME}: {' '.join(names)}; seed {recipe.seed}. Not a diagnosis.")
    with training_progress() as report:
        beats, databases = collect(names, recipe, report)
        metrics, evidence = compare(beats, recipe, report)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    metrics |= {
        "databases": databases,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write(args.out, metrics, evidence)
    _print(console, metrics)
    return 0


def collect(
    names: Sequence[str], recipe: InfarctionRecipe, report: Report
) -> tuple[DiagnosedBeats, list[str]]:
    """Read and cut every record with a diagnosis; return the beats and the databases' names.

    A record in which no beat is found is left out.

    Raises
    ------
    DatasetError
        If no beat is found at all.
    """
    listed = [(one, number) for number, name in enumerate(names) for one in diagnosed_records(name)]
    kept, parts = [], []
    for done, (one, number) in enumerate(listed):
        report("cutting beats", done, len(listed))
        beats = cut_beats(WfdbRecord(one.path), recipe.beats_max)
        if len(beats):
            kept.append((one, number))
            parts.append(beats)
    if not parts:
        raise DatasetError(f"no beat was found in {' '.join(names)}; give other records")
    return DiagnosedBeats(
        signal=np.concatenate(parts),
        owner=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        target=np.array([CLASSES.index(one.diagnosis) for one, _ in kept], np.int64),
        record=np.array([one.path.name for one, _ in kept]),
        patient=np.array([f"{number}/{one.patient}" for one, number in kept]),
    ), [Path(name).name for name in names]


def compare(
    beats: DiagnosedBeats, recipe: InfarctionRecipe, report: Report
) -> tuple[dict[str, Any], dict[str, Evidence]]:
    """Run the comparison with twelve leads and with one.

    Returns
    -------
    metrics : dict
    evidence : dict
        What the pictures are drawn from, by set of leads.
    """
    metrics: dict[str, Any] = {
        "recipe": NAME,
        "records": {n: int((beats.target == i).sum()) for i, n in enumerate(CLASSES)},
        "patients": int(np.unique(beats.patient).size),
        "beats": int(beats.owner.size),
        "beats_by_class": {
            n: int((beats.target[beats.owner] == i).sum()) for i, n in enumerate(CLASSES)
        },
        "config": asdict(recipe),
        "by_patient": {},
        "intra_patient": {},
    }
    evidence = {}
    for title, leads in ((TWELVE, range(len(LEADS))), (ONE, [LEADS.index(recipe.one_lead)])):
        own = beats.of_leads(leads)
        comparison = Comparison(own, recipe)
        found = by_patient(comparison, recipe, f"by patient, {title}", report)
        metrics["by_patient"][title] = patient_metrics(comparison, found, recipe)
        report(f"intra-patient, {title}", 0, 1)
        metrics["intra_patient"][title] = intra_patient(own, recipe)
        evidence[title] = Evidence(comparison=comparison, found=found, record=beats.record)
    return metrics, evidence


def write(out: Path, metrics: dict[str, Any], evidence: dict[str, Evidence]) -> None:
    """Write `metrics.json`, `MODEL_CARD.md` and the pictures."""
    with writing(f"the recipe's files to {out}", "choose another --out folder"):
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
        (out / "MODEL_CARD.md").write_text(render_infarction_card(metrics))
    write_pictures(out, draw(metrics, evidence))


def _configured(args: argparse.Namespace) -> InfarctionRecipe:
    """Return the recipe with what the options change."""
    recipe: InfarctionRecipe = with_settings(RECIPE, args.settings)
    for name, value in (("epochs", args.epochs), ("seed", args.seed), ("folds", args.folds)):
        if value is not None:
            recipe = replace(recipe, **{name: value})
    for name, least in (("folds", 2), ("inner_folds", 2), ("epochs", 1), ("intra_epochs", 1)):
        if getattr(recipe, name) < least:
            raise ValueError(f"{name} is {getattr(recipe, name)}; it must be {least} or more")
    if recipe.one_lead not in LEADS:
        raise ValueError(f"one_lead is {recipe.one_lead!r}; choose one of {', '.join(LEADS)}")
    return recipe


def _print(console: Console, metrics: dict[str, Any]) -> None:
    """Print each way by patient."""
    table = Table("leads", "way", "AUROC", "95 %", "Se % at 90 % Sp", "AUROC, everyone")
    for title, found in metrics["by_patient"].items():
        for name, one in found["ways"].items():
            healthy = one["healthy"]
            low, high = healthy["auroc_interval"]
            table.add_row(
                title,
                name,
                f"{healthy['auroc']:.3f}",
                f"{low:.3f}-{high:.3f}",
                f"{100 * healthy['sensitivity']:.0f}",
                f"{one['everyone']['auroc']:.3f}",
            )
    console.print(table)
    for title, found in metrics["intra_patient"].items():
        best = max(one["accuracy"] for one in found["ways"].values())
        new = metrics["by_patient"][title]["ways"][CHOSEN]["accuracy"]
        console.print(
            f"{title}: accuracy up to {100 * best:.2f} % of beats *intra-patient*, "
            f"{100 * new:.1f} % of records of new patients"
        )
