"""Label a live stream: an asynchronous iterator of samples in, one of events out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from numpy.typing import ArrayLike

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from replay.record import lead_order
from streamer.core.events import Event
from streamer.patient.chain import Chain, ChainConfig
from streamer.runner.array_input import lead_names, next_chunk


def stream(
    source: AsyncIterable[Chunk | ArrayLike],
    *,
    fs: float,
    leads: str | Sequence[str],
    start: int = 0,
    model: BeatModel | None = None,
    config: ChainConfig | None = None,
) -> AsyncGenerator[Event, None]:
    """Yield the events of a live source as they become known.

    Parameters
    ----------
    source : async iterable of Chunk or array_like
        Samples in mV as they arrive, in pieces of any length. A `Chunk` says itself where it
        begins, and a jump makes a `Gap`; an array follows the piece before it. Shape (leads, n);
        one value for each lead is one sample; of a single lead also shape (n,), or one number.
        NaN marks invalid samples.
    fs : float
        Sampling frequency in Hz, 50 to 5000.
    leads : str or sequence of str
        Names of the rows. MLII becomes the primary lead where there is one, else the first.
    start : int
        Sample index of the first sample where arrays come.
    model : BeatModel, optional
        The beat classifier's network; the shipped one if None.
    config : ChainConfig, optional
        Configuration of the chain.

    Yields
    ------
    LabeledBeat, RhythmEvent, Alarm or Gap
        In order of `decided_at`. Each beat comes twice: provisional (`revision` 0) and confirmed
        (1). When the source ends, the rest follows.

    Raises
    ------
    ValueError
        At the call if no lead is named; at the first event if `fs` is out of range; later if a
        piece doesn't fit the leads.
    OverlapError
        If a chunk starts before the end of the one before it.

    Notes
    -----
    The chain, and so the network, works on a thread of its own: the event loop never waits for
    it. One piece at a time: while a piece is worked on, or its events are looked at, no other is
    asked for, so that a source that must not wait needs a queue. Errors of `source` pass through.
    Whoever leaves the loop early closes `source` himself.

    Examples
    --------
    >>> async def watch(source):
    ...     async for event in stream(source, fs=360, leads=("MLII", "V1")):
    ...         if isinstance(event, Alarm):
    ...             print(event.rhythm, event.onset)
    """
    names = lead_names(leads)
    return _events(source, names, start, fs, model, config)


async def _events(
    source: AsyncIterable[Chunk | ArrayLike],
    leads: tuple[str, ...],
    start: int,
    fs: float,
    model: BeatModel | None,
    config: ChainConfig | None,
) -> AsyncGenerator[Event, None]:
    order = lead_order(leads, None, "")
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chain")
    try:
        chain = await loop.run_in_executor(
            thread, lambda: Chain(fs=fs, n_leads=len(leads), model=model, config=config)
        )
        async for item in source:
            chunk = next_chunk(item, start, leads, order)
            start = chunk.stop
            for event in await loop.run_in_executor(thread, chain.push, chunk):
                yield event
        for event in await loop.run_in_executor(thread, chain.flush):
            yield event
    finally:
        # Not waited for: whoever cancels must not be held up by a piece in work.
        thread.shutdown(wait=False)
