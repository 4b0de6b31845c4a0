"""Compiled loops over the samples of one beat.

Everything is summed in one fixed order in double precision, so that equal beats give equal bits.
"""

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

jit: Final = numba.njit(cache=True, nogil=True, error_model="numpy")

SMALL: Final = 1e-6
"""Energies (mV squared) below this are silence."""
REGULAR_SPREAD: Final = 0.05
"""Change from one RR interval to the next, as a share, that breathing alone makes."""
DEVIATION_LIMIT: Final = 6.0


@jit
def align_to_each(
    beat: FloatArray, templates: FloatArray, first: int, last: int, reach: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Best shift of beat[first:last] against each template, and the similarity there."""
    n = templates.shape[0]
    shifts = np.zeros(n, np.int64)
    values = np.zeros(n)
    for k in range(n):
        usual = 0.0
        for i in range(first, last):
            usual += templates[k, i] * templates[k, i]
        best = -2.0
        for offset in range(-reach, reach + 1):
            product, energy = 0.0, usual
            for i in range(first, last):
                product += beat[i + offset] * templates[k, i]
                energy += beat[i + offset] * beat[i + offset]
            value = 2.0 * product / max(energy, SMALL)
            if value > best:
                best = value
                shifts[k] = offset
        values[k] = best
    return shifts, values


@jit
def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation, 0 where one of them is flat."""
    n = a.size
    mean_a, mean_b = 0.0, 0.0
    for i in range(n):
        mean_a += a[i] / n
        mean_b += b[i] / n
    product, energy_a, energy_b = 0.0, 0.0, 0.0
    for i in range(n):
        product += (a[i] - mean_a) * (b[i] - mean_b)
        energy_a += (a[i] - mean_a) ** 2
        energy_b += (b[i] - mean_b) ** 2
    norm = np.sqrt(energy_a * energy_b)
    return product / norm if norm > SMALL else 0.0


@jit
def peak_to_peak(values: FloatArray) -> float:
    """Largest minus smallest value."""
    return float(values.max()) - float(values.min())


@jit
def area_over_peak(values: FloatArray) -> float:
    """Sum of magnitudes over the largest one, in samples; 0 for a flat stretch."""
    area, peak = 0.0, 0.0
    for value in values:
        area += abs(value)
        peak = max(peak, abs(value))
    return float(area / peak) if peak > SMALL else 0.0


@jit
def root_mean_square_difference(a: FloatArray, b: FloatArray) -> float:
    """Root of the mean squared difference."""
    total = 0.0
    for i in range(a.size):
        total += (a[i] - b[i]) ** 2
    return float(np.sqrt(total / a.size))


@jit
def log_ratio(value: float, reference: float, limit: float) -> float:
    """Logarithm of a ratio, limited; 0 (as expected) if either is not positive."""
    if value <= 0.0 or reference <= 0.0:
        return 0.0
    return float(min(max(np.log(value / reference), -limit), limit))


@jit
def deviation(log_rr_ratio: float, irregularity: float) -> float:
    """Earliness in units of the rhythm's own irregularity: small in fibrillation."""
    value = log_rr_ratio / (REGULAR_SPREAD + irregularity)
    return float(min(max(value, -DEVIATION_LIMIT), DEVIATION_LIMIT)) / DEVIATION_LIMIT


@jit
def compare(
    beat: FloatArray, template: FloatArray, p: Any, qrs: Any, t: Any, floor: float, limit: float
) -> FloatArray:
    """Twelve measures of a beat's P, QRS and T stretches against the template's."""
    width, usual_width = area_over_peak(beat[qrs]), area_over_peak(template[qrs])
    found = np.zeros(12, np.float32)
    found[0] = correlation(beat[qrs], template[qrs])
    found[1] = correlation(beat[p], template[p])
    found[2] = correlation(beat[t], template[t])
    found[3] = log_ratio(peak_to_peak(beat[qrs]), peak_to_peak(template[qrs]), limit)
    found[4] = log_ratio(width, usual_width, limit)
    found[5] = width
    found[6] = log_ratio(peak_to_peak(beat[p]), peak_to_peak(template[p]), limit)
    found[7] = log_ratio(root_mean_square_difference(beat[p], template[p]) + floor, floor, limit)
    found[8] = log_ratio(
        root_mean_square_difference(beat[qrs], template[qrs]) + floor, floor, limit
    )
    found[9] = log_ratio(root_mean_square_difference(beat[t], template[t]) + floor, floor, limit)
    found[10] = peak_to_peak(beat[p]) / max(peak_to_peak(beat[qrs]), SMALL)
    found[11] = peak_to_peak(template[p]) / max(peak_to_peak(template[qrs]), SMALL)
    return found


@jit
def describe_rhythm(
    before: NDArray[np.float64],
    newest: float,
    long_run: float,
    premature_ratio: float,
    reference: float,
    limit: float,
) -> FloatArray:
    """Twelve measures of the newest RR interval against those before it (there may be none)."""
    recent = before[-10:]
    found = np.zeros(12, np.float32)
    found[0] = 1.0
    found[3] = log_ratio(newest, long_run, limit)
    found[7] = log_ratio(newest, reference, limit)
    if recent.size == 0:
        return found
    median = np.median(before)
    found[1] = log_ratio(newest, recent.mean(), limit)
    found[2] = log_ratio(newest, median, limit)
    found[4] = log_ratio(newest, before[-1], limit)
    found[5] = log_ratio(before[-1], median, limit)
    found[6] = log_ratio(newest, recent.min(), limit)
    if recent.size > 1:
        found[8] = np.median(np.abs(np.diff(np.log(recent))))
        found[9] = (recent < premature_ratio * median).mean()
    found[10] = deviation(found[2], found[8])
    found[11] = (before < newest).mean()
    return found
