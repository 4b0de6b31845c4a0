"""Simulated patients: how large and how wide the waves of one heart are, drawn at random.

A test on one tuned beat says little about the next patient. So the shapes of
`replay.simulate.shapes` are drawn anew for each seed: every wave with a height and width of
its own, the whole with the size and sign that an electrode position gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from replay.simulate.shapes import SHAPES, Wave
from replay.simulate.waves import log_uniform

_R_MV: Final = 1.25
"""R wave of the normal beat in `SHAPES`, MLII."""
_QRS: Final = frozenset({"Q", "R", "R1", "R'", "S"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientConfig:
    """Ranges from which a patient is drawn."""

    r_mv: tuple[float, float] = (0.5, 2.0)
    """R wave of the normal beat; log-uniform. Below 0.5 mV in all limb leads is low voltage."""
    height: float = 0.25
    """Standard deviation of the logarithm of each wave's height."""
    width: float = 0.1
    """The same of each wave's width."""
    t_gain: tuple[float, float] = (0.6, 1.6)
    """Factor on the T waves, over what `height` draws."""
    p_gain: tuple[float, float] = (0.6, 1.4)
    second_lead: tuple[float, float] = (0.5, 1.2)
    """Factor on the second lead."""
    inverted: float = 0.15
    """Share of patients whose first lead is upside down."""


Shapes = Mapping[str, tuple[Wave, ...]]
"""WFDB beat symbol to its waves."""


def draw_shapes(rng: np.random.Generator, config: PatientConfig | None = None) -> Shapes:
    """Draw the beat shapes of one patient.

    Parameters
    ----------
    config : PatientConfig, optional
        Ranges.

    Returns
    -------
    mapping of str to tuple of Wave
        For `replay.simulate.record.simulate_beats`; one symbol's waves are changed alike.
    """
    config = config or PatientConfig()
    first = log_uniform(rng, *config.r_mv) / _R_MV
    second = first * float(rng.uniform(*config.second_lead))
    if rng.random() < config.inverted:
        first = -first
    gains = {"T": float(rng.uniform(*config.t_gain)), "P": float(rng.uniform(*config.p_gain))}
    return {
        symbol: tuple(_drawn(wave, first, second, gains, rng, config) for wave in waves)
        for symbol, waves in SHAPES.items()
    }


def _drawn(
    wave: Wave,
    first: float,
    second: float,
    gains: Mapping[str, float],
    rng: np.random.Generator,
    config: PatientConfig,
) -> Wave:
    """Change one wave; the R wave keeps its height, so that `r_mv` means what it says."""
    height = 1.0 if wave.name == "R" else float(np.exp(config.height * rng.standard_normal()))
    height *= gains.get(wave.name, 1.0)
    width = float(np.exp(config.width * rng.standard_normal())) if wave.name in _QRS else 1.0
    return replace(
        wave,
        width_s=wave.width_s * width,
        mlii_mv=wave.mlii_mv * height * first,
        v1_mv=wave.v1_mv * height * second,
    )
