"""Who has which patient: rendezvous hashing over the workers.

Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on
Networking 6(1), 1998, doi:10.1109/90.663936. Each worker draws a number for each patient; the
highest has it. A worker that comes takes its share from all others evenly, and the patients of one
that goes are spread over all others; nobody else moves.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping


def worker_of(source: str, workers: Collection[str]) -> str:
    """Return who has a patient.

    Raises
    ------
    ValueError
        If there is no worker.
    """
    if not workers:
        raise ValueError("there is no worker to have a patient; expected 1 or more")
    return max(workers, key=lambda worker: (_draw(worker, source), worker))


def moves(owners: Mapping[str, str], workers: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """Return which patients move from whom to whom, once these are the workers."""
    found: dict[tuple[str, str], list[str]] = {}
    for source, owner in owners.items():
        new = worker_of(source, workers)
        if new != owner:
            found.setdefault((owner, new), []).append(source)
    return found


def shares(sources: Iterable[str], workers: Collection[str]) -> dict[str, list[str]]:
    """Return the patients of each worker."""
    found: dict[str, list[str]] = {worker: [] for worker in workers}
    for source in sources:
        found[worker_of(source, workers)].append(source)
    return found


def _draw(worker: str, source: str) -> bytes:
    return hashlib.blake2b(f"{worker}/{source}".encode(), digest_size=8).digest()
