"""Where a recipe's network looks: gradient and Grad-CAM of beats. Imports torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.network.explanation import grad_cam
from classifier.recipes.beats import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What decided, sample by sample; arrays of the shape of the signal."""

    gradient: FloatArray
    """Of the score by each sample: positive where more voltage raises it."""
    grad_cam: FloatArray
    """From 0 to 1: where the convolutions saw what speaks for the class."""


def look(trunk: nn.Module, score: Callable[[Tensor], Tensor], signal: FloatArray) -> Looked:
    """Take the gradients of a score by the signal and by the trunk's activations.

    Parameters
    ----------
    trunk : nn.Module
        Its output has a row, (maps, t), for each row of samples in the signal, in the same order.
    score : callable
        Maps a signal to one number a beat, through the trunk.
    signal : ndarray of float32, shape (..., window_samples)
    """
    x = torch.from_numpy(signal).requires_grad_()
    seen: list[Tensor] = []
    hook = trunk.register_forward_hook(lambda *parts: seen.append(parts[2]))
    total = score(x).sum()
    hook.remove()
    gradient, weights = torch.autograd.grad(total, [x, seen[0]])
    columns = signal.shape[-1]
    rows = [
        grad_cam(_fine(activation), _fine(weight), columns)
        for activation, weight in zip(seen[0], weights, strict=True)
    ]
    return Looked(
        gradient=gradient.numpy(),
        grad_cam=np.array(rows, np.float32).reshape(signal.shape),
    )


def _fine(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values.detach().numpy(), np.float64)
