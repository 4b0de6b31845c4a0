"""Heart-rate variability in the time and frequency domain, over the NN intervals of a recording."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LEAST_INTERVALS: Final = 20
"""Fewer say nothing about variability."""
_LONGEST_S: Final = 2.0
_SHORTEST_S: Final = 0.3
"""NN intervals outside of this are missed or false beats (30 to 200 a minute)."""
_COVERED: Final = 0.9
"""Share of a window that NN intervals must fill for its spectrum."""
_MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variability:
    """Time-domain measures (Task Force 1996, doi:10.1161/01.CIR.93.5.1043)."""

    n_intervals: int
    mean_nn_ms: float
    sdnn_ms: float
    rmssd_ms: float
    pnn50: float
    """Percent of successive differences above 50 ms."""
    sdann_ms: float | None
    """Standard deviation of the means of five minutes; None for less than two of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Power of the NN intervals (Task Force 1996): of one window, or the mean of several."""

    lf_ms2: float
    """0.04 to 0.15 Hz."""
    hf_ms2: float
    """0.15 to 0.4 Hz."""


def nn_intervals(
    samples: Sequence[int],
    labels: Sequence[str | None],
    fs: float,
    left_out: Iterable[tuple[int, int]] = (),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intervals between successive N beats, and when each ended.

    Those in fibrillation are left out: in that of the atria the beats are conducted as normal ones
    are, and their intervals vary for another reason than the sinus node's.

    Parameters
    ----------
    samples : sequence of int
        R peaks, ascending.
    labels : sequence of str or None
        Class of each.
    fs : float
        Sampling frequency in Hz.
    left_out : iterable of (int, int)
        First sample of each segment of fibrillation, and the one past its last.

    Returns
    -------
    intervals_s, ends_s : ndarray of float64, shape (n,)
    """
    times = np.asarray(samples, np.float64) / fs
    if times.size < 2:
        return np.empty(0), np.empty(0)
    normal = np.array([label == "N" for label in labels], np.bool_)
    intervals, ends = np.diff(times), times[1:]
    kept = normal[1:] & normal[:-1] & (intervals >= _SHORTEST_S) & (intervals <= _LONGEST_S)
    for onset, stop in left_out:
        kept &= (ends <= onset / fs) | (times[:-1] >= stop / fs)
    return intervals[kept], ends[kept]


def variability(
    intervals_s: NDArray[np.float64], ends_s: NDArray[np.float64]
) -> Variability | None:
    """Measure with neurokit2; None where there are too few intervals."""
    if intervals_s.size < _LEAST_INTERVALS:
        return None
    row = _measured("hrv_time", intervals_s, ends_s)
    sdann = float(row.get("HRV_SDANN5", np.nan))
    return Variability(
        n_intervals=int(intervals_s.size),
        mean_nn_ms=float(row["HRV_MeanNN"]),
        sdnn_ms=float(row["HRV_SDNN"]),
        rmssd_ms=float(row["HRV_RMSSD"]),
        pnn50=float(row["HRV_pNN50"]),
        sdann_ms=sdann if np.isfinite(sdann) else None,
    )


def spectrum(
    intervals_s: NDArray[np.float64], ends_s: NDArray[np.float64], window_s: float
) -> Spectrum | None:
    """Measure the power in one window with neurokit2 (Welch); None where too much is missing.

    Parameters
    ----------
    intervals_s, ends_s : ndarray of float64, shape (n,)
        NN intervals of the window and when each ended.
    window_s : float
        Its length: five minutes, by the Task Force.
    """
    if intervals_s.sum() < _COVERED * window_s:
        return None
    row = _measured("hrv_frequency", intervals_s, ends_s, normalize=False)
    lf, hf = float(row["HRV_LF"]), float(row["HRV_HF"])
    return Spectrum(lf_ms2=lf, hf_ms2=hf) if np.isfinite(lf) and np.isfinite(hf) else None


def _measured(
    function: str, intervals_s: NDArray[np.float64], ends_s: NDArray[np.float64], **words: Any
) -> Any:
    """Call a function of neurokit2 on NN intervals, in silence."""
    import neurokit2  # noqa: PLC0415 - slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {"RRI": intervals_s * _MS, "RRI_Time": ends_s}
        return getattr(neurokit2, function)(given, **words).iloc[0]
