"""`ecg-stream score`: compare annotation files beat by beat as EC57 asks."""

import argparse
from dataclasses import asdict
from pathlib import Path

from streamer.core.text import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--reference", type=Path, required=True, metavar="DIR", help="folder of the references")
    add("--predicted", type=Path, required=True, metavar="DIR", help="folder of what to score")
    add(
        "--reference-annotator",
        default="atr",
        metavar="NAME",
        help="their extension (atr); EDF+: edf",
    )
    add(
        "--predicted-annotator",
        default="pred",
        metavar="NAME",
        help="their extension (pred); EDF+: pred.edf",
    )
    add("--records", nargs="+", metavar="RECORD", help="score only these; DS1 and DS2 are known")
    add("--from", dest="start", default="5:00", metavar="TIME", help="start of the test (5:00)")
    add("--to", dest="stop", metavar="TIME", help="end of the test (end of the record)")
    add("--tolerance-ms", type=float, default=150.0, metavar="MS", help="match window (150)")
    add("--json", type=Path, metavar="FILE", help="write every score there too")


def run(args: argparse.Namespace) -> int:
    """Score, print the tables, and return 1 if the prediction covers a part only."""
    from streamer.report.score import make_report, print_report, to_json
    from streamer.report.table import write_json
    from streamer.scoring.folders import Comparison, name_some, score_folder, select_records

    comparison = Comparison(
        reference=args.reference,
        predicted=args.predicted,
        reference_annotator=args.reference_annotator,
        predicted_annotator=args.predicted_annotator,
        start=args.start,
        stop=args.stop,
        tolerance_ms=args.tolerance_ms,
    )
    selection = select_records(comparison, args.records)
    report = make_report(score_folder(comparison, selection.records))
    print_report(report)
    if args.json is not None:
        settings = {
            key: str(v) if isinstance(v, Path) else v for key, v in asdict(comparison).items()
        }
        write_json(args.json, to_json(report, settings))
    if not selection.unpredicted:
        return 0
    say(
        f"ecg-stream score: no prediction in {args.predicted} for "
        f"{name_some(selection.unpredicted)}: scored the other {len(selection.records)} only; "
        "say so with --records, or annotate the rest"
    )
    return 1
