"""`ecg-stream ward`: label many patients at once, from looped records or live sources."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.commands.output_arguments import (
    add_output_arguments,
    positive_integer,
    positive_number,
)

if TYPE_CHECKING:
    from streamer.runner.options import WardOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("records", nargs="*", metavar="RECORD", help="records to loop (all of mitdb)")
    add("--patients", type=positive_integer, metavar="N", help="patients (one a record)")
    add(
        "--live",
        action="store_true",
        help="label what comes over MQTT on ecg/<source>/samples instead of records",
    )
    add(
        "--tcp",
        type=positive_integer,
        metavar="PORT",
        help="with --live: let sources connect there too",
    )
    add(
        "--stdin",
        metavar="HZ|frames",
        type=_stdin,
        help="with --live: read samples from standard input, as text at HZ or in frames",
    )
    add(
        "--lsl",
        action="append",
        default=[],
        metavar="NAME",
        help="with --live: follow this Lab Streaming Layer stream (again for another; "
        "NAME?unit=uV where it doesn't state its unit)",
    )
    add("--leads", type=int, choices=(1, 2), default=2, help="leads of each patient (2)")
    add("--seconds", type=positive_number, metavar="S", help="stop after so much signal (never)")
    add("--speed", choices=("1", "max"), default="1", help="real time, or as fast as possible (1)")
    add(
        "--tick-ms",
        type=positive_number,
        default=50.0,
        metavar="MS",
        help="time between steps (50)",
    )
    add(
        "--name",
        default="ward",
        metavar="NAME",
        help="of this ward's own status over MQTT: ecg/NAME/status (ward)",
    )
    add(
        "--names",
        type=Path,
        metavar="FILE",
        help='TOML file of patients\' names for the screen, such as bed4 = "Room 2, Smith"',
    )
    add(
        "--metrics",
        type=positive_integer,
        metavar="PORT",
        help="answer Prometheus there: http://HOST:PORT/metrics",
    )
    add(
        "--cluster",
        metavar="local|ADDRESS",
        help="with --live: share the patients among workers on Ray, here or on its machines",
    )
    add(
        "--workers",
        type=positive_integer,
        metavar="N",
        help="workers of the cluster (as it has; 1)",
    )
    add("--status", action="store_true", help="with --cluster ADDRESS: show how its workers stand")
    add_output_arguments(parser)
    add("--events", metavar="FILE", help="add every event to a file of JSON lines")
    add(
        "--monitor",
        action=argparse.BooleanOptionalAction,
        help="show the patients as a central station (default on a terminal)",
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run the ward and return the exit code."""
    import asyncio
    import sys

    from streamer.runner.options import WardOptions
    from streamer.runner.ward import WardRun

    chosen = {**vars(args), "speed": 1.0 if args.speed == "1" else None}
    if args.monitor and not sys.stdout.isatty():
        args.usage_error("--monitor needs a terminal; leave it out to get plain lines")
    if args.monitor is None:
        chosen["monitor"] = sys.stdout.isatty() and sys.stdin.isatty()
    chosen["records"], chosen["lsl"] = tuple(args.records), tuple(args.lsl)
    options = WardOptions(**{name: chosen[name] for name in WardOptions.__dataclass_fields__})
    try:
        if args.cluster is not None:
            return _run_cluster(args, options)
        if args.workers is not None or args.status:
            raise ValueError("--workers and --status are for a cluster; add --cluster")
        ward = WardRun(options)
    except ValueError as error:
        args.usage_error(str(error))
    return asyncio.run(ward.run())


def _run_cluster(args: argparse.Namespace, options: "WardOptions") -> int:
    import asyncio

    from streamer.cluster.run import ClusterRun

    cluster = ClusterRun(options, args.cluster, args.workers, is_status=args.status)
    return asyncio.run(cluster.run())


def _stdin(text: str) -> str:
    if text != "frames":
        positive_number(text)
    return text
