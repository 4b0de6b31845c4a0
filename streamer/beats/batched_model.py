"""Have the network work on many patients' beats in one call."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

import numpy as np

from classifier.inputs.features import FloatArray
from classifier.network.runtime import TorchScriptModel
from classifier.network.spec import ModelSpec

LARGEST_BATCH: Final = 128
"""Beyond this a beat gets no cheaper."""
FEW: Final = 4
"""Up to so many beats take less time one after the other than together."""
_STEP: Final = 16
_SIZES: Final = (8, *range(_STEP, LARGEST_BATCH + 1, _STEP))
"""Batches are filled up to one of these, because the network is prepared anew for each shape."""


class BatchedModel:
    """A `BeatModel` that works on all its beats together.

    `TorchScriptModel` takes one beat at a time, so that a label doesn't depend on what else is
    asked. Here the last digits may: sums are taken in another order.

    Parameters
    ----------
    model : TorchScriptModel
        The network.
    """

    def __init__(self, model: TorchScriptModel) -> None:
        self._model = model
        self.spec: ModelSpec = model.spec

    def warm_up(self) -> None:
        """Have every shape prepared."""
        for size in _SIZES:
            signal = np.zeros((size, len(self.spec.channels), self.spec.window_samples), np.float32)
            features = np.zeros((size, len(self.spec.features)), np.float32)
            for _ in range(3):  # The executor settles during its first runs.
                self.decide(self.embed(signal), features)

    def embed(self, signal: FloatArray) -> FloatArray:
        """Return the embeddings of beats' signals; see `BeatModel.embed`."""
        if len(signal) <= FEW:
            return self._model.embed(signal)
        return _in_batches(self._model.embed_batch, signal)

    def decide(self, embedding: FloatArray, features: FloatArray) -> FloatArray:
        """Return class probabilities; see `BeatModel.decide`."""
        if len(embedding) <= FEW:
            return self._model.decide(embedding, features)
        return _in_batches(self._model.decide_batch, embedding, features)


def _in_batches(work: Callable[..., FloatArray], *inputs: FloatArray) -> FloatArray:
    """Have rows worked on in batches of the sizes that are prepared."""
    n = len(inputs[0])
    found = []
    for first in range(0, n, LARGEST_BATCH):
        rows = [of_all[first : first + LARGEST_BATCH] for of_all in inputs]
        wanted = len(rows[0])
        short = _SIZES[bisect_left(_SIZES, wanted)] - wanted
        if short:
            rows = [np.concatenate([some, np.repeat(some[-1:], short, axis=0)]) for some in rows]
        found.append(work(*rows)[:wanted])
    return found[0] if len(found) == 1 else np.concatenate(found)
