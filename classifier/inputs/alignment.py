"""Compiled: lay a beat over a template, wherever in it the detector placed the R peak."""

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.inputs.kernels import SMALL, FloatArray


@jit
def energies_of(beat: FloatArray, first: int, last: int, max_shift: int) -> NDArray[np.float64]:
    """Energy of beat[first:last] at every shift from -max_shift to max_shift samples."""
    # Once for a beat: every shape that it is compared with needs the same ones.
    energies = np.zeros(2 * max_shift + 1)
    for i in range(first, last):
        moved = beat[i - max_shift : i + max_shift + 1]
        for k in range(energies.size):
            energies[k] += moved[k] * moved[k]
    return energies


@jit
def align(
    beat: FloatArray,
    energies: NDArray[np.float64],
    segment: FloatArray,
    first: int,
    max_shift: int,
) -> tuple[int, float]:
    """Best shift of a beat, from column `first` on, against a template's segment; similarity there.

    The similarity is 2ab / (aa + bb): 1 for equal segments and, unlike the cosine, less where they
    differ in amplitude alone. The energies are the beat's `energies_of` that segment.
    """
    template_energy = 0.0
    products = np.zeros(2 * max_shift + 1)
    for i in range(segment.size):
        value = segment[i]
        template_energy += value * value
        moved = beat[first + i - max_shift : first + i + max_shift + 1]
        # The inner loop runs over shifts, not samples, so that the processor takes many at a time.
        for k in range(products.size):
            products[k] += moved[k] * value
    best, shift = -2.0, 0
    for k in range(products.size):
        # The least energy keeps two flat segments from being alike.
        similarity = 2.0 * products[k] / max(template_energy + energies[k], SMALL)
        if similarity > best:
            best, shift = similarity, k - max_shift
    return shift, best


@jit
def move(window: FloatArray, samples: int, out: FloatArray) -> None:
    """Write the window, moved to the left by `samples` (right if negative), ends held."""
    last = window.size - 1
    for i in range(window.size):
        out[i] = window[min(max(i + samples, 0), last)]
