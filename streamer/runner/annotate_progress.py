"""Progress of a bulk run: a bar on a terminal, a line a record otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from streamer.core.text import clean
from streamer.runner.annotate import Annotated, Moved, plain_name


@dataclass(frozen=True, slots=True)
class Reporter:
    """What to call while records are labelled."""

    moved: Moved
    """With a record's name and the part of it that is done."""
    finished: Callable[[Annotated], None]
    """With what became of a record."""


def describe(result: Annotated) -> str:
    """Sum up one record in a line."""
    if result.error is not None:
        return f"ecg-stream annotate: {result.record}: {result.error}"
    factor = result.signal_s / result.wall_s
    name = plain_name(result.record)
    if result.note is not None:
        return f"{name}: {result.note}"
    return f"{name}: {result.n_beats:,} beats, {factor:,.0f} times real time"


@contextmanager
def reporting(total: int, stream: TextIO) -> Iterator[Reporter]:
    """Show the progress of `total` records on `stream` until the block is left."""
    if not stream.isatty():
        yield Reporter(lambda record, part: None, lambda result: _write(stream, describe(result)))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("annotating", total=total)
        done = 0

        def moved(record: str, part: float) -> None:
            bar.update(task, description=record, completed=done + part)

        def finished(result: Annotated) -> None:
            nonlocal done
            done += 1
            bar.update(task, completed=done)
            if result.error is not None or result.note is not None:
                bar.console.print(
                    clean(describe(result)), markup=False, highlight=False, soft_wrap=True
                )

        yield Reporter(moved, finished)


def _write(stream: TextIO, line: str) -> None:
    stream.write(clean(line) + "\n")
    stream.flush()
