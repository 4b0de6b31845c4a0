"""Compiled: one step of the rhythm model, a recurrent network over the sequence of beats.

A gated recurrent unit (Cho et al. 2014, doi:10.3115/v1/D14-1179; gates as in torch) takes each
beat's own measures and says how probable each class is for this beat, for the beat before, which
now has a next one, and how probable atrial fibrillation is. It sees no label: so what is
remembered of a patient stays independent of when, and where, labels are worked out.
"""

from typing import Any, Final

import numpy as np

from classifier.compiled import jit
from classifier.inputs.features import Feature, FloatArray, Source
from classifier.inputs.kernels import records
from classifier.labels import MODEL_LABELS

RHYTHM_INPUTS: Final = (
    *(feature for feature in Feature if feature.source is Source.RHYTHM),
    Feature.ENTROPY_50,
)
"""Measures that follow from RR intervals alone, so that beats without a signal teach them."""
SHAPE_INPUTS: Final = (
    *(feature for feature in Feature if feature.source is Source.SHAPE),
    Feature.BEST_SIMILARITY,
    Feature.HAS_USUAL_SHAPE,
    Feature.SHAPE_TO_USUAL,
    Feature.RESIDUAL,
    Feature.ROUGHNESS,
    Feature.QUALITY,
    *(feature for feature in Feature if feature.source is Source.SECOND_LEAD),
)
"""Measures of the beat itself; what earlier beats were like the network remembers by itself."""
N_RHYTHM: Final = len(RHYTHM_INPUTS)
N_SHAPE: Final = len(SHAPE_INPUTS)
N_SECOND: Final = sum(feature.source is Source.SECOND_LEAD for feature in SHAPE_INPUTS)
"""Of those, the last ones: measures of the second lead."""
N_INPUTS: Final = N_RHYTHM + 1 + N_SHAPE
"""Between the two: the evidence that the beat is ventricular, from its shape."""
COLUMNS: Final = np.array([int(f) for f in (*RHYTHM_INPUTS, *SHAPE_INPUTS)], np.int64)
"""Of the measures in a beat's features."""
PROJECTED: Final = 32
HIDDEN: Final = 64
N_CLASSES: Final = len(MODEL_LABELS)
N_OUTPUTS: Final = 2 * N_CLASSES + 1
"""Logits of this beat's class, of the class of the beat before, and of atrial fibrillation."""
INPUT_LIMIT: Final = 6.0
"""Standard deviations beyond which measures are not told apart."""
EVIDENCE_STEP: Final = 3.0
"""Of the ventricular evidence, so that its spread is near that of the other inputs."""
LOG_ODDS_LIMIT: Final = 8.0
LOG_ODDS_STEP: Final = 4.0
"""Log-odds of the outputs are limited, and given in steps of this size."""

WEIGHTS: Final = np.dtype(
    [
        ("is_trained", np.int64),
        ("mean", np.float32, (N_RHYTHM + N_SHAPE,)),
        ("scale", np.float32, (N_RHYTHM + N_SHAPE,)),
        ("ventricular", np.float32, (N_SHAPE,)),
        ("ventricular_bias", np.float32),
        # Inputs along the rows: the innermost loop then adds to all outputs at once.
        ("projection", np.float32, (N_INPUTS, PROJECTED)),
        ("projection_bias", np.float32, (PROJECTED,)),
        # Gates side by side: reset, update, new
        ("gates", np.float32, (PROJECTED, 3 * HIDDEN)),
        ("gates_bias", np.float32, (3 * HIDDEN,)),
        ("recurrent", np.float32, (HIDDEN, 3 * HIDDEN)),
        ("recurrent_bias", np.float32, (3 * HIDDEN,)),
        ("outputs", np.float32, (HIDDEN, N_OUTPUTS)),
        ("outputs_bias", np.float32, (N_OUTPUTS,)),
    ]
)
"""The rhythm model's weights as the kernel takes them."""


def untrained() -> Any:
    """Return weights, shape (1,), of a model that says nothing: its log-odds are all 0."""
    weights = records(WEIGHTS, 1)
    weights["scale"] = 1.0
    return weights


@jit
def step(weights: Any, features: FloatArray, hidden: FloatArray, outputs: FloatArray) -> None:
    """Go on by one beat.

    Parameters
    ----------
    weights : record of `WEIGHTS`
    features : ndarray of float32, shape (len(Feature),)
        Of the beat, those of the next beat not needed.
    hidden : ndarray of float32, shape (HIDDEN,)
        State after the beat before; overwritten by the state after this one.
    outputs : ndarray of float32, shape (N_OUTPUTS,)
        Written: the logits.
    """
    w = weights
    inputs = np.empty(N_INPUTS, np.float32)
    _normalise(w, features, inputs)
    projected = np.empty(PROJECTED, np.float32)
    _affine(w.projection, w.projection_bias, inputs, projected)
    for i in range(PROJECTED):
        projected[i] = max(projected[i], np.float32(0.0))
    new, old = np.empty(3 * HIDDEN, np.float32), np.empty(3 * HIDDEN, np.float32)
    _affine(w.gates, w.gates_bias, projected, new)
    _affine(w.recurrent, w.recurrent_bias, hidden, old)
    one = np.float32(1.0)
    for i in range(HIDDEN):
        reset = one / (one + np.exp(-(new[i] + old[i])))
        update = one / (one + np.exp(-(new[HIDDEN + i] + old[HIDDEN + i])))
        candidate = np.tanh(new[2 * HIDDEN + i] + reset * old[2 * HIDDEN + i])
        hidden[i] = (one - update) * candidate + update * hidden[i]
    _affine(w.outputs, w.outputs_bias, hidden, outputs)


@jit
def _normalise(weights: Any, features: FloatArray, inputs: FloatArray) -> None:
    """Write the inputs: measures in standard deviations, and the ventricular evidence."""
    limit = np.float32(INPUT_LIMIT)
    evidence = weights.ventricular_bias
    for i in range(N_RHYTHM + N_SHAPE):
        value = (features[COLUMNS[i]] - weights.mean[i]) / weights.scale[i]
        value = min(max(value, -limit), limit)
        # Written so that NaN, in a beat that can't be judged, is no evidence.
        value = value if -limit <= value <= limit else np.float32(0.0)
        inputs[i if i < N_RHYTHM else i + 1] = value
        if i >= N_RHYTHM:
            evidence += weights.ventricular[i - N_RHYTHM] * value
    inputs[N_RHYTHM] = min(max(evidence, -limit), limit) / np.float32(EVIDENCE_STEP)


@jit
def _affine(weights: FloatArray, bias: FloatArray, inputs: FloatArray, outputs: FloatArray) -> None:
    """Write bias + inputs @ weights, summed in one fixed order."""
    for o in range(outputs.size):
        outputs[o] = bias[o]
    for i in range(inputs.size):
        value = inputs[i]
        for o in range(outputs.size):
            outputs[o] += weights[i, o] * value


@jit
def _limited(value: float) -> float:
    return min(max(value, -LOG_ODDS_LIMIT), LOG_ODDS_LIMIT) / LOG_ODDS_STEP


@jit
def log_odds(outputs: FloatArray, first: int, label: int) -> float:
    """Log-odds of a class against N, in steps, of the logits that begin at `first`."""
    return _limited(np.float64(outputs[first + label]) - np.float64(outputs[first]))


@jit
def fibrillation_log_odds(outputs: FloatArray) -> float:
    """Log-odds of atrial fibrillation, in steps."""
    return _limited(np.float64(outputs[2 * N_CLASSES]))


@jit
def run(
    weights: Any, features: FloatArray, learns: Any, state: FloatArray, found: FloatArray
) -> None:
    """Go through a sequence of beats, to train on what serving will see.

    Parameters
    ----------
    weights : record array of `WEIGHTS`, shape (1,)
    features : ndarray of float32, shape (n, len(Feature))
    learns : ndarray of bool, shape (n,)
        Which of the beats are remembered.
    state : ndarray of float32, shape (HIDDEN,)
        Overwritten.
    found : ndarray of float32, shape (n, N_OUTPUTS)
        Written: the logits at each beat.
    """
    tried = np.empty(HIDDEN, np.float32)
    for t in range(features.shape[0]):
        tried[:] = state
        step(weights[0], features[t], tried, found[t])
        if learns[t]:
            state[:] = tried
