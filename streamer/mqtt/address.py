"""Where a broker is."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamer.mqtt.access import PASSWORD_VARIABLE, USERNAME_VARIABLE

_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""The ports that IANA assigned to MQTT and to MQTT over TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """The address as `parse_url` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_url(url: str) -> Address:
    """Read `mqtt://host[:port]` or `mqtts://host[:port]` (TLS).

    Raises
    ------
    ValueError
        If the URL has another form; credentials in it are refused, and not repeated.
    """
    if "@" in url:
        raise ValueError(
            "an MQTT URL must not hold a username or password, where others can read them; "
            f"set {USERNAME_VARIABLE} and {PASSWORD_VARIABLE} in the environment"
        )
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        rest = parts.path.removeprefix("/") + parts.query + parts.fragment
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or rest:
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError(
            f"{url!r} is no MQTT URL; expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT], "
            "such as mqtt://localhost:1883"
        ) from None
    return Address(host=parts.hostname, port=port, tls=parts.scheme == "mqtts")
