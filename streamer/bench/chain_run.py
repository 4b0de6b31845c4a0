"""A record pushed through the whole chain, for benchmarks that compare what came out."""

from collections.abc import Iterator

from classifier.network.runtime import BeatModel
from replay.record import BLOCK_SAMPLES, Record
from streamer.core.events import Event
from streamer.patient.chain import Chain


def chain_events(record: Record, stop: int, model: BeatModel | None = None) -> Iterator[Event]:
    """Yield every event of a record's first `stop` samples, then of the end of the stream.

    Parameters
    ----------
    record : Record
    stop : int
        One past the last sample that the chain sees.
    model : BeatModel, optional
        The shipped one if None.
    """
    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=model)
    for chunk in record.chunks(0, stop, BLOCK_SAMPLES):
        yield from chain.push(chunk)
    yield from chain.flush()
