"""`ecg-stream replay`: play a record or live source through the chain, to monitor, MQTT, files."""

import argparse
from pathlib import Path
from typing import Final

from streamer.mqtt.options import add_mqtt_options

_TIME_HELP: Final = "such as 5:00, 1:02:03 or 90 (seconds)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "record",
        help="record name such as 208 or mitdb/208, a path, demo (simulated), or a live source: "
        "mqtt://HOST[:PORT]/SOURCE",
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="1|N|max", help="factor of real time (1)"
    )
    parser.add_argument("--start", type=_time, metavar="TIME", help=f"where to begin, {_TIME_HELP}")
    parser.add_argument("--stop", type=_time, metavar="TIME", help=f"where to end, {_TIME_HELP}")
    parser.add_argument(
        "--chunk",
        type=_positive,
        metavar="N",
        help="samples handed to the chain at a time (1; at --speed max one second)",
    )
    parser.add_argument("--lead", help="lead to analyse, by name (MLII where there is one)")
    parser.add_argument(
        "--mqtt",
        default="embedded",
        metavar="URL|embedded|off",
        help="broker to publish to; embedded (default) starts one on this machine",
    )
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="DIR",
        help="keep MQTT messages on disk until they are delivered: they survive kill -9, go out "
        "at the next start, and the numbers of a source's events go on from run to run",
    )
    parser.add_argument(
        "--outbox-size",
        type=_positive,
        metavar="N",
        help="messages it holds (100000); beyond, provisional labels go first",
    )
    parser.add_argument(
        "--ha-discovery",
        action="store_true",
        help="announce heart rate, last beat and alerts to Home Assistant",
    )
    add_mqtt_options(parser)
    parser.add_argument(
        "--monitor",
        action=argparse.BooleanOptionalAction,
        help="show the monitor (default on a terminal) or plain lines",
    )
    parser.add_argument(
        "--theme",
        choices=("dark", "light", "colour-blind", "none"),
        default="dark",
        help="colours of the monitor (dark); NO_COLOR is heeded too",
    )
    parser.add_argument(
        "--freeze-format",
        choices=("svg", "png", "both"),
        default="svg",
        help="what the monitor's key f writes a strip as (svg)",
    )
    parser.add_argument(
        "--events", metavar="FILE", help="write every event as a JSON line; - is standard output"
    )
    parser.add_argument(
        "--annotations", metavar="DIR", help="write the labels as a WFDB annotation file"
    )
    parser.add_argument(
        "--annotator", default="pred", metavar="NAME", help="extension of that file (pred)"
    )
    parser.add_argument(
        "--label",
        choices=("confirmed", "provisional"),
        default="confirmed",
        help="which of a beat's two labels goes into that file",
    )
    parser.add_argument(
        "--budget-ms",
        type=_positive_number,
        default=500.0,
        metavar="MS",
        help="latency budget of a provisional label, from its R peak (500)",
    )
    parser.add_argument(
        "--publish-samples",
        action="store_true",
        help="publish the raw samples too, on ecg/<source>.live/samples, for "
        "ecg-stream ward --live",
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Play and return the exit code."""
    import asyncio

    from streamer.runner.playing import Playing, play_live
    from streamer.runner.replay_options import ReplayOptions
    from streamer.sources.live_feed import is_live

    chosen = vars(args)
    options = ReplayOptions(**{name: chosen[name] for name in ReplayOptions.__dataclass_fields__})
    try:
        if is_live(options.record):
            return asyncio.run(play_live(options))
        playing = Playing(options)
    except ValueError as error:
        args.usage_error(str(error))
    return asyncio.run(playing.run())


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return _positive_number(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no speed; give 1 for real time, a number above 0, or max"
        ) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _positive_number(text: str) -> float:
    import math

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _time(text: str) -> str:
    from replay.player import parse_time

    try:
        parse_time(text, fs=1.0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
