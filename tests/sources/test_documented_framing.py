"""docs/live-sources.md says what the code takes, and its example sender speaks it."""

import asyncio
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from streamer.messages.samples import SampleMessage, decode, encode
from streamer.sources.streams import LineParser, read_frames, serve_tcp

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "live-sources.md").read_text()
SENDER = DOCS / "examples" / "send_samples.py"
TEXT = "".join(f"{k / 100} {-k / 100}\n" for k in range(90)).replace("0.05 ", "none ")
WAIT_S = 60.0


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def documented() -> SampleMessage:
    samples = np.array([[1.0, -0.5], [0.25, np.nan]], np.float32)
    return SampleMessage(seq=1, first_sample=36, fs=360.0, samples=samples)


def test_the_documented_bytes_are_those_of_the_code() -> None:
    data = bytes.fromhex(blocks("text")[0])
    assert data == encode(documented(), gain=200.0)
    (start,) = re.findall(r"begins with `([0-9a-f ]+) \.\.\.`", PAGE)
    framed = b"bed4\n" + len(data).to_bytes(4, "little") + data
    assert framed.startswith(bytes.fromhex(start))


def test_the_documented_json_and_text_hold_the_same_samples() -> None:
    found = decode(blocks("json")[0].encode())
    assert (found.seq, found.first_sample, found.fs) == (1, 36, 360.0)
    np.testing.assert_array_equal(found.samples, documented().samples)
    parser = LineParser(360.0)
    for line in blocks("text")[1].splitlines():
        assert parser.push(line) is None
    rest = parser.flush()
    assert rest is not None
    np.testing.assert_array_equal(rest.samples, documented().samples)


def test_documented_offsets_are_those_of_the_header() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| \w+ \|", PAGE, re.MULTILINE)
    ends = [int(offset) + int(size) for offset, size in rows]
    begins = [int(offset) for offset, _ in rows]
    receipt = begins.index(0, 1)
    assert begins[:receipt] == [0, *ends[: receipt - 1]]
    assert ends[receipt - 1] == 40
    assert (begins[receipt:], ends[-1]) == ([0, 8], 16)


async def sender(*options: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SENDER), "--fs", "360", "--speed", "100", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(TEXT.encode())
    process.stdin.close()
    return process


def check(got: list[tuple[str, bytes]], name: str) -> None:
    assert {source for source, _ in got} == {name}
    found = [decode(payload) for _, payload in got]
    assert [(m.seq, m.first_sample) for m in found] == [(0, 0), (1, 36), (2, 72)]
    assert {m.fs for m in found} == {360.0}
    samples = np.concatenate([m.samples for m in found], axis=1)
    expected = np.array([np.arange(90), -np.arange(90)], np.float32) / 100
    expected[0, 5] = np.nan
    np.testing.assert_allclose(samples, expected, atol=1e-6)


async def test_the_example_sends_over_tcp() -> None:
    got: list[tuple[str, bytes]] = []
    complete = asyncio.Event()

    def receive(source: str, payload: bytes, _: float) -> None:
        got.append((source, payload))
        if len(got) == 3:
            complete.set()

    async with await serve_tcp(0, receive) as server:
        port = server.sockets[0].getsockname()[1]
        process = await sender("--name", "bed7", "--to", f"127.0.0.1:{port}")
        await asyncio.wait_for(complete.wait(), WAIT_S)
        assert await process.wait() == 0
    check(got, "bed7")


async def test_the_example_sends_into_a_pipe() -> None:
    got: list[tuple[str, bytes]] = []
    process = await sender()
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        await read_frames(process.stdout, "stdin", lambda *one: got.append(one[:2]))
        assert await process.wait() == 0
    check(got, "stdin")


@pytest.mark.parametrize("page", ["commands.md", "mqtt/README.md"])
def test_other_pages_lead_there(page: str) -> None:
    assert "live-sources.md" in (DOCS / page).read_text()
