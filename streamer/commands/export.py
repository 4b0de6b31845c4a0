"""`ecg-stream export`: turn recorded events into the forms of other systems."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare each format and its options."""
    formats = parser.add_subparsers(dest="what", metavar="FORMAT", required=True)
    summary = "HL7 FHIR R4 Observations: heart rate, rhythm and alarms"
    fhir = formats.add_parser("fhir", help=summary, description=summary)
    fhir.add_argument("events", help="file written by replay --events; - is standard input")
    fhir.add_argument("--out", type=Path, metavar="FILE", help="write there (standard output)")
    fhir.add_argument("--patient", required=True, metavar="ID", help="id of the Patient resource")
    fhir.add_argument(
        "--every", default="60s", metavar="TIME", help="period of one heart rate (60s)"
    )
    fhir.add_argument(
        "--ndjson", action="store_true", help="one Observation a line instead of a Bundle"
    )


def run(args: argparse.Namespace) -> int:
    """Export."""
    import json

    from streamer.core.errors import writing
    from streamer.messages.event_lines import read_events
    from streamer.messages.fhir import FhirConfig, bundle, observations, to_lines
    from streamer.mqtt.listen import parse_duration

    config = FhirConfig(patient=args.patient, every_s=parse_duration(args.every))
    resources = observations(read_events(_lines(args.events)), config)
    if args.ndjson:
        text = "".join(f"{line}\n" for line in to_lines(resources))
    else:
        text = json.dumps(bundle(resources), indent=1) + "\n"
    if args.out is None:
        sys.stdout.write(text)
        return 0
    with writing(str(args.out), "choose another file with --out"):
        args.out.write_text(text)
    return 0


def _lines(name: str) -> "Iterator[bytes]":
    if name == _STANDARD_INPUT:
        yield from sys.stdin.buffer
        return
    from streamer.core.errors import StreamerError

    try:
        with Path(name).open("rb") as file:
            yield from file
    except OSError as error:
        raise StreamerError(
            f"can't read events from {name}: {error.strerror}; give a file of `replay --events`"
        ) from error
