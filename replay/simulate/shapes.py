"""How one heartbeat looks: a few Gaussian waves for each beat class and lead.

After the dynamical model of McSharry et al. 2003 (doi:10.1109/TBME.2003.808805), in which every
wave (P, Q, R, S, T) is a Gaussian on the cardiac cycle. Deviations: the Gaussians are added up
directly in time instead of integrating the three differential equations, so that an R peak lies
exactly where the caller wants it; each beat class has its own set; and a second lead has its own
amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEADS: Final = ("MLII", "V1")
"""Leads of every simulated record."""

REFERENCE_RR_S: Final = 0.85
"""RR interval at which the wave positions below hold."""

REPOLARISATION_SCALE: Final = (0.72, 1.25)
"""Bounds of the shift of the T wave with the RR interval (square root, as Bazett's formula)."""

TAIL_WIDTHS: Final = 6.0
"""Where a Gaussian is cut off: exp(-18) is far below one step of any converter."""


class Timing(Enum):
    """How a wave moves when the heart rate changes."""

    FIXED = "fixed"
    """Depolarisation: stays where it is relative to the R peak."""
    WITH_RATE = "with rate"
    """Repolarisation: moves and widens with the square root of the RR interval."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One Gaussian of a beat."""

    name: str
    centre_s: float
    """Time of its peak after the R peak."""
    width_s: float
    """Standard deviation."""
    mlii_mv: float
    """Peak in lead MLII."""
    v1_mv: float
    """Peak in lead V1."""
    timing: Timing = Timing.FIXED

    @property
    def is_atrial(self) -> bool:
        """Whether it is a P wave."""
        return self.name == "P"


def _with_t(*waves: Wave, t: Sequence[tuple[float, float, float, float]]) -> tuple[Wave, ...]:
    return waves + tuple(Wave("T", *fields, timing=Timing.WITH_RATE) for fields in t)


_P: Final = Wave("P", -0.165, 0.022, 0.13, 0.06)
_NORMAL_T: Final = ((0.250, 0.050, 0.17, 0.03), (0.295, 0.030, 0.16, 0.05))
_NORMAL_QRS: Final = (
    Wave("Q", -0.034, 0.009, -0.11, 0.0),
    Wave("R", 0.0, 0.0115, 1.25, 0.26),
    Wave("S", 0.034, 0.0105, -0.22, -0.85),
)
_NORMAL: Final = _with_t(_P, *_NORMAL_QRS, t=_NORMAL_T)
_ATRIAL: Final = _with_t(
    Wave("P", -0.140, 0.017, 0.085, -0.07), *_NORMAL_QRS, t=_NORMAL_T
)  # another focus: another P
_ABERRANT: Final = _with_t(
    Wave("P", -0.140, 0.017, 0.085, -0.07),
    Wave("R", 0.0, 0.013, 1.10, 0.20),
    Wave("S", 0.040, 0.018, -0.45, -0.55),
    Wave("R'", 0.075, 0.018, -0.10, 0.65),
    t=((0.285, 0.050, 0.25, -0.18),),
)
_JUNCTIONAL: Final = _with_t(*_NORMAL_QRS, t=_NORMAL_T)  # atria hidden in the QRS
_VENTRICULAR: Final = _with_t(
    Wave("R1", -0.050, 0.024, 0.30, -0.10),
    Wave("R", 0.0, 0.030, 1.55, -1.15),
    Wave("S", 0.085, 0.032, -0.42, 0.15),
    t=((0.275, 0.060, -0.50, 0.42),),
)
_VENTRICULAR_ESCAPE: Final = _with_t(
    Wave("R1", -0.055, 0.028, -0.20, 0.15),
    Wave("R", 0.0, 0.034, -1.20, 1.05),
    Wave("S", 0.090, 0.036, 0.30, -0.20),
    t=((0.300, 0.065, 0.45, -0.38),),
)
_FUSION: Final = _with_t(
    Wave("P", -0.150, 0.022, 0.12, 0.05),
    Wave("R1", -0.036, 0.018, 0.12, -0.08),
    Wave("R", 0.0, 0.019, 1.40, -0.40),
    Wave("S", 0.058, 0.022, -0.32, -0.30),
    t=((0.270, 0.055, -0.12, 0.20),),
)
_LEFT_BLOCK: Final = _with_t(
    _P,
    Wave("R", 0.0, 0.026, 0.95, -0.20),
    Wave("R'", 0.058, 0.026, 0.50, -1.15),
    t=((0.290, 0.055, -0.28, 0.45),),
)
_RIGHT_BLOCK: Final = _with_t(
    _P,
    Wave("R", 0.0, 0.012, 1.05, 0.22),
    Wave("S", 0.040, 0.018, -0.40, -0.50),
    Wave("R'", 0.078, 0.020, -0.15, 0.85),
    t=((0.285, 0.050, 0.26, -0.20),),
)
_PACED: Final = _with_t(
    Wave("spike", -0.085, 0.0014, 0.90, 0.60),
    Wave("R1", -0.045, 0.024, -0.35, 0.10),
    Wave("R", 0.0, 0.028, -1.10, -0.95),
    Wave("S", 0.070, 0.028, -0.30, -0.25),
    t=((0.290, 0.060, 0.55, 0.40),),
)

SHAPES: Final[dict[str, tuple[Wave, ...]]] = {
    "N": _NORMAL,
    "L": _LEFT_BLOCK,
    "R": _RIGHT_BLOCK,
    "A": _ATRIAL,
    "S": _ATRIAL,
    "a": _ABERRANT,
    "J": _JUNCTIONAL,
    "j": _JUNCTIONAL,
    "e": _NORMAL,
    "V": _VENTRICULAR,
    "E": _VENTRICULAR_ESCAPE,
    "F": _FUSION,
    "/": _PACED,
}
"""WFDB beat symbol to its waves; times from the R peak (or dominant deflection) in MLII."""


def add_beat(
    signal: NDArray[np.float64],
    fs: float,
    time_s: float,
    waves: Sequence[Wave],
    *,
    rr_s: float,
    gain: float,
) -> None:
    """Add one beat to a signal in place.

    Parameters
    ----------
    signal : ndarray of float64, shape (2, n)
        mV in the order of `LEADS`.
    fs : float
        Sampling frequency in Hz.
    time_s : float
        Time of the R peak.
    waves : sequence of Wave
        What to add.
    rr_s : float
        RR interval that ends at this beat; moves the T wave.
    gain : float
        Factor on every amplitude.
    """
    rate = float(np.clip(np.sqrt(rr_s / REFERENCE_RR_S), *REPOLARISATION_SCALE))
    for wave in waves:
        scale = rate if wave.timing is Timing.WITH_RATE else 1.0
        centre, width = time_s + wave.centre_s * scale, wave.width_s * scale
        first = max(0, int(np.ceil((centre - TAIL_WIDTHS * width) * fs)))
        last = min(signal.shape[1], int((centre + TAIL_WIDTHS * width) * fs) + 1)
        if first >= last:
            continue
        distance = (np.arange(first, last) / fs - centre) / width
        bell = gain * np.exp(-0.5 * distance**2)
        signal[0, first:last] += wave.mlii_mv * bell
        signal[1, first:last] += wave.v1_mv * bell
