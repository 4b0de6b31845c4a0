"""Download progress on the terminal."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class ProgressBar:
    """Shows a download as a bar on standard error, and nothing where that is no terminal.

    Use it as a context manager; satisfies `replay.download.Progress`.

    Parameters
    ----------
    title : str
        What is being fetched.
    """

    def __init__(self, title: str) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bar: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files"),
            TextColumn("{task.fields[received]:.1f} MB"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._title = title
        self._task: TaskID = self._bar.add_task(title, total=None, received=0.0)
        self._bytes = 0

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def begin(self, files: int) -> None:
        """Set the length of the bar."""
        self._bar.update(self._task, total=files)

    def file(self, name: str) -> None:
        """Show the file's name."""
        self._bar.update(self._task, description=f"{self._title}/{name}")

    def advance(self, n_bytes: int) -> None:
        """Count bytes."""
        self._bytes += n_bytes
        self._bar.update(self._task, received=self._bytes / 1e6)

    def file_done(self) -> None:
        """Advance the bar."""
        self._bar.advance(self._task)
