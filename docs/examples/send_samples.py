"""Sends samples to ecg-stream over TCP or into a pipe, with the standard library alone.

It reads text, a line for each moment and a number in mV for each lead, and sends ten messages a
second, each as soon as its samples were due:

    python send_samples.py --name bed4 --fs 360 --to localhost:7000 < samples.txt
    python send_samples.py --fs 360 < samples.txt | ecg-stream ward --live --stdin frames

With `--keep` it keeps what is not in a snapshot of the ward yet, and sends that again when the ward
comes back after it was stopped or killed.
"""

import argparse
import math
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

HEADER = struct.Struct("<4sBBHQqdd")
FLOAT32 = 2
RECEIPT = struct.Struct("<qq")
MOST_KEPT = 36_000  # messages: an hour


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


class KeptConnection:
    """A connection that is made again when it breaks; keeps messages until a snapshot has them."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self.address, self.name = (host, port), name
        self.kept: deque[tuple[int, bytes]] = deque()  # (one past the last moment, message)
        self.stop = self.lost = 0
        self.try_at = 0.0
        self.socket: socket.socket | None = None
        self.unread = b""

    def send(self, stop: int, message: bytes) -> None:
        """Send a message, and keep it, whether that works or not."""
        self.stop = stop
        self.kept.append((stop, message))
        if len(self.kept) > MOST_KEPT:
            self.kept.popleft()
            self.lost += 1
        self._write(message)

    def wait(self, until: float) -> None:
        """Read receipts, and connect again, until a moment of `time.monotonic`."""
        while (remaining := until - time.monotonic()) > 0:
            if self.socket is None:
                self._connect()
                time.sleep(min(remaining, 0.02))
            elif select.select([self.socket], [], [], remaining)[0]:
                self._read()

    def _connect(self) -> None:
        if time.monotonic() < self.try_at:
            return
        self.try_at = time.monotonic() + 0.5
        try:
            self.socket = socket.create_connection(self.address, timeout=30.0)
            self.socket.sendall(f"{self.name} ack\n".encode())
            self.unread = b""
            while len(self.unread) < RECEIPT.size:
                self._receive()
        except OSError:
            self.socket = None
            return
        wanted, safe = RECEIPT.unpack(self.unread[-RECEIPT.size :])
        self.unread = b""
        if wanted > self.stop:  # It speaks of an earlier run of ours.
            wanted = safe = -math.inf
        self._forget(safe)
        for stop, message in list(self.kept):
            if stop > wanted:
                self._write(message)

    def _read(self) -> None:
        try:
            self._receive()
        except OSError:
            self.socket = None
        while len(self.unread) >= RECEIPT.size:
            _, safe = RECEIPT.unpack(self.unread[: RECEIPT.size])
            self.unread = self.unread[RECEIPT.size :]
            if safe <= self.stop:
                self._forget(safe)

    def _receive(self) -> None:
        found = b"" if self.socket is None else self.socket.recv(4096)
        if not found:
            raise ConnectionResetError("the ward has gone")
        self.unread += found

    def _forget(self, safe: float) -> None:
        while self.kept and self.kept[0][0] <= safe:
            self.kept.popleft()

    def _write(self, message: bytes) -> None:
        try:
            if self.socket is not None:
                self.socket.sendall(struct.pack("<I", len(message)) + message)
        except OSError:
            self.socket = None


def send_kept(
    connection: KeptConnection, found: Iterator[bytes], every_s: float, wait_s: float
) -> None:
    """Send each message when it is due; at the end wait until all is in a snapshot."""
    due = time.monotonic()
    for message in found:
        due += every_s
        connection.wait(due)
        _, _, leads, _, _, first, _, _ = HEADER.unpack_from(message)
        connection.send(first + (len(message) - HEADER.size) // (4 * leads), message)
    patience = time.monotonic() + wait_s
    while connection.kept and time.monotonic() < patience:
        connection.wait(time.monotonic() + 0.1)
    if connection.kept or connection.lost:
        print(  # noqa: T201
            f"{len(connection.kept)} messages are in no snapshot, {connection.lost} were not kept",
            file=sys.stderr,
        )


def main() -> None:
    """Send standard input."""
    parser = argparse.ArgumentParser(description="Send samples to ecg-stream.")
    parser.add_argument("--fs", type=float, required=True, help="sampling frequency in Hz")
    parser.add_argument("--name", default="bed4", help="of the source, over TCP")
    parser.add_argument("--to", metavar="HOST:PORT", help="over TCP (standard output)")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times real time")
    parser.add_argument("--keep", action="store_true", help="send again what a killed ward lost")
    parser.add_argument("--wait", type=float, default=60.0, help="s until all kept is safe (60)")
    args = parser.parse_args()
    found, every_s = messages(iter(sys.stdin), args.fs), 0.1 / args.speed
    if args.to is None:
        send(sys.stdout.buffer, found, every_s)
        return
    host, _, port = args.to.rpartition(":")
    if args.keep:
        send_kept(KeptConnection(host, int(port), args.name), found, every_s, args.wait)
        return
    with (
        socket.create_connection((host, int(port))) as connection,
        connection.makefile("wb") as out,
    ):
        out.write(f"{args.name}\n".encode())
        send(out, found, every_s)


if __name__ == "__main__":
    main()
