"""What senders over TCP are told of what is safe."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from mqtt_subscriber import WAIT_S

from streamer.messages.samples import SampleMessage, encode
from streamer.sources.receipts import NOTHING, RECEIPT, Receipts
from streamer.sources.streams import serve_tcp

PAGE = (Path(__file__).parents[2] / "docs" / "live-sources.md").read_text()


def framed(seq: int) -> bytes:
    samples = np.zeros((1, 36), np.float32)
    data = encode(SampleMessage(seq=seq, first_sample=36 * seq, fs=360.0, samples=samples))
    return len(data).to_bytes(4, "little") + data


class Bench:
    """A ward's side that knows of one source and has room when it is told to."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.waiting_s = 0.0
        self.returned: list[str] = []
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self.receipts = Receipts(self, {"known": 720}.get)

    def next_sample(self, source: str) -> int | None:
        return self.wanted

    def pending_s(self, source: str) -> float:
        return self.waiting_s

    def catch_up(self, source: str) -> None:
        self.returned.append(source)

    def receive(self, source: str, payload: bytes, now_s: float) -> None:
        self.got.put_nowait(source)

    @asynccontextmanager
    async def sender(
        self, line: bytes
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        async with (
            asyncio.timeout(WAIT_S),
            await serve_tcp(0, self.receive, receipts=self.receipts) as server,
        ):
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(line)
            yield reader, writer
            writer.close()


async def told(reader: asyncio.StreamReader) -> tuple[int, int]:
    return RECEIPT.unpack(await reader.readexactly(RECEIPT.size))


async def test_a_sender_hears_where_to_go_on_and_what_was_saved() -> None:
    bench = Bench()
    async with bench.sender(b"new ack\n") as (reader, writer):
        assert await told(reader) == (NOTHING, NOTHING)
        writer.write(framed(0))
        assert await bench.got.get() == "new"
        bench.receipts.saved("new", 36)
        bench.receipts.saved("other", 99)
        bench.receipts.saved("new", 72)
        assert [await told(reader), await told(reader)] == [(36, 36), (72, 72)]
    assert bench.returned == ["new"]


async def test_after_a_restart_the_snapshot_counts_and_in_one_run_what_has_come() -> None:
    bench = Bench()
    async with bench.sender(b"known ack\r\n") as (reader, _):
        assert await told(reader) == (720, 720)
    bench.wanted = 1440
    async with bench.sender(b"known ack\n") as (reader, _):
        assert await told(reader) == (1440, 720)


async def test_who_does_not_ask_is_told_nothing() -> None:
    bench = Bench()
    async with bench.sender(b"known\n" + framed(0)) as (reader, writer):
        assert await bench.got.get() == "known"
        bench.receipts.saved("known", 36)
        writer.write_eof()
        assert await reader.read() == b""
    assert bench.returned == []


async def test_who_does_not_read_takes_no_memory() -> None:
    bench = Bench()
    async with bench.sender(b"known ack\n") as (reader, _):
        await told(reader)
        (writer,) = bench.receipts._writers.values()
        reader._transport.pause_reading()
        for n in range(500_000):
            bench.receipts.saved("known", n)
        assert writer.transport.get_write_buffer_size() < 5000


async def test_a_backlog_waits_while_the_ward_has_enough_to_do() -> None:
    bench = Bench()
    bench.waiting_s = 3.0
    async with bench.sender(b"known ack\n" + framed(0)) as (reader, _):
        await told(reader)
        assert bench.got.empty()
        bench.waiting_s = 1.0
        assert await bench.got.get() == "known"


def test_the_documented_receipt_is_that_of_the_code() -> None:
    (found,) = re.findall(r"tells its sender\s`([0-9a-f ]+)`", PAGE)
    assert bytes.fromhex(found) == RECEIPT.pack(36, NOTHING)
