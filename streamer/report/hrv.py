"""Heart-rate variability in the time domain, over the NN intervals of a recording."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEAST_INTERVALS: Final = 20
"""Fewer say nothing about variability."""
_LONGEST_S: Final = 2.0
_SHORTEST_S: Final = 0.3
"""NN intervals outside of this are missed or false beats (30 to 200 a minute)."""
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


def nn_intervals(
    samples: Sequence[int],
    labels: Sequence[str | None],
    fs: float,
    fibrillation: Iterable[tuple[int, int]] = (),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intervals between successive N beats, and when each ended.

    Those in atrial fibrillation are left out: there the beats are conducted as normal ones are,
    and their intervals vary for another reason than the sinus node's.

    Parameters
    ----------
    samples : sequence of int
        R peaks, ascending.
    labels : sequence of str or None
        Class of each.
    fs : float
        Sampling frequency in Hz.
    fibrillation : iterable of (int, int)
        First sample of each segment of it, and the one past its last.

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
    for onset, stop in fibrillation:
        kept &= (ends <= onset / fs) | (times[:-1] >= stop / fs)
    return intervals[kept], ends[kept]


def variability(
    intervals_s: NDArray[np.float64], ends_s: NDArray[np.float64]
) -> Variability | None:
    """Measure with neurokit2; None where there are too few intervals."""
    if intervals_s.size < _LEAST_INTERVALS:
        return None
    import neurokit2  # noqa: PLC0415 - slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = neurokit2.hrv_time({"RRI": intervals_s * _MS, "RRI_Time": ends_s})
    row = found.iloc[0]
    return Variability(
        n_intervals=int(intervals_s.size),
        mean_nn_ms=float(row["HRV_MeanNN"]),
        sdnn_ms=float(row["HRV_SDNN"]),
        rmssd_ms=float(row["HRV_RMSSD"]),
        pnn50=float(row["HRV_pNN50"]),
    )
