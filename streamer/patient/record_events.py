"""Everything that the chain makes of a record, as fast as it goes."""

from collections.abc import Iterator

from classifier.network.runtime import BeatModel
from replay.record import BLOCK_SAMPLES, Record
from streamer.core.events import Event
from streamer.patient.chain import Chain


def record_events(
    record: Record, start: int = 0, stop: int | None = None, model: BeatModel | None = None
) -> Iterator[Event]:
    """Yield every event of a record's samples `start` to `stop`, then of the end of the stream."""
    chain = Chain(fs=record.fs, n_leads=len(record.leads), model=model)
    for chunk in record.chunks(start, stop, BLOCK_SAMPLES):
        yield from chain.push(chunk)
    yield from chain.flush()
