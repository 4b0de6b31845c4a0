"""Compiled: describe a beat by what is known of the patient, and learn from it.

The state `s` is one row of `patient_state.STATE`, `c` the `patient_state.Parameters`.
"""

from typing import Any, Final

import numpy as np

from classifier.compiled import inlined, jit, sort_few
from classifier.inputs.features import (
    CONTEXT_FEATURES,
    GEOMETRY,
    MORPHOLOGY_FEATURES,
    RHYTHM_FEATURES,
    SECOND_LEAD_FEATURES,
)
from classifier.inputs.kernels import (
    FloatArray,
    align,
    describe_rhythm,
    deviation,
    energies_of,
    log_ratio,
    mean_of,
    move,
    quantile,
    unpack,
)
from classifier.inputs.patient_config import PARAMETERS
from classifier.inputs.patient_learning import learn
from classifier.inputs.patient_measures import describe_second, describe_shape, noise_of, unit_of
from classifier.inputs.patient_state import (
    HALF_WINDOW,
    KNOWN,
    N_SHAPES,
    QUALITY,
    RESIDUAL,
    ROUGHNESS,
    UNLIKE,
    FoundBeat,
)
from classifier.inputs.window_kernel import JUDGEABLE, fill_missing, prepare_second, remove_baseline

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


@jit
def meet(
    states: Any,
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
    s, c = states[0], PARAMETERS
    window = np.empty(_WINDOW, np.float32)
    unjudgeable = fill_missing(windows[0], c.qrs, c.missing_share_max, window)
    remove_baseline(window)
    second = np.empty(HALF_WINDOW, np.float32)
    has_second = windows.shape[0] > 1 and prepare_second(windows[1], c.qrs, second)
    b = _describe(s, c, window, second, has_second, rr_s, quality, signal, f)
    if completed.size > 0 and rr_s > 0.0:
        _describe_next(before[0], b, f, c, completed)
    waiting = kept[0]
    for i in range(c.qrs[0], c.qrs[1]):
        waiting.qrs[i - c.qrs[0]] = window[i]
    waiting.rr_s, waiting.median_rr_s, waiting.long_run_s = rr_s, b.median_rr_s, s.long_run_s
    if learns and unjudgeable == JUDGEABLE:
        learn(s, c, b)
    return unjudgeable


@inlined
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
    ordered = before.copy()
    sort_few(ordered)
    median_rr_s = quantile(ordered, 0.5) if s.n_rr > 0 else 0.0
    if rr_s > 0.0:
        describe_rhythm(before, ordered, rr_s, s.long_run_s, c.premature_ratio, f[:_SHAPE])
    # Were they plain constants, what takes them would be compiled once more for that.
    best: Any = np.int64(0)
    usual: Any = np.int64(0)
    shifts, similarities = np.zeros(N_SHAPES, np.int64), np.empty(N_SHAPES)
    any_known, most_common = False, -1.0
    for k in range(N_SHAPES):
        similarities[k] = -1.0
        any_known = any_known or s.counts[k] > 0.0
    template, nearest = window, window
    energies = energies_of(window, c.qrs[0], c.qrs[1], c.reach)
    if any_known:
        stretch = np.empty(c.qrs[1] - c.qrs[0], np.float32)
        for k in range(N_SHAPES):
            if s.counts[k] > 0.0:
                unpack(s.templates[k, c.qrs[0] : c.qrs[1]], s.unit_mv[k], stretch)
                shifts[k], similarities[k] = align(window, energies, stretch, c.qrs[0], c.reach)
            if similarities[k] > similarities[best]:
                best = k
            common = s.counts[k] + c.on_time_bonus * s.on_time[k]
            if common > most_common:
                most_common, usual = common, k
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
    is_known = s.counts[best] > 0.0 and similarities[best] >= c.match_min
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
    if any_known:
        energies = energies_of(nearest, c.qrs[0], c.qrs[1], c.reach)
        stretch = template[c.qrs[0] : c.qrs[1]]
        _, f[_TO_USUAL] = align(nearest, energies, stretch, c.qrs[0], c.reach)
    if has_second and any_known and s.second_beats[usual] > 0:
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
    total = 0.0
    for k in range(N_SHAPES):
        total += s.counts[k]
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
        f[11] = 1.0 - mean_of(s.marks[KNOWN, last:n])
        f[12] = 1.0 - mean_of(s.marks[KNOWN, :n])
        f[13] = mean_of(s.marks[UNLIKE, :n])
        f[15] = mean_of(s.recent[RESIDUAL, last:n])
        f[16] = mean_of(s.recent[RESIDUAL, :n])
        f[18] = mean_of(s.recent[ROUGHNESS, last:n])
        f[20] = mean_of(s.recent[QUALITY, last:n])


@inlined
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
