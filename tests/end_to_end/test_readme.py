"""What the README says can be typed, and its short table is that of its long ones."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from streamer.commands.cli import build_parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
sys.path.insert(0, str(ROOT / "docs"))

from headlines import blocks, headlines, section  # noqa: E402

COMMANDS = sorted(
    {
        line.split("#")[0].rstrip(" &").removeprefix("$ ").removeprefix("time ")
        for line in re.findall(
            r"^(?:\$ )?(?:time )?ecg-stream [a-z].*$", README, flags=re.MULTILINE
        )
    }
    | {
        code
        for code in re.findall(r"`(ecg-stream [a-z][^`]*)`", README)
        if " " in code.removeprefix("ecg-stream ") and not re.search(r"[A-Z]{3,}|\||\[", code)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_typed(command: str) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[-1:] == ["--help"]:
        return
    build_parser(arguments[0]).parse_args(arguments)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 10


def test_the_short_table_is_that_of_the_long_ones() -> None:
    assert blocks(README)["headlines"] == headlines(README)


def test_a_section_is_read_by_rows_and_columns() -> None:
    text = "Labels, gross, %\nlabel      beats  Se\nours one  10  99.5 (1.0-2.0)\nb  7  1.0\n"
    found = section(text, "Labels")
    assert found.cell("ours one", "Se") == "99.5"
    assert found.best("Se", without="ours one") == ("1.0", "b")
    with pytest.raises(ValueError, match="no section"):
        section(text, "Elsewhere")
