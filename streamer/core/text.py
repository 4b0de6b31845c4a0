"""Text from outside, made fit to be shown and logged."""

import sys


def clean(text: object) -> str:
    """Return text with a `?` for each control character, line break and mark that turns writing.

    Whatever a file, a network or an environment names goes through here before a terminal or a log
    gets it: raw, a name could move the cursor, set the title, or write a line that isn't ours.
    """
    words = str(text)
    if words.isprintable():
        return words
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def say(line: str) -> None:
    """Tell the person at the keyboard, cleaned; standard output is for results."""
    sys.stderr.write(f"{clean(line)}\n")
    sys.stderr.flush()
