"""What the network sees of one beat: pure functions from arrays to arrays.

A beat is described against the patient's own usual beat (the template that `classifier.patient`
keeps) and against the patient's own recent RR intervals, so that neither the absolute amplitude
nor the absolute heart rate decides. The RR ratios are the causal form of those of de Chazal et
al. 2004 (doi:10.1109/TBME.2004.827359): running medians in place of whole-record means.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier import kernels

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
)
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
    "shape_share",
    "shape_on_time_share",
    "maturity",
    "previous_qrs_similarity",
)
NEXT_FEATURES: Final[tuple[str, ...]] = (
    "next_known",
    "next_rr_to_median_40",
    "next_rr_to_rr",
    "two_rr_to_median_40",
    "next_qrs_similarity",
    "next_qrs_similarity_to_this",
    "next_rr_deviation",
)
"""Known only to a confirmed label; all zero in a provisional one."""

FEATURE_NAMES: Final = RHYTHM_FEATURES + MORPHOLOGY_FEATURES + NEXT_FEATURES
N_NEXT: Final = len(NEXT_FEATURES)

FEATURES_VERSION: Final = 2
"""Raised whenever the meaning of an input changes, so that an older model is refused."""

PREMATURE_RATIO: Final = 0.85
"""A beat that ends an interval below this share of the median is premature."""

_RMS_FLOOR: Final = 0.1
"""Differences well below a tenth of the usual beat's amplitude are noise."""
_LOG_LIMIT: Final = 2.0
_WIDTH: Final = MORPHOLOGY_FEATURES.index("qrs_width") - 1
_WIDTH_SCALE: Final = np.float32(10.0 / GEOMETRY.fs_hz)
"""From samples to tenths of a second, about the width of a QRS complex."""
_SECONDS_REFERENCE: Final = 0.8
"""RR interval of 75 beats a minute, the zero of `rr_seconds`."""


def inputs_hash() -> str:
    """Fingerprint of what the inputs mean; part of a model's sidecar."""
    meaning = {
        "version": FEATURES_VERSION,
        "geometry": asdict(GEOMETRY),
        "channels": SIGNAL_CHANNELS,
        "features": FEATURE_NAMES,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def fill_missing(window: FloatArray) -> tuple[FloatArray, str | None]:
    """Fill NaN samples with their nearest valid neighbour and say whether the beat is judgeable.

    Parameters
    ----------
    window : ndarray of float32, shape (window_samples,)
        One lead in mV.

    Returns
    -------
    filled : ndarray of float32, shape (window_samples,)
        A copy without NaN; all zero if nothing is valid.
    reason : str or None
        Why the beat can't be judged: "missing samples" or "flat".
    """
    valid = np.isfinite(window)
    if valid.all():
        filled, reason = window.copy(), None
    elif not valid.any():
        return np.zeros_like(window), "missing samples"
    else:
        columns = np.flatnonzero(valid)
        nearest = np.searchsorted((columns[1:] + columns[:-1]) / 2, np.arange(window.size))
        filled = window[columns[nearest]]
        missing = 1.0 - columns.size / window.size
        judgeable = valid[QRS].all() and missing <= GEOMETRY.missing_share_max
        reason = None if judgeable else "missing samples"
    if reason is None and np.ptp(filled[QRS]) < kernels.SMALL:
        reason = "flat"
    return filled, reason


def remove_baseline(window: FloatArray) -> FloatArray:
    """Subtract the window's median: the isoelectric line takes up most of a window."""
    return np.asarray(window - np.median(window), dtype=np.float32)


def align(beat: FloatArray, templates: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the shift at which the QRS stretch of `beat` fits each template best.

    The measure compares shape and amplitude at once: 2ab / (aa + bb), from -1 to 1 (equal). Unlike
    a correlation it falls when only the amplitudes differ (0.8 for a factor of two).

    Parameters
    ----------
    beat : ndarray of float32, shape (window_samples,)
    templates : ndarray of float32, shape (k, window_samples)

    Returns
    -------
    shifts : ndarray of int64, shape (k,)
        Samples by which the beat lies later than the template.
    similarities : ndarray of float64, shape (k,)
        The measure at that shift.
    """
    shifts, similarities = kernels.align_to_each(
        beat, templates, QRS.start, QRS.stop, GEOMETRY.max_shift_samples
    )
    return shifts, similarities


def shift(window: FloatArray, samples: int) -> FloatArray:
    """Move a window to the left by `samples` (right if negative), holding its end values."""
    columns = np.arange(window.size) + samples
    return np.asarray(window[columns.clip(0, window.size - 1)])


def rhythm_features(rr_s: NDArray[np.float64], newest_rr_s: float, long_run_s: float) -> FloatArray:
    """Describe the RR interval that ends at this beat against those before it.

    Parameters
    ----------
    rr_s : ndarray, shape (n,)
        Intervals before it in s, oldest first; may be empty.
    newest_rr_s : float
        The interval that ends at this beat, 0 if unknown.
    long_run_s : float
        Mean interval of the last minutes, 0 if unknown.

    Returns
    -------
    ndarray of float32, shape (len(RHYTHM_FEATURES),)
        All zero when the newest interval is unknown.
    """
    if newest_rr_s <= 0.0:
        return np.zeros(len(RHYTHM_FEATURES), np.float32)
    found: FloatArray = kernels.describe_rhythm(
        rr_s, newest_rr_s, long_run_s, PREMATURE_RATIO, _SECONDS_REFERENCE, _LOG_LIMIT
    )
    return found


def morphology_features(
    beat: FloatArray, template: FloatArray, qrs_similarity: float
) -> FloatArray:
    """Describe a beat's shape against the patient's usual beat.

    Parameters
    ----------
    beat, template : ndarray of float32, shape (window_samples,)
        Aligned, in units of the template's amplitude.
    qrs_similarity : float
        Measure of `align` for the two.

    Returns
    -------
    ndarray of float32, shape (13,)
        The first 13 of `MORPHOLOGY_FEATURES`; the other four describe the patient's beats.
    """
    measures = kernels.compare(beat, template, P_WAVE, QRS, T_WAVE, _RMS_FLOOR, _LOG_LIMIT)
    measures[_WIDTH] *= _WIDTH_SCALE
    return np.concatenate([np.array([qrs_similarity], np.float32), measures])


def next_features(
    *,
    rr_s: float,
    median_rr_s: float,
    next_rr_s: float,
    next_qrs_similarity: float,
    next_qrs_similarity_to_this: float,
    irregularity: float,
) -> FloatArray:
    """Describe the beat after this one; an unknown interval is 0.

    `irregularity` is this beat's feature `irregularity_10`.

    Returns
    -------
    ndarray of float32, shape (len(NEXT_FEATURES),)
    """
    early = kernels.log_ratio(next_rr_s, median_rr_s, _LOG_LIMIT)
    both = (rr_s + next_rr_s) / 2.0 if rr_s > 0.0 else 0.0
    return np.array(
        [
            1.0,
            early,
            kernels.log_ratio(next_rr_s, rr_s, _LOG_LIMIT),
            kernels.log_ratio(both, median_rr_s, _LOG_LIMIT),
            next_qrs_similarity,
            next_qrs_similarity_to_this,
            kernels.deviation(early, irregularity),
        ],
        np.float32,
    )
