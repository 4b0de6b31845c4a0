"""The hidden Markov model of the atria: its states, what single beats say for each, its steps.

Where the tables come from: `ecg-stream train atria`.
"""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit

FloatArray = NDArray[np.float64]


class AtrialState(IntEnum):
    """States of the model, by their position."""

    REGULAR = 0
    ECTOPIC = 1
    HIDDEN = 2
    """Regular, without a P wave that can be seen."""
    FIBRILLATING = 3


STATES: Final = len(AtrialState)

CHANGE_EDGES: Final = np.array([0.01, 0.02, 0.04, 0.06, 0.09, 0.13, 0.2, 0.65])
PAIR_EDGES: Final = np.array([0.01, 0.02, 0.03, 0.045, 0.07, 0.1])
SIMILARITY_EDGES: Final = np.array([0.0, 0.5, 0.8, 0.9, 0.95, 0.98])
"""Where the next column of a table begins."""
CHANGE: Final = np.array([
    [0.8, 0.7, 0.5, 0.3, 0.1, -0.4, -0.9, -0.9, -0.4],
    [0.5, 0.4, 0.2, 0.1, 0.0, 0.0, -0.1, -0.2, 0.2],
])  # fmt: skip
PAIR: Final = np.array([
    [1.9, 1.3, 0.6, -0.1, -0.8, -1.2, -1.3],
    [1.3, 0.9, 0.5, 0.2, -0.1, -0.3, -0.5],
])  # fmt: skip
SIMILARITY: Final = np.array([
    [-1.5, -0.8, -0.8, 0.0, 1.1, 2.3, 4.3],
    [-1.5, -1.0, -0.5, 0.3, 1.3, 2.4, 4.1],
])  # fmt: skip
"""Log-odds of a regular and of an ectopic rhythm (rows as in `AtrialState`) against fibrillation:
by how much the logarithm of the interval changed, by how far the nearest pair of intervals is, by
the cosine similarity of the segments; as `ecg-stream train atria` prints them."""
_HIDDEN_SIMILARITY: Final = 0.15
"""Of what similar segments say for an ectopic rhythm, where P waves can't be seen."""
FAST_S: Final = 0.5
_FAST_SIMILARITY: Final = 0.5
"""After a shorter interval the T wave is in the place of the P wave: half as much evidence."""

_TO_FIBRILLATION: Final = 0.0005
_FROM_FIBRILLATION: Final = 0.01
_TO_ECTOPIC: Final = 0.02
_FROM_ECTOPIC: Final = 0.03
_TO_HIDDEN: Final = 0.005
"""Probabilities of a change from one beat to the next: an episode is of a hundred beats or so."""
_STAYS: Final = 1.0 - _TO_HIDDEN - _TO_FIBRILLATION
TRANSITION: Final = np.array([
    [_STAYS - _TO_ECTOPIC, _TO_ECTOPIC, _TO_HIDDEN, _TO_FIBRILLATION],
    [_FROM_ECTOPIC, _STAYS - _FROM_ECTOPIC, _TO_HIDDEN, _TO_FIBRILLATION],
    [_FROM_ECTOPIC, _TO_HIDDEN, _STAYS - _FROM_ECTOPIC, _TO_FIBRILLATION],
    [0.4 * _FROM_FIBRILLATION, 0.3 * _FROM_FIBRILLATION, 0.3 * _FROM_FIBRILLATION,
     1.0 - _FROM_FIBRILLATION],
])  # fmt: skip
_TINY: Final = 1e-300
INITIAL: Final = np.array([0.7, 0.2, 0.099, 0.001])
BEFORE_ONSET: Final = np.array([0.5, 0.3, 0.15, 0.05])
BEFORE_END: Final = np.array([0.02, 0.02, 0.01, 0.95])
"""Probabilities before the first beat, and before those among which a change is looked for."""


@jit
def log_odds_of(probability: FloatArray) -> float:
    """Return the log-odds of fibrillation against all else."""
    others = 0.0
    for k in range(STATES):
        if k != AtrialState.FIBRILLATING:
            others += probability[k]
    # Tiny terms keep both logarithms finite where a probability underflows.
    return float(np.log(probability[AtrialState.FIBRILLATING] + _TINY) - np.log(others + _TINY))


@jit
def column_of(edges: FloatArray, value: float) -> int:
    """Return how many edges are not above a value: its column in a table."""
    # There are eight edges at most: a plain search is fast enough and quick to compile.
    column = 0
    while column < edges.size and value >= edges[column]:
        column += 1
    return column


@inlined
def between(edges: FloatArray, values: FloatArray, at: float) -> float:
    """Interpolate linearly; beyond the edges the value stays."""
    k = min(max(column_of(edges, at) - 1, 0), edges.size - 2)
    # Clamped: nothing is extrapolated beyond the values that were learned.
    part = min(max((at - edges[k]) / (edges[k + 1] - edges[k]), 0.0), 1.0)
    return float(values[k] + part * (values[k + 1] - values[k]))


@jit
def add_similarity(similarity: float, interval_s: float, log_likelihood: FloatArray) -> None:
    """Add what the similarity of the segment before the QRS complex says for each state."""
    # An early beat, missing samples, or too few beats before it: no evidence.
    if np.isnan(similarity):
        return
    column = column_of(SIMILARITY_EDGES, similarity)
    # At a fast rate the T wave before lies where the P wave is expected.
    part = _FAST_SIMILARITY if interval_s < FAST_S else 1.0
    ectopic = SIMILARITY[AtrialState.ECTOPIC, column]
    log_likelihood[AtrialState.REGULAR] += part * SIMILARITY[AtrialState.REGULAR, column]
    log_likelihood[AtrialState.ECTOPIC] += part * ectopic
    # Where no P wave can be seen, similar segments say little.
    log_likelihood[AtrialState.HIDDEN] += part * _HIDDEN_SIMILARITY * ectopic


@inlined
def advance(probability: FloatArray, log_likelihood: FloatArray) -> None:
    """Go on by a beat: a change of state, then the evidence of the beat."""
    change_state(probability)
    multiply_likelihood(probability, log_likelihood)


@jit
def change_state(probability: FloatArray) -> None:
    """Let the state change as it does from one beat to the next."""
    # A copy, as each new probability is a sum over all old ones.
    before = probability.copy()
    for to in range(STATES):
        probability[to] = 0.0
        for k in range(STATES):
            probability[to] += before[k] * TRANSITION[k, to]


@jit
def multiply_likelihood(probability: FloatArray, log_likelihood: FloatArray) -> None:
    """Multiply by likelihoods and scale to a sum of 1."""
    # Beside the largest, as exponentials of all of them may vanish together.
    most, total = log_likelihood[0], 0.0
    for k in range(1, STATES):
        most = max(most, log_likelihood[k])
    for k in range(STATES):
        probability[k] *= np.exp(log_likelihood[k] - most)
        total += probability[k]
    for k in range(STATES):
        # Scaled at each beat, so that products over many beats do not underflow.
        probability[k] /= total


@inlined
def step_back(later: FloatArray) -> None:
    """Turn the likelihood of what follows, given each state, into that given the state before."""
    after = later.copy()
    for k in range(STATES):
        later[k] = 0.0
        for to in range(STATES):
            # The transpose of `change_state`: here the sum is over the state that follows.
            later[k] += TRANSITION[k, to] * after[to]
