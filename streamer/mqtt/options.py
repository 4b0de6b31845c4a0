"""Options that every command with a broker shares."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.mqtt.access import TlsFiles

_VERSIONS = ("auto", "5", "3.1.1")


def add_mqtt_options(parser: argparse.ArgumentParser) -> None:
    """Declare how to talk to a broker; secrets are no options, they come from the environment."""
    add_tls_options(parser).add_argument(
        "--mqtt-version",
        choices=_VERSIONS,
        default="auto",
        help="protocol version; auto (default) is 5 unless the broker refuses it",
    )


def add_tls_options(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Declare whom to trust and who we are; return their group."""
    group = parser.add_argument_group(
        "MQTT connection",
        "user name and password come from ECG_STREAM_MQTT_USERNAME and ECG_STREAM_MQTT_PASSWORD "
        "or ECG_STREAM_MQTT_PASSWORD_FILE",
    )
    add = group.add_argument
    add("--mqtt-ca", type=Path, metavar="FILE", help="trust these authorities (PEM) for mqtts")
    add("--mqtt-cert", type=Path, metavar="FILE", help="our certificate (PEM), if asked for one")
    add("--mqtt-key", type=Path, metavar="FILE", help="its private key (PEM)")
    return group


def tls_files(options: Mapping[str, Any], url: str | None) -> "TlsFiles | None":
    """Return the TLS files that were named.

    Raises
    ------
    ValueError
        If files are named but `url` is not mqtts.
    """
    from streamer.mqtt.access import TlsFiles  # noqa: PLC0415

    files = TlsFiles(
        ca=options["mqtt_ca"], certificate=options["mqtt_cert"], key=options["mqtt_key"]
    )
    if files.is_empty:
        return None
    if url is None or not url.startswith("mqtts://"):
        raise ValueError("--mqtt-ca, --mqtt-cert and --mqtt-key are for mqtts://HOST[:PORT]")
    return files
