"""Records as the chain sees them: at its own rate, by its own resampler."""

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.record import BLOCK_SAMPLES, Record, Reference
from replay.simulate.record import SimulatedRecord
from streamer.core.events import CHAIN_FS
from streamer.signal.resample import Resampler


def resampled(record: Record, fs: float) -> NDArray[np.float32]:
    """Return all samples of a record at a rate, shape (leads, n), by the chain's resampler."""
    resampler = Resampler(fs=record.fs, n_leads=len(record.leads), fs_out=fs)
    items = [item for chunk in record.chunks(size=BLOCK_SAMPLES) for item in resampler.push(chunk)]
    items += resampler.flush()
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)], axis=1)


def at_chain_rate(record: Record) -> SimulatedRecord:
    """Hold a record in memory at the chain's rate, with its reference at that rate."""
    reference = record.reference()
    if reference is not None:
        at = np.rint(reference.samples * (CHAIN_FS / record.fs)).astype(np.int64)
        reference = Reference(samples=at, symbols=reference.symbols, aux=reference.aux)
    return SimulatedRecord(
        name=record.name,
        fs=CHAIN_FS,
        leads=record.leads,
        signal=resampled(record, CHAIN_FS),
        annotations=reference,
        database=record.database,
    )
