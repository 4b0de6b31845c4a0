"""`ecg-stream completion`: print what makes a shell complete commands and options."""

import argparse
import sys
from typing import Final

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

    parser = build_parser(*COMMANDS, files=shtab.FILE)
    sys.stdout.write(shtab.complete(parser, shell=args.shell) + "\n")
    return 0
