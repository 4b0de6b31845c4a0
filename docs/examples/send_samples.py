"""Sends samples to ecg-stream over TCP or into a pipe, with the standard library alone.

It reads text, a line for each moment and a number in mV for each lead, and sends ten messages a
second, each as soon as its samples were due:

    python send_samples.py --name bed4 --fs 360 --to localhost:7000 < samples.txt
    python send_samples.py --fs 360 < samples.txt | ecg-stream ward --live --stdin frames
"""

import argparse
import math
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

HEADER = struct.Struct("<4sBBHQqdd")
FLOAT32 = 2


def sample_message(seq: int, first: int, fs: float, moments: list[list[float]]) -> bytes:
    """Put moments, each a number in mV a lead, into one binary message; NaN is an invalid one."""
    leads = len(moments[0])
    header = HEADER.pack(b"ECG1", FLOAT32, leads, 0, seq, first, fs, 1.0)
    numbers = [number for moment in moments for number in moment]
    return header + struct.pack(f"<{len(numbers)}f", *numbers)


def messages(lines: Iterator[str], fs: float) -> Iterator[bytes]:
    """Make a message of each tenth of a second."""
    size = max(round(fs / 10), 1)
    moments: list[list[float]] = []
    seq = first = 0
    for line in lines:
        moments.append([number(word) for word in line.split()])
        if len(moments) == size:
            yield sample_message(seq, first, fs, moments)
            seq, first, moments = seq + 1, first + size, []
    if moments:
        yield sample_message(seq, first, fs, moments)


def number(word: str) -> float:
    """Read a number; what is none is an invalid sample."""
    try:
        return float(word)
    except ValueError:
        return math.nan


def send(out: BinaryIO, found: Iterator[bytes], every_s: float) -> None:
    """Write each message with its length in front, when it is due."""
    due = time.monotonic()
    for message in found:
        due += every_s
        time.sleep(max(due - time.monotonic(), 0.0))
        out.write(struct.pack("<I", len(message)) + message)
        out.flush()


def main() -> None:
    """Send standard input."""
    parser = argparse.ArgumentParser(description="Send samples to ecg-stream.")
    parser.add_argument("--fs", type=float, required=True, help="sampling frequency in Hz")
    parser.add_argument("--name", default="bed4", help="of the source, over TCP")
    parser.add_argument("--to", metavar="HOST:PORT", help="over TCP (standard output)")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times real time")
    args = parser.parse_args()
    found, every_s = messages(iter(sys.stdin), args.fs), 0.1 / args.speed
    if args.to is None:
        send(sys.stdout.buffer, found, every_s)
        return
    host, _, port = args.to.rpartition(":")
    with (
        socket.create_connection((host, int(port))) as connection,
        connection.makefile("wb") as out,
    ):
        out.write(f"{args.name}\n".encode())
        send(out, found, every_s)


if __name__ == "__main__":
    main()
