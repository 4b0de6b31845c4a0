"""Where an embedded broker listens, and the note by which `ecg-stream listen` finds it."""

import contextlib
import errno
import ipaddress
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from streamer.core.errors import BrokerError
from streamer.mqtt.access import parse_url

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 1883


def reached_at(host: str) -> str:
    """Where we reach a broker that listens there: on every interface means on loopback too."""
    return HOST if ipaddress.ip_address(host).is_unspecified else host


def choose_port(host: str, wanted: int | None) -> int:
    """Return the port asked for, else 1883 if it is free, else any free one."""
    if wanted is not None:
        if not _is_free(wanted, host):
            raise BrokerError(
                f"port {wanted} on {host} is in use; choose another with --mqtt embedded:PORT, "
                f"or publish to the broker there with --mqtt mqtt://{host}:{wanted}"
            )
        return wanted
    return DEFAULT_PORT if _is_free(DEFAULT_PORT, host) else _any_port(host)


def _is_free(port: int, host: str = HOST) -> bool:
    """Whether we may listen there.

    Raises
    ------
    BrokerError
        If the system forbids the port to us.
    """
    with socket.socket(_family(host)) as probe:
        # As the broker will do: a port that merely lingers from the last run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise BrokerError(
                f"port {port} on {host} needs more rights; choose one from 1024 up"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BrokerError(f"{host} is no address of this machine") from None
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def _any_port(host: str) -> int:
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET


def _note_path() -> Path:
    """Where the address of a running embedded broker is noted, in the user's own cache folder."""
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_cache_dir("ecg-stream")) / "embedded-broker.json"


def write_note(url: str) -> None:
    """Note where the embedded broker of this process listens; a note that can't be is no error."""
    path = _note_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"url": url, "pid": os.getpid()}, file)
        Path(file.name).replace(path)


def read_note() -> str | None:
    """Address of an embedded broker that runs on this machine, if one left a note."""
    try:
        note = json.loads(_note_path().read_text())
        url, pid = str(note["url"]), int(note["pid"])
        parse_url(url)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if _is_alive(pid) else None


def remove_note(url: str) -> None:
    """Take our own note away; that of a broker started later stays."""
    if read_note() == url:
        with contextlib.suppress(OSError):
            _note_path().unlink()


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that isn't ours does too."""
    if os.name != "posix":
        return True  # Elsewhere signal 0 is not a mere question.
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
