"""Strangers who send a ward what is none of its messages, over MQTT and TCP."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Final

from streamer.bench.faults.good_source import Source
from streamer.bench.speed.mosquitto import HOST
from streamer.messages.payload import TOPIC_PREFIX, TopicKind
from streamer.mqtt.client import SAMPLES, MqttClient

_BURST_S: Final = 0.01
_FRAMES: Final = 100
"""Messages over one TCP connection."""


def malformed(rng: random.Random, well_formed: bytes, changed_bytes: int = 4) -> bytes:
    """Draw a message that isn't ours: foreign, cut short, or with one of its first bytes changed.

    Parameters
    ----------
    changed_bytes : int
        Of how many; the header alone has four.
    """
    match rng.randrange(4):
        case 0:
            return rng.choice([b"", b"hello", b"{}", b"[]", b'{"seq": "x"}', b"\x1b]0;x\x07", b"{"])
        case 1:
            return rng.randbytes(rng.randrange(200))
        case 2:
            return well_formed[: rng.randrange(len(well_formed))]
        case _:
            changed = bytearray(well_formed)
            changed[rng.randrange(changed_bytes)] ^= 1 << rng.randrange(8)
            return bytes(changed)


async def flood(
    strangers: MqttClient,
    tcp_port: int,
    sources: Sequence[Source],
    *,
    messages: int,
    rate: float,
    seed: int,
) -> int:
    """Send malformed messages at a rate, a third each way; return how many went over TCP."""
    loop, rng = asyncio.get_running_loop(), random.Random(seed)
    began_s, n_tcp = loop.time(), 0
    async with _Garbage(tcp_port) as tcp:
        for number in range(messages):
            source = sources[rng.randrange(len(sources))]
            data = malformed(rng, source.block(0))
            match number % 3:
                case 0:
                    strangers.queue(f"{TOPIC_PREFIX}/x{rng.randrange(50)}/{SAMPLES}", data)
                case 1:
                    strangers.queue(source.topic(TopicKind.ACKNOWLEDGE), data)
                case _:
                    await tcp.send(data)
                    n_tcp += 1
            ahead_s = began_s + (number + 1) / rate - loop.time()
            if ahead_s > _BURST_S:
                await asyncio.sleep(ahead_s)
            elif number % 100 == 0:
                await asyncio.sleep(0)
        await strangers.delivered()
    return n_tcp


class _Garbage:
    """A TCP source that sends malformed messages, and connects anew when it is dropped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None
        self._left = self._n = 0

    async def __aenter__(self) -> "_Garbage":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._drop()

    async def send(self, data: bytes) -> None:
        """Send one message, the last of a connection with a length that no message has."""
        if self._writer is None or self._writer.is_closing():
            _, self._writer = await asyncio.open_connection(HOST, self._port)
            self._left, self._n = _FRAMES, self._n + 1
            self._writer.write(f"tcp{self._n % 50}\n".encode())
        self._left -= 1
        length = len(data) if self._left else 0xFFFF_FFFF
        with contextlib.suppress(OSError):
            self._writer.write(length.to_bytes(4, "little") + data)
            await self._writer.drain()
        if not self._left:
            self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
