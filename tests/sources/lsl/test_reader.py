"""Samples over Lab Streaming Layer, from a real outlet on this machine."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from lsl_outlet import Outlet
from mqtt_subscriber import WAIT_S

from streamer.core.errors import StreamerError
from streamer.messages.samples import SampleMessage, decode
from streamer.sources.live_feed import is_live
from streamer.sources.lsl.description import StreamName
from streamer.sources.lsl.feed import LslFeed
from streamer.sources.lsl.reader import LslReader

FS = 250.0
SIGNAL = np.random.default_rng(1).normal(size=(2, 500)).astype(np.float32)
pytest.importorskip("pylsl")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - liblsl has its own threads
            await asyncio.sleep(0.01)


class Follower:
    """Keeps what a reader passes on."""

    def __init__(self, name: str, **options: object) -> None:
        self.messages: list[SampleMessage] = []
        self.said: list[str] = []
        self.reader = LslReader(
            StreamName(name=name), "bed", self._take, self.said.append, first_sample=0, **options
        )

    def _take(self, source: str, payload: bytes, _: float) -> None:
        assert source == "bed"
        self.messages.append(decode(payload))

    @property
    def n(self) -> int:
        return sum(message.samples.shape[1] for message in self.messages)

    async def has(self, n: int) -> None:
        await until(lambda: self.n >= n)


@asynccontextmanager
async def following(outlet: Outlet, **options: object) -> AsyncIterator[Follower]:
    follower = Follower(outlet.name, **options)
    task = asyncio.create_task(follower.reader.run())
    await until(lambda: outlet.has_reader or task.done())
    yield follower
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("unit", "per_mv"), [("mV", 1.0), ("microvolts", 1e3), ("V", 1e-3)])
async def test_samples_come_in_millivolts_as_they_were(unit: str, per_mv: float) -> None:
    outlet = Outlet(FS, unit=unit, per_mv=per_mv, leads=("V1", "MLII"))
    signal = SIGNAL.copy()
    signal[1, 7] = np.nan
    async with following(outlet) as found:
        outlet.send(signal)
        await found.has(500)
    samples = np.concatenate([message.samples for message in found.messages], axis=1)
    np.testing.assert_array_equal(samples, signal[::-1])
    assert found.reader.leads == ("MLII", "V1")
    assert [message.seq for message in found.messages] == list(range(len(found.messages)))


async def test_what_is_lost_is_left_out_and_a_stream_that_returns_goes_on() -> None:
    outlet = Outlet(FS)
    async with following(outlet) as found:
        outlet.send(SIGNAL[:, :100])
        outlet.skip(1.0)
        outlet.send(SIGNAL[:, 100:200])
        await found.has(200)
        back_s = outlet.now_s + 6.0
        outlet.close()
        await until(lambda: any("is lost" in line for line in found.said))
        again = Outlet(FS, name=outlet.name)
        await until(lambda: again.has_reader)
        again.now_s = back_s
        again.send(SIGNAL[:, 200:300])
        await found.has(300)
    starts = {m.first_sample - sum(x.samples.shape[1] for x in found.messages[:k])
              for k, m in enumerate(found.messages)}  # fmt: skip
    assert starts == {0, 250, 250 + 1500}
    assert {message.fs for message in found.messages} == {FS}


async def test_what_a_stream_sent_before_it_ended_counts_however_busy_the_loop_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outlet, loop = Outlet(FS), asyncio.get_running_loop()
    handed: list[int] = []
    call = loop.call_soon_threadsafe

    def counted(callback: Any, *args: Any) -> Any:
        handed.append(len(args[-1]) if args and isinstance(args[-1], list) else 0)
        return call(callback, *args)

    async with following(outlet) as found:
        outlet.send(SIGNAL[:, :100])
        await found.has(100)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        outlet.send(SIGNAL[:, 100:])
        deadline = time.monotonic() + WAIT_S
        while sum(handed) < 400 and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - the loop is to be busy
        outlet.close()
        assert found.n == 100
        await found.has(500)


async def test_a_stream_that_returns_with_another_rate_is_another_run() -> None:
    outlet = Outlet(FS)
    async with following(outlet) as found:
        outlet.send(SIGNAL[:, :100])
        await found.has(100)
        outlet.close()
        again = Outlet(500.0, name=outlet.name)
        await until(lambda: again.has_reader)
        again.send(SIGNAL[:, :100])
        await found.has(200)
    assert [m.fs for m in found.messages if m.first_sample == 0] == [FS, 500.0]


async def test_what_is_no_ecg_is_refused_and_in_a_ward_another_is_waited_for() -> None:
    bad = Outlet(0.0)
    with pytest.raises(StreamerError, match="irregular rate"):
        await asyncio.wait_for(Follower(bad.name, is_strict=True).reader.run(), WAIT_S)
    found = Follower(bad.name)
    task = asyncio.create_task(found.reader.run())
    await until(lambda: any("irregular rate" in line for line in found.said))
    good = Outlet(FS, name=bad.name)
    await until(lambda: good.has_reader)
    good.send(SIGNAL[:, :100])
    await found.has(100)
    assert len(found.said) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_two_streams_of_one_name_are_told_apart_by_their_source_id() -> None:
    one = Outlet(FS)
    two = Outlet(FS, name=one.name)
    assert not two.has_reader
    with pytest.raises(StreamerError, match=r"2 LSL streams are named .* lsl://.*\?source_id="):
        await asyncio.wait_for(Follower(one.name, is_strict=True).reader.run(), WAIT_S)


async def test_a_feed_has_the_names_of_the_leads() -> None:
    assert is_live("lsl://bed4")
    outlet = Outlet(FS, leads=("V1", "MLII", "V5"))
    feed = LslFeed(f"lsl://{outlet.name.replace(' ', '%20')}")
    connecting = asyncio.create_task(feed.connect())
    await until(lambda: outlet.has_reader)
    outlet.send(np.zeros((3, 100)))
    await asyncio.wait_for(connecting, WAIT_S)
    assert (feed.fs, feed.leads, feed.name) == (FS, ("MLII", "V1"), outlet.name.replace(" ", "-"))
    await feed.close()
