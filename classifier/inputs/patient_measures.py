"""Compiled measures of one beat against the patient's usual one."""

from typing import Any, Final

import numpy as np

from classifier.compiled import jit
from classifier.inputs.features import GEOMETRY
from classifier.inputs.kernels import (
    SMALL,
    FloatArray,
    align,
    compare,
    energies_of,
    least_and_largest,
    log_ratio,
    move,
    peak_to_peak,
)
from classifier.inputs.patient_state import HALF_WINDOW

_FS: Final = GEOMETRY.fs_hz
_AMPLITUDE_LEAST: Final = 1e-3
_AMPLITUDE_SHARE: Final = 20.0
"""A beat may be so many times larger than the usual one before the unit follows it."""
_SLOPE_SAMPLES: Final = 2
_NOISE_COLUMNS: Final = (40, 216)
"""Where noise is measured, less the QRS complex: the ends of a window hold other beats."""
_NOISE_MARGIN: Final = (4, 8)
"""Columns left out before and after the QRS stretch."""
_QRS_LEAST_MV: Final = 0.05
_RESIDUAL_FLOOR: Final = 0.02
_ROUGHNESS_FLOOR: Final = 0.002
_P_REACH: Final = 18
"""Columns by which a P wave is looked for to both sides: 50 ms."""
_P_STEP: Final = 3


@jit
def unit_of(beat: FloatArray, usual: FloatArray, qrs: tuple[int, int]) -> float:
    """Amplitude in units of which a beat is described: the usual QRS, unless far exceeded."""
    own = peak_to_peak(beat[qrs[0] : qrs[1]]) / _AMPLITUDE_SHARE
    return float(max(peak_to_peak(usual[qrs[0] : qrs[1]]), own, _AMPLITUDE_LEAST))


@jit
def describe_shape(beat: FloatArray, usual: FloatArray, c: Any, f: FloatArray) -> None:
    """Write the measures of shape behind the similarity."""
    compare(beat, usual, c.p, c.qrs, c.t, _FS, f)
    beat_size = max(peak_to_peak(beat[c.qrs[0] : c.qrs[1]]), _AMPLITUDE_LEAST)
    usual_size = max(peak_to_peak(usual[c.qrs[0] : c.qrs[1]]), _AMPLITUDE_LEAST)
    slope, usual_slope = 0.0, 0.0
    for i in range(c.qrs[0], c.qrs[1] - _SLOPE_SAMPLES):
        slope = max(slope, abs(beat[i + _SLOPE_SAMPLES] - beat[i]))
        usual_slope = max(usual_slope, abs(usual[i + _SLOPE_SAMPLES] - usual[i]))
    f[12] = slope / beat_size
    f[13] = log_ratio(slope / beat_size, usual_slope / usual_size)
    t, usual_t = np.float32(0.0), np.float32(0.0)
    for i in range(c.t[0], c.t[1]):
        t += beat[i]
        usual_t += usual[i]
    f[14] = np.float32(t / (c.t[1] - c.t[0])) / beat_size
    f[15] = np.float32(usual_t / (c.t[1] - c.t[0])) / usual_size
    low, high = least_and_largest(beat[c.qrs[0] : c.qrs[1]])
    usual_low, usual_high = least_and_largest(usual[c.qrs[0] : c.qrs[1]])
    f[16] = (high + low) / beat_size
    f[17] = (usual_high + usual_low) / usual_size
    f[18], at = _find_p(beat, usual, c)
    f[19] = at / _P_REACH


@jit
def _find_p(beat: FloatArray, usual: FloatArray, c: Any) -> tuple[float, int]:
    """Largest correlation of the usual P stretch with the beat's, and by how much it is moved.

    The inner loop runs over the moves, as in `kernels.align`.
    """
    n, size = c.p[1] - c.p[0], 2 * _P_REACH + 1
    mean = 0.0
    for i in range(c.p[0], c.p[1]):
        mean += usual[i]
    mean /= n
    sums, squares, products, energy = np.zeros(size), np.zeros(size), np.zeros(size), 0.0
    for i in range(c.p[0], c.p[1]):
        value = usual[i] - mean
        energy += value * value
        moved = beat[i - _P_REACH : i + _P_REACH + 1]
        for k in range(size):
            x = np.float64(moved[k])
            sums[k] += x
            squares[k] += x * x
            products[k] += x * value
    best, at = -1.0, 0
    for k in range(0, size, _P_STEP):
        norm = np.sqrt(max(squares[k] - sums[k] * sums[k] / n, 0.0) * energy)
        found = products[k] / norm if norm > SMALL else 0.0
        if found > best:
            best, at = found, k - _P_REACH
    return best, at


@jit
def noise_of(
    aligned: FloatArray, nearest: FloatArray, window: FloatArray, c: Any
) -> tuple[float, float]:
    """Logarithms of what differs from the nearest shape outside the QRS, and of its roughness."""
    difference, rough, n = 0.0, 0.0, 0
    first, last = c.qrs[0] - _NOISE_MARGIN[0], c.qrs[1] + _NOISE_MARGIN[1]
    for i in range(_NOISE_COLUMNS[0], _NOISE_COLUMNS[1]):
        if i < first or i >= last:
            difference += (aligned[i] - nearest[i]) ** 2
            rough += (window[i] - window[i - 1]) ** 2
            n += 1
    size = max(peak_to_peak(window[c.qrs[0] : c.qrs[1]]), _QRS_LEAST_MV)
    residual = np.log(np.sqrt(difference / n) / size + _RESIDUAL_FLOOR)
    return residual, np.log(np.sqrt(rough / n) / size + _ROUGHNESS_FLOOR)


@jit
def describe_second(
    template: FloatArray, second: FloatArray, shift: int, c: Any, f: FloatArray
) -> None:
    """Write the measures of shape in the second lead, at half the rate."""
    p, qrs = (c.p[0] // 2, c.p[1] // 2), (c.qrs[0] // 2, c.qrs[1] // 2)
    t = (c.t[0] // 2, c.t[1] // 2)
    beat, usual = np.empty(HALF_WINDOW, np.float32), np.empty(HALF_WINDOW, np.float32)
    move(second, shift // 2, beat)
    unit = unit_of(beat, template, qrs)
    for i in range(HALF_WINDOW):
        beat[i] /= np.float32(unit)
        usual[i] = template[i] / np.float32(unit)
    reach = c.reach // 2
    energies = energies_of(second, qrs[0], qrs[1], reach)
    _, likeness = align(second, energies, template[qrs[0] : qrs[1]], qrs[0], reach)
    measures = np.empty(12, np.float32)
    compare(beat, usual, p, qrs, t, _FS / 2.0, measures)
    f[0] = 1.0
    f[1] = likeness
    f[2] = measures[0]
    f[3] = measures[3]
    f[4] = measures[4]
    f[5] = measures[5]
    f[6] = measures[1]
    f[7] = measures[7]
    f[8] = measures[8]
    f[9] = measures[9]
    f[10] = measures[10]
    f[11] = measures[2]
