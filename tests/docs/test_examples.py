"""The examples of docs/examples run, and label what they are sent."""

import asyncio
import importlib
import json
import os
import sys
import tty
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mqtt_subscriber import WAIT_S
from numpy.typing import NDArray

from replay import Chunk, open_record
from streamer import Chain, LabeledBeat

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FS = 360
SAMPLES = next(open_record("demo").chunks(size=8 * FS)).samples


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - names:
        if (
            getattr(sys.modules[name], "__file__", None)
            and EXAMPLES in Path(str(sys.modules[name].__file__)).parents
        ):
            del sys.modules[name]


def beats(samples: NDArray[np.float32], fs: float = FS) -> list[str]:
    """Lines that an example prints of confirmed beats."""
    chain = Chain(fs=fs, n_leads=len(samples))
    events = chain.push(Chunk(start=0, samples=samples)) + chain.flush()
    found = [one for one in events if isinstance(one, LabeledBeat) and one.revision == 1]
    return [f"{one.beat.rpeak.sample} {one.label}" for one in found]


async def test_a_numpy_array(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await example("numpy_array").main()
    samples = next(open_record("demo").chunks(size=20 * FS)).samples
    assert capsys.readouterr().out.splitlines() == beats(samples)


async def test_lines_of_a_serial_port(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    board, port = os.openpty()
    tty.setraw(port)
    labelling = asyncio.create_task(example("serial_port").main(os.ttyname(port), float(FS)))
    text = "x.1\n" + "".join(f"{value!r}\n" for value in SAMPLES[0].tolist())
    data = text.encode()
    for start in range(0, len(data), 1024):  # A terminal holds little.
        await asyncio.wait_for(
            asyncio.to_thread(os.write, board, data[start : start + 1024]), WAIT_S
        )
    shown = ""
    async with asyncio.timeout(WAIT_S):
        while len(shown.splitlines()) < len(beats(SAMPLES[:1])) - 2:
            shown += capsys.readouterr().out
            await asyncio.sleep(0.01)
    os.close(port)
    os.close(board)
    await asyncio.wait_for(labelling, WAIT_S)
    assert (shown + capsys.readouterr().out).splitlines() == beats(SAMPLES[:1])


async def test_a_websocket(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server_of = pytest.importorskip("websockets.asyncio.server")

    async def sensor(connection: Any) -> None:
        for start in range(0, SAMPLES.shape[1], 36):
            await connection.send(json.dumps(SAMPLES[:, start : start + 36].tolist()))

    async with server_of.serve(sensor, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = example("websocket_client").main(f"ws://127.0.0.1:{port}", FS, ["MLII", "V1"])
        await asyncio.wait_for(client, WAIT_S)
    assert capsys.readouterr().out.splitlines() == beats(SAMPLES)


def frame(time_ns: int, microvolts: NDArray[np.int64]) -> bytes:
    body = b"".join(int(value).to_bytes(3, "little", signed=True) for value in microvolts)
    return b"\0" + time_ns.to_bytes(8, "little") + b"\0" + body


def test_a_frame_of_a_strap_is_decoded(example: Any) -> None:
    # Values as they stand in the frames: -1, 200, the smallest and the largest.
    data = bytes.fromhex("00 00ca9a3b00000000 00 ffffff c80000 000080 ffff7f")
    time_ns, millivolts = example("polar_strap").decode_frame(data)
    assert time_ns == 1_000_000_000
    np.testing.assert_allclose(millivolts, [-0.001, 0.2, -8388.608, 8388.607], rtol=1e-6)


@pytest.mark.parametrize("data", [b"", b"\0" * 10, b"\0" * 12, b"\2" + b"\0" * 12])
def test_what_is_no_frame_is_refused(example: Any, data: bytes) -> None:
    with pytest.raises(ValueError, match="no ECG frame"):
        example("polar_strap").decode_frame(data)


async def test_a_strap_is_labelled_and_a_lost_frame_is_a_gap(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    strap, fs, size = example("polar_strap"), 130.0, 73
    times = np.arange(20 * size) / fs
    signal = np.interp(times, np.arange(SAMPLES.shape[1] * 2) / FS, np.tile(SAMPLES[0], 2))
    microvolts = np.round(signal * 1e3).astype(np.int64)

    async def found() -> AsyncIterator[bytes]:
        for k in range(20):
            # Its clock is half a percent slow.
            if k != 15:
                last_ns = round((k + 1) * size / fs * 1.005e9)
                yield frame(last_ns, microvolts[k * size : (k + 1) * size])

    starts = [chunk.start async for chunk in strap.chunks(found())]
    assert starts == [k * size for k in range(20) if k != 15]
    await strap.main(found())
    shown = capsys.readouterr().out.splitlines()
    whole = beats((microvolts[None, : 15 * size] / 1e3).astype(np.float32), fs)
    assert shown[: len(whole) - 1] == whole[:-1]
    assert len(shown) > len(whole)
