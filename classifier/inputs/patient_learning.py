"""Compiled: take a beat into what is known of the patient.

The state `s` is one row of `patient_state.STATE`, `c` the `patient_state.Parameters`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from classifier.inputs.kernels import FloatArray, move, pack, unpack
from classifier.inputs.patient_state import (
    BEATS_KEPT,
    KNOWN,
    N_SHAPES,
    QUALITY,
    RESIDUAL,
    ROUGHNESS,
    RR_KEPT,
    UNLIKE,
    FoundBeat,
)


@inlined
def learn(s: Any, c: Any, b: FoundBeat) -> None:
    """Take the beat that was just described into the picture."""
    rr_s = b.rr_s
    late_enough = s.n_rr == 0 or rr_s >= c.premature_ratio * b.median_rr_s
    shape = _learn_shape(s, c, b)
    s.counts[shape] += 1.0
    s.on_time[shape] += 1.0 if rr_s <= 0.0 or late_enough else 0.0
    if rr_s > 0.0:
        s.entropy = b.entropy
        step = max(1.0 / s.counts[shape], 1.0 / c.smoothing_beats)
        s.rr_ratio[shape] += step * (b.rr_ratio - s.rr_ratio[shape])
        known = s.long_run_s > 0.0
        s.long_run_s += (rr_s - s.long_run_s) / (c.long_run_beats if known else 1.0)
        s.n_rr = _keep(s.rr_s, s.n_rr, RR_KEPT, rr_s)
    s.n_beats += 1
    s.previous[2], s.previous[1] = s.previous[1], s.previous[0]
    s.previous[0] = b.similarity
    n = s.n_recent
    _keep(s.marks[KNOWN], n, BEATS_KEPT, 1 if b.known_as >= 0 else 0)
    _keep(s.marks[UNLIKE], n, BEATS_KEPT, 1 if b.similarity < c.match_min else 0)
    _keep(s.recent[RESIDUAL], n, BEATS_KEPT, b.residual)
    _keep(s.recent[ROUGHNESS], n, BEATS_KEPT, b.roughness)
    s.n_recent = _keep(s.recent[QUALITY], n, BEATS_KEPT, b.quality)


@inlined
def _learn_shape(s: Any, c: Any, b: FoundBeat) -> int:
    """Move the matching shape towards the beat, or begin a new shape with it; return which."""
    for k in range(N_SHAPES):
        s.counts[k] *= c.fade
        s.on_time[k] *= c.fade
    shape = b.known_as
    if shape < 0:
        shape = 0
        for k in range(N_SHAPES):
            if s.counts[k] < s.counts[shape]:
                shape = k
        s.counts[shape], s.on_time[shape], s.rr_ratio[shape] = 0.0, 0.0, 0.0
        s.unit_mv[shape], s.second_unit_mv[shape], s.second_beats[shape] = 0.0, 0.0, 0
    step = max(1.0 / (s.counts[shape] + 1.0), 1.0 / c.smoothing_beats)
    s.unit_mv[shape] = _approach(s.templates[shape], s.unit_mv[shape], b.window, b.shift, step)
    if b.has_second:
        if s.second_beats[shape] == 0:
            step = 1.0
        s.second_unit_mv[shape] = _approach(
            s.second[shape], s.second_unit_mv[shape], b.second, b.shift // 2, step
        )
        s.second_beats[shape] += 1
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
def _keep(values: NDArray[Any], n: int, most: int, newest: float) -> int:
    """Append to values[:n], forgetting the oldest when full; return the new count."""
    if n == most:
        for i in range(most - 1):
            values[i] = values[i + 1]
        n -= 1
    values[n] = newest
    return n + 1
