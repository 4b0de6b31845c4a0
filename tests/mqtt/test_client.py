"""What the connection does in bulk that paho does message by message."""

import socket
import struct
from collections import deque
from typing import Any

import pytest

from streamer.mqtt.client import join, taken_acknowledgements

PINGRESP = b"\xd0\x00"
PUBLISH = 0x32
DISCONNECT = 0xE0


def acknowledgement(number: int) -> bytes:
    return struct.pack("!BBH", 0x40, 2, number)


def refusal(number: int) -> bytes:
    """An acknowledgement with a reason: not authorised."""
    return struct.pack("!BBHB", 0x40, 3, number, 0x87)


@pytest.mark.parametrize(
    ("after", "numbers"),
    [
        (b"", [7, 65_535]),
        (PINGRESP, [7, 65_535]),
        (refusal(9) + acknowledgement(10), [7, 65_535]),
        (acknowledgement(10)[:3], [7, 65_535]),
        (acknowledgement(10) + PINGRESP, [7, 65_535, 10]),
    ],
)
def test_plain_acknowledgements_are_taken_and_nothing_else(
    after: bytes, numbers: list[int]
) -> None:
    ours, broker = socket.socketpair()
    with ours, broker:
        ours.setblocking(False)
        sent = acknowledgement(7) + acknowledgement(65_535) + after
        broker.sendall(sent)
        assert taken_acknowledgements(ours) == numbers
        left = sent[4 * len(numbers) :]
        assert (ours.recv(100) if left else b"") == left


def test_without_acknowledgements_nothing_is_taken() -> None:
    ours, broker = socket.socketpair()
    with ours:
        ours.setblocking(False)
        assert taken_acknowledgements(ours) == []
        broker.close()
        assert taken_acknowledgements(ours) == []


def packet(command: int, content: bytes, *, qos: int = 1, pos: int = 0) -> dict[str, Any]:
    return {
        "command": command,
        "mid": 1,
        "qos": qos,
        "pos": pos,
        "to_process": len(content) - pos,
        "packet": content,
        "info": None,
    }


def test_messages_are_joined_up_to_the_first_of_another_kind() -> None:
    last = packet(DISCONNECT, b"bye", qos=0)
    packets = deque([packet(PUBLISH, b"abc", pos=2), packet(PUBLISH, b"def"), last])
    join(packets)
    first, second = packets
    assert (first["packet"], first["pos"], first["to_process"]) == (b"cdef", 0, 4)
    assert second is last


def test_messages_that_nobody_acknowledges_stay_apart() -> None:
    packets = deque([packet(0x30, b"abc", qos=0), packet(PUBLISH, b"def")])
    before = list(packets)
    join(packets)
    assert list(packets) == before


def test_no_more_is_joined_than_is_written_at_a_time() -> None:
    packets = deque(packet(PUBLISH, bytes(100_000)) for _ in range(5))
    join(packets)
    assert [len(p["packet"]) for p in packets] == [300_000, 100_000, 100_000]
