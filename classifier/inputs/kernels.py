"""Compiled loops over the samples of one beat.

Everything is summed in one fixed order in double precision, so that equal beats give equal bits.
"""

from typing import Any, Final

import numpy as np
from numba import config
from numpy.typing import NDArray

from classifier.compiled import jit, sort_few

FloatArray = NDArray[np.float32]

SMALL: Final = 1e-6
"""Energies (mV squared) below this are silence."""
REGULAR_SPREAD: Final = 0.05
"""Change from one RR interval to the next, as a share, that breathing alone makes."""
DEVIATION_LIMIT: Final = 6.0
LOG_LIMIT: Final = 2.0
RMS_FLOOR: Final = 0.1
"""Differences well below a tenth of the usual beat's amplitude are noise."""
WIDTH_UNIT_S: Final = 0.1
"""About the width of a QRS complex."""
USUAL_RR_S: Final = 0.8
"""RR interval of 75 beats a minute, the zero of the measures in seconds."""
JUMP: Final = 0.1
"""Change from one RR interval to the next, as a logarithm, that breathing alone hardly makes."""
ENTROPY_BEATS: Final = 24
ENTROPY_LEAST: Final = 8
ENTROPY_TOLERANCE: Final = 0.06
"""Of logarithms of RR intervals: about 50 ms at 75 beats a minute."""
ENTROPY_LIMIT: Final = 3.0
_STEPS: Final = np.float32(np.iinfo(np.int16).max)
_PACKED_LEAST: Final = np.float32(1e-30)
"""Keeps the step of a flat line from being 0."""


def records(dtype: np.dtype[Any], n: int) -> Any:
    """Return n empty records whose fields are attributes in a kernel, compiled or not."""
    array = np.zeros(n, dtype)
    # Numba reads fields as attributes anyway, and takes plain arrays much more quickly.
    return array.view(np.recarray) if config.DISABLE_JIT else array  # type: ignore[attr-defined]


@jit
def energies_of(beat: FloatArray, first: int, last: int, reach: int) -> NDArray[np.float64]:
    """Energy of beat[first:last], moved by -reach to reach samples."""
    energies = np.zeros(2 * reach + 1)
    for i in range(first, last):
        moved = beat[i - reach : i + reach + 1]
        for k in range(energies.size):
            energies[k] += moved[k] * moved[k]
    return energies


@jit
def align(
    beat: FloatArray,
    energies: NDArray[np.float64],
    stretch: FloatArray,
    first: int,
    reach: int,
) -> tuple[int, float]:
    """Best shift of a beat, from column `first` on, against a template's stretch; similarity there.

    The energies are the beat's `energies_of` that stretch. The inner loops run over the shifts,
    not over the samples, so that the processor takes many shifts at a time.
    """
    usual = 0.0
    products = np.zeros(2 * reach + 1)
    for i in range(stretch.size):
        value = stretch[i]
        usual += value * value
        moved = beat[first + i - reach : first + i + reach + 1]
        for k in range(products.size):
            products[k] += moved[k] * value
    best, at = -2.0, 0
    for k in range(products.size):
        similarity = 2.0 * products[k] / max(usual + energies[k], SMALL)
        if similarity > best:
            best, at = similarity, k - reach
    return at, best


@jit
def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation, 0 where one of them is flat."""
    n = a.size
    mean_a, mean_b = 0.0, 0.0
    for i in range(n):
        mean_a += a[i]
        mean_b += b[i]
    mean_a, mean_b = mean_a / n, mean_b / n
    product, energy_a, energy_b = 0.0, 0.0, 0.0
    for i in range(n):
        product += (a[i] - mean_a) * (b[i] - mean_b)
        energy_a += (a[i] - mean_a) ** 2
        energy_b += (b[i] - mean_b) ** 2
    norm = np.sqrt(energy_a * energy_b)
    return product / norm if norm > SMALL else 0.0


@jit
def least_and_largest(values: FloatArray) -> tuple[float, float]:
    """Smallest and largest of at least one value."""
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    return low, high


@jit
def peak_to_peak(values: FloatArray) -> float:
    """Largest minus smallest value, of which none is NaN."""
    low, high = least_and_largest(values)
    return float(high) - float(low)


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
def log_ratio(value: float, reference: float) -> float:
    """Logarithm of a ratio, limited; 0 (as expected) if either is not positive."""
    if value <= 0.0 or reference <= 0.0:
        return 0.0
    return float(min(max(np.log(value / reference), -LOG_LIMIT), LOG_LIMIT))


@jit
def log_difference(a: FloatArray, b: FloatArray) -> float:
    """Logarithm of the root mean square difference in units of what noise makes of it."""
    return float(log_ratio(root_mean_square_difference(a, b) + RMS_FLOOR, RMS_FLOOR))


@jit
def deviation(log_rr_ratio: float, irregularity: float) -> float:
    """Earliness in units of the rhythm's own irregularity: small in fibrillation."""
    value = log_rr_ratio / (REGULAR_SPREAD + irregularity)
    return float(min(max(value, -DEVIATION_LIMIT), DEVIATION_LIMIT)) / DEVIATION_LIMIT


@jit
def share_below(values: NDArray[np.float64], limit: float) -> float:
    """Share of at least one value that are below the limit."""
    count = 0
    for value in values:
        count += value < limit
    return count / values.size


@jit
def median_of(values: NDArray[np.float64]) -> float:
    """Median of at least one value, which are few: they are sorted in place."""
    sort_few(values)
    half = values.size // 2
    if values.size % 2 == 1:
        return float(values[half])
    return float((values[half - 1] + values[half]) / 2.0)


@jit
def quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Quantile of sorted values, interpolated linearly."""
    at = share * (ordered.size - 1)
    low = int(at)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (at - low) * (ordered[high] - ordered[low]))


@jit
def changes_of(intervals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitudes of the changes from one interval to the next, as logarithms."""
    changes = np.empty(intervals.size - 1)
    before = np.log(intervals[0])
    for i in range(changes.size):
        now = np.log(intervals[i + 1])
        changes[i] = abs(now - before)
        before = now
    return changes


@jit
def sample_entropy(values: NDArray[np.float64], tolerance: float) -> float:
    """Sample entropy of pattern length 1 (Richman & Moorman 2000), limited; 0 for a few values.

    doi:10.1152/ajpheart.2000.278.6.H2039; half a match is added to both counts.
    """
    n = values.size
    if n < ENTROPY_LEAST:
        return 0.0
    longer, shorter = 0, 0
    for i in range(n - 1):
        for j in range(i + 1, n - 1):
            if abs(values[i] - values[j]) < tolerance:
                shorter += 1
                if abs(values[i + 1] - values[j + 1]) < tolerance:
                    longer += 1
    if shorter == 0:
        return ENTROPY_LIMIT
    return float(min(-np.log((longer + 0.5) / (shorter + 0.5)), ENTROPY_LIMIT))


@jit
def move(window: FloatArray, samples: int, out: FloatArray) -> None:
    """Write the window, moved to the left by `samples` (right if negative), ends held."""
    last = window.size - 1
    for i in range(window.size):
        out[i] = window[min(max(i + samples, 0), last)]


@jit
def pack(values: FloatArray, packed: NDArray[np.int16]) -> float:
    """Write values in steps of 1/32767 of the largest magnitude; return the step."""
    top = np.float32(0.0)
    for value in values:
        top = max(top, abs(value))
    unit = np.float32(max(top, _PACKED_LEAST) / _STEPS)
    for i in range(values.size):
        packed[i] = np.int16(np.rint(values[i] / unit))
    return float(unit)


@jit
def unpack(packed: NDArray[np.int16], unit: float, values: FloatArray) -> None:
    """Write what `pack` was given, but for rounding."""
    step = np.float32(unit)
    for i in range(packed.size):
        values[i] = step * np.float32(packed[i])


@jit
def mean_of(values: FloatArray) -> float:
    """Mean, summed in double precision."""
    total = 0.0
    for value in values:
        total += value
    return total / values.size


@jit
def halve(window: FloatArray, out: FloatArray) -> None:
    """Write the means of pairs of samples."""
    for i in range(out.size):
        out[i] = np.float32(0.5) * (window[2 * i] + window[2 * i + 1])


@jit
def compare(
    beat: FloatArray,
    usual: FloatArray,
    p: tuple[int, int],
    qrs: tuple[int, int],
    t: tuple[int, int],
    fs_hz: float,
    found: FloatArray,
) -> None:
    """Write twelve measures of a beat's P, QRS and T stretches against the usual beat's."""
    beat_p, usual_p = beat[p[0] : p[1]], usual[p[0] : p[1]]
    beat_qrs, usual_qrs = beat[qrs[0] : qrs[1]], usual[qrs[0] : qrs[1]]
    beat_t, usual_t = beat[t[0] : t[1]], usual[t[0] : t[1]]
    width = area_over_peak(beat_qrs)
    found[0] = correlation(beat_qrs, usual_qrs)
    found[1] = correlation(beat_p, usual_p)
    found[2] = correlation(beat_t, usual_t)
    found[3] = log_ratio(peak_to_peak(beat_qrs), peak_to_peak(usual_qrs))
    found[4] = log_ratio(width, area_over_peak(usual_qrs))
    found[5] = width / (WIDTH_UNIT_S * fs_hz)
    found[6] = log_ratio(peak_to_peak(beat_p), peak_to_peak(usual_p))
    found[7] = log_difference(beat_p, usual_p)
    found[8] = log_difference(beat_qrs, usual_qrs)
    found[9] = log_difference(beat_t, usual_t)
    found[10] = peak_to_peak(beat_p) / max(peak_to_peak(beat_qrs), SMALL)
    found[11] = peak_to_peak(usual_p) / max(peak_to_peak(usual_qrs), SMALL)


@jit
def describe_rhythm(
    before: NDArray[np.float64],
    ordered: NDArray[np.float64],
    newest: float,
    long_run: float,
    premature_ratio: float,
    found: FloatArray,
) -> None:
    """Write measures of the newest RR interval against those before it (there may be none).

    They are given as they came and once more in order of length.
    """
    recent = before[-10:]
    found[0] = 1.0
    found[3] = log_ratio(newest, long_run)
    found[7] = log_ratio(newest, USUAL_RR_S)
    if recent.size == 0:
        return
    median = quantile(ordered, 0.5)
    found[1] = log_ratio(newest, mean_of(recent))
    found[2] = log_ratio(newest, median)
    found[4] = log_ratio(newest, before[-1])
    found[5] = log_ratio(before[-1], median)
    least = recent[0]
    for value in recent:
        least = min(least, value)
    found[6] = log_ratio(newest, least)
    if recent.size > 1:
        found[8] = median_of(changes_of(recent))
        found[9] = share_below(recent, premature_ratio * median)
    found[10] = deviation(found[2], found[8])
    found[11] = share_below(before, newest)
    if before.size > 1:
        _describe_long_rhythm(before, ordered, newest, long_run, premature_ratio, found)


@jit
def _describe_long_rhythm(
    before: NDArray[np.float64],
    ordered: NDArray[np.float64],
    newest: float,
    long_run: float,
    premature_ratio: float,
    found: FloatArray,
) -> None:
    """Write what needs more than the last few intervals."""
    median = quantile(ordered, 0.5)
    found[12] = log_ratio(newest, quantile(ordered, 0.25))
    found[13] = log_ratio(newest, quantile(ordered, 0.75))
    most = before[-1]
    for value in before[-10:]:
        most = max(most, value)
    found[14] = log_ratio(newest, most)
    for back in range(2, 7):
        if before.size >= back:
            found[13 + back] = log_ratio(before[-back], median)
    changes = changes_of(before)
    found[20] = median_of(changes)
    jumps = 0
    for change in changes:
        jumps += change > JUMP
    found[21] = jumps / changes.size
    logs = np.empty(min(before.size, ENTROPY_BEATS))
    for i in range(logs.size):
        logs[i] = np.log(before[before.size - logs.size + i])
    found[22] = sample_entropy(logs, ENTROPY_TOLERANCE)
    found[23] = share_below(before, premature_ratio * median)
    found[24] = log_ratio(long_run, median)
    found[25] = log_ratio(median, USUAL_RR_S)
    found[26] = np.log(quantile(ordered, 0.8) / quantile(ordered, 0.2))
