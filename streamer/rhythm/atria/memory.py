"""What is remembered of the last N and S beats of a patient, as the kernels take it."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from streamer.rhythm.atria.fibrillation_model import INITIAL, STATES, FloatArray
from streamer.rhythm.atria.p_waves import POINTS

KEPT: Final = 64
"""N and S beats that are remembered."""


class FWaves(IntEnum):
    """What is learned of a patient's fibrillatory waves, by its position."""

    LOG_SIZE = 0
    """Mean logarithm of their root mean square in mV."""
    BEATS = 1
    """Over how many beats."""


class AtriaState(NamedTuple):
    """What is remembered of the last N and S beats of one patient, oldest first."""

    sample: NDArray[np.int64]
    """Shape (KEPT,)."""
    interval_s: FloatArray
    """Shape (KEPT,): from the beat before; NaN if that was none of these, or too far away."""
    has_segment: NDArray[np.bool_]
    """Shape (KEPT,): whether the segment before the QRS complex is known."""
    on_time: NDArray[np.bool_]
    """Shape (KEPT,): whether it is known and the beat isn't early."""
    segment: NDArray[np.float32]
    """Shape (KEPT, leads, POINTS), mV without its trend."""
    similarity: FloatArray
    """Shape (KEPT,): cosine between it and those before; NaN where it isn't measured."""
    log_likelihood: FloatArray
    """Shape (KEPT, STATES): of the states by intervals and size of the segment."""
    probability: FloatArray
    """Shape (STATES,): after the newest beat."""
    f_waves: FloatArray
    """Shape (len(FWaves),)."""
    filled: NDArray[np.int64]
    """Shape (1,): how many beats are remembered."""


def new_state(n_leads: int) -> AtriaState:
    """Return the memory before any beat."""
    return AtriaState(
        sample=np.zeros(KEPT, np.int64),
        # NaN, not 0: an unknown interval must spread through sums, not count as a short one.
        interval_s=np.full(KEPT, np.nan),
        has_segment=np.zeros(KEPT, np.bool_),
        on_time=np.zeros(KEPT, np.bool_),
        segment=np.zeros((KEPT, n_leads, POINTS), np.float32),
        similarity=np.full(KEPT, np.nan),
        log_likelihood=np.zeros((KEPT, STATES)),
        # A copy, as each patient's is changed in place.
        probability=INITIAL.copy(),
        f_waves=np.zeros(len(FWaves)),
        filled=np.zeros(1, np.int64),
    )


@inlined
def drop_oldest(s: AtriaState) -> None:
    """Make room for one more."""
    # Moved rather than kept in a ring: the kernels take the beats in order of time.
    for k in range(s.sample.size - 1):
        s.sample[k] = s.sample[k + 1]
        s.interval_s[k] = s.interval_s[k + 1]
        s.has_segment[k] = s.has_segment[k + 1]
        s.on_time[k] = s.on_time[k + 1]
        s.similarity[k] = s.similarity[k + 1]
        for state in range(STATES):
            s.log_likelihood[k, state] = s.log_likelihood[k + 1, state]
        # Loops, not slice assignments, which numba takes longer to compile.
        for lead in range(s.segment.shape[1]):
            for i in range(POINTS):
                s.segment[k, lead, i] = s.segment[k + 1, lead, i]


@jit
def is_known(s: AtriaState) -> bool:
    """Whether any two intervals in a row are remembered."""
    # One interval alone shows no change: evidence begins with two in a row.
    known = 0
    for k in range(1, s.filled[0]):
        if not np.isnan(s.interval_s[k] + s.interval_s[k - 1]):
            known += 1
    return known > 0
