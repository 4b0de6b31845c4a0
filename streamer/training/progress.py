"""How a training run shows how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from classifier.training.optimising import Report
from replay.progress import progress_bar


@contextmanager
def training_progress() -> Iterator[Report]:
    """Yield a function that shows what is being done and how far it is."""
    with progress_bar("starting") as update:
        yield lambda title, done, total: update(description=title, completed=done, total=total)
