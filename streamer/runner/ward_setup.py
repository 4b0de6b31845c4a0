"""What a ward needs before it runs: options that make sense, records, and storage of its own."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from replay.lead_following import open_two_leads
from replay.record import Record
from replay.records import records_of
from streamer.core.errors import OutputError, SnapshotError
from streamer.messages.payload import check_source
from streamer.patient.journal import Journal
from streamer.patient.snapshot_file import make_folder, read_snapshot, snapshot_path
from streamer.runner.options import WardOptions
from streamer.sources.live_inputs import check_lsl

_SESSION: Final = "session"
_JOURNALS: Final = "journal"


@dataclass(slots=True, kw_only=True)
class WardStorage:
    """Where a ward's patients survive its process.

    Attributes
    ----------
    journal : Journal
    client_id : str
        Of the session in which a broker keeps samples for whoever goes on with these journals.
    permit : callable, optional
        Called before each connection; doesn't return if another process has taken over.
    """

    journal: Journal
    client_id: str
    permit: Callable[[], None] | None = None

    @classmethod
    def alone(cls, folder: Path) -> Self:
        """Use a folder that no other process may use until this one has ended.

        Raises
        ------
        OutputError
            If the folder can't be used, or another ward uses it.
        """
        make_folder(folder)
        try:
            lock = os.open(folder / _SESSION, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise OutputError(
                f"another ward uses {folder}; give each ward --snapshots of its own"
            ) from None
        except OSError as error:
            raise OutputError(f"can't use snapshot folder {folder}: {error.strerror}") from error
        name = os.read(lock, 64).decode("ascii", "replace")
        if not name:
            name = uuid4().hex[:12]
            os.write(lock, name.encode())
        return cls(journal=Journal(folder / _JOURNALS), client_id=f"ecg-stream-ward-{name}")


def check_options(options: WardOptions) -> None:
    """Complain of options that make no sense.

    Raises
    ------
    ValueError
        If they don't.
    """
    others = options.tcp is not None or options.stdin is not None or bool(options.lsl)
    if others and not options.live:
        raise ValueError("--tcp, --stdin and --lsl are live sources; add --live")
    check_lsl(options.lsl)
    if options.live and options.mqtt == "off" and not others:
        raise ValueError("--live takes its samples from MQTT; leave out --mqtt off")
    if options.live and options.speed is None:
        raise ValueError("--live comes at its own pace; leave out --speed max")
    check_source(options.name)


def records_to_loop(options: WardOptions) -> list[Record]:
    """Open the records to loop."""
    names = list(options.records) or records_of("mitdb")
    return [open_two_leads(name) for name in names]


def sample_of_snapshot(folder: Path | None, source: str) -> int | None:
    """Return the sample with which a patient's snapshot goes on; None: there is none of use."""
    if folder is None:
        return None
    try:
        return int(read_snapshot(snapshot_path(folder, check_source(source)))["next_sample"])
    except (SnapshotError, KeyError, TypeError, ValueError):
        return None
