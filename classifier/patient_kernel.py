"""Compiled: describe a beat by what is known of the patient, and learn from it.

The state `s` is one row of `patient_state.STATE`, `c` the `patient_state.Parameters`.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.features import (
    CONTEXT_FEATURES,
    GEOMETRY,
    MORPHOLOGY_FEATURES,
    RHYTHM_FEATURES,
    SECOND_LEAD_FEATURES,
)
from classifier.kernels import (
    FloatArray,
    align,
    describe_rhythm,
    deviation,
    energies_of,
    log_ratio,
    mean_of,
    move,
    pack,
    quantile,
    unpack,
)
from classifier.patient_measures import describe_second, describe_shape, noise_of, unit_of
from classifier.patient_state import (
    BEATS_KEPT,
    HALF_WINDOW,
    KNOWN,
    N_SHAPES,
    QUALITY,
    RESIDUAL,
    ROUGHNESS,
    RR_KEPT,
    UNLIKE,
)
from classifier.window_kernel import JUDGEABLE, fill_missing, prepare_second, remove_baseline

_WINDOW: Final = GEOMETRY.window_samples
_SHAPE: Final = len(RHYTHM_FEATURES)
_CONTEXT: Final = _SHAPE + len(MORPHOLOGY_FEATURES)
_SECOND: Final = _CONTEXT + len(CONTEXT_FEATURES)
_NEXT: Final = _SECOND + len(SECOND_LEAD_FEATURES)
_SIMILARITY: Final = _SHAPE
_IRREGULARITY: Final = RHYTHM_FEATURES.index("irregularity_10")
_ENTROPY: Final = RHYTHM_FEATURES.index("entropy_24")
_TO_MEDIAN: Final = RHYTHM_FEATURES.index("rr_to_median_40")
_WIDTH_RATIO: Final = _SHAPE + MORPHOLOGY_FEATURES.index("qrs_width_ratio")
_P_DIFFERENCE: Final = _SHAPE + MORPHOLOGY_FEATURES.index("p_difference")
_TO_USUAL: Final = _CONTEXT + CONTEXT_FEATURES.index("shape_to_usual")
_BEST: Final = _CONTEXT + CONTEXT_FEATURES.index("best_similarity")

_LAST_BEATS: Final = 10
_NOVELTY_UNKNOWN: Final = 0.5


class FoundBeat(NamedTuple):
    """A beat as found, for learning from it and for the confirmed label of the one before it."""

    window: FloatArray
    """mV, baseline off."""
    second: FloatArray
    """The second lead likewise, at half the rate; means nothing unless `has_second`."""
    energies: NDArray[np.float64]
    """Of the QRS complex, by `kernels.energies_of`."""
    has_second: bool
    rr_s: float
    """Interval that ends at it, 0 if unknown."""
    median_rr_s: float
    """Of the intervals before it, 0 if unknown."""
    quality: float
    known_as: int
    """Its shape; -1: a new one."""
    shift: int
    rr_ratio: float
    similarity: float
    """To the usual beat."""
    residual: float
    roughness: float
    entropy: float


@jit
def meet(
    states: Any,
    c: Any,
    windows: FloatArray,
    rr_s: float,
    quality: float,
    learns: bool,
    signal: FloatArray,
    f: FloatArray,
    kept: Any,
    before: Any,
    completed: FloatArray,
) -> int:
    """Describe a beat, complete the features of the one before it, and learn; say if it is judged.

    Parameters
    ----------
    states : record array of `patient_state.STATE`, shape (1,)
    c : Parameters
    windows : ndarray of float32, shape (leads, window_samples)
        Primary lead first, NaN where missing.
    rr_s, quality : float
        Interval that ends at the beat, 0 if unknown; quality of its R peak.
    learns : bool
        Whether the patient's picture takes the beat in, if it can be judged.
    signal, f : ndarray of float32, shapes (2, window_samples) and (len(FEATURE_NAMES),)
        Written: the network's inputs; the features are all zero before.
    kept, before : record arrays of `patient_state.OPEN`, shape (1,)
        Written: what is kept of this beat. What was kept of the one before.
    completed : ndarray of float32, shape (len(FEATURE_NAMES),)
        Features of the beat before, completed if the interval between the two is known; of length
        0 if there is none.

    Returns
    -------
    int
        Index in `window_kernel.REASONS`.
    """
    s = states[0]
    window = np.empty(_WINDOW, np.float32)
    unjudgeable = fill_missing(windows[0], c.qrs, c.missing_share_max, window)
    remove_baseline(window)
    second = np.empty(HALF_WINDOW, np.float32)
    has_second = windows.shape[0] > 1 and prepare_second(windows[1], c.qrs, second)
    b = _describe(s, c, window, second, has_second, rr_s, quality, signal, f)
    if completed.size > 0 and rr_s > 0.0:
        _describe_next(before[0], b, f, c, completed)
    waiting = kept[0]
    waiting.qrs[:] = window[c.qrs[0] : c.qrs[1]]
    waiting.rr_s, waiting.median_rr_s, waiting.long_run_s = rr_s, b.median_rr_s, s.long_run_s
    if learns and unjudgeable == JUDGEABLE:
        _learn(s, c, b)
    return unjudgeable


@jit
def _describe(
    s: Any,
    c: Any,
    window: FloatArray,
    second: FloatArray,
    has_second: bool,
    rr_s: float,
    quality: float,
    signal: FloatArray,
    f: FloatArray,
) -> FoundBeat:
    """Describe a beat by what was known before it."""
    before = s.rr_s[: s.n_rr].astype(np.float64)
    ordered = np.sort(before)
    median_rr_s = quantile(ordered, 0.5) if s.n_rr > 0 else 0.0
    if rr_s > 0.0:
        describe_rhythm(before, ordered, rr_s, s.long_run_s, c.premature_ratio, f[:_SHAPE])
    best, usual = 0, 0
    shifts, similarities = np.zeros(N_SHAPES, np.int64), np.full(N_SHAPES, -1.0)
    known = s.counts > 0.0
    template, nearest = window, window
    energies = energies_of(window, c.qrs[0], c.qrs[1], c.reach)
    if known.any():
        stretch = np.empty(c.qrs[1] - c.qrs[0], np.float32)
        for k in range(N_SHAPES):
            if known[k]:
                unpack(s.templates[k, c.qrs[0] : c.qrs[1]], s.unit_mv[k], stretch)
                shifts[k], similarities[k] = align(window, energies, stretch, c.qrs[0], c.reach)
        best = int(similarities.argmax())
        usual = int((s.counts + c.on_time_bonus * s.on_time).argmax())
        template, nearest = _shape_of(s, usual), _shape_of(s, best)
    else:
        similarities[0] = 1.0
    aligned = np.empty(_WINDOW, np.float32)
    move(window, shifts[usual], aligned)
    unit = unit_of(aligned, template, c.qrs)
    for i in range(_WINDOW):
        signal[0, i] = aligned[i] / np.float32(unit)
        signal[1, i] = template[i] / np.float32(unit)
    f[_SIMILARITY] = similarities[usual]
    describe_shape(signal[0], signal[1], c, f[_SIMILARITY + 1 : _CONTEXT])
    is_known = known[best] and similarities[best] >= c.match_min
    move(window, shifts[best], aligned)
    residual, roughness = noise_of(aligned, nearest, window, c)
    b = FoundBeat(
        window,
        second,
        energies,
        has_second,
        rr_s,
        median_rr_s,
        quality,
        best if is_known else -1,
        shifts[best] if is_known else 0,
        np.float64(f[_TO_MEDIAN]),
        similarities[usual],
        residual,
        roughness,
        s.entropy + (f[_ENTROPY] - s.entropy) / c.entropy_beats,
    )
    _describe_context(s, c, b, best, usual, similarities[best], f[_CONTEXT:_SECOND])
    if known.any():
        energies = energies_of(nearest, c.qrs[0], c.qrs[1], c.reach)
        stretch = template[c.qrs[0] : c.qrs[1]]
        _, f[_TO_USUAL] = align(nearest, energies, stretch, c.qrs[0], c.reach)
    if has_second and known.any() and s.second_beats[usual] > 0:
        usual_second = np.empty(HALF_WINDOW, np.float32)
        unpack(s.second[usual], s.second_unit_mv[usual], usual_second)
        describe_second(usual_second, second, shifts[usual], c, f[_SECOND:_NEXT])
    return b


@jit
def _shape_of(s: Any, shape: int) -> FloatArray:
    """Return a shape in mV."""
    template = np.empty(_WINDOW, np.float32)
    unpack(s.templates[shape], s.unit_mv[shape], template)
    return template


@jit
def _describe_context(
    s: Any,
    c: Any,
    b: FoundBeat,
    best: int,
    usual: int,
    similarity: float,
    f: FloatArray,
) -> None:
    """Write how common the shape is, what the last beats were like, and how much noise there is."""
    total = s.counts.sum()
    if b.known_as >= 0:
        f[0] = s.counts[best] / total
        f[1] = s.on_time[best] / s.counts[best]
        f[4] = 1.0 if best == usual else 0.0
        f[5] = s.rr_ratio[best]
    f[2] = min(s.n_beats / c.mature_beats, 1.0)
    f[3] = similarity
    if total > 0.0:
        f[7] = s.counts[usual] / total
    f[8], f[9], f[10] = s.previous[0], s.previous[1], s.previous[2]
    n = s.n_recent
    last = max(n - _LAST_BEATS, 0)
    f[11], f[12] = _NOVELTY_UNKNOWN, _NOVELTY_UNKNOWN
    f[14], f[15], f[16] = b.residual, b.residual, b.residual
    f[17], f[18] = b.roughness, b.roughness
    f[19], f[20] = b.quality, b.quality
    f[21] = b.entropy
    if n > 0:
        f[11] = 1.0 - s.marks[KNOWN, last:n].mean()
        f[12] = 1.0 - s.marks[KNOWN, :n].mean()
        f[13] = s.marks[UNLIKE, :n].mean()
        f[15] = mean_of(s.recent[RESIDUAL, last:n])
        f[16] = mean_of(s.recent[RESIDUAL, :n])
        f[18] = mean_of(s.recent[ROUGHNESS, last:n])
        f[20] = mean_of(s.recent[QUALITY, last:n])


@jit
def _describe_next(
    waiting: Any, b: FoundBeat, followers: FloatArray, c: Any, f: FloatArray
) -> None:
    """Complete the features `f` of the beat before with what this one, `followers`, tells."""
    rr_s, next_rr_s, median_s = waiting.rr_s, b.rr_s, waiting.median_rr_s
    _, likeness = align(b.window, b.energies, waiting.qrs, c.qrs[0], c.reach)
    early = log_ratio(next_rr_s, median_s)
    both = (rr_s + next_rr_s) / 2.0 if rr_s > 0.0 else 0.0
    f[_NEXT] = 1.0
    f[_NEXT + 1] = early
    f[_NEXT + 2] = log_ratio(next_rr_s, rr_s)
    f[_NEXT + 3] = log_ratio(both, median_s)
    f[_NEXT + 4] = followers[_SIMILARITY]
    f[_NEXT + 5] = likeness
    f[_NEXT + 6] = deviation(early, f[_IRREGULARITY])
    f[_NEXT + 7] = followers[_BEST]
    f[_NEXT + 8] = 1.0 if b.known_as < 0 else 0.0
    f[_NEXT + 9] = followers[_WIDTH_RATIO]
    f[_NEXT + 10] = followers[_P_DIFFERENCE]
    f[_NEXT + 11] = log_ratio(both, waiting.long_run_s)


@jit
def _learn(s: Any, c: Any, b: FoundBeat) -> None:
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


@jit
def _learn_shape(s: Any, c: Any, b: FoundBeat) -> int:
    """Move the matching shape towards the beat, or begin a new shape with it; return which."""
    for k in range(N_SHAPES):
        s.counts[k] *= c.fade
        s.on_time[k] *= c.fade
    shape = b.known_as
    if shape < 0:
        shape = int(s.counts.argmin())
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
