"""What the network sees of one beat: pure functions from arrays to arrays.

A beat is described against the patient's own usual beat (the template that
`classifier.inputs.patient` keeps) and against the patient's own recent RR intervals, so that
neither the absolute amplitude nor the absolute heart rate decides. The RR ratios are the causal
form of those of de Chazal et al. 2004 (doi:10.1109/TBME.2004.827359): running medians in place of
whole-record means.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatGeometry:
    """Where things lie in a beat window; stretches are (from, to) in s relative to the R peak."""

    fs_hz: float = 360.0
    window_samples: int = 256
    r_column: int = 128
    p_wave_s: tuple[float, float] = (-0.26, -0.08)
    """PR intervals of 120-200 ms put the P wave here."""
    qrs_s: tuple[float, float] = (-0.10, 0.12)
    """Holds a wide QRS complex (over 120 ms) wherever in it the R peak was placed."""
    t_wave_s: tuple[float, float] = (0.12, 0.35)
    """The window ends 353 ms after R: enough for the rise of the T wave, not for all of it."""
    max_shift_s: float = 0.06
    """How far the placing of the R peak may differ from that of the template."""
    missing_share_max: float = 0.25
    """Windows with more missing samples than this can't be judged."""

    def columns(self, stretch_s: tuple[float, float]) -> slice:
        """Window columns of a stretch, cut at the window's ends."""
        first, last = (self.r_column + round(t * self.fs_hz) for t in stretch_s)
        return slice(max(first, 0), min(last, self.window_samples))

    @property
    def max_shift_samples(self) -> int:
        """`max_shift_s` in samples."""
        return round(self.max_shift_s * self.fs_hz)


GEOMETRY: Final = BeatGeometry()
P_WAVE: Final = GEOMETRY.columns(GEOMETRY.p_wave_s)
QRS: Final = GEOMETRY.columns(GEOMETRY.qrs_s)
T_WAVE: Final = GEOMETRY.columns(GEOMETRY.t_wave_s)

SIGNAL_CHANNELS: Final[tuple[str, ...]] = ("beat", "template")
"""Rows of the network's signal input; both in units of the template's amplitude."""

RHYTHM_FEATURES: Final[tuple[str, ...]] = (
    "rr_known",
    "rr_to_mean_10",
    "rr_to_median_40",
    "rr_to_long_run",
    "rr_to_previous",
    "previous_rr_to_median_40",
    "rr_to_shortest_10",
    "rr_seconds",
    "irregularity_10",
    "premature_share_10",
    "rr_deviation",
    "rr_rank_40",
    "rr_to_quarter_40",
    "rr_to_three_quarters_40",
    "rr_to_longest_10",
    "second_last_rr_to_median_40",
    "third_last_rr_to_median_40",
    "fourth_last_rr_to_median_40",
    "fifth_last_rr_to_median_40",
    "sixth_last_rr_to_median_40",
    "irregularity_40",
    "jump_share_40",
    "entropy_24",
    "premature_share_40",
    "long_run_to_median_40",
    "median_seconds",
    "spread_40",
)
"""The RR interval that ends at this beat against those before it."""
MORPHOLOGY_FEATURES: Final[tuple[str, ...]] = (
    "qrs_similarity",
    "qrs_correlation",
    "p_correlation",
    "t_correlation",
    "qrs_amplitude_ratio",
    "qrs_width_ratio",
    "qrs_width",
    "p_amplitude_ratio",
    "p_difference",
    "qrs_difference",
    "t_difference",
    "p_amplitude",
    "usual_p_amplitude",
    "sharpness",
    "sharpness_ratio",
    "t_area",
    "usual_t_area",
    "polarity",
    "usual_polarity",
    "p_match",
    "p_match_lag",
)
"""The beat's shape against that of the patient's usual beat."""
CONTEXT_FEATURES: Final[tuple[str, ...]] = (
    "shape_share",
    "shape_on_time_share",
    "maturity",
    "best_similarity",
    "has_usual_shape",
    "shape_rr_ratio",
    "shape_to_usual",
    "usual_share",
    "previous_qrs_similarity",
    "second_last_qrs_similarity",
    "third_last_qrs_similarity",
    "novelty_10",
    "novelty_40",
    "unlike_share_40",
    "residual",
    "residual_10",
    "residual_40",
    "roughness",
    "roughness_10",
    "quality",
    "quality_10",
    "entropy_50",
)
"""How common the beat's shape is, what the last beats were like, and how much noise there is."""
SECOND_LEAD_FEATURES: Final[tuple[str, ...]] = (
    "second_known",
    "second_similarity",
    "second_qrs_correlation",
    "second_qrs_amplitude_ratio",
    "second_qrs_width_ratio",
    "second_qrs_width",
    "second_p_correlation",
    "second_p_difference",
    "second_qrs_difference",
    "second_t_difference",
    "second_p_amplitude",
    "second_t_correlation",
)
"""The shape in the second lead; all zero without one."""
NEXT_FEATURES: Final[tuple[str, ...]] = (
    "next_known",
    "next_rr_to_median_40",
    "next_rr_to_rr",
    "two_rr_to_median_40",
    "next_qrs_similarity",
    "next_qrs_similarity_to_this",
    "next_rr_deviation",
    "next_best_similarity",
    "next_is_new_shape",
    "next_qrs_width_ratio",
    "next_p_difference",
    "two_rr_to_long_run",
)
"""Known only to a confirmed label; all zero in a provisional one."""

FEATURE_NAMES: Final = (
    RHYTHM_FEATURES + MORPHOLOGY_FEATURES + CONTEXT_FEATURES + SECOND_LEAD_FEATURES + NEXT_FEATURES
)
N_NEXT: Final = len(NEXT_FEATURES)
SECOND_LEAD: Final = slice(
    FEATURE_NAMES.index("second_known"),
    FEATURE_NAMES.index("second_known") + len(SECOND_LEAD_FEATURES),
)
"""Columns of `SECOND_LEAD_FEATURES`."""

FEATURES_VERSION: Final = 3
"""Raised whenever the meaning of an input changes, so that an older model is refused."""

PREMATURE_RATIO: Final = 0.85
"""A beat that ends an interval below this share of the median is premature."""


def inputs_hash() -> str:
    """Fingerprint of what the inputs mean; part of a model's sidecar."""
    meaning = {
        "version": FEATURES_VERSION,
        "geometry": asdict(GEOMETRY),
        "channels": SIGNAL_CHANNELS,
        "features": FEATURE_NAMES,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]
