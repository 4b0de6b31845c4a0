"""How probable fibrillation of the atria is after each beat: a hidden Markov model, compiled.

The atria are in one of four states: *regular*, with P waves; *ectopic*, irregular, but P waves
remain before the beats that aren't early; *hidden*, regular without a P wave that can be seen (of
the AV node, or small); *fibrillating*. Each N or S beat gives three measures: how much its interval
differs from the one before; how near the two of them come to any two in a row among the last ones,
a single beat's part of the sample entropy of Lake & Moorman 2011
(doi:10.1152/ajpheart.00561.2010), which stays small where premature beats come in a pattern; and
how similar the segment before the QRS complex is to those before it. The last is measured only for
beats that aren't early, and among these, as an early beat has the T wave in that place. Where the
weights come from: `streamer.rhythm.atria.fibrillation_model`.

A fourth measure is learned of the patient: how large the fibrillatory waves are. They don't vanish
while fibrillation goes on, so a line that is flat beside them speaks against it.

From when to when a state lasted is found afterwards, by going back through the beats (the forward
and backward passes of Rabiner 1989, doi:10.1109/5.18626).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from classifier.inputs.kernels import median_of
from streamer.rhythm.atria.fibrillation_model import (
    BEFORE_END,
    BEFORE_ONSET,
    CHANGE,
    CHANGE_EDGES,
    PAIR,
    PAIR_EDGES,
    STATES,
    AtrialState,
    FloatArray,
    add_similarity,
    advance,
    between,
    change_state,
    column_of,
    log_odds_of,
    multiply_likelihood,
    step_back,
)
from streamer.rhythm.atria.memory import AtriaState, FWaves, drop_oldest
from streamer.rhythm.atria.p_waves import POINTS, cosine_similarity

_MAX_PAIRS: Final = 15
_MIN_PAIRS: Final = 4
"""Beats before this one whose intervals are compared with its own, and how many must be known."""
_MAX_INTERVALS: Final = 8
_MIN_INTERVALS: Final = 3
_INTERVALS_WITHIN: Final = 19
"""Known intervals before this one that make the median: at most, at least, among so many beats."""
_EARLY: Final = 0.8
"""A beat after less than this part of the median interval is early."""
_MAX_SEGMENTS: Final = 8
_MIN_SEGMENTS: Final = 4
_SEGMENTS_WITHIN: Final = 23
"""Segments before beats that aren't early, whose mean the next is compared with: at most, at least,
among so many beats."""
_NEXT_SEGMENTS: Final = 5
_NEXT_WITHIN: Final = 13
"""The same after a beat, to find an end: the first P waves resemble those that follow."""

_SIZE_BEATS: Final = 32
_MIN_SIZE_BEATS: Final = 12
"""Beats over which the size of fibrillatory waves is learned, and how many are enough."""
_LEARN_FROM: Final = 4.0
"""Log-odds of fibrillation from which on it is learned."""
_FLAT_MV: Final = 0.02
_FADED: Final = np.array([-2.0, -1.4, -1.0])
_FADED_EVIDENCE: Final = np.array([-3.3, -1.8, 0.0])
"""Log-odds of fibrillation by the logarithm of a segment's size over the learned one, if it is
below `_FLAT_MV` as well: down to a third may be chance."""
_TINY_MV: Final = 1e-4


@jit
def observe(s: AtriaState, sample: int, interval_s: float, segment: NDArray[np.float32]) -> float:
    """Take the next N or S beat; return the log-odds of fibrillation after it."""
    n = s.filled[0]
    if n == s.sample.size:
        drop_oldest(s)
        n -= 1
    s.filled[0] = n + 1
    s.sample[n], s.interval_s[n] = sample, interval_s
    s.has_segment[n] = 0 < segment.shape[0] == s.segment.shape[1]
    if s.has_segment[n]:
        for lead in range(segment.shape[0]):
            for k in range(POINTS):
                s.segment[n, lead, k] = segment[lead, k]
    # Before an early beat the T wave lies where the P wave would be.
    s.on_time[n] = s.has_segment[n] and not _is_early(s, n)
    s.similarity[n] = np.nan
    if s.on_time[n]:
        stop = max(n - 1 - _SEGMENTS_WITHIN, -1)
        s.similarity[n] = _similarity(s, n, -1, stop, _MAX_SEGMENTS)
    log_likelihood = np.zeros(STATES)
    _add_intervals(s, n, log_likelihood)
    # F waves don't vanish while fibrillation lasts, so that a flat segment is evidence too.
    log_size = _log_size(s, n) if s.on_time[n] else np.nan
    log_likelihood[AtrialState.FIBRILLATING] += _fading(s, log_size)
    # Kept without the similarity: with later beats, `transition_index` may know a better one.
    for k in range(STATES):
        s.log_likelihood[n, k] = log_likelihood[k]
    add_similarity(s.similarity[n], interval_s, log_likelihood)
    advance(s.probability, log_likelihood)
    log_odds = log_odds_of(s.probability)
    # Only where fibrillation is nearly certain, or P waves would be learned as f waves.
    if log_odds > _LEARN_FROM:
        _learn_size(s, log_size)
    return log_odds


@inlined
def _is_early(s: AtriaState, n: int) -> bool:
    """Whether a beat comes well before the median interval is over."""
    if np.isnan(s.interval_s[n]):
        return False
    before, count = np.empty(_MAX_INTERVALS), 0
    for k in range(n - 1, max(n - 1 - _INTERVALS_WITHIN, -1), -1):
        if count < _MAX_INTERVALS and not np.isnan(s.interval_s[k]):
            before[count] = s.interval_s[k]
            count += 1
    # The median of one or two intervals may be that of ectopic beats.
    if count < _MIN_INTERVALS:
        return False
    return bool(s.interval_s[n] < _EARLY * median_of(before[:count]))


@jit
def _similarity(s: AtriaState, n: int, step: int, stop: int, most: int) -> float:
    """Return the cosine between a segment and the mean of the nearest ones of beats on time.

    From the next one in the direction of `step` until before `stop`, `most` at the most.
    """
    # A mean of several keeps the P wave and averages out noise and fibrillatory waves.
    others = np.empty((most, s.segment.shape[1], POINTS), np.float32)
    count = 0
    for k in range(n + step, stop, step):
        if count < most and s.on_time[k]:
            for lead in range(s.segment.shape[1]):
                for i in range(POINTS):
                    others[count, lead, i] = s.segment[k, lead, i]
            count += 1
    if count < _MIN_SEGMENTS:
        return np.nan
    return cosine_similarity(others[:count], s.segment[n])


@inlined
def nearest_pair(intervals_s: FloatArray, n: int) -> float:
    """Return how far an interval and the one before are from the nearest two in a row.

    The larger of the two differences of logarithms; NaN if too few are known.
    """
    # Logarithms, so that a slow and a fast heart's intervals are compared by the same measure.
    best, count = np.inf, 0
    for k in range(n - 1, max(n - 1 - _MAX_PAIRS, 0), -1):
        # Two in a row: premature beats in a pattern repeat such pairs, fibrillation does not.
        far = max(
            abs(np.log(intervals_s[n] / intervals_s[k])),
            abs(np.log(intervals_s[n - 1] / intervals_s[k - 1])),
        )
        # NaN spreads through the sum: a pair counts only if both of its intervals are known.
        if not np.isnan(intervals_s[k] + intervals_s[k - 1]):
            best = min(best, far)
            count += 1
    return best if count >= _MIN_PAIRS else np.nan


@inlined
def _add_intervals(s: AtriaState, n: int, log_likelihood: FloatArray) -> None:
    """Add what the intervals say for each state; nothing where one is unknown."""
    if n == 0:
        return
    # The tables hold log-odds against fibrillation, so that nothing is added to that state.
    change = abs(np.log(s.interval_s[n] / s.interval_s[n - 1]))
    if np.isnan(change):
        return
    column = column_of(CHANGE_EDGES, change)
    regular = CHANGE[AtrialState.REGULAR, column]
    ectopic = CHANGE[AtrialState.ECTOPIC, column]
    far = nearest_pair(s.interval_s, n)
    if not np.isnan(far):
        column = column_of(PAIR_EDGES, far)
        regular += PAIR[AtrialState.REGULAR, column]
        ectopic += PAIR[AtrialState.ECTOPIC, column]
    log_likelihood[AtrialState.REGULAR] += regular
    log_likelihood[AtrialState.ECTOPIC] += ectopic
    # A regular rhythm is as regular where its P waves can't be seen.
    log_likelihood[AtrialState.HIDDEN] += regular


@inlined
def _log_size(s: AtriaState, n: int) -> float:
    """Return the logarithm of a segment's root mean square in mV, in the lead with the largest."""
    largest = 0.0
    for lead in range(s.segment.shape[1]):
        energy = 0.0
        for k in range(POINTS):
            energy += float(s.segment[n, lead, k]) ** 2
        # Fibrillatory waves are often seen well in one lead only.
        largest = max(largest, energy)
    return float(np.log(np.sqrt(largest / POINTS) + _TINY_MV))


@inlined
def _fading(s: AtriaState, log_size: float) -> float:
    """Return what a segment's size, beside the patient's f waves, says for fibrillation."""
    # Only a flat segment is evidence: the size of visible fibrillatory waves varies.
    is_learned = s.f_waves[FWaves.BEATS] >= _MIN_SIZE_BEATS
    if np.isnan(log_size) or not is_learned or log_size > np.log(_FLAT_MV):
        return 0.0
    return between(_FADED, _FADED_EVIDENCE, log_size - s.f_waves[FWaves.LOG_SIZE])


@inlined
def _learn_size(s: AtriaState, log_size: float) -> None:
    """Learn how large fibrillatory waves are; flat lines among them don't count."""
    mean, beats = s.f_waves[FWaves.LOG_SIZE], s.f_waves[FWaves.BEATS]
    if np.isnan(log_size) or (beats >= _MIN_SIZE_BEATS and log_size < mean + _FADED[-1]):
        return
    # A mean of all at first, later one that forgets: the size changes slowly.
    beats = min(beats + 1.0, float(_SIZE_BEATS))
    s.f_waves[FWaves.BEATS] = beats
    s.f_waves[FWaves.LOG_SIZE] = mean + (log_size - mean) / beats


@jit
def transition_index(s: AtriaState, first: int, fibrillating: bool) -> int:
    """Return which of the remembered beats from `first` on was the first of the present state.

    Parameters
    ----------
    s : AtriaState
        Beats; there must be more than `first`.
    first : int
        Index of the beat from which on a transition is looked for.
    fibrillating : bool
        Whether the present state is fibrillation; the one before was not, or the other way round.
    """
    n = s.filled[0]
    log_likelihood = np.zeros((n - first, STATES))
    forward = np.zeros((n - first, STATES))
    _pass_forward(s, first, fibrillating, log_likelihood, forward)
    # From the newest beat back to the last one whose more probable state is the other.
    backward = np.ones(STATES)
    for k in range(n - 1, first - 1, -1):
        not_fibrillating, total = 0.0, 0.0
        for state in range(STATES):
            # Forward times backward: the probability given all beats, but for a factor.
            joint = forward[k - first, state] * backward[state]
            total += joint
            not_fibrillating += joint if state != AtrialState.FIBRILLATING else 0.0
        if (not_fibrillating < 0.5 * total) != fibrillating:
            return int(min(k + 1, n - 1))
        multiply_likelihood(backward, log_likelihood[k - first])
        step_back(backward)
    return first


@jit
def _pass_forward(
    s: AtriaState, first: int, fibrillating: bool, log_likelihood: FloatArray, forward: FloatArray
) -> None:
    """Fill in the likelihood of each beat from `first` on, and the states' probability after it."""
    n = s.filled[0]
    # The beats begin in the other state, as it is the transition out of it that is sought.
    probability = np.zeros(STATES)
    for state in range(STATES):
        probability[state] = BEFORE_ONSET[state] if fibrillating else BEFORE_END[state]
    for k in range(first, n):
        similarity = s.similarity[k]
        if not fibrillating and s.on_time[k] and n - 1 - k >= _MIN_SEGMENTS:
            # The first P waves after fibrillation resemble those that follow, not those before.
            similarity = _similarity(s, k, 1, min(k + 1 + _NEXT_WITHIN, n), _NEXT_SEGMENTS)
        of_beat = log_likelihood[k - first]
        for state in range(STATES):
            of_beat[state] = s.log_likelihood[k, state]
        add_similarity(similarity, s.interval_s[k], of_beat)
        if k > first:
            change_state(probability)
        multiply_likelihood(probability, of_beat)
        for state in range(STATES):
            forward[k - first, state] = probability[state]
