"""Compiled arithmetic on the samples of one beat and on a few intervals.

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
LOG_LIMIT: Final = 2.0
"""Ratios beyond a factor of seven are not told apart."""
_STEPS: Final = np.float32(np.iinfo(np.int16).max)
_PACKED_LEAST: Final = np.float32(1e-30)
"""Keeps the step of a flat line from being 0."""


def records(dtype: np.dtype[Any], n: int) -> Any:
    """Return n empty records whose fields are attributes in a kernel, compiled or not."""
    array = np.zeros(n, dtype)
    # Numba reads fields as attributes anyway, and takes plain arrays much more quickly.
    return array.view(np.recarray) if config.DISABLE_JIT else array  # type: ignore[attr-defined]


@jit
def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation, 0 where one of them is flat."""
    # Two passes: sums of squares less the square of the mean lose the digits of a small wave.
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
    # In double precision, as everything that is measured.
    return float(high) - float(low)


@jit
def log_ratio(value: float, reference: float) -> float:
    """Logarithm of a ratio, limited; 0 (as expected) if either is not positive."""
    if value <= 0.0 or reference <= 0.0:
        return 0.0
    return float(min(max(np.log(value / reference), -LOG_LIMIT), LOG_LIMIT))


@jit
def median_of(values: NDArray[np.float64]) -> float:
    """Median of at least one value, which are few: they are sorted in place."""
    # Numba's own median takes seconds to compile.
    sort_few(values)
    half = values.size // 2
    if values.size % 2 == 1:
        return float(values[half])
    return float((values[half - 1] + values[half]) / 2.0)


@jit
def quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Quantile of sorted values, interpolated linearly."""
    # As numpy does it by default, so that tests can compare.
    at = share * (ordered.size - 1)
    low = int(at)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (at - low) * (ordered[high] - ordered[low]))


@jit
def pack(values: FloatArray, packed: NDArray[np.int16]) -> float:
    """Write values in steps of 1/32767 of the largest magnitude; return the step."""
    top = np.float32(0.0)
    for value in values:
        top = max(top, abs(value))
    # A step of its own for each shape: 16 bits then do for small and for large beats alike.
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
    # A mean rather than every other sample, which would alias.
    for i in range(out.size):
        out[i] = np.float32(0.5) * (window[2 * i] + window[2 * i + 1])
