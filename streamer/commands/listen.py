"""`ecg-stream listen`: show what running replays publish over MQTT."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from streamer.commands.output_arguments import add_mqtt_options
from streamer.core.text import say

if TYPE_CHECKING:
    from streamer.messages.received import Received

EXIT_OK = 0
EXIT_NOT_ENOUGH = 1
EXIT_MISSING = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Show alerts, rhythm, signal gaps and status as they are published. Waits for a broker, "
        "survives its restarts, and says on standard error when an event is missing. "
        "Columns: UTC of the arrival, source, when it became known in the recording, what. Exit "
        "codes: 0 all well, 1 no broker or fewer messages than --count, 2 wrong usage, 3 events "
        "are missing (only with --strict)."
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="broker, mqtt://HOST[:PORT] or mqtts://...; by default the embedded broker of a "
        "replay on this machine, else mqtt://127.0.0.1:1883",
    )
    parser.add_argument("--all", action="store_true", help="show every event, not only alerts")
    parser.add_argument(
        "--labels", type=_labels, default=frozenset(), metavar="V,S", help="show beats of these too"
    )
    parser.add_argument("--alarms", action="store_true", help="show alerts and nothing else")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if events are missing")
    parser.add_argument("--source", metavar="NAME", help="show one source only, such as 208")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--for", dest="duration", metavar="TIME", help="stop after 60s, 5m, 1h")
    parser.add_argument("--count", type=int, metavar="N", help="stop after N messages shown")
    add_mqtt_options(parser)


def run(args: argparse.Namespace) -> int:
    """Listen until told to stop."""
    from streamer.mqtt.access import tls_files
    from streamer.mqtt.listen import Listener, ListenOptions, parse_duration

    if args.count is not None and args.count < 1:
        raise ValueError(f"--count is {args.count}; expected 1 or more")
    options = ListenOptions(
        url=args.url,
        source=args.source,
        all_beats=args.all,
        labels=args.labels,
        alarms_only=args.alarms,
        version=args.mqtt_version,
        tls=tls_files(vars(args), args.url),
        duration_s=None if args.duration is None else parse_duration(args.duration),
        count=args.count,
    )
    listener = Listener(options, show=_printer(as_json=args.json), notice=_notice)
    interrupted = False
    try:
        asyncio.run(listener.run())
    except KeyboardInterrupt:
        interrupted = True
    except BrokenPipeError:
        # The reader of our output has gone; let the interpreter's last flush find a sink.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    _notice(listener.tally.summary())
    if not (interrupted or listener.succeeded):
        return EXIT_NOT_ENOUGH
    return EXIT_MISSING if args.strict and listener.tally.missing else EXIT_OK


def _labels(text: str) -> frozenset[str]:
    return frozenset(text.upper().split(","))


def _notice(line: str) -> None:
    say(f"ecg-stream listen: {line}")


def _printer(*, as_json: bool) -> "Callable[[Received], None]":
    """Choose how to print: JSON, colour for a terminal, plain columns for anything else."""
    from streamer.monitor.listen_view import Lines, to_json

    if as_json:
        return lambda message: print(to_json(message), flush=True)  # noqa: T201
    if not sys.stdout.isatty():
        lines = Lines()
        return lambda message: print(lines.line(message, time.time()).plain(), flush=True)  # noqa: T201
    return _colour_printer()


def _colour_printer() -> "Callable[[Received], None]":
    from rich.console import Console
    from rich.text import Text

    from streamer.monitor.listen_view import Lines

    console, lines = Console(highlight=False), Lines()

    def show(message: "Received") -> None:
        line = lines.line(message, time.time())
        before, what, after = line.parts_within(console.width)
        text = Text.assemble((before, "dim"), (what, line.style), after)
        console.print(text, soft_wrap=True)

    return show
