"""Arguments that commands share: where events go, what is kept, and how to talk to a broker."""

import argparse
import math
from pathlib import Path


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    _add_mqtt(parser)
    _add_files(parser)


def _add_mqtt(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--mqtt",
        default="embedded",
        metavar="URL|embedded|off",
        help="broker to publish to; embedded (default) starts one on this machine",
    )
    add(
        "--outbox",
        type=Path,
        metavar="DIR",
        help="keep MQTT messages on disk until they are delivered: they survive kill -9, go out "
        "at the next start, and the numbers of a source's events go on from run to run",
    )
    add(
        "--outbox-size",
        type=positive_integer,
        metavar="N",
        help="messages it holds (100000); beyond, provisional labels go first",
    )
    add(
        "--ha-discovery",
        action="store_true",
        help="announce heart rate, last beat and alerts to Home Assistant",
    )
    add_mqtt_options(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--theme",
        choices=("dark", "light", "colour-blind", "none"),
        default="dark",
        help="colours of the monitor (dark); NO_COLOR is heeded too",
    )
    add(
        "--lsl-markers",
        metavar="NAME",
        help="send beats and alarms as a Lab Streaming Layer stream of markers with that name",
    )
    add("--annotations", metavar="DIR", help="write the labels as a WFDB annotation file a source")
    add("--annotator", default="pred", metavar="NAME", help="extension of that file (pred)")
    add(
        "--label",
        choices=("confirmed", "provisional"),
        default="confirmed",
        help="which of a beat's two labels goes into that file",
    )
    add(
        "--budget-ms",
        type=positive_number,
        default=500.0,
        metavar="MS",
        help="latency budget of a provisional label, from its R peak (500)",
    )
    add(
        "--alarm-limits",
        type=Path,
        metavar="FILE",
        help="limits of alarms and alerts, a TOML file as docs/alarms.md describes it",
    )
    add(
        "--snapshots",
        type=Path,
        metavar="DIR",
        help="write the patients' states there, and go on from them when started again",
    )
    add(
        "--snapshot-every",
        dest="snapshot_every_s",
        type=positive_number,
        default=30.0,
        metavar="S",
        help="how often (30)",
    )


def add_mqtt_options(parser: argparse.ArgumentParser) -> None:
    """Declare how to talk to a broker; secrets are no options, they come from the environment."""
    _add_tls_options(parser).add_argument(
        "--mqtt-version",
        choices=("auto", "5", "3.1.1"),
        default="auto",
        help="protocol version; auto (default) is 5 unless the broker refuses it",
    )


def _add_tls_options(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
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


def positive_integer(text: str) -> int:
    """Read a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def positive_number(text: str) -> float:
    """Read a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value
