"""How probable fibrillation of the atria is after each beat: a hidden Markov model, compiled.

The atria are in one of four states: *regular*, with P waves; *ectopic*, irregular, but P waves
remain before the beats that aren't early; *hidden*, regular without a P wave that can be told (of
the AV node, or small); *fibrillating*. Each N or S beat tells three things: how much its interval
differs from the one before; how near the two of them come to any two in a row among the last ones,
a single beat's part of the sample entropy of Lake & Moorman 2011
(doi:10.1152/ajpheart.00561.2010), which stays small where premature beats come in a pattern; and
how much what lies before the QRS complex resembles what lay there before. The last is asked of
beats that aren't early only, and among these, as an early beat has the T wave in that place. Where
the weights come from: `streamer.rhythm.atria.fibrillation_model`.

A fourth thing is learned of the patient: how large the fibrillatory waves are. They don't vanish
while fibrillation goes on, so a line that is flat beside them speaks against it.

From when to when a state lasted is told afterwards, by going back through the beats (the forward
and backward passes of Rabiner 1989, doi:10.1109/5.18626).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from classifier.inputs.kernels import median_of
from streamer.rhythm.atria.fibrillation_model import (
    AT_FIRST,
    CHANGE,
    CHANGE_EDGES,
    ECTOPIC,
    FIBRILLATING,
    HIDDEN,
    PAIR,
    PAIR_EDGES,
    REGULAR,
    STATES,
    WHILE_FIBRILLATING,
    WHILE_NOT,
    FloatArray,
    add_wave_odds,
    between,
    change_state,
    column_of,
    go_back,
    log_odds_of,
    step,
    weigh,
)
from streamer.rhythm.atria.p_waves import POINTS, likeness

KEPT: Final = 64
"""N and S beats that are remembered."""
_PAIRS: Final = 15
_LEAST_PAIRS: Final = 4
"""Beats before this one whose intervals are compared with its own, and how many must be known."""
_USUAL: Final = 8
_LEAST_USUAL: Final = 3
_USUAL_WITHIN: Final = 19
_EARLY: Final = 0.8
"""A beat after less than this part of the median interval is early."""
_WAVES: Final = 8
_LEAST_WAVES: Final = 4
_WAVES_WITHIN: Final = 23
"""Waves before beats that aren't early, whose mean the next is compared with."""
_NEXT_WAVES: Final = 5
_NEXT_WITHIN: Final = 13
"""The same after a beat, to find an end: the first P waves resemble those that follow."""

_LEVEL_BEATS: Final = 32
_LEAST_LEVEL_BEATS: Final = 12
"""Beats over which the size of fibrillatory waves is learned, and how many are enough."""
_LEARN_FROM: Final = 4.0
"""Log-odds of fibrillation from which on it is learned."""
_FLAT_MV: Final = 0.02
_FADED: Final = np.array([-2.0, -1.4, -1.0])
_FADED_EVIDENCE: Final = np.array([-3.3, -1.8, 0.0])
"""What the logarithm of a wave's size beside the learned one says for fibrillation, if the wave is
below `_FLAT_MV` as well: down to a third may be chance."""
_TINY_MV: Final = 1e-4


class AtriaState(NamedTuple):
    """What is remembered of the last N and S beats of one patient, oldest first."""

    sample: NDArray[np.int64]
    """Shape (KEPT,)."""
    interval_s: FloatArray
    """Shape (KEPT,): from the beat before; NaN if that was none of these, or too far away."""
    late: NDArray[np.bool_]
    """Shape (KEPT,): whether the wave is known and the beat isn't early."""
    seen: NDArray[np.bool_]
    """Shape (KEPT,): whether the wave is known."""
    wave: NDArray[np.float32]
    """Shape (KEPT, leads, POINTS), mV without its trend: what lies before the QRS complex."""
    likeness: FloatArray
    """Shape (KEPT,): of that to the ones before; NaN where it isn't asked."""
    odds: FloatArray
    """Shape (KEPT, STATES): log-likelihood of the states by intervals and size of the wave."""
    probability: FloatArray
    """Shape (STATES,): after the newest beat."""
    level: FloatArray
    """Shape (2,): logarithm of the size of fibrillatory waves in mV, and over how many beats."""
    filled: NDArray[np.int64]
    """Shape (1,): how many beats are remembered."""


def new_state(n_leads: int) -> AtriaState:
    """Return the memory before any beat."""
    return AtriaState(
        sample=np.zeros(KEPT, np.int64),
        interval_s=np.full(KEPT, np.nan),
        late=np.zeros(KEPT, np.bool_),
        seen=np.zeros(KEPT, np.bool_),
        wave=np.zeros((KEPT, n_leads, POINTS), np.float32),
        likeness=np.full(KEPT, np.nan),
        odds=np.zeros((KEPT, STATES)),
        probability=AT_FIRST.copy(),
        level=np.zeros(2),
        filled=np.zeros(1, np.int64),
    )


@jit
def observe(
    s: AtriaState, sample: int, interval_s: float, wave: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    """Take the next N or S beat; return the log-odds of fibrillation after it."""
    n = s.filled[0]
    if n == s.sample.size:
        _drop_oldest(s)
        n -= 1
    s.filled[0] = n + 1
    s.sample[n], s.interval_s[n] = sample, interval_s
    s.seen[n] = 0 < wave.shape[0] == s.wave.shape[1]
    if s.seen[n]:
        for lead in range(wave.shape[0]):
            for k in range(POINTS):
                s.wave[n, lead, k] = wave[lead, k]
    s.late[n] = s.seen[n] and not _is_early(s, n)
    s.likeness[n] = np.nan
    if s.late[n]:
        s.likeness[n] = _likeness(s, n, -1, max(n - 1 - _WAVES_WITHIN, -1), _WAVES)
    odds = np.zeros(STATES)
    _add_interval_odds(s, n, odds)
    size = _log_size(s, n) if s.late[n] else np.nan
    odds[FIBRILLATING] += _fading(s, size)
    for k in range(STATES):
        s.odds[n, k] = odds[k]
    add_wave_odds(s.likeness[n], interval_s, odds)
    step(s.probability, odds)
    log_odds = log_odds_of(s.probability)
    if log_odds > _LEARN_FROM:
        _learn_level(s, size)
    return log_odds


@inlined
def _drop_oldest(s: AtriaState) -> None:  # pragma: no cover - compiled
    """Make room for one more."""
    for k in range(s.sample.size - 1):
        s.sample[k] = s.sample[k + 1]
        s.interval_s[k] = s.interval_s[k + 1]
        s.late[k] = s.late[k + 1]
        s.seen[k] = s.seen[k + 1]
        s.likeness[k] = s.likeness[k + 1]
        for state in range(STATES):
            s.odds[k, state] = s.odds[k + 1, state]
        for lead in range(s.wave.shape[1]):
            for i in range(POINTS):
                s.wave[k, lead, i] = s.wave[k + 1, lead, i]


@inlined
def _is_early(s: AtriaState, n: int) -> bool:  # pragma: no cover - compiled
    """Whether a beat comes well before the usual interval is over."""
    if np.isnan(s.interval_s[n]):
        return False
    usual, count = np.empty(_USUAL), 0
    for k in range(n - 1, max(n - 1 - _USUAL_WITHIN, -1), -1):
        if count < _USUAL and not np.isnan(s.interval_s[k]):
            usual[count] = s.interval_s[k]
            count += 1
    if count < _LEAST_USUAL:
        return False
    return bool(s.interval_s[n] < _EARLY * median_of(usual[:count]))


@jit
def _likeness(
    s: AtriaState, n: int, step: int, stop: int, most: int
) -> float:  # pragma: no cover - compiled
    """Return the cosine of a wave with the mean of those of the nearest beats that aren't early.

    From the next one in the direction of `step` until before `stop`, `most` at the most.
    """
    others = np.empty((most, s.wave.shape[1], POINTS), np.float32)
    count = 0
    for k in range(n + step, stop, step):
        if count < most and s.late[k]:
            for lead in range(s.wave.shape[1]):
                for i in range(POINTS):
                    others[count, lead, i] = s.wave[k, lead, i]
            count += 1
    return likeness(others[:count], s.wave[n]) if count >= _LEAST_WAVES else np.nan


@inlined
def nearest_pair(intervals_s: FloatArray, n: int) -> float:  # pragma: no cover - compiled
    """Return how far an interval and the one before are from the nearest two in a row.

    The larger of the two differences of logarithms; NaN if too few are known.
    """
    best, count = np.inf, 0
    for k in range(n - 1, max(n - 1 - _PAIRS, 0), -1):
        far = max(
            abs(np.log(intervals_s[n] / intervals_s[k])),
            abs(np.log(intervals_s[n - 1] / intervals_s[k - 1])),
        )
        if not np.isnan(intervals_s[k] + intervals_s[k - 1]):
            best = min(best, far)
            count += 1
    return best if count >= _LEAST_PAIRS else np.nan


@inlined
def _add_interval_odds(
    s: AtriaState, n: int, odds: FloatArray
) -> None:  # pragma: no cover - compiled
    """Weigh the intervals; nothing where one is unknown."""
    if n == 0:
        return
    change = abs(np.log(s.interval_s[n] / s.interval_s[n - 1]))
    if np.isnan(change):
        return
    column = column_of(CHANGE_EDGES, change)
    regular, ectopic = CHANGE[0, column], CHANGE[1, column]
    far = nearest_pair(s.interval_s, n)
    if not np.isnan(far):
        column = column_of(PAIR_EDGES, far)
        regular += PAIR[0, column]
        ectopic += PAIR[1, column]
    odds[REGULAR] += regular
    odds[ECTOPIC] += ectopic
    odds[HIDDEN] += regular


@inlined
def _log_size(s: AtriaState, n: int) -> float:  # pragma: no cover - compiled
    """Return the logarithm of a wave's root mean square in mV, in the lead where it is largest."""
    largest = 0.0
    for lead in range(s.wave.shape[1]):
        energy = 0.0
        for k in range(POINTS):
            energy += float(s.wave[n, lead, k]) ** 2
        largest = max(largest, energy)
    return float(np.log(np.sqrt(largest / POINTS) + _TINY_MV))


@inlined
def _fading(s: AtriaState, size: float) -> float:  # pragma: no cover - compiled
    """Weigh the size of a wave beside those of the patient's fibrillation."""
    if np.isnan(size) or s.level[1] < _LEAST_LEVEL_BEATS or size > np.log(_FLAT_MV):
        return 0.0
    return between(_FADED, _FADED_EVIDENCE, size - s.level[0])


@inlined
def _learn_level(s: AtriaState, size: float) -> None:  # pragma: no cover - compiled
    """Learn how large fibrillatory waves are; flat lines among them don't count."""
    enough = s.level[1] >= _LEAST_LEVEL_BEATS
    if np.isnan(size) or (enough and size < s.level[0] + _FADED[-1]):
        return
    s.level[1] = min(s.level[1] + 1.0, float(_LEVEL_BEATS))
    s.level[0] += (size - s.level[0]) / s.level[1]


@jit
def turn_of(s: AtriaState, first: int, fibrillating: bool) -> int:  # pragma: no cover - compiled
    """Return which of the remembered beats from `first` on was the first of the present state.

    Parameters
    ----------
    s : AtriaState
        Beats; there must be more than `first`.
    first : int
        Index of the beat from which on a change is looked for.
    fibrillating : bool
        Whether the present state is fibrillation; the one before was not, or the other way round.
    """
    n = s.filled[0]
    told = np.zeros((n - first, STATES))
    forward = np.zeros((n - first, STATES))
    now = np.zeros(STATES)
    for k in range(STATES):
        now[k] = WHILE_NOT[k] if fibrillating else WHILE_FIBRILLATING[k]
    for k in range(first, n):
        alike = s.likeness[k]
        if not fibrillating and s.late[k] and n - 1 - k >= _LEAST_WAVES:
            alike = _likeness(s, k, 1, min(k + 1 + _NEXT_WITHIN, n), _NEXT_WAVES)
        odds = told[k - first]
        for state in range(STATES):
            odds[state] = s.odds[k, state]
        add_wave_odds(alike, s.interval_s[k], odds)
        if k > first:
            change_state(now)
        weigh(now, odds)
        for state in range(STATES):
            forward[k - first, state] = now[state]
    later = np.ones(STATES)
    for k in range(n - 1, first - 1, -1):
        others, all_of_them = 0.0, 0.0
        for state in range(STATES):
            both = forward[k - first, state] * later[state]
            all_of_them += both
            others += both if state != FIBRILLATING else 0.0
        if (others < 0.5 * all_of_them) != fibrillating:
            return int(min(k + 1, n - 1))
        weigh(later, told[k - first])
        go_back(later)
    return first


@jit
def is_known(s: AtriaState) -> bool:  # pragma: no cover - compiled
    """Whether any two intervals in a row are remembered."""
    known = 0
    for k in range(1, s.filled[0]):
        if not np.isnan(s.interval_s[k] + s.interval_s[k - 1]):
            known += 1
    return known > 0
