"""Progress of a benchmark on standard error: a bar on a terminal, else a line a record."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Advance = Callable[[str], None]
"""Told what has just been finished."""


def silent(_done: str) -> None:
    """Show nothing."""


@contextmanager
def progress(title: str, total: int, stream: TextIO | None = None) -> Iterator[Advance]:
    """Show that `total` pieces of work are being done, until the block is left."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield _liner(title, total, stream)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, advance=1, description=done)


def _liner(title: str, total: int, stream: TextIO) -> Advance:
    done = 0

    def advance(what: str) -> None:
        nonlocal done
        done += 1
        stream.write(f"{title}: {done}/{total} {what}\n")
        stream.flush()

    return advance
