"""The command `ecg-stream`: parse, dispatch, and turn expected errors into one line."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NoReturn

from streamer.commands.first_start import first_start_told
from streamer.core.exit_codes import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from streamer.core.text import clean, say

COMMANDS: Final[dict[str, str]] = {
    "replay": "play a record through the whole chain, to monitor, MQTT and files",
    "ward": "label many patients at once, from looped records or live sources",
    "listen": "show what a running replay publishes over MQTT",
    "annotate": "label whole records or databases at full speed into WFDB annotation files",
    "report": "write a recording's report as a self-contained HTML page",
    "explain": "show why a beat got its label: saliency, Grad-CAM and features",
    "score": "compare annotation files beat by beat as EC57 asks",
    "export": "turn recorded events into HL7 FHIR",
    "records": "list the records at hand",
    "download": "fetch a database from PhysioNet",
    "train": "train the beat classifier, the QRS detector or what tells atrial fibrillation or VF",
    "warm-up": "compile the signal path now, so that the first start is quick",
    "bench": "measure detection, latency and speed",
    "doctor": "say what is installed and found here, and whether something is wrong",
    "help": "show a page of the documentation",
    "completion": "print what makes a shell complete commands and options",
}
"""Subcommand names with their one-line help; `streamer.commands.<name>` implements each."""

_FORMER: Final[dict[str, tuple[str, ...]]] = {"train-detector": ("train", "detector")}
"""Names of before that still work."""


_RECORDS: Final = {"record", "records", "recording"}
"""Arguments that take a record, which may be a path."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage block in front of it.

    Attributes
    ----------
    files
        What has `shtab` complete files; None while nobody completes anything.
    """

    files: Any = None

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Declare an argument; have files offered where one is asked for."""
        action = super().add_argument(*names, **options)
        if self.files is not None and (options.get("type") is Path or names[0] in _RECORDS):
            action.complete = self.files  # type: ignore[attr-defined]
        return action

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {clean(message)}; see '{self.prog} --help'\n")


def _module(command: str) -> str:
    return f"streamer.commands.{command.replace('-', '_')}"


def build_parser(*commands: str | None, files: Any = None) -> argparse.ArgumentParser:
    """Build the parser; only the modules of `commands` are imported, so that help is fast."""
    _Parser.files = files
    parser = _Parser(
        prog="ecg-stream",
        description="Streaming, real-time ECG beat classifier. Not a medical device.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("ecg-stream"))
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an expected error"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name in commands:
            importlib.import_module(_module(name)).add_arguments(subparser)
    return parser


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is written for the person at the keyboard."""
    from classifier.errors import ClassifierError
    from replay.errors import ReplayError
    from streamer.core.errors import StreamerError

    return (StreamerError, ReplayError, ClassifierError, ValueError, OSError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [*_FORMER.get(given[0], given[:1]), *given[1:]] if given else given
    command = next((word for word in arguments if word in COMMANDS), None)
    args = build_parser(command).parse_args(arguments)
    module = importlib.import_module(_module(args.command))
    try:
        with first_start_told():
            return int(module.run(args))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except _expected_errors() as error:
        if args.debug:
            raise
        say(f"ecg-stream {args.command}: {error}")
        return EXIT_ERROR


if __name__ == "__main__":
    raise SystemExit(main())
