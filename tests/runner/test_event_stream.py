"""A live source: the events of the chain, worked out beside the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
import pytest
from stage_cases import SumModel, ecg, same

from classifier.inputs.features import FloatArray
from replay.chunk import Chunk
from streamer import Chain, Event, Gap, GapReason, OverlapError, stream

FS = 360.0
LEADS = ("MLII", "V1")
SAMPLES = ecg(round(12 * FS), FS)


class ThreadModel(SumModel):
    """Notes the threads on which labels are worked out."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        self.threads.add(threading.get_ident())
        return super().decide(embedding, features)


async def source(pieces: Iterable[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def collect(pieces: Iterable[Any], **options: Any) -> list[Event]:
    options = {"fs": FS, "leads": LEADS, "model": SumModel()} | options
    return [event async for event in stream(source(pieces), **options)]


def expected(samples: Any = SAMPLES, start: int = 0) -> list[Event]:
    chain = Chain(fs=FS, n_leads=len(samples), model=SumModel())
    return chain.push(Chunk(start=start, samples=samples)) + chain.flush()


async def test_arrays_of_any_length_and_chunks_give_the_events_of_the_chain() -> None:
    cuts = (1, 36, 37, 2000, 2001)
    assert same(await collect(np.split(SAMPLES, cuts, axis=1)), expected())
    assert same(await collect(SAMPLES.T[:, :], start=50), expected(start=50))
    chunks = [Chunk(start=9 + at, samples=SAMPLES[:, at : at + 50]) for at in range(0, 4320, 50)]
    assert same(await collect(chunks), expected(start=9))


async def test_a_single_lead_may_come_in_rows_or_numbers() -> None:
    row = SAMPLES[0]
    assert same(await collect(np.array_split(row, 7), leads="ECG"), expected(row[None, :]))
    assert same(await collect(row.tolist(), leads=["ECG"]), expected(row[None, :]))


async def test_mlii_becomes_the_primary_lead() -> None:
    assert same(await collect([SAMPLES[::-1]], leads=("V1", "MLII")), expected())


async def test_labels_are_worked_out_on_one_other_thread() -> None:
    model = ThreadModel()
    await collect(np.split(SAMPLES, 20, axis=1), model=model)
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_events_come_before_the_source_ends() -> None:
    async def endless() -> AsyncIterator[Any]:
        while True:
            yield SAMPLES

    seen = 0
    events = stream(endless(), fs=FS, leads=LEADS, model=SumModel())
    async for _ in events:
        seen += 1
        if seen == 40:
            break
    await events.aclose()
    assert seen == 40


async def test_a_jump_is_a_gap_and_an_overlap_an_error() -> None:
    first = Chunk(start=0, samples=SAMPLES)
    events = await collect([first, Chunk(start=5000, samples=SAMPLES)])
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [(gap.start, gap.stop, gap.reason) for gap in gaps] == [(4320, 5000, GapReason.LOST)]
    with pytest.raises(OverlapError, match="already taken"):
        await collect([first, first])


async def test_errors_of_the_source_pass() -> None:
    async def broken() -> AsyncIterator[Any]:
        yield SAMPLES
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        async for _ in stream(broken(), fs=FS, leads=LEADS, model=SumModel()):
            pass


@pytest.mark.parametrize("shape", [(3, 10), (10, 2), (3,), (), (1, 2, 10), (0, 2)])
async def test_pieces_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    message = r"a piece of the stream has shape .*; expected \(2, n\) for 2 leads \(MLII, V1\)"
    with pytest.raises(ValueError, match=message):
        await collect([np.zeros(shape)])
    if len(shape) == 2:
        with pytest.raises(ValueError, match=message):
            await collect([Chunk(start=0, samples=np.zeros(shape, np.float32))])


async def test_integers_and_impossible_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="expected floats in mV"):
        await collect([np.zeros((2, 10), np.int16)])
    with pytest.raises(ValueError, match="use 50 to 5000 Hz"):
        await collect([], fs=20.0)
    with pytest.raises(ValueError, match="name each lead"):
        stream(source([]), fs=FS, leads=())
