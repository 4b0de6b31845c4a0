"""Compiled: describe a beat by what is remembered of the patient, and learn from it.

`state` is one row of `state.STATE`, `c` the `state.Parameters`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit, sort_few
from classifier.inputs.alignment import align, energies_of, move
from classifier.inputs.config import PARAMETERS
from classifier.inputs.features import Feature
from classifier.inputs.following import describe_next
from classifier.inputs.geometry import GEOMETRY
from classifier.inputs.kernels import FloatArray, mean_of, quantile, unpack
from classifier.inputs.learning import learn
from classifier.inputs.morphology import describe_second, describe_shape, noise_of, unit_of
from classifier.inputs.rhythm import RECENT_BEATS, describe_rhythm
from classifier.inputs.sequence import (
    N_CLASSES,
    N_OUTPUTS,
    fibrillation_log_odds,
    log_odds,
    step,
)
from classifier.inputs.state import HALF_WINDOW, N_SHAPES, DescribedBeat, Match
from classifier.inputs.window import JUDGEABLE, fill_missing, prepare_second, remove_baseline

_WINDOW: Final = GEOMETRY.window_samples
_NOVELTY_UNKNOWN: Final = 0.5


@jit
def describe_and_learn(
    states: Any,
    weights: Any,
    windows: FloatArray,
    rr_s: float,
    quality: float,
    learns: bool,
    signal: FloatArray,
    features: FloatArray,
    kept: Any,
    before: Any,
    completed: FloatArray,
) -> int:
    """Describe a beat, complete the features of the one before it, and learn from it.

    Parameters
    ----------
    states : record array of `state.STATE`, shape (1,)
    weights : record array of `sequence.WEIGHTS`, shape (1,)
        Of the rhythm model.
    windows : ndarray of float32, shape (leads, window_samples)
        Primary lead first, NaN where missing.
    rr_s, quality : float
        Interval that ends at the beat, 0 if unknown; quality of its R peak.
    learns : bool
        Whether to learn from the beat, if it can be judged.
    signal, features : ndarray of float32, shapes (2, window_samples) and (len(FEATURE_NAMES),)
        Written: the network's inputs; the features are all zero before.
    kept, before : record arrays of `state.OPEN`, shape (1,)
        Written: what is kept of this beat. What was kept of the one before.
    completed : ndarray of float32, shape (len(FEATURE_NAMES),)
        Features of the beat before, completed if the interval between the two is known; of length
        0 if there is none.

    Returns
    -------
    int
        Whether it can be judged: index in `window.REASONS`.
    """
    state, c = states[0], PARAMETERS
    window = np.empty(_WINDOW, np.float32)
    unjudgeable = fill_missing(windows[0], c.qrs, c.missing_share_max, window)
    remove_baseline(window)
    second = np.empty(HALF_WINDOW, np.float32)
    has_second = windows.shape[0] > 1 and prepare_second(windows[1], c.qrs, second)
    beat = _describe(
        state, weights[0], c, window, second, has_second, rr_s, quality, signal, features
    )
    # Across a gap the beat that follows is not the next one.
    if completed.size > 0 and rr_s > 0.0:
        describe_next(before[0], beat, features, c, completed)
    # Kept before learning: the next beat is to see this one by the rhythm that preceded it.
    waiting = kept[0]
    for i in range(c.qrs[0], c.qrs[1]):
        waiting.qrs[i - c.qrs[0]] = window[i]
    waiting.rr_s = rr_s
    waiting.median_rr_s, waiting.long_run_rr_s = beat.median_rr_s, state.long_run_rr_s
    if learns and unjudgeable == JUDGEABLE:
        learn(state, c, beat)
    return unjudgeable


@inlined
def _describe(
    state: Any,
    weights: Any,
    c: Any,
    window: FloatArray,
    second: FloatArray,
    has_second: bool,
    rr_s: float,
    quality: float,
    signal: FloatArray,
    features: FloatArray,
) -> DescribedBeat:
    """Describe a beat by what was known before it."""
    before = state.rr_s[: state.n_rr].astype(np.float64)
    # Sorted once for all quantiles.
    ordered = before.copy()
    sort_few(ordered)
    median_rr_s = quantile(ordered, 0.5) if state.n_rr > 0 else 0.0
    if rr_s > 0.0:
        describe_rhythm(before, ordered, rr_s, state.long_run_rr_s, c.premature_ratio, features)
    energies = energies_of(window, c.qrs[0], c.qrs[1], c.max_shift)
    match = _match_shapes(state, c, window, energies)
    # Of a patient's first beat nothing is known: it is its own template.
    template, nearest = window, window
    if match.any_known:
        template, nearest = _shape_mv(state, match.template), _shape_mv(state, match.nearest)
    _write_signal(window, template, match, c, signal)
    features[Feature.QRS_SIMILARITY] = match.template_similarity
    describe_shape(signal[0], signal[1], c, features)
    aligned = np.empty(_WINDOW, np.float32)
    # Noise is what differs from the nearest shape: against the template an ectopic beat is noisy.
    move(window, match.nearest_shift, aligned)
    residual, roughness = noise_of(aligned, nearest, window, c)
    # Below the limit the beat will begin a shape of its own.
    is_known = state.counts[match.nearest] > 0.0 and match.nearest_similarity >= c.match_min
    beat = DescribedBeat(
        window,
        second,
        energies,
        has_second,
        rr_s,
        median_rr_s,
        quality,
        match.nearest if is_known else -1,
        match.nearest_shift if is_known else 0,
        np.float64(features[Feature.RR_TO_MEDIAN_40]),
        match.template_similarity,
        residual,
        roughness,
        state.entropy + (features[Feature.ENTROPY_24] - state.entropy) / c.entropy_beats,
        state.sequence.copy(),
        np.zeros(N_OUTPUTS, np.float32),
    )
    _describe_context(state, c, beat, match, features)
    _describe_recent(state, beat, features)
    _compare_shapes(c, match, template, nearest, features)
    if has_second and match.any_known:
        _describe_second_lead(state, c, second, match, features)
    # Last, as it sees all the other measures.
    if weights.is_trained:
        step(weights, features, beat.sequence, beat.outputs)
        for label in range(1, N_CLASSES):
            features[Feature.SEQUENCE_S + label - 1] = log_odds(beat.outputs, 0, label)
        features[Feature.SEQUENCE_FIBRILLATION] = fibrillation_log_odds(beat.outputs)
    return beat


@jit
def _match_shapes(state: Any, c: Any, window: FloatArray, energies: NDArray[np.float64]) -> Match:
    """Find the patient's template and the shape nearest to a beat."""
    # Were they plain constants, what takes them would be compiled once more for that.
    nearest: Any = np.int64(0)
    template: Any = np.int64(0)
    shifts, similarities = np.zeros(N_SHAPES, np.int64), np.empty(N_SHAPES)
    any_known, most_common = False, -1.0
    for k in range(N_SHAPES):
        similarities[k] = -1.0
        any_known = any_known or state.counts[k] > 0.0
    if not any_known:
        similarities[0] = 1.0
    segment = np.empty(c.qrs[1] - c.qrs[0], np.float32)
    for k in range(N_SHAPES):
        if state.counts[k] > 0.0:
            unpack(state.shapes[k, c.qrs[0] : c.qrs[1]], state.unit_mv[k], segment)
            shifts[k], similarities[k] = align(window, energies, segment, c.qrs[0], c.max_shift)
        if similarities[k] > similarities[nearest]:
            nearest = k
        # In bigeminy both shapes are as frequent; the one that comes on time is the patient's own.
        common = state.counts[k] + c.on_time_bonus * state.on_time_counts[k]
        if any_known and common > most_common:
            most_common, template = common, k
    return Match(
        any_known,
        template,
        shifts[template],
        similarities[template],
        nearest,
        shifts[nearest],
        similarities[nearest],
    )


@jit
def _shape_mv(state: Any, shape: int) -> FloatArray:
    """Return a shape in mV."""
    unpacked = np.empty(_WINDOW, np.float32)
    unpack(state.shapes[shape], state.unit_mv[shape], unpacked)
    return unpacked


@inlined
def _write_signal(
    window: FloatArray, template: FloatArray, match: Match, c: Any, signal: FloatArray
) -> None:
    """Write what the network sees: beat over template, in units of the template's amplitude."""
    aligned = np.empty(_WINDOW, np.float32)
    move(window, match.template_shift, aligned)
    # In units of the patient's own QRS, so that gain and electrodes do not matter.
    unit = unit_of(aligned, template, c.qrs)
    for i in range(_WINDOW):
        signal[0, i] = aligned[i] / np.float32(unit)
        signal[1, i] = template[i] / np.float32(unit)


@inlined
def _describe_second_lead(
    state: Any, c: Any, second: FloatArray, match: Match, features: FloatArray
) -> None:
    """Write the shape in the second lead, if the template has been seen in that lead too."""
    shape = match.template
    # The second lead may have been missing or flat whenever this shape was learned.
    if state.second_counts[shape] > 0:
        template = np.empty(HALF_WINDOW, np.float32)
        unpack(state.second_shapes[shape], state.second_unit_mv[shape], template)
        describe_second(second, template, match.template_shift, c, features)


@inlined
def _compare_shapes(
    c: Any, match: Match, template: FloatArray, nearest: FloatArray, features: FloatArray
) -> None:
    """Write how far the nearest shape, less noisy than the beat, is from the template."""
    if match.any_known:
        energies = energies_of(nearest, c.qrs[0], c.qrs[1], c.max_shift)
        segment = template[c.qrs[0] : c.qrs[1]]
        _, features[Feature.SHAPE_TO_USUAL] = align(
            nearest, energies, segment, c.qrs[0], c.max_shift
        )


@inlined
def _describe_context(
    state: Any, c: Any, beat: DescribedBeat, match: Match, features: FloatArray
) -> None:
    """Write how common the beat's shape is."""
    # Of the faded counts: a share of the last minutes, not of the whole recording.
    total = 0.0
    for k in range(N_SHAPES):
        total += state.counts[k]
    shape = match.nearest
    # A new shape has no share and no interval of its own: these features stay 0.
    if beat.shape >= 0:
        features[Feature.SHAPE_SHARE] = state.counts[shape] / total
        features[Feature.SHAPE_ON_TIME_SHARE] = state.on_time_counts[shape] / state.counts[shape]
        features[Feature.HAS_USUAL_SHAPE] = 1.0 if shape == match.template else 0.0
        features[Feature.SHAPE_RR_RATIO] = state.rr_ratios[shape]
    features[Feature.MATURITY] = min(state.n_beats / c.mature_beats, 1.0)
    features[Feature.BEST_SIMILARITY] = match.nearest_similarity
    if total > 0.0:
        features[Feature.USUAL_SHARE] = state.counts[match.template] / total


@jit
def _describe_recent(state: Any, beat: DescribedBeat, features: FloatArray) -> None:
    """Write what the last beats were like, and how much noise there is."""
    features[Feature.PREVIOUS_QRS_SIMILARITY] = state.last_similarities[0]
    features[Feature.SECOND_LAST_QRS_SIMILARITY] = state.last_similarities[1]
    features[Feature.THIRD_LAST_QRS_SIMILARITY] = state.last_similarities[2]
    features[Feature.RESIDUAL] = beat.residual
    features[Feature.ROUGHNESS] = beat.roughness
    features[Feature.QUALITY] = beat.quality
    features[Feature.ENTROPY_50] = beat.entropy
    n = state.n_recent
    if n == 0:
        # No beats yet to compare this one's noise with: its own noise is taken for the average.
        features[Feature.NOVELTY_10] = features[Feature.NOVELTY_40] = _NOVELTY_UNKNOWN
        features[Feature.RESIDUAL_10] = features[Feature.RESIDUAL_40] = beat.residual
        features[Feature.ROUGHNESS_10] = beat.roughness
        features[Feature.QUALITY_10] = beat.quality
        return
    # Ten beats show a change quickly, forty the usual level.
    last = max(n - RECENT_BEATS, 0)
    features[Feature.NOVELTY_10] = 1.0 - mean_of(state.known[last:n])
    features[Feature.NOVELTY_40] = 1.0 - mean_of(state.known[:n])
    features[Feature.UNLIKE_SHARE_40] = mean_of(state.unlike[:n])
    features[Feature.RESIDUAL_10] = mean_of(state.residuals[last:n])
    features[Feature.RESIDUAL_40] = mean_of(state.residuals[:n])
    features[Feature.ROUGHNESS_10] = mean_of(state.roughnesses[last:n])
    features[Feature.QUALITY_10] = mean_of(state.qualities[last:n])
