"""Compiled measures of a beat's shape, and of its noise, against the patient's template.

`c` are the `state.Parameters`; beats and templates are in mV, or in units of `unit_of`.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from classifier.compiled import jit
from classifier.inputs.alignment import align, energies_of, move
from classifier.inputs.features import Feature
from classifier.inputs.geometry import GEOMETRY
from classifier.inputs.kernels import (
    SMALL,
    FloatArray,
    correlation,
    least_and_largest,
    log_ratio,
    peak_to_peak,
)
from classifier.inputs.state import HALF_WINDOW

_FS: Final = GEOMETRY.fs_hz
_RMS_FLOOR: Final = 0.1
"""Differences well below a tenth of the template's amplitude are noise."""
_WIDTH_UNIT_S: Final = 0.1
"""About the width of a QRS complex."""
_AMPLITUDE_LEAST: Final = 1e-3
_AMPLITUDE_SHARE: Final = 20.0
"""A beat may be so many times larger than the template before the unit follows it."""
_SLOPE_SAMPLES: Final = 2
_NOISE_COLUMNS: Final = (40, 216)
"""Where noise is measured, less the QRS complex: the ends of a window hold other beats."""
_NOISE_MARGIN: Final = (4, 8)
"""Columns left out before and after the QRS segment."""
_QRS_LEAST_MV: Final = 0.05
_RESIDUAL_FLOOR: Final = 0.02
_ROUGHNESS_FLOOR: Final = 0.002
_P_SHIFT_MAX: Final = 18
"""Columns by which a P wave is looked for to both sides: 50 ms."""
_P_STEP: Final = 3


class Comparison(NamedTuple):
    """A beat's P, QRS and T segments against a template's."""

    qrs_correlation: float
    p_correlation: float
    t_correlation: float
    qrs_amplitude_ratio: float
    qrs_width_ratio: float
    qrs_width: float
    p_amplitude_ratio: float
    p_difference: float
    qrs_difference: float
    t_difference: float
    p_amplitude: float
    template_p_amplitude: float


@jit
def area_over_peak(values: FloatArray) -> float:
    """Sum of magnitudes over the largest one, in samples; 0 for a flat segment."""
    area, peak = 0.0, 0.0
    for value in values:
        area += abs(value)
        peak = max(peak, abs(value))
    return float(area / peak) if peak > SMALL else 0.0


@jit
def log_difference(a: FloatArray, b: FloatArray) -> float:
    """Logarithm of the root mean square difference in units of what noise makes of it."""
    total = 0.0
    for i in range(a.size):
        total += (a[i] - b[i]) ** 2
    # The floor makes all differences below the noise nearly equal.
    return float(log_ratio(np.sqrt(total / a.size) + _RMS_FLOOR, _RMS_FLOOR))


@jit
def unit_of(beat: FloatArray, template: FloatArray, qrs: tuple[int, int]) -> float:
    """Amplitude in units of which a beat is described: the template's QRS, unless far exceeded."""
    # In the template's units an artefact would be far beyond all that the network was trained on.
    own = peak_to_peak(beat[qrs[0] : qrs[1]]) / _AMPLITUDE_SHARE
    return float(max(peak_to_peak(template[qrs[0] : qrs[1]]), own, _AMPLITUDE_LEAST))


@jit
def compare(
    beat: FloatArray,
    template: FloatArray,
    p: tuple[int, int],
    qrs: tuple[int, int],
    t: tuple[int, int],
    fs_hz: float,
) -> Comparison:
    """Compare a beat with a template, segment by segment."""
    beat_p, template_p = beat[p[0] : p[1]], template[p[0] : p[1]]
    beat_qrs, template_qrs = beat[qrs[0] : qrs[1]], template[qrs[0] : qrs[1]]
    beat_t, template_t = beat[t[0] : t[1]], template[t[0] : t[1]]
    # Area over peak is a width that needs no onset and end, which noise would move.
    width = area_over_peak(beat_qrs)
    return Comparison(
        correlation(beat_qrs, template_qrs),
        correlation(beat_p, template_p),
        correlation(beat_t, template_t),
        log_ratio(peak_to_peak(beat_qrs), peak_to_peak(template_qrs)),
        log_ratio(width, area_over_peak(template_qrs)),
        width / (_WIDTH_UNIT_S * fs_hz),
        log_ratio(peak_to_peak(beat_p), peak_to_peak(template_p)),
        log_difference(beat_p, template_p),
        log_difference(beat_qrs, template_qrs),
        log_difference(beat_t, template_t),
        # Relative to the QRS: in mV a P wave depends on lead and electrode.
        peak_to_peak(beat_p) / max(peak_to_peak(beat_qrs), SMALL),
        peak_to_peak(template_p) / max(peak_to_peak(template_qrs), SMALL),
    )


@jit
def describe_shape(beat: FloatArray, template: FloatArray, c: Any, features: FloatArray) -> None:
    """Write the measures of shape, but for the similarity."""
    found = compare(beat, template, c.p, c.qrs, c.t, _FS)
    features[Feature.QRS_CORRELATION] = found.qrs_correlation
    features[Feature.P_CORRELATION] = found.p_correlation
    features[Feature.T_CORRELATION] = found.t_correlation
    features[Feature.QRS_AMPLITUDE_RATIO] = found.qrs_amplitude_ratio
    features[Feature.QRS_WIDTH_RATIO] = found.qrs_width_ratio
    features[Feature.QRS_WIDTH] = found.qrs_width
    features[Feature.P_AMPLITUDE_RATIO] = found.p_amplitude_ratio
    features[Feature.P_DIFFERENCE] = found.p_difference
    features[Feature.QRS_DIFFERENCE] = found.qrs_difference
    features[Feature.T_DIFFERENCE] = found.t_difference
    features[Feature.P_AMPLITUDE] = found.p_amplitude
    features[Feature.USUAL_P_AMPLITUDE] = found.template_p_amplitude
    sharpness, t_area, polarity = _measure_alone(beat, c)
    template_sharpness, template_t_area, template_polarity = _measure_alone(template, c)
    features[Feature.SHARPNESS] = sharpness
    features[Feature.SHARPNESS_RATIO] = log_ratio(sharpness, template_sharpness)
    features[Feature.T_AREA], features[Feature.USUAL_T_AREA] = t_area, template_t_area
    features[Feature.POLARITY], features[Feature.USUAL_POLARITY] = polarity, template_polarity
    # Where the P wave fits best, and how well: a wave that only moved is an atrial beat.
    match, shift = _find_p(beat, template, c)
    features[Feature.P_MATCH] = match
    features[Feature.P_MATCH_LAG] = shift / _P_SHIFT_MAX


@jit
def _measure_alone(beat: FloatArray, c: Any) -> tuple[float, float, float]:
    """Steepest slope, mean T wave and polarity of the QRS complex, in QRS amplitudes."""
    low, high = least_and_largest(beat[c.qrs[0] : c.qrs[1]])
    size = max(peak_to_peak(beat[c.qrs[0] : c.qrs[1]]), _AMPLITUDE_LEAST)
    # Over two samples: the slope over one is half noise.
    slope = 0.0
    for i in range(c.qrs[0], c.qrs[1] - _SLOPE_SAMPLES):
        slope = max(slope, abs(beat[i + _SLOPE_SAMPLES] - beat[i]))
    # A mean with its sign: after a ventricular QRS the T wave is discordant.
    t = np.float32(0.0)
    for i in range(c.t[0], c.t[1]):
        t += beat[i]
    mean_t = float(np.float32(t / (c.t[1] - c.t[0])))
    return slope / size, mean_t / size, (high + low) / size


@jit
def _find_p(beat: FloatArray, template: FloatArray, c: Any) -> tuple[float, int]:
    """Largest correlation of the template's P segment with the beat's, and the shift there.

    An ectopic atrial beat has its P wave elsewhere, a ventricular one has none.
    """
    n, size = c.p[1] - c.p[0], 2 * _P_SHIFT_MAX + 1
    mean = 0.0
    for i in range(c.p[0], c.p[1]):
        mean += template[i]
    mean /= n
    sums, squares, products, energy = np.zeros(size), np.zeros(size), np.zeros(size), 0.0
    for i in range(c.p[0], c.p[1]):
        value = template[i] - mean
        energy += value * value
        moved = beat[i - _P_SHIFT_MAX : i + _P_SHIFT_MAX + 1]
        # Every shift is summed, though few are used: without gaps the loop runs on vectors.
        for k in range(size):
            x = np.float64(moved[k])
            sums[k] += x
            squares[k] += x * x
            products[k] += x * value
    # Steps of 8 ms are fine enough for a wave of about 100 ms.
    best, shift = -1.0, 0
    for k in range(0, size, _P_STEP):
        norm = np.sqrt(max(squares[k] - sums[k] * sums[k] / n, 0.0) * energy)
        found = products[k] / norm if norm > SMALL else 0.0
        if found > best:
            best, shift = found, k - _P_SHIFT_MAX
    return best, shift


@jit
def noise_of(
    aligned: FloatArray, nearest: FloatArray, window: FloatArray, c: Any
) -> tuple[float, float]:
    """Logarithms of what differs from the nearest shape outside the QRS, and of its roughness."""
    difference, rough, n = 0.0, 0.0, 0
    first, last = c.qrs[0] - _NOISE_MARGIN[0], c.qrs[1] + _NOISE_MARGIN[1]
    for i in range(_NOISE_COLUMNS[0], _NOISE_COLUMNS[1]):
        # Within the QRS an ectopic beat differs without being noisy.
        if i < first or i >= last:
            difference += (aligned[i] - nearest[i]) ** 2
            rough += (window[i] - window[i - 1]) ** 2
            n += 1
    # Relative to the beat's own QRS: noise matters where it is large beside what is to be judged.
    size = max(peak_to_peak(window[c.qrs[0] : c.qrs[1]]), _QRS_LEAST_MV)
    residual = np.log(np.sqrt(difference / n) / size + _RESIDUAL_FLOOR)
    return residual, np.log(np.sqrt(rough / n) / size + _ROUGHNESS_FLOOR)


@jit
def describe_second(
    second: FloatArray, template: FloatArray, shift: int, c: Any, features: FloatArray
) -> None:
    """Write the measures of shape in the second lead, at half the rate."""
    p, qrs = (c.p[0] // 2, c.p[1] // 2), (c.qrs[0] // 2, c.qrs[1] // 2)
    t = (c.t[0] // 2, c.t[1] // 2)
    beat, scaled = np.empty(HALF_WINDOW, np.float32), np.empty(HALF_WINDOW, np.float32)
    # The shift is that of the first lead: both leads show one and the same beat.
    move(second, shift // 2, beat)
    unit = unit_of(beat, template, qrs)
    for i in range(HALF_WINDOW):
        beat[i] /= np.float32(unit)
        scaled[i] = template[i] / np.float32(unit)
    # The similarity is taken at the best shift of this lead.
    max_shift = c.max_shift // 2
    energies = energies_of(second, qrs[0], qrs[1], max_shift)
    _, similarity = align(second, energies, template[qrs[0] : qrs[1]], qrs[0], max_shift)
    found = compare(beat, scaled, p, qrs, t, _FS / 2.0)
    features[Feature.SECOND_KNOWN] = 1.0
    features[Feature.SECOND_SIMILARITY] = similarity
    features[Feature.SECOND_QRS_CORRELATION] = found.qrs_correlation
    features[Feature.SECOND_QRS_AMPLITUDE_RATIO] = found.qrs_amplitude_ratio
    features[Feature.SECOND_QRS_WIDTH_RATIO] = found.qrs_width_ratio
    features[Feature.SECOND_QRS_WIDTH] = found.qrs_width
    features[Feature.SECOND_P_CORRELATION] = found.p_correlation
    features[Feature.SECOND_P_DIFFERENCE] = found.p_difference
    features[Feature.SECOND_QRS_DIFFERENCE] = found.qrs_difference
    features[Feature.SECOND_T_DIFFERENCE] = found.t_difference
    features[Feature.SECOND_P_AMPLITUDE] = found.p_amplitude
    features[Feature.SECOND_T_CORRELATION] = found.t_correlation
