"""Find a record by name and open it."""

from replay.demo import parse_demo_name, simulate_demo
from replay.errors import RecordNotFoundError
from replay.record import Record


def open_record(name: str, *, lead: str | None = None, download: bool = True) -> Record:
    """Open a record by name."""
    seed = parse_demo_name(name)
    if seed is not None:
        return simulate_demo(seed)
    raise RecordNotFoundError(name)
