"""`ecg-stream ward`: label many patients at once, from looped records or live sources."""

import argparse
from pathlib import Path

from streamer.mqtt.options import add_tls_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("records", nargs="*", metavar="RECORD", help="records to loop (all of mitdb)")
    add("--patients", type=_count, metavar="N", help="patients (one a record)")
    add(
        "--live",
        action="store_true",
        help="label what comes over MQTT on ecg/<source>/samples instead of records",
    )
    add("--tcp", type=_count, metavar="PORT", help="with --live: let sources connect there too")
    add(
        "--stdin",
        metavar="HZ|frames",
        type=_stdin,
        help="with --live: read samples from standard input, as text at HZ or in frames",
    )
    add("--leads", type=int, choices=(1, 2), default=2, help="leads of each patient (2)")
    add("--seconds", type=_positive, metavar="S", help="stop after so much signal (never)")
    add(
        "--speed",
        choices=("1", "max"),
        default="1",
        help="real time, or as fast as possible (1)",
    )
    add("--tick-ms", type=_positive, default=50.0, metavar="MS", help="time between steps (50)")
    add(
        "--budget-ms",
        type=_positive,
        default=500.0,
        metavar="MS",
        help="latency budget of a provisional label, from its R peak (500)",
    )
    add(
        "--mqtt",
        default="embedded",
        metavar="URL|embedded|off",
        help="broker; embedded (default) starts one on this machine",
    )
    add(
        "--name",
        default="ward",
        metavar="NAME",
        help="of this ward's own status over MQTT: ecg/NAME/status (ward)",
    )
    add("--events", type=Path, metavar="FILE", help="add every event to a file of JSON lines")
    add(
        "--snapshots",
        type=Path,
        metavar="DIR",
        help="write the patients' states there, and go on from them when started again",
    )
    add(
        "--snapshot-every",
        dest="snapshot_every_s",
        type=_positive,
        default=30.0,
        metavar="S",
        help="how often (30)",
    )
    add(
        "--monitor",
        action=argparse.BooleanOptionalAction,
        help="show the patients by urgency (default on a terminal)",
    )
    add(
        "--theme",
        choices=("dark", "light", "colour-blind", "none"),
        default="dark",
        help="colours of that screen (dark); NO_COLOR is heeded too",
    )
    add_tls_options(parser)
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run the ward and return the exit code."""
    import asyncio
    import sys

    from streamer.runner.ward_playing import WardOptions, WardPlaying

    chosen = {**vars(args), "speed": 1.0 if args.speed == "1" else None}
    if args.monitor is None:
        chosen["monitor"] = sys.stdout.isatty() and sys.stdin.isatty()
    chosen["records"] = tuple(args.records)
    fields = WardOptions.__dataclass_fields__
    options = WardOptions(**{name: chosen[name] for name in fields if name in chosen})
    try:
        playing = WardPlaying(options)
    except ValueError as error:
        args.usage_error(str(error))
    return asyncio.run(playing.run())


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _stdin(text: str) -> str:
    if text != "frames":
        _positive(text)
    return text


def _positive(text: str) -> float:
    import math

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value
