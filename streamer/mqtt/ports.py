"""Where an embedded broker can listen."""

import errno
import ipaddress
import socket
from typing import Final

from streamer.core.errors import BrokerError

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
