"""Progress on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from replay.download import Fetched, OnProgress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


@contextmanager
def progress_bar(
    title: str,
    total: float | None = None,
    *columns: "ProgressColumn | str",
    stream: TextIO | None = None,
    **fields: Any,
) -> Iterator[Callable[..., None]]:
    """Show a bar on a stream, standard error by default, and nothing where that is no terminal.

    What is yielded changes it: `advance`, or `completed`, `total`, `description` and the `fields`
    that `columns` show.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    stream = sys.stderr if stream is None else stream
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        console=Console(file=stream),
        disable=not stream.isatty(),
        transient=True,
    )
    task = bar.add_task(title, total=total, **fields)
    with bar:
        yield partial(bar.update, task)


@contextmanager
def download_bar(title: str) -> Iterator[OnProgress]:
    """Show a download: its files, and how much has come."""
    received = "files {task.fields[received_mb]:.1f} MB"
    with progress_bar(title, None, received, received_mb=0.0) as update:

        def show(so_far: Fetched) -> None:
            update(
                description=f"{title}/{so_far.current}",
                total=so_far.files,
                completed=len(so_far.fetched) + len(so_far.kept),
                received_mb=so_far.received_bytes / 1e6,
            )

        yield show
