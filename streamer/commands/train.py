"""`ecg-stream train`: train the beat classifier, or one of the smaller models beside it."""

import argparse
from pathlib import Path
from typing import Final

from classifier.recipes.infarction.recipe import NAME as INFARCTION
from classifier.recipes.recipe import RECIPES

RHYTHM_DATABASES: Final = ("ltafdb", "ltstdb", "afdb")
PARTS: Final[dict[str, str]] = {
    "detector": "train, and cross-validate, the QRS detector's peak scorer",
    "atria": "count and print the tables by which atrial fibrillation is told from ectopy",
    "waves": "fit and print the weights by which ventricular flutter and fibrillation are told",
    "runs": "fit and print the weights by which ventricular runs are told from their beats",
}
"""What `ecg-stream train PART` trains in place of the beat classifier."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the beat classifier's training and of each other part's."""
    parser.set_defaults(part=None, missing=parser.error)
    parser.add_argument("--out", type=Path, help="folder for model, metrics, card (required)")
    parser.add_argument(
        "--records",
        nargs="+",
        metavar="RECORD",
        help="training records or databases (default: DS1); never DS2",
    )
    parser.add_argument(
        "--rhythms",
        nargs="*",
        metavar="DATABASE",
        choices=RHYTHM_DATABASES,
        default=RHYTHM_DATABASES,
        help="databases whose annotations, without signals, teach the rhythm model first, as far "
        f"as they are at hand (default: {' '.join(RHYTHM_DATABASES)}); none after --rhythms alone",
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
        choices=(*RECIPES, INFARCTION),
        help="train a known small project's network on its own, intra-patient protocol instead; "
        "infarction, from the twelve leads of PTB-XL or PTB, by patient as well: no diagnosis",
    )
    parts = parser.add_subparsers(
        dest="part", metavar="PART", help="train another part instead of the beat classifier"
    )
    for name, summary in PARTS.items():
        part = parts.add_parser(name, help=summary, description=summary)
        if name == "detector":
            _add_detector_arguments(part)


def _add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and metrics")
    parser.add_argument(
        "--folds", type=int, default=0, help="also cross-validate by record in so many folds"
    )
    parser.add_argument("--records", nargs="+", help="training records (default: DS1 of mitdb)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="for fitting (default 1)")


def run(args: argparse.Namespace) -> int:
    """Train what was asked for."""
    if args.part == "detector":
        from streamer.training.detector import train_detector

        return train_detector(args)
    if args.part == "atria":
        from streamer.training.atria import train_atria

        return train_atria()
    if args.part == "waves":
        from streamer.training.waves import train_waves

        return train_waves()
    if args.part == "runs":
        from streamer.training.runs import train_runs

        return train_runs()
    if args.out is None:
        args.missing("the following arguments are required: --out")
    if args.recipe:
        return _run_recipe(args)
    from streamer.training.beats import train_beats

    return train_beats(args)


def _run_recipe(args: argparse.Namespace) -> int:
    if args.recipe == INFARCTION:
        from streamer.training.infarction.run import run_infarction

        return run_infarction(args)
    from streamer.training.recipe_run import run_recipe

    return run_recipe(args)
