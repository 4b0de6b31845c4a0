"""Compiled building blocks of the per-sample loop."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from classifier.compiled import jit

ButterworthBand = tuple[float, float]
"""Lower and upper -3 dB edge in Hz."""


def design_bandpass(band_hz: ButterworthBand, fs: float, order: int) -> NDArray[np.float64]:
    """Design a Butterworth band-pass.

    Parameters
    ----------
    band_hz : tuple of float
        Lower and upper -3 dB edge.
    fs : float
        Sampling frequency in Hz.
    order : int
        Order of the low-pass prototype; the band-pass has twice as many poles.

    Returns
    -------
    ndarray of float64, shape (order, 6)
        Second-order sections as `scipy.signal.sosfilt` takes them.
    """
    # Sections: as one polynomial, poles this near to 1 would lose their digits.
    return np.ascontiguousarray(signal.butter(order, band_hz, "bandpass", fs=fs, output="sos"))


def settled_state(sos: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each section's state after an endless constant input of 1, shape (sections, 2)."""
    return np.ascontiguousarray(signal.sosfilt_zi(sos))


@jit
def biquad_cascade(sos: NDArray[np.float64], state: NDArray[np.float64], x: float) -> float:
    """Push one sample through second-order sections (transposed direct form II)."""
    # The form that scipy's `sosfilt` computes, with two states a section.
    for i in range(sos.shape[0]):
        y = sos[i, 0] * x + state[i, 0]
        state[i, 0] = sos[i, 1] * x - sos[i, 4] * y + state[i, 1]
        state[i, 1] = sos[i, 2] * x - sos[i, 5] * y
        x = y
    return x


@jit
def settle(settled: NDArray[np.float64], x: float, state: NDArray[np.float64]) -> None:
    """Write the state after an endless constant input `x`; `settled` is that of 1."""
    for i in range(state.shape[0]):
        # The filter is linear, so the state for an input x is x times that for 1.
        state[i, 0] = settled[i, 0] * x
        state[i, 1] = settled[i, 1] * x
