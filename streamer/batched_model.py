"""Ask the network for many patients' beats in one call."""

from bisect import bisect_left
from typing import Final

import numpy as np

from classifier.features import FloatArray
from classifier.runtime import ModelSpec, TorchScriptModel

LARGEST_BATCH: Final = 256
"""Beyond this a beat gets no cheaper."""
_STEP: Final = 16
_SIZES: Final = (1, 2, 4, 8, *range(_STEP, LARGEST_BATCH + 1, _STEP))
"""Batches are filled up to one of these, because the network is prepared anew for each shape."""


class BatchedModel:
    """A `BeatModel` that answers all its beats together.

    `TorchScriptModel` takes one beat at a time, so that a label doesn't depend on what else is
    asked. Here the last digits may: sums are taken in another order.

    Parameters
    ----------
    model : TorchScriptModel
        The network.
    """

    def __init__(self, model: TorchScriptModel) -> None:
        import torch  # noqa: PLC0415

        self._torch = torch
        self._module = model._module
        self.spec: ModelSpec = model.spec

    def warm_up(self) -> None:
        """Have every shape prepared."""
        for size in _SIZES:
            signal = np.zeros((size, len(self.spec.channels), self.spec.window_samples), np.float32)
            features = np.zeros((size, len(self.spec.features)), np.float32)
            for _ in range(3):  # The executor settles during its first runs.
                self.predict(signal, features)

    def predict(self, signal: FloatArray, features: FloatArray) -> FloatArray:
        """Return class probabilities; see `BeatModel.predict`."""
        found = [
            self._predict(
                signal[first : first + LARGEST_BATCH], features[first : first + LARGEST_BATCH]
            )
            for first in range(0, len(signal), LARGEST_BATCH)
        ]
        return np.concatenate(found) if found else np.zeros((0, len(self.spec.classes)), np.float32)

    def _predict(self, signal: FloatArray, features: FloatArray) -> FloatArray:
        n = len(signal)
        size = _SIZES[bisect_left(_SIZES, n)]
        if size > n:
            signal = np.concatenate([signal, np.repeat(signal[-1:], size - n, axis=0)])
            features = np.concatenate([features, np.repeat(features[-1:], size - n, axis=0)])
        with self._torch.inference_mode():
            from_numpy = self._torch.from_numpy
            found: FloatArray = self._module(from_numpy(signal), from_numpy(features)).numpy()
        return found[:n]
