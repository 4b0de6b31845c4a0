"""`ecg-stream explain`: why a beat got its label, in the terminal and as a picture."""

import argparse
from pathlib import Path

from classifier.labels import MODEL_LABELS
from streamer.commands.record_arguments import add_record_arguments, file_options

PICTURES = (".png", ".svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("record", metavar="RECORD", help="record as for replay")
    add("--beat", required=True, metavar="TIME", help="near the beat's R peak, such as 5:00.5")
    add("--out", type=Path, metavar="FILE", help="write a picture, .png or .svg")
    add(
        "--revision",
        choices=("confirmed", "provisional"),
        default="confirmed",
        help="which of the beat's two labels (confirmed)",
    )
    classes = [label.value for label in MODEL_LABELS]
    add("--class", dest="label", choices=classes, help="explain this class, not the likeliest")
    add_record_arguments(parser)
    add("--model", type=Path, metavar="FILE", help="model of `train`, a .pt file (the shipped one)")


def run(args: argparse.Namespace) -> int:
    """Find the beat, explain it and show the result."""
    if args.out is not None and args.out.suffix.lower() not in PICTURES:
        raise ValueError(f"--out {args.out} is no picture; end it in {' or '.join(PICTURES)}")
    from rich.console import Console

    from classifier.labels import Label
    from replay.lead_following import open_two_leads
    from replay.player import parse_time
    from streamer.monitor.explain_view import explain_lines
    from streamer.monitor.terminal.screen_lines import Frame
    from streamer.report.explain.beat import REVISION_WORDS, explain_beat

    record = open_two_leads(args.record, lead=args.lead, options=file_options(args))
    explained = explain_beat(
        record,
        parse_time(args.beat, record.fs),
        revision=REVISION_WORDS.index(args.revision),
        label=None if args.label is None else Label(args.label),
        model_file=args.model,
    )
    console = Console(highlight=False)
    console.print(Frame([*explain_lines(explained, console.width), []]))
    if args.out is not None:
        from streamer.report.explain.picture import write_picture

        write_picture(explained, args.out)
        console.print(f"picture: {args.out}")
    return 0
