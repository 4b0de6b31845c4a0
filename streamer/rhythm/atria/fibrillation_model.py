"""The hidden Markov model of the atria: its states, what single beats say for each, its steps.

Where the tables come from: `ecg-stream train atria`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit

FloatArray = NDArray[np.float64]

REGULAR, ECTOPIC, HIDDEN, FIBRILLATING = range(4)
STATES: Final = 4

CHANGE_EDGES: Final = np.array([0.01, 0.02, 0.04, 0.06, 0.09, 0.13, 0.2, 0.65])
PAIR_EDGES: Final = np.array([0.01, 0.02, 0.03, 0.045, 0.07, 0.1])
LIKENESS_EDGES: Final = np.array([0.0, 0.5, 0.8, 0.9, 0.95, 0.98])
"""Where the next column of a table begins."""
CHANGE: Final = np.array([
    [0.8, 0.7, 0.5, 0.3, 0.1, -0.4, -0.9, -0.9, -0.4],
    [0.5, 0.4, 0.2, 0.1, 0.0, 0.0, -0.1, -0.2, 0.2],
])  # fmt: skip
PAIR: Final = np.array([
    [1.9, 1.3, 0.6, -0.1, -0.8, -1.2, -1.3],
    [1.3, 0.9, 0.5, 0.2, -0.1, -0.3, -0.5],
])  # fmt: skip
LIKENESS: Final = np.array([
    [-1.5, -0.8, -0.8, 0.0, 1.1, 2.3, 4.3],
    [-1.5, -1.0, -0.5, 0.3, 1.3, 2.4, 4.1],
])  # fmt: skip
"""Log-odds of a regular and of an ectopic rhythm against fibrillation, by how much the logarithm of
the interval changed, by how far the nearest pair of intervals is, by the cosine of the waves; as
`ecg-stream train atria` prints them."""
_HIDDEN_LIKENESS: Final = 0.15
"""Of what the waves say for an ectopic rhythm, where P waves can't be told."""
FAST_S: Final = 0.5
_FAST_LIKENESS: Final = 0.5
"""After a shorter interval the T wave is in the place of the P wave: half as much evidence."""

_TO_FIBRILLATION: Final = 0.0005
_FROM_FIBRILLATION: Final = 0.01
_TO_ECTOPIC: Final = 0.02
_FROM_ECTOPIC: Final = 0.03
_TO_HIDDEN: Final = 0.005
"""Probabilities of a change from one beat to the next: an episode is of a hundred beats or so."""
_STAYS: Final = 1.0 - _TO_HIDDEN - _TO_FIBRILLATION
CHANGES: Final = np.array([
    [_STAYS - _TO_ECTOPIC, _TO_ECTOPIC, _TO_HIDDEN, _TO_FIBRILLATION],
    [_FROM_ECTOPIC, _STAYS - _FROM_ECTOPIC, _TO_HIDDEN, _TO_FIBRILLATION],
    [_FROM_ECTOPIC, _TO_HIDDEN, _STAYS - _FROM_ECTOPIC, _TO_FIBRILLATION],
    [0.4 * _FROM_FIBRILLATION, 0.3 * _FROM_FIBRILLATION, 0.3 * _FROM_FIBRILLATION,
     1.0 - _FROM_FIBRILLATION],
])  # fmt: skip
_TINY: Final = 1e-300
AT_FIRST: Final = np.array([0.7, 0.2, 0.099, 0.001])
WHILE_NOT: Final = np.array([0.5, 0.3, 0.15, 0.05])
WHILE_FIBRILLATING: Final = np.array([0.02, 0.02, 0.01, 0.95])
"""Probabilities before the first beat, and before those among which a change is looked for."""


@jit
def log_odds_of(probability: FloatArray) -> float:  # pragma: no cover - compiled
    """Return the log-odds of fibrillation against all else."""
    others = 0.0
    for k in range(STATES):
        if k != FIBRILLATING:
            others += probability[k]
    return float(np.log(probability[FIBRILLATING] + _TINY) - np.log(others + _TINY))


@jit
def column_of(edges: FloatArray, value: float) -> int:  # pragma: no cover - compiled
    """Return how many edges are not above a value: its column in a table."""
    column = 0
    while column < edges.size and value >= edges[column]:
        column += 1
    return column


@inlined
def between(edges: FloatArray, values: FloatArray, at: float) -> float:  # pragma: no cover
    """Interpolate linearly; beyond the edges the value stays."""
    k = min(max(column_of(edges, at) - 1, 0), edges.size - 2)
    part = min(max((at - edges[k]) / (edges[k + 1] - edges[k]), 0.0), 1.0)
    return float(values[k] + part * (values[k + 1] - values[k]))


@jit
def add_wave_odds(
    alike: float, interval_s: float, odds: FloatArray
) -> None:  # pragma: no cover - compiled
    """Weigh what lies before the QRS complex."""
    if np.isnan(alike):
        return
    column = column_of(LIKENESS_EDGES, alike)
    part = _FAST_LIKENESS if interval_s < FAST_S else 1.0
    odds[REGULAR] += part * LIKENESS[0, column]
    odds[ECTOPIC] += part * LIKENESS[1, column]
    odds[HIDDEN] += part * _HIDDEN_LIKENESS * LIKENESS[1, column]


@inlined
def step(probability: FloatArray, odds: FloatArray) -> None:  # pragma: no cover - compiled
    """Go on by a beat: a change of state, then what the beat tells."""
    change_state(probability)
    weigh(probability, odds)


@jit
def change_state(probability: FloatArray) -> None:  # pragma: no cover - compiled
    """Let the state change as it does from one beat to the next."""
    before = probability.copy()
    for to in range(STATES):
        probability[to] = 0.0
        for k in range(STATES):
            probability[to] += before[k] * CHANGES[k, to]


@jit
def weigh(probability: FloatArray, odds: FloatArray) -> None:  # pragma: no cover - compiled
    """Multiply by likelihoods and scale to a sum of 1."""
    most, total = odds[0], 0.0
    for k in range(1, STATES):
        most = max(most, odds[k])
    for k in range(STATES):
        probability[k] *= np.exp(odds[k] - most)
        total += probability[k]
    for k in range(STATES):
        probability[k] /= total


@inlined
def go_back(later: FloatArray) -> None:  # pragma: no cover - compiled
    """Make how probable what follows is from each state that from the states a beat earlier."""
    after = later.copy()
    for k in range(STATES):
        later[k] = 0.0
        for to in range(STATES):
            later[k] += CHANGES[k, to] * after[to]
