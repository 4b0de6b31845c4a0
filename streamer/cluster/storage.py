"""What a cluster must know of itself after everything was killed, in a folder that all share."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

from msgspec import Struct, field
from msgspec.json import decode, encode

from streamer.core.errors import OutputError, SnapshotError
from streamer.patient.journal import Journal
from streamer.patient.snapshot_file import make_folder, write_whole
from streamer.runner.options import WardOptions
from streamer.runner.ward_setup import WardStorage

_PLAN: Final = "cluster.json"
_OWNERS: Final = "owners"


class Plan(Struct, kw_only=True):
    """Who has which patient.

    Attributes
    ----------
    name : str
        Of the ward.
    session : str
        Part of the names of the workers' sessions with the broker.
    epoch : int
        Counts the starts of the cluster; a worker of an older one may not go on.
    model : str
        Identity of the model that made the snapshots.
    workers : list of str
    owners : dict of str to str
        Worker by patient.
    moving : dict of str to str
        To whom a patient is on its way.
    """

    name: str
    session: str = field(default_factory=lambda: uuid4().hex[:8])
    epoch: int = 0
    model: str = ""
    workers: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    moving: dict[str, str] = field(default_factory=dict)

    def of(self, worker: str) -> set[str]:
        """Return a worker's patients."""
        return {source for source, owner in self.owners.items() if owner == worker}

    def awaited_by(self, worker: str) -> set[str]:
        """Return the patients that are on their way to a worker."""
        return {source for source, new in self.moving.items() if new == worker}


def read_plan(folder: Path) -> Plan | None:
    """Read the plan of a folder; None if there is none yet.

    Raises
    ------
    SnapshotError
        If it isn't ours, or damaged.
    """
    path = folder / _PLAN
    try:
        return decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SnapshotError(
            f"{path} is no usable plan of a cluster ({error}); remove it if nobody uses {folder}"
        ) from error


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all.

    Raises
    ------
    OutputError
        If the storage is full or gone.
    """
    make_folder(folder)
    _write(folder / _PLAN, encode(plan))


def take_over(folder: Path, plan: Plan, worker: str) -> WardStorage:
    """Make this process the one that is the worker; whoever was so before ends itself.

    Raises
    ------
    OutputError
        If a newer start of the cluster has the folder, or the storage is full or gone.
    """
    path = folder / _OWNERS / f"{worker}.json"
    make_folder(path.parent)
    token = uuid4().hex
    if path.exists() and json.loads(path.read_bytes())["epoch"] > plan.epoch:
        raise OutputError(
            f"a newer cluster uses {folder}; end this one, or give it --snapshots of its own"
        )
    mine = json.dumps({"epoch": plan.epoch, "token": token}).encode()
    _write(path, mine)
    return WardStorage(
        journal=Journal(folder / "journal"),
        client_id=f"ecg-stream-{plan.session}-{worker}",
        permit=_unless_taken(path, mine),
    )


def _unless_taken(path: Path, mine: bytes) -> Callable[[], None]:
    def check() -> None:
        try:
            is_mine = path.read_bytes() == mine
        except OSError:
            is_mine = False  # Whoever can't see the storage can't keep what it says either.
        if not is_mine:
            # At once: not one more message, of patients that others have.
            os.kill(os.getpid(), signal.SIGKILL)

    return check


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise OutputError(
            f"can't write {path}: {error.strerror}; the storage of --snapshots must be there and "
            "have room"
        ) from error


def check_options(options: WardOptions) -> None:
    """Complain of options that make no sense for a cluster.

    Raises
    ------
    ValueError
        If they don't.
    """
    if not options.live:
        raise ValueError("--cluster is for live sources; add --live")
    if options.snapshots is None:
        raise ValueError("--cluster needs --snapshots DIR, a folder that all machines share")
    if not options.mqtt.startswith(("mqtt://", "mqtts://")):
        raise ValueError("--cluster needs a broker that all workers reach: --mqtt mqtt://HOST")
    unfit = {
        "--tcp": options.tcp,
        "--stdin": options.stdin,
        "--lsl": options.lsl or None,
        "--lsl-markers": options.lsl_markers,
        "--events": options.events,
        "--annotations": options.annotations,
        "--outbox (the journals in --snapshots do that)": options.outbox,
    }
    for name, value in unfit.items():
        if value is not None:
            raise ValueError(
                f"--cluster takes samples and gives events over MQTT only; leave out {name}"
            )


def shared_folder(options: WardOptions) -> Path:
    """Return the folder that all machines share.

    Raises
    ------
    OutputError
        If none is given.
    """
    if options.snapshots is None:
        raise OutputError("--cluster needs --snapshots DIR, a folder that all machines share")
    return options.snapshots.absolute()
