"""Labels what a board writes to a serial port: a line for each moment, a number in mV on it.

    python serial_port.py /dev/ttyUSB0 --fs 250

The port's speed is set before, as with `stty -F /dev/ttyUSB0 115200`. For Linux and macOS.
"""

import argparse
import asyncio
import os
import termios
import tty
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from streamer import LabeledBeat, stream


def number(line: bytes) -> float:
    """Read a number; what is none, such as a torn line, is an invalid sample."""
    try:
        return float(line)
    except ValueError:
        return float("nan")


async def pieces(port: str) -> AsyncIterator[np.ndarray]:
    """Yield the samples that have come, until the port is closed at the other end."""
    descriptor = os.open(port, os.O_RDONLY | os.O_NOCTTY)
    tty.setraw(descriptor, termios.TCSANOW)  # the bytes as they are, those that wait too
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        await reader.readline()  # the first one may be torn
        rest = b""
        while arrived := await reader.read(4096):
            *lines, rest = (rest + arrived).split(b"\n")
            yield np.array([number(line) for line in lines], np.float32)
    except OSError:  # how a port says that the other end has gone
        return
    finally:
        transport.close()


async def main(port: str, fs: float) -> None:
    """Print each beat."""
    async for event in stream(pieces(port), fs=fs, leads="ECG"):
        if isinstance(event, LabeledBeat) and event.revision == 1:
            print(event.beat.rpeak.sample, event.label, flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label a serial port's samples.")
    parser.add_argument("port", type=lambda text: str(Path(text)))
    parser.add_argument("--fs", type=float, required=True, help="sampling frequency in Hz")
    args = parser.parse_args()
    asyncio.run(main(args.port, args.fs))
