"""The learned part of the QRS detector, which says whether a candidate is a beat.

A perceptron with two small hidden layers, evaluated inside the compiled loop. Trained by
`streamer.training.detector` on DS1 (see there); its weights ship as `weights/peak_scorer.npz`.
"""

from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from streamer.core.errors import StreamerError
from streamer.signal.detector.state import FEATURES, LEAD_FEATURES, LeadFeature

WEIGHTS: Final = "weights/peak_scorer.npz"


class PeakScorer(NamedTuple):
    """Weights of the perceptron, float32."""

    w1: NDArray[np.float32]
    """Shape (features, hidden1)."""
    b1: NDArray[np.float32]
    w2: NDArray[np.float32]
    """Shape (hidden1, hidden2)."""
    b2: NDArray[np.float32]
    w3: NDArray[np.float32]
    """Shape (hidden2,)."""
    b3: NDArray[np.float32]
    """Shape (1,)."""


def amplitude_scorer(hidden: tuple[int, int] = (32, 16)) -> PeakScorer:
    """Build the untrained scorer: a threshold on the envelope alone, where training starts from."""
    first, second = hidden
    offset, slope = np.float32(10.0), np.float32(4.0)  # keep the hidden unit positive
    scorer = PeakScorer(
        np.zeros((FEATURES, first), np.float32),
        np.zeros(first, np.float32),
        np.zeros((first, second), np.float32),
        np.zeros(second, np.float32),
        np.zeros(second, np.float32),
        np.zeros(1, np.float32),
    )
    scorer.w1[LeadFeature.PEAK_TO_LEVEL, 0] = 1.0
    scorer.w1[LEAD_FEATURES + LeadFeature.PEAK_TO_LEVEL, 0] = 0.5
    scorer.b1[0] = offset
    scorer.w2[0, 0] = 1.0
    scorer.w3[0] = slope
    scorer.b3[0] = slope * (1.0 - offset)
    return scorer


def load_peak_scorer(path: Path | None = None) -> PeakScorer:
    """Read the shipped weights, or those in `path`.

    Raises
    ------
    StreamerError
        If they don't fit this version's features.
    """
    with resources.as_file(resources.files("streamer.signal.detector") / WEIGHTS) as shipped:
        source = path or shipped
        with np.load(source) as arrays:
            scorer = PeakScorer(*(np.ascontiguousarray(arrays[f]) for f in PeakScorer._fields))
    if scorer.w1.shape[0] != FEATURES:
        raise StreamerError(
            f"{source}: the peak scorer takes {scorer.w1.shape[0]} features, this version makes "
            f"{FEATURES}; train it anew with 'ecg-stream train detector'"
        )
    return scorer


def save_peak_scorer(scorer: PeakScorer, path: Path) -> None:
    """Write weights where `load_peak_scorer` reads them."""
    np.savez_compressed(path, **scorer._asdict())


def packed(scorer: PeakScorer) -> NDArray[np.float32]:
    """Lay the weights end to end behind their two hidden sizes, as `score` takes them."""
    sizes = np.array([scorer.b1.size, scorer.b2.size], np.float32)
    return np.concatenate([sizes, *(weights.ravel() for weights in scorer)])


@jit
def score(net: NDArray[np.float32], features: NDArray[np.float32]) -> float:
    """Return the log-odds that the candidate is a beat; `net` is what `packed` made."""
    n, n1, n2 = features.shape[0], int(net[0]), int(net[1])
    # Offsets of the parts in the flat array, in the order of `packed`.
    b1 = 2 + n * n1
    w2 = b1 + n1
    b2 = w2 + n1 * n2
    w3 = b2 + n2
    # Copies, as the sums must not change the biases.
    first = net[b1:w2].copy()
    for i in range(n):
        x = features[i]
        if x != 0.0:  # Many features are: of an absent lead, or before the first beats.
            row = net[2 + i * n1 : 2 + (i + 1) * n1]
            # Along a row, where weights lie side by side: the inner loop runs on vectors.
            for j in range(n1):
                first[j] += x * row[j]
    second = net[b2:w3].copy()
    for i in range(n1):
        x = first[i]
        if x > 0.0:
            # An inactive unit (ReLU) adds nothing, so that its row is not read.
            row = net[w2 + i * n2 : w2 + (i + 1) * n2]
            for j in range(n2):
                second[j] += x * row[j]
    out = net[w3 + n2]
    for i in range(n2):
        if second[i] > 0.0:
            out += second[i] * net[w3 + i]
    return float(out)
