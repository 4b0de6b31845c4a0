"""`ecg-stream doctor`: say what is here, what isn't, and whether that is wrong."""

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from typing import Final

_LIBRARIES: Final = ("numpy", "scipy", "torch", "numba", "wfdb", "aiomqtt", "amqtt", "rich")
_EXTRAS: Final = {
    "lsl": "pylsl",
    "onnx": "onnxruntime",
    "metrics": "prometheus_client",
    "cluster": "ray",
}
_LEAST_COLUMNS: Final = 80
_LEAST_LINES: Final = 24


class State(StrEnum):
    """How a finding is to be taken."""

    GOOD = "ok"
    NOTE = "note"
    """It works without."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line."""

    state: State
    what: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from streamer.commands.output_arguments import add_mqtt_options

    parser.add_argument(
        "--mqtt",
        metavar="URL",
        help="broker that must be reachable (one on this machine is looked for)",
    )
    add_mqtt_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each finding; return 1 if one of them is wrong."""
    from streamer.core.text import clean

    checks: tuple[Callable[[argparse.Namespace], Iterator[Finding]], ...] = (
        _versions,
        _extras,
        _network,
        _kernels,
        _data,
        _broker,
        _terminal,
    )
    is_wrong = False
    for check in checks:
        for finding in check(args):
            is_wrong |= finding.state is State.WRONG
            line = f"{finding.state:<5}  {finding.what:<10}  {finding.text}"
            sys.stdout.write(clean(line) + "\n")
    return int(is_wrong)


def _versions(_: argparse.Namespace) -> Iterator[Finding]:
    here = f"ecg-stream {metadata.version('ecg-stream')}, Python {sys.version.split()[0]}"
    found, missing = [], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Finding(state=State.GOOD, what="versions", text=", ".join([here, *found]))
    if missing:
        text = f"not installed: {', '.join(missing)}; pip install --force-reinstall ecg-stream"
        yield Finding(state=State.WRONG, what="versions", text=text)


def _extras(_: argparse.Namespace) -> Iterator[Finding]:
    for extra, name in _EXTRAS.items():
        try:
            text = f"{extra}: {name} {metadata.version(name)}"
            yield Finding(state=State.GOOD, what="extra", text=text)
        except metadata.PackageNotFoundError:
            text = f"{extra}: not installed; pip install 'ecg-stream[{extra}]' if you want it"
            yield Finding(state=State.NOTE, what="extra", text=text)


def _network(_: argparse.Namespace) -> Iterator[Finding]:
    from classifier.errors import ClassifierError
    from classifier.network.runtime import load_model

    try:
        spec = load_model().spec
    except (ClassifierError, OSError) as error:
        yield Finding(state=State.WRONG, what="classifier", text=str(error))
        return
    text = f"loaded; trained on {len(spec.training_records)} records"
    yield Finding(state=State.GOOD, what="classifier", text=text)


def _kernels(_: argparse.Namespace) -> Iterator[Finding]:
    from classifier.kernel_folder import kernel_folder

    folder = kernel_folder()
    if folder is None:
        text = "no folder for compiled kernels can be written, so every start takes half a minute; "
        yield Finding(state=State.WRONG, what="kernels", text=f"{text}set NUMBA_CACHE_DIR to one")
    elif any(folder.rglob("*.nbc")):
        yield Finding(state=State.GOOD, what="kernels", text=f"compiled, in {folder}")
    else:
        text = "not compiled yet: the first start takes half a minute; ecg-stream warm-up does it"
        yield Finding(state=State.NOTE, what="kernels", text=text)


def _data(_: argparse.Namespace) -> Iterator[Finding]:
    from replay.places import DATA_VARIABLE, locate_all, places

    for place in places():
        if place.origin.value == DATA_VARIABLE and not place.folder.is_dir():
            text = f"{DATA_VARIABLE} names {place.folder}, which is no folder"
            yield Finding(state=State.WRONG, what="data", text=text)
    counts = Counter(location.database for location in locate_all())
    if counts:
        text = ", ".join(f"{name} {n}" for name, n in counts.items())
        yield Finding(state=State.GOOD, what="data", text=f"records of {text}")
    else:
        text = "no records but the simulated demo; ecg-stream download mitdb fetches some"
        yield Finding(state=State.NOTE, what="data", text=text)


def _broker(args: argparse.Namespace) -> Iterator[Finding]:
    import asyncio

    from streamer.core.errors import BrokerError
    from streamer.mqtt.access import tls_files
    from streamer.mqtt.broker import DEFAULT_URL
    from streamer.mqtt.client import MqttClient
    from streamer.mqtt.local_address import read_note

    url = args.mqtt or read_note() or DEFAULT_URL
    tls = tls_files(vars(args), url)

    async def reach() -> None:
        client = MqttClient(url, tls=tls, version=args.mqtt_version)
        await client.start()
        await client.close()

    try:
        asyncio.run(reach())
    except BrokerError as error:
        if args.mqtt is not None:
            yield Finding(state=State.WRONG, what="broker", text=str(error))
        else:
            text = f"none at {url}; replay and ward start one of their own"
            yield Finding(state=State.NOTE, what="broker", text=text)
        return
    yield Finding(state=State.GOOD, what="broker", text=f"reached at {url}")


def _terminal(_: argparse.Namespace) -> Iterator[Finding]:
    if not sys.stdout.isatty():
        text = "standard output is none: replay prints lines, without the monitor"
        yield Finding(state=State.NOTE, what="terminal", text=text)
        return
    encoding, size = sys.stdout.encoding, shutil.get_terminal_size()
    if not encoding.lower().startswith("utf"):
        text = f"its encoding is {encoding}, the monitor needs UTF-8; set LANG=C.UTF-8"
        yield Finding(state=State.WRONG, what="terminal", text=text)
    if size.columns < _LEAST_COLUMNS or size.lines < _LEAST_LINES:
        text = f"{size.columns}x{size.lines}; the monitor has room from 80x24 on"
        yield Finding(state=State.NOTE, what="terminal", text=text)
    from rich.console import Console

    colours = Console().color_system or "none"
    shown = "NO_COLOR is set" if os.environ.get("NO_COLOR") else f"colours: {colours}"
    text = f"{size.columns}x{size.lines}, {encoding}, {shown}"
    yield Finding(state=State.GOOD, what="terminal", text=text)
