"""What the socket takes out of a connection's bytes, and what it leaves to aiomqtt's paho."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from streamer.mqtt.connection import PacketSocketContext
from streamer.mqtt.packet_socket import PacketSocket
from streamer.mqtt.protocol import publish_packet

PINGRESP = b"\xd0\x00"
FIRST = 0x8000


def acknowledgement(number: int) -> bytes:
    return struct.pack("!BBH", 0x40, 2, number)


def refusal(number: int) -> bytes:
    """An acknowledgement with a reason: not authorised."""
    return struct.pack("!BBHB", 0x40, 3, number, 0x87)


class Ends:
    """A socket and the broker's end of it."""

    def __init__(self) -> None:
        ours, self.broker = socket.socketpair()
        # A pair has no options of TCP.
        self.listener = socket.create_server(("127.0.0.1", 0))
        ours.close()
        self.broker.close()
        sock = socket.create_connection(self.listener.getsockname())
        self.broker, _ = self.listener.accept()
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.socket = PacketSocket(sock, loop, self.ended)
        self.acknowledged: list[int] = []
        self.socket.on_acknowledged = self.acknowledged.extend

    def send(self, count: int) -> None:
        for _ in range(count):
            self.socket.publish("t", b"x", retain=False, properties=b"")

    async def read(self) -> bytes:
        """Give paho what is for it."""
        for_paho = b""
        await asyncio.sleep(0.01)
        try:
            while data := self.socket.recv(100):
                for_paho += data
        except BlockingIOError:
            pass
        return for_paho


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ends = Ends()
    yield ends
    ends.socket.close()
    ends.broker.close()
    ends.listener.close()
    await asyncio.wait_for(ends.ended, 5.0)


@pytest.mark.parametrize("at_a_time", [1, 3, 1000])
async def test_our_acknowledgements_are_taken_and_the_rest_is_for_paho(
    ends: Ends, at_a_time: int
) -> None:
    ends.send(3)
    others = [acknowledgement(1), PINGRESP, b"\x32\x82\x01" + bytes(130)]
    sent = (
        acknowledgement(FIRST)
        + others[0]
        + refusal(FIRST + 1)
        + others[1]
        + others[2]
        + acknowledgement(FIRST + 2)
    )
    came = b""
    for start in range(0, len(sent), at_a_time):
        ends.broker.sendall(sent[start : start + at_a_time])
        came += await ends.read()
    assert came == b"".join(others)
    assert ends.acknowledged == [FIRST, FIRST + 1, FIRST + 2]
    assert ends.socket.refusal == "Not authorized"


async def test_an_acknowledgement_of_what_was_never_sent_is_not_ours(ends: Ends) -> None:
    ends.broker.sendall(acknowledgement(FIRST))
    assert await ends.read() == acknowledgement(FIRST)
    assert ends.acknowledged == []


@pytest.mark.parametrize("size", [1, 100, 130, 20_000])
async def test_a_message_is_written_as_the_standard_says(ends: Ends, size: int) -> None:
    number = ends.socket.publish("ecg/a/beats", bytes(size), retain=True, properties=b"\x00")
    await asyncio.sleep(0.01)
    packet = ends.broker.recv(100_000)
    assert packet[0] == 0x33
    length = len("ecg/a/beats") + 2 + 2 + 1 + size
    digits = []
    rest = length
    while True:
        rest, digit = divmod(rest, 128)
        digits.append(digit | (0x80 if rest else 0))
        if not rest:
            break
    head = bytes(digits) + struct.pack("!H", 11) + b"ecg/a/beats" + struct.pack("!H", number)
    assert packet[1:] == head + b"\x00" + bytes(size)


async def test_what_a_full_socket_does_not_take_is_sent_later(ends: Ends) -> None:
    for _ in range(200):
        ends.socket.publish("t", bytes(50_000), retain=False, properties=b"")
    received, wanted = 0, 200 * (50_000 + 4 + 1 + 4)
    ends.broker.setblocking(False)
    async with asyncio.timeout(20.0):
        while received < wanted:
            try:
                received += len(ends.broker.recv(1_000_000))
            except BlockingIOError:
                await asyncio.sleep(0.001)
    assert received == wanted


async def test_numbers_in_use_are_not_given_again(ends: Ends) -> None:
    ends.send(0x8000 - 2)
    last = ends.socket.publish("t", b"", retain=False, properties=b"")
    ends.broker.sendall(acknowledgement(FIRST + 1))
    await ends.read()
    numbers = {ends.socket.publish("t", b"", retain=False, properties=b"") for _ in range(2)}
    assert last == 0xFFFE
    assert numbers == {0xFFFF, FIRST + 1}


async def test_a_length_that_is_none_is_left_to_paho(ends: Ends) -> None:
    ends.broker.sendall(b"\x30\xff\xff\xff\xff\xff" + acknowledgement(1))
    assert await ends.read() == b"\x30\xff\xff\xff\xff\xff" + acknowledgement(1)


async def test_an_end_is_noticed(ends: Ends) -> None:
    ends.broker.close()
    assert await ends.read() == b""
    assert ends.ended.done()


async def test_the_goodbye_ends_the_session_if_it_is_to(ends: Ends) -> None:
    ends.socket.ends_session = True
    ends.socket.send(b"\xe0\x00")
    await asyncio.sleep(0.01)
    assert ends.broker.recv(100) == b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"


async def test_messages_go_past_paho_and_are_acknowledged(ends: Ends) -> None:
    """At QoS 0 and 1; one at QoS 2, which takes more than one packet, is paho's."""
    came: list[tuple[str, bytes]] = []
    ends.socket.on_messages = came.extend
    ends.socket.has_properties = True
    once = publish_packet("ecg/a/samples", b"x" * 300, 7, retain=False, properties=b"\x02\x01\x01")
    loose = b"\x30\x05\x00\x01b\x00y"
    exact = b"\x34\x07\x00\x01c\x00\x09\x00z"
    broken = b"\x32\x03\x00\x63t"
    ends.broker.sendall(once[:100])
    assert await ends.read() == b""
    ends.broker.sendall(once[100:] + loose + exact + broken)
    assert await ends.read() == exact + broken
    assert came == [("ecg/a/samples", b"x" * 300), ("b", b"y")]
    await asyncio.sleep(0.01)
    assert ends.broker.recv(100) == b"\x40\x02\x00\x07"


async def test_without_a_taker_messages_are_for_paho(ends: Ends) -> None:
    once = publish_packet("t", b"x", 7, retain=False, properties=b"")
    ends.broker.sendall(once)
    assert await ends.read() == once


async def test_what_comes_right_behind_the_welcome_goes_past_paho_too(ends: Ends) -> None:
    """A session's messages, which must not be overtaken by later ones."""
    came: list[tuple[str, bytes]] = []
    context = PacketSocketContext(None)
    context.on_messages, context.has_properties = came.extend, True
    sock = socket.create_connection(ends.listener.getsockname())
    broker, _ = ends.listener.accept()
    sock.setblocking(False)
    ours = context.wrap_socket(sock)
    welcome = b"\x20\x03\x01\x00\x00"
    broker.sendall(welcome + publish_packet("a", b"x", 7, retain=False, properties=b"\x00"))
    await asyncio.sleep(0.01)
    assert ours.recv(100) == welcome
    assert (came, ours.session_present) == ([("a", b"x")], True)
    ours.close()
    broker.close()
    await asyncio.wait_for(context.ended, 5.0)
