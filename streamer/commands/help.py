"""`ecg-stream help`: show a page of the documentation, or what a command's options are."""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "topic", nargs="?", help="page or command; without it, all pages are listed"
    )


def pages() -> dict[str, Path]:
    """Return the pages by topic: those of the installed package, or of the source tree."""
    package = Path(__file__).parents[1]
    folder = package / "pages"
    if not folder.is_dir():
        folder = package.parent / "docs"
    found = {page.stem: page for page in sorted(folder.glob("*.md"))}
    found |= {page.parent.name: page for page in sorted(folder.glob("*/README.md"))}
    return dict(sorted(found.items()))


def run(args: argparse.Namespace) -> int:
    """Print the page, laid out where a person reads it and plain in a pipe."""
    from streamer.commands.cli import COMMANDS, build_parser

    found = pages()
    if args.topic is None:
        lines = [f"  {topic:<16} {_title(page)}" for topic, page in found.items()]
        sys.stdout.write("\n".join(["ecg-stream help TOPIC, one of", *lines, ""]))
        sys.stdout.write("or a command, as in ecg-stream help replay\n")
        return 0
    if args.topic in COMMANDS:
        build_parser(args.topic).parse_args([args.topic, "--help"])
    if args.topic not in found:
        raise ValueError(
            f"no page on {args.topic!r}; there are {', '.join(found)}, and the commands"
        )
    text = found[args.topic].read_text(encoding="utf-8")
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return 0
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    with console.pager(styles=True):
        console.print(Markdown(text))
    return 0


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
