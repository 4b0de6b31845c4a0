"""What is remembered of one patient: a record of plain numbers and small arrays, for numba."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.geometry import GEOMETRY, P_WAVE, QRS, T_WAVE
from classifier.inputs.kernels import FloatArray, records
from classifier.inputs.sequence import HIDDEN

N_SHAPES: Final = 8
"""Distinct beat shapes kept; the rarest makes room for a new one."""
RR_KEPT: Final = 40
"""Intervals that describe the rhythm: half a minute."""
BEATS_KEPT: Final = 40
"""Beats whose shape and noise are remembered."""
HALF_WINDOW: Final = GEOMETRY.window_samples // 2
"""The second lead is kept at half the rate: it serves for measures, not as a signal."""

REGULAR_ENTROPY: Final = 0.3
"""Sample entropy of the RR intervals in sinus rhythm, assumed at the start."""

STATE: Final = np.dtype(
    [
        # The shapes, in steps of `unit_mv` and `second_unit_mv`
        ("shapes", np.int16, (N_SHAPES, GEOMETRY.window_samples)),
        ("unit_mv", np.float32, (N_SHAPES,)),
        ("counts", np.float64, (N_SHAPES,)),  # of beats, fading; 0: no shape
        ("on_time_counts", np.float64, (N_SHAPES,)),
        ("rr_ratios", np.float64, (N_SHAPES,)),  # mean logarithm of RR over the median RR
        ("second_shapes", np.int16, (N_SHAPES, HALF_WINDOW)),
        ("second_unit_mv", np.float32, (N_SHAPES,)),
        ("second_counts", np.int64, (N_SHAPES,)),
        # The rhythm
        ("rr_s", np.float32, (RR_KEPT,)),  # oldest first
        ("n_rr", np.int64),
        ("long_run_rr_s", np.float64),
        ("entropy", np.float64),  # running mean of the intervals' entropy
        # The beats
        ("n_beats", np.int64),
        ("last_similarities", np.float64, (3,)),  # to the template, newest first
        # Of the last `n_recent` beats, oldest first
        ("known", np.uint8, (BEATS_KEPT,)),  # whether its shape was known
        ("unlike", np.uint8, (BEATS_KEPT,)),  # whether it differed from the template
        ("residuals", np.float32, (BEATS_KEPT,)),
        ("roughnesses", np.float32, (BEATS_KEPT,)),
        ("qualities", np.float32, (BEATS_KEPT,)),
        ("n_recent", np.int64),
        # The sequence of beats, as the rhythm model remembers it
        ("sequence", np.float32, (HIDDEN,)),
    ]
)
"""Everything that is remembered of one patient's beats.

A shape is kept in 16 bits a sample, in steps of 1/32767 of its largest deflection: for a QRS
complex of 1.5 mV a twentieth of a microvolt, well below the step of any converter it came from.
"""

OF_RHYTHM: Final = ("rr_s", "n_rr", "long_run_rr_s", "entropy", "sequence")
"""Fields that don't depend on the lead, or, as the sequence, but little."""

OPEN: Final = np.dtype(
    [
        ("qrs", np.float32, (QRS.stop - QRS.start,)),  # mV, baseline off
        ("rr_s", np.float64),  # interval that ends at it, 0 if unknown
        # The rhythm before it, 0 if unknown
        ("median_rr_s", np.float64),
        ("long_run_rr_s", np.float64),
    ]
)
"""What a beat's confirmed label needs of it when the next one has come."""


class DescribedBeat(NamedTuple):
    """A beat as described, for learning from it and for the confirmed label of the one before."""

    window: FloatArray
    """mV, baseline off."""
    second: FloatArray
    """The second lead likewise, at half the rate; means nothing unless `has_second`."""
    energies: NDArray[np.float64]
    """Of the QRS complex, by `alignment.energies_of`."""
    has_second: bool
    rr_s: float
    """Interval that ends at it, 0 if unknown."""
    median_rr_s: float
    """Of the intervals before it, 0 if unknown."""
    quality: float
    shape: int
    """Which of the known shapes it has; -1: a new one."""
    shift: int
    rr_ratio: float
    similarity: float
    """To the template."""
    residual: float
    roughness: float
    entropy: float
    sequence: FloatArray
    """State of the rhythm model after it."""
    outputs: FloatArray
    """What the rhythm model says of it and of the beat before, shape (N_OUTPUTS,)."""


class Match(NamedTuple):
    """Which of the known shapes a beat is compared with."""

    any_known: bool
    template: int
    """The patient's dominant shape."""
    template_shift: int
    template_similarity: float
    nearest: int
    """The most similar shape."""
    nearest_shift: int
    nearest_similarity: float


class Parameters(NamedTuple):
    """`MemoryConfig` and `BeatGeometry` as the kernels take them; waves as columns (from, to)."""

    p: tuple[int, int]
    qrs: tuple[int, int]
    t: tuple[int, int]
    max_shift: int
    match_min: float
    fade: float
    long_run_beats: float
    smoothing_beats: float
    mature_beats: float
    on_time_bonus: float
    entropy_beats: float
    premature_ratio: float
    missing_share_max: float


def wave_columns() -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return the columns of P wave, QRS complex and T wave."""
    p, qrs, t = ((part.start, part.stop) for part in (P_WAVE, QRS, T_WAVE))
    return p, qrs, t


def new_state() -> Any:
    """Return the state of a patient of whom nothing is known, shape (1,)."""
    state = records(STATE, 1)
    state["last_similarities"] = 1.0
    state["entropy"] = REGULAR_ENTROPY
    return state
