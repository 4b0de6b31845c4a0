"""Ridge logistic regression with both classes of equal weight."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.scores import BoolArray, ScoreArray

_LEAST_SCALE: Final = 1e-3
_ITERATIONS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Logistic:
    """Log-odds as a weighted sum of standardised features."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, features: FloatArray) -> ScoreArray:
        """Return the log-odds of rows of features, shape (n,)."""
        standard = (features - self.mean) / self.scale
        return np.asarray(standard @ self.weights + self.bias, np.float64)


class RidgePath:
    """Logistic regressions on the same rows, for any penalty.

    Parameters
    ----------
    features : ndarray of float32, shape (n, k)
    is_ill : ndarray of bool, shape (n,)
        Both kinds must be there.
    """

    def __init__(self, features: FloatArray, is_ill: BoolArray) -> None:
        self._mean = features.mean(axis=0, dtype=np.float64)
        self._scale = np.maximum(features.std(axis=0, dtype=np.float64), _LEAST_SCALE)
        self._sign = np.where(is_ill, 1.0, -1.0)
        self._share = np.where(is_ill, 0.5 / is_ill.sum(), 0.5 / (~is_ill).sum())
        self._x, self._back = (features - self._mean) / self._scale, None
        if self._x.shape[0] < self._x.shape[1]:
            # The ridge solution lies in the space of the rows, where there are fewer unknowns.
            left, singular, self._back = np.linalg.svd(self._x, full_matrices=False)
            self._x = left * singular

    def fit(self, penalty: float) -> Logistic:
        """Minimise the mean cross-entropy plus half the penalty times the weights' squared norm."""
        start = np.zeros(self._x.shape[1] + 1)
        found = minimize(
            self._loss,
            start,
            args=(penalty,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS},
        ).x
        weights = found[:-1] if self._back is None else self._back.T @ found[:-1]
        return Logistic(mean=self._mean, scale=self._scale, weights=weights, bias=float(found[-1]))

    def _loss(
        self, parameters: NDArray[np.float64], penalty: float
    ) -> tuple[float, NDArray[np.float64]]:
        weights, bias = parameters[:-1], parameters[-1]
        margin = self._sign * (self._x @ weights + bias)
        slope = -self._share * self._sign * expit(-margin)
        value = self._share @ np.logaddexp(0.0, -margin) + 0.5 * penalty * weights @ weights
        return float(value), np.append(self._x.T @ slope + penalty * weights, slope.sum())
