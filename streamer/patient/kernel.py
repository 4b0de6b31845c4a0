"""One compiled call that advances the signal path of every patient of a ward."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from streamer.patient.memory import ChainMemory
from streamer.signal.bandpass import filter_leads
from streamer.signal.detector.kernel import run_detector
from streamer.signal.position import NEVER


@jit
def _append(ring: NDArray[np.float32], start: int, samples: NDArray[np.float32]) -> None:
    """Write samples into a ring, in which sample n lies at n modulo its length."""
    at = start % ring.size
    for value in samples:
        ring[at] = value
        at = at + 1 if at + 1 < ring.size else 0


@jit
def run_ward(
    first: int,
    memory: ChainMemory,
    filtered_rings: NDArray[np.float32],
    parameters: Any,
    net: NDArray[np.float32],
    sos: NDArray[np.float64],
    settled: NDArray[np.float64],
    samples: NDArray[np.float32],
    counts: NDArray[np.int64],
    out: Any,
    owners: NDArray[np.int64],
    room: int,
) -> tuple[int, int]:
    """Store, filter and detect for patients `first` and after, until `out` might overflow.

    Patient i takes ``samples[i, :, :counts[i]]``; each array holds one row a patient. Returns the
    patient to go on with and how many rows of `out` and `owners` were written.
    """
    total = 0
    # Only training records the candidates' features.
    no_trace = np.empty((0, 0), np.float32)
    for i in range(first, counts.shape[0]):
        count = counts[i]
        if count == 0:
            continue
        # Checked before, as a block is advanced as a whole or not at all.
        if total + room > out.shape[0]:
            return i, total
        state = memory.detector[i, 0]
        start = state.n
        # Contiguous, as a chain passes it: each kernel is compiled for one form only.
        raw = np.ascontiguousarray(samples[i, :, :count])
        filtered = np.empty_like(raw)
        filter_leads(
            sos, settled, memory.bandpass.filters[i], memory.bandpass.held[i], raw, filtered
        )
        for lead in range(raw.shape[0]):
            _append(memory.ring.samples[i, lead], start, raw[lead])
            _append(filtered_rings[i, lead], start, filtered[lead])
        # What a chain of its own would do: every stage knows how far it has come. Measuring for
        # the rhythm is done later and in bulk, from where the stream began.
        if memory.watch.next[i, 0] == NEVER:
            memory.watch.next[i, 0] = start
        memory.source[i, 0] = start + count
        memory.ring.stop[i, 0] = start + count
        memory.bandpass.next[i, 0] = start + count
        found = run_detector(state, parameters[0], net, raw, filtered, out[total:], no_trace)
        for k in range(found):
            owners[total + k] = i
        total += found
    return counts.shape[0], total
