"""What can go wrong in the chain and at its edges."""

from collections.abc import Iterator
from contextlib import contextmanager


class StreamerError(Exception):
    """Base of everything the streamer package raises on purpose."""


class OverlapError(StreamerError):
    """A chunk starts before the end of the one before it."""


class StageClosedError(StreamerError):
    """Something was pushed after flush()."""


class SnapshotError(StreamerError):
    """A snapshot is of another stage, version or configuration."""


class BrokerError(StreamerError):
    """The MQTT broker can't be started or reached."""


class OutputError(StreamerError):
    """A file or folder can't be written."""


@contextmanager
def writing(what: str, advice: str = "choose another file") -> Iterator[None]:
    """Turn what the system says while something is written into one line: an OutputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"can't write {what}: {reason}; {advice}") from error


class ScoringError(StreamerError):
    """Annotation files are missing or can't be compared."""
