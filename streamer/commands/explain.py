"""`ecg-stream explain`: why a beat got its label, in the terminal and as a picture."""

import argparse
from pathlib import Path

from classifier.labels import MODEL_LABELS

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
    add("--lead", help="lead to analyse, by name (MLII where there is one)")
    add("--model", type=Path, metavar="FILE", help="model of `train`, a .pt file (the shipped one)")


def run(args: argparse.Namespace) -> int:
    """Find the beat, explain it and show the result."""
    if args.out is not None and args.out.suffix.lower() not in PICTURES:
        raise ValueError(f"--out {args.out} is no picture; end it in {' or '.join(PICTURES)}")
    from rich.console import Console

    from classifier.labels import Label
    from classifier.network.explanation import explain, load_network, require_same
    from classifier.network.runtime import load_model
    from replay.player import parse_time
    from replay.records import open_record
    from streamer.monitor.explain_view import explain_lines
    from streamer.monitor.terminal.screen_lines import Frame
    from streamer.report.explain.beat_at import beat_at
    from streamer.report.explain.explained_beat import REVISION_WORDS, ExplainedBeat

    record = open_record(args.record, lead=args.lead)
    model = load_model(args.model)
    network = load_network(args.model)
    sample = parse_time(args.beat, record.fs)
    asked = beat_at(record, model, sample, REVISION_WORDS.index(args.revision))
    label = None if args.label is None else Label(args.label)
    question = asked.question
    why = explain(network, question.inputs.signal[None], question.features[None], label)
    require_same(why, asked.labelled.probabilities)
    explained = ExplainedBeat(
        record=record.name,
        fs=record.fs,
        asked=asked,
        why=why,
        training_record=record.name in model.spec.training_records,
    )
    console = Console(highlight=False)
    console.print(Frame([*explain_lines(explained, console.width), []]))
    if args.out is not None:
        from streamer.report.explain.picture import write_picture

        write_picture(explained, args.out)
        console.print(f"picture: {args.out}")
    return 0
