"""`ecg-stream replay`: play a record or live source through the chain, to monitor, MQTT, files."""

import argparse
from typing import Final

from streamer.commands.output_arguments import (
    add_output_arguments,
    positive_integer,
    positive_number,
)
from streamer.commands.record_arguments import add_record_arguments, file_options

_TIME_HELP: Final = "such as 5:00, 1:02:03 or 90 (seconds)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "record",
        help="record name such as 208 or mitdb/208, a path (WFDB, EDF, CSV, NumPy), demo "
        "(simulated), or a live source: mqtt://HOST[:PORT]/SOURCE or lsl://NAME",
    )
    add("--speed", type=_speed, default=1.0, metavar="1|N|max", help="factor of real time (1)")
    add("--start", type=_time, metavar="TIME", help=f"where to begin, {_TIME_HELP}")
    add("--stop", type=_time, metavar="TIME", help=f"where to end, {_TIME_HELP}")
    add(
        "--chunk",
        type=positive_integer,
        metavar="N",
        help="samples handed to the chain at a time (1; at --speed max one second)",
    )
    add_record_arguments(parser)
    add_output_arguments(parser)
    add(
        "--monitor",
        action=argparse.BooleanOptionalAction,
        help="show the monitor (default on a terminal) or plain lines",
    )
    add(
        "--freeze-format",
        choices=("svg", "png", "both"),
        default="svg",
        help="what the monitor's key f writes a strip as (svg)",
    )
    add("--events", metavar="FILE", help="write every event as a JSON line; - is standard output")
    add(
        "--publish-samples",
        action="store_true",
        help="publish the raw samples too, on ecg/<source>.live/samples, for ecg-stream ward "
        "--live",
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Play and return the exit code."""
    import asyncio

    from streamer.runner.options import ReplayOptions
    from streamer.runner.replay import Replay, play_live
    from streamer.sources.live_feed import is_live

    chosen = {**vars(args), "file": file_options(args)}
    options = ReplayOptions(**{name: chosen[name] for name in ReplayOptions.__dataclass_fields__})
    try:
        if is_live(options.record):
            return asyncio.run(play_live(options))
        replay = Replay(options)
    except ValueError as error:
        args.usage_error(str(error))
    return asyncio.run(replay.run())


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return positive_number(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no speed; give 1 for real time, a number above 0, or max"
        ) from None


def _time(text: str) -> str:
    from replay.player import parse_time

    try:
        parse_time(text, fs=1.0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
