"""Download progress on the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from replay.download import Fetched, OnProgress


@contextmanager
def download_bar(title: str) -> Iterator[OnProgress]:
    """Show a download as a bar on standard error, and nothing where that is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TextColumn("{task.fields[received_mb]:.1f} MB"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    task = bar.add_task(title, total=None, received_mb=0.0)

    def show(so_far: Fetched) -> None:
        bar.update(
            task,
            description=f"{title}/{so_far.current}",
            total=so_far.files,
            completed=len(so_far.fetched) + len(so_far.kept),
            received_mb=so_far.received_bytes / 1e6,
        )

    with bar:
        yield show
