"""Compiled: take a beat into what is remembered of the patient.

`state` is one row of `state.STATE`, `c` the `state.Parameters`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from classifier.inputs.alignment import move
from classifier.inputs.kernels import FloatArray, pack, unpack
from classifier.inputs.state import BEATS_KEPT, N_SHAPES, RR_KEPT, DescribedBeat


@inlined
def learn(state: Any, c: Any, beat: DescribedBeat) -> None:
    """Take the beat that was just described into the memory."""
    rr_s = beat.rr_s
    late_enough = state.n_rr == 0 or rr_s >= c.premature_ratio * beat.median_rr_s
    shape = _learn_shape(state, c, beat)
    state.counts[shape] += 1.0
    # A beat whose interval is unknown, as after a gap, is not held to be early.
    state.on_time_counts[shape] += 1.0 if rr_s <= 0.0 or late_enough else 0.0
    if rr_s > 0.0:
        state.entropy = beat.entropy
        step = max(1.0 / state.counts[shape], 1.0 / c.smoothing_beats)
        state.rr_ratios[shape] += step * (beat.rr_ratio - state.rr_ratios[shape])
        known = state.long_run_rr_s > 0.0
        # The first interval is the mean of itself; a mean that began at 0 would take minutes.
        state.long_run_rr_s += (rr_s - state.long_run_rr_s) / (c.long_run_beats if known else 1.0)
        state.n_rr = _append(state.rr_s, state.n_rr, RR_KEPT, rr_s)
    state.sequence[:] = beat.sequence
    state.n_beats += 1
    state.last_similarities[2] = state.last_similarities[1]
    state.last_similarities[1] = state.last_similarities[0]
    state.last_similarities[0] = beat.similarity
    n = state.n_recent
    _append(state.known, n, BEATS_KEPT, 1 if beat.shape >= 0 else 0)
    _append(state.unlike, n, BEATS_KEPT, 1 if beat.similarity < c.match_min else 0)
    _append(state.residuals, n, BEATS_KEPT, beat.residual)
    _append(state.roughnesses, n, BEATS_KEPT, beat.roughness)
    state.n_recent = _append(state.qualities, n, BEATS_KEPT, beat.quality)


@inlined
def _learn_shape(state: Any, c: Any, beat: DescribedBeat) -> int:
    """Move the matching shape towards the beat, or begin a new shape with it; return which."""
    # Counts fade, so that a wrong first template is outvoted and a lasting change is followed.
    for k in range(N_SHAPES):
        state.counts[k] *= c.fade
        state.on_time_counts[k] *= c.fade
    shape = beat.shape
    if shape < 0:
        # A new shape takes an empty place, or that of the shape that was rarest lately.
        shape = 0
        for k in range(N_SHAPES):
            if state.counts[k] < state.counts[shape]:
                shape = k
        state.counts[shape], state.on_time_counts[shape], state.rr_ratios[shape] = 0.0, 0.0, 0.0
        state.unit_mv[shape], state.second_unit_mv[shape] = 0.0, 0.0
        state.second_counts[shape] = 0
    # A plain mean of the first beats, an exponential one from then on.
    step = max(1.0 / (state.counts[shape] + 1.0), 1.0 / c.smoothing_beats)
    state.unit_mv[shape] = _approach(
        state.shapes[shape], state.unit_mv[shape], beat.window, beat.shift, step
    )
    if beat.has_second:
        # The second lead may have come later than the shape: its first beat is taken whole.
        if state.second_counts[shape] == 0:
            step = 1.0
        state.second_unit_mv[shape] = _approach(
            state.second_shapes[shape],
            state.second_unit_mv[shape],
            beat.second,
            beat.shift // 2,
            step,
        )
        state.second_counts[shape] += 1
    return shape


@jit
def _approach(
    packed: NDArray[np.int16], unit: float, window: FloatArray, shift: int, step: float
) -> float:
    """Move a packed shape, all zero if its unit is 0, towards a beat; return its new unit."""
    mean, moved = np.empty(window.size, np.float32), np.empty(window.size, np.float32)
    unpack(packed, unit, mean)
    move(window, shift, moved)
    for i in range(mean.size):
        mean[i] += np.float32(step) * (moved[i] - mean[i])
    return pack(mean, packed)


@jit
def _append(values: NDArray[Any], n: int, most: int, newest: float) -> int:
    """Append to values[:n], forgetting the oldest when full; return the new count."""
    if n == most:
        # Oldest first and in one piece, so that the last ten are a slice.
        for i in range(most - 1):
            values[i] = values[i + 1]
        n -= 1
    values[n] = newest
    return n + 1
