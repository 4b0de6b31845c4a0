"""How to reach a broker: its address, who we are to it and whom we trust.

Secrets come from the environment or from files, never from the command line, where every user of
the machine can read them.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from streamer.core.errors import BrokerError

USERNAME_VARIABLE: Final = "ECG_STREAM_MQTT_USERNAME"
PASSWORD_VARIABLE: Final = "ECG_STREAM_MQTT_PASSWORD"
PASSWORD_FILE_VARIABLE: Final = "ECG_STREAM_MQTT_PASSWORD_FILE"

_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""The ports that IANA assigned to MQTT and to MQTT over TLS."""
_MAX_PASSWORD_BYTES: Final = 65_535
"""MQTT 5, section 3.1.3.6: the length is a two-byte integer."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we say we are; kept out of URLs, logs and `repr`."""

    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Credentials":
        """Read username and password from the environment, or the password from a file it names.

        Raises
        ------
        BrokerError
            If there is a password but no username, or two passwords, or the file can't be read.
        """
        username = environment.get(USERNAME_VARIABLE) or None
        password = environment.get(PASSWORD_VARIABLE) or None
        file = environment.get(PASSWORD_FILE_VARIABLE) or None
        if password is not None and file is not None:
            raise BrokerError(
                f"{PASSWORD_VARIABLE} and {PASSWORD_FILE_VARIABLE} are both set; unset one"
            )
        if file is not None:
            password = _read_password(Path(file))
        if password is not None and username is None:
            variable = PASSWORD_VARIABLE if file is None else PASSWORD_FILE_VARIABLE
            raise BrokerError(f"{variable} is set; set {USERNAME_VARIABLE} too")
        return cls(username=username, password=password)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files for TLS."""

    ca: Path | None = None
    """Authorities to trust instead of the system's."""
    certificate: Path | None = None
    """Our own certificate, with its chain; for brokers that want one."""
    key: Path | None = None
    """Its private key; None if the certificate's file holds it."""

    def __post_init__(self) -> None:
        if self.key is not None and self.certificate is None:
            raise ValueError("a TLS key needs its certificate; name it with --mqtt-cert FILE")

    @property
    def is_empty(self) -> bool:
        """Whether the system's settings do."""
        return self.ca is None and self.certificate is None


def tls_files(options: Mapping[str, Any], url: str | None) -> TlsFiles | None:
    """Return the TLS files that were named.

    Raises
    ------
    ValueError
        If files are named but `url` is not mqtts.
    """
    files = TlsFiles(
        ca=options["mqtt_ca"], certificate=options["mqtt_cert"], key=options["mqtt_key"]
    )
    if files.is_empty:
        return None
    if url is None or not url.startswith("mqtts://"):
        raise ValueError("--mqtt-ca, --mqtt-cert and --mqtt-key are for mqtts://HOST[:PORT]")
    return files


def tls_context(files: TlsFiles | None) -> ssl.SSLContext:
    """Make a client's context: TLS 1.2 or later, host name and certificate checked.

    Raises
    ------
    BrokerError
        If a file can't be read or holds something else.
    """
    files = files or TlsFiles()
    for path in (files.ca, files.certificate, files.key):
        if path is not None and not path.is_file():
            raise BrokerError(f"TLS file {path} does not exist; check --mqtt-ca, -cert and -key")
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate is not None:
            # An encrypted key would ask for its password on the terminal.
            context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        names = ", ".join(str(p) for p in (files.ca, files.certificate, files.key) if p)
        raise BrokerError(
            f"TLS can't be set up from {names or 'the system settings'}: {error}; expected PEM "
            "files, an unencrypted key that belongs to the certificate"
        ) from error
    return context


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")


def _read_password(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _MAX_PASSWORD_BYTES:
            raise ValueError("it is too long")
        password = data.decode().rstrip("\r\n")
        if not password:
            raise ValueError("it is empty")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BrokerError(
            f"can't read a password from {path} ({PASSWORD_FILE_VARIABLE}): {reason}"
        ) from None
    return password
