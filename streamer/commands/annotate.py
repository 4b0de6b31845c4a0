"""`ecg-stream annotate`: label whole records at full speed into annotation files."""

import argparse
from pathlib import Path

from streamer.commands.record_arguments import add_record_arguments, file_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("records", nargs="+", metavar="RECORD", help="record, database (mitdb), folder or path")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the annotation files")
    add(
        "--label",
        choices=("confirmed", "provisional"),
        default="confirmed",
        help="which of a beat's two labels to write (confirmed)",
    )
    add("--annotator", default="pred", metavar="NAME", help="extension of the files (pred)")
    add_record_arguments(parser)
    add(
        "--format",
        choices=("wfdb", "edf"),
        default="wfdb",
        help="of the annotation files: wfdb, or EDF+ as RECORD.NAME.edf (wfdb)",
    )
    add("--jobs", type=int, default=1, metavar="N", help="records at the same time (1)")


def run(args: argparse.Namespace) -> int:
    """Annotate every record; return 1 if one of them failed."""
    import sys

    from streamer.runner.annotate import AnnotateConfig, Totals, annotate, expand
    from streamer.runner.annotate_progress import reporting

    config = AnnotateConfig(
        out=args.out,
        annotator=args.annotator,
        which=args.label,
        lead=args.lead,
        file=file_options(args),
        format=args.format,
    )
    names = expand(args.records)
    totals = Totals()
    with reporting(len(names), sys.stderr) as reporter:
        for result in annotate(names, config, jobs=args.jobs, moved=reporter.moved):
            reporter.finished(result)
            totals.add(result)
    sys.stdout.write("\n".join(totals.lines()) + "\n")
    return 1 if totals.failed else 0
