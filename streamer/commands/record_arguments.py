"""Arguments that commands which open a record share: its leads, and what its file doesn't state."""

import argparse
from typing import TYPE_CHECKING

from streamer.commands.output_arguments import positive_number

if TYPE_CHECKING:
    from replay.formats.options import FileOptions


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    add = parser.add_argument
    add("--lead", help="lead to analyse, by name (MLII where there is one)")
    add(
        "--leads",
        metavar="A,B",
        help="leads to use, the one to analyse first: names, or columns of a CSV or NumPy file "
        "that names none, from 1",
    )
    add(
        "--fs",
        type=positive_number,
        metavar="HZ",
        help="sampling frequency of a CSV or NumPy file that doesn't state it",
    )
    add(
        "--units",
        metavar="UNIT",
        help="V, mV or uV of such a file; of a converter's numbers its gain and baseline, such as "
        "'200(1024)/mV'",
    )


def file_options(args: argparse.Namespace) -> "FileOptions":
    """Return what was said of the file."""
    from replay.formats.options import FileOptions

    leads = [] if args.leads is None else [lead.strip() for lead in args.leads.split(",")]
    return FileOptions(fs=args.fs, units=args.units, leads=tuple(leads))
