"""Live samples over TCP and from standard input."""

import asyncio
import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command import ECG_STREAM
from stage_cases import ecg

from streamer.core.errors import StreamerError
from streamer.core.text import say
from streamer.messages.samples import SampleMessage, decode, encode
from streamer.sources.streams import LineParser, StreamConfig, read_frames, serve_tcp

FS = 360.0


def frame(payload: bytes) -> bytes:
    return struct.pack("<I", len(payload)) + payload


def message(seq: int) -> bytes:
    samples = np.full((2, 36), float(seq), np.float32)
    return encode(SampleMessage(seq=seq, first_sample=36 * seq, fs=FS, samples=samples))


def test_lines_become_messages_and_torn_ones_invalid_samples() -> None:
    parser = LineParser(10.0, StreamConfig(message_s=0.3))
    lines = ["0.1 -0.1", "", "0.2,-0.2", "x 1e999", "0.4", "0.5 0.6 0.7"]
    (first,) = [found for line in lines if (found := parser.push(line)) is not None]
    np.testing.assert_array_equal(
        first.samples, np.array([[0.1, 0.2, np.nan], [-0.1, -0.2, np.nan]], np.float32)
    )
    rest = parser.flush()
    assert rest is not None
    assert (rest.seq, rest.first_sample) == (1, 3)
    assert np.isnan(rest.samples).all()
    assert rest.samples.shape == (2, 2)
    assert parser.flush() is None


async def test_tcp_sources_are_told_apart_by_name() -> None:
    got: list[tuple[str, int]] = []
    complete = asyncio.Event()

    def receive(source: str, payload: bytes, _: float) -> None:
        got.append((source, decode(payload).seq))
        if len(got) == 6:
            complete.set()

    async with await serve_tcp(0, receive) as server:
        port = server.sockets[0].getsockname()[1]
        for name in ("bed1", "bed2"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(name.encode() + b"\n" + b"".join(frame(message(k)) for k in range(3)))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        await asyncio.wait_for(complete.wait(), 60)
    for name in ("bed1", "bed2"):
        assert [seq for source, seq in got if source == name] == [0, 1, 2]


async def test_what_a_tcp_source_calls_itself_reaches_no_terminal_raw(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = asyncio.Event()

    def notice(line: str) -> None:
        say(line)
        said.set()

    async with await serve_tcp(0, lambda *_: None, notice=notice) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        writer.write(b"\x1b]0;owned\x07\n" + struct.pack("<I", 1 << 31))
        await writer.drain()
        await asyncio.wait_for(said.wait(), 60)
        writer.close()
        await writer.wait_closed()
    error = capsys.readouterr().err
    assert error.startswith("TCP source dropped: ?]0;owned? announces")
    assert error.rstrip("\n").isprintable()


async def test_a_frame_without_bounds_is_refused() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(struct.pack("<I", 1 << 31))
    with pytest.raises(StreamerError, match="announces a message of 2147483648 bytes"):
        await read_frames(reader, "bed", lambda *_: None)


async def test_a_frame_cut_short_ends_the_stream() -> None:
    reader, got = asyncio.StreamReader(), []
    reader.feed_data(frame(message(0)) + frame(message(1))[:-1])
    reader.feed_eof()
    await read_frames(reader, "bed", lambda source, payload, _: got.append(source))
    assert got == ["bed"]


def test_a_pipe_of_numbers_is_labelled(tmp_path: Path) -> None:
    samples = ecg(round(8 * FS), FS)
    text = "".join(f"{a:.4f} {b:.4f}\n" for a, b in samples.T)
    events = tmp_path / "events.jsonl"
    command = [*ECG_STREAM, "ward", "--live", "--mqtt", "off"]
    subprocess.run(
        [*command, "--stdin", "360", "--events", str(events)],
        input=text.encode(),
        check=True,
        capture_output=True,
        timeout=300,
    )
    beats = [json.loads(line) for line in events.read_text().splitlines()]
    found = {beat["sample"] for beat in beats if beat["type"] == "beat"}
    assert len(found) >= 8
    assert {beat["source"] for beat in beats} == {"stdin"}
