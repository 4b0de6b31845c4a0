"""`ecg-stream completion`: print what makes a shell complete commands and options."""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

SHELLS: Final = ("bash", "zsh", "fish", "tcsh")
_TO_INSTALL: Final = """to have it in every new shell:
  bash  ecg-stream completion bash > ~/.local/share/bash-completion/completions/ecg-stream
  zsh   ecg-stream completion zsh > DIR/_ecg-stream, with DIR in fpath before compinit
  fish  ecg-stream completion fish > ~/.config/fish/completions/ecg-stream.fish
  tcsh  ecg-stream completion tcsh > FILE, and source FILE in ~/.tcshrc"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.epilog = _TO_INSTALL
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from streamer.commands.cli import COMMANDS, build_parser

    parser = build_parser(*COMMANDS)
    _complete_files(parser, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, shell=args.shell) + "\n")
    return 0


def _complete_files(parser: argparse.ArgumentParser, file: Any) -> None:
    """Have the shell offer files where one is asked for."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _complete_files(inner, file)
        elif action.type is Path or action.dest in {"records", "record", "recording"}:
            action.complete = file  # type: ignore[attr-defined]
