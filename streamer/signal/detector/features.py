"""What the peak scorer sees of a candidate, compiled.

Everything is relative to the patient's own running beat level, amplitude, template and rhythm, so
gain does not matter; nothing is later than the sample at which the candidate is decided on. The
names and positions of the features are in `state`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from streamer.signal.detector.state import (
    ENVELOPE_POINTS,
    LEAD_FEATURES,
    MASK,
    PATCH_POINTS,
    RR_COUNT,
    TIMING,
    LeadFeature,
    TimingFeature,
)
from streamer.signal.position import NEVER

PATCH_STEP: Final = 4
PATCH_BEFORE: Final = 48
BOX: Final = 6
"""Length of the moving average before the patch is thinned: its null is at 60 Hz."""
ENVELOPE_STEP: Final = 9
ENVELOPE_AHEAD: Final = 4 * ENVELOPE_STEP
"""The first envelope points lie after the maximum, as far as is known when it is decided on."""
PEAK_REACH: Final = 6
"""Leads peak at slightly different times."""
SHIFTS: Final = 2
"""Patch points by which a candidate may be off the template."""
TINY: Final = 1e-9
FLANK: Final = 14
"""Samples to either side (39 ms) against which a peak must stand out."""
DEFLECTION_SHARE: Final = 1.5
RATE: Final = 360.0


@jit
def limit(x: float, low: float, high: float) -> float:
    """Clamp."""
    return max(low, min(high, x))


@jit
def log_ratio(a: float, b: float) -> float:
    """Return the logarithm of a / b, bounded below."""
    return float(np.log(max(a / max(b, TINY), 0.02)))


@jit
def active(s: Any, p: Any, lead: int) -> bool:
    """Whether a lead carries a settled signal whose beats are known."""
    return bool(s.known[lead] and s.usable[lead] and s.n - s.good_since[lead] >= p.settle)


@jit
def primary(s: Any, p: Any) -> int:
    """Return the first active lead (the first of all if none is)."""
    # The second lead stands in while the first one is off.
    for lead in range(s.leads):
        if active(s, p, lead):
            return lead
    return 0


@jit
def envelope_peak(s: Any, lead: int, at: int, now: int) -> float:
    """Return a lead's largest envelope close to `at`."""
    value = 0.0
    for i in range(at - PEAK_REACH, min(at + PEAK_REACH, now) + 1):
        value = max(value, float(s.envelope[lead, i & MASK]))
    return value


@jit
def locate(s: Any, p: Any, lead: int, at: int, now: int) -> tuple[int, float]:
    """R peak: the most prominent raw sample around an envelope maximum.

    Prominence adds the deflection from the local mean to that from the flanks, so that of a wide
    complex's several humps the sharp one is taken.
    """
    # The envelope lags behind the signal by half its window and the filter's delay.
    centre = at - p.lag
    low, high = max(centre - p.reach, 0), min(centre + p.reach, now)
    mean = 0.0
    count = 0
    # The mean is taken more widely, so that a wide complex doesn't pull it along.
    for i in range(max(low - p.reach, 0), min(high + p.reach, now) + 1):
        mean += s.raw[lead, i & MASK]
        count += 1
    mean /= max(count, 1)
    best, value, largest = low, 0.0, 0.0
    for i in range(low, high + 1):
        x = s.raw[lead, i & MASK]
        sides = s.raw[lead, max(i - FLANK, 0) & MASK] + s.raw[lead, min(i + FLANK, now) & MASK]
        prominence = abs((x - 0.5 * sides) + DEFLECTION_SHARE * (x - mean))
        if prominence > largest:
            best, value, largest = i, x - mean, prominence
    return best, value


@jit
def cut_patch(s: Any, lead: int, peak: int, now: int, out: NDArray[np.float32]) -> float:
    """Write the smoothed, thinned waveform around `peak`, mean removed; return its largest size."""
    mean = 0.0
    for j in range(PATCH_POINTS):
        total = 0.0
        for k in range(BOX):
            i = peak - PATCH_BEFORE + PATCH_STEP * j - BOX // 2 + k
            # What hasn't come yet is taken to stay as it is: nothing waits for it.
            total += s.raw[lead, max(min(i, now), 0) & MASK]
        out[j] = total / BOX
        mean += total / BOX
    mean /= PATCH_POINTS
    size = 0.0
    for j in range(PATCH_POINTS):
        out[j] -= mean
        size = max(size, abs(out[j]))
    return size


@jit
def match_template(s: Any, lead: int, patch: NDArray[np.float32]) -> tuple[float, float]:
    """Return the best correlation with the template over small shifts, and the scale there."""
    best, scale = -1.0, 0.0
    # The R peak that a patch is centred on may jump between humps of one complex.
    for shift in range(-SHIFTS, SHIFTS + 1):
        # A flat patch correlates with nothing, which is no division by zero.
        xx, tt, xt = TINY, TINY, 0.0
        for j in range(SHIFTS, PATCH_POINTS - SHIFTS):
            x, t = patch[j + shift], s.template[lead, j]
            xx += x * x
            tt += t * t
            xt += x * t
        r = xt / np.sqrt(xx * tt)
        if r > best:
            best, scale = r, xt / tt
    return best, scale


@jit
def lead_features(s: Any, lead: int, peak: int, at: int, now: int, f: NDArray[np.float32]) -> None:
    """Write one lead's features: waveform, envelope, sizes, template match, noise."""
    level, amplitude = s.level[lead], max(s.amplitude[lead], TINY)
    patch = f[:PATCH_POINTS]
    size = cut_patch(s, lead, peak, now, patch)
    # Before the patch is scaled: the template is in mV.
    if s.templates[lead] > 0:
        correlation, scale = match_template(s, lead, patch)
        f[LeadFeature.TEMPLATE_CORRELATION] = correlation
        f[LeadFeature.TEMPLATE_SCALE] = limit(scale, -2.0, 2.0)
    for j in range(PATCH_POINTS):
        patch[j] = limit(patch[j] / amplitude, -3.0, 3.0)
    for j in range(ENVELOPE_POINTS):
        i = min(at + ENVELOPE_AHEAD - ENVELOPE_STEP * j, now)
        f[LeadFeature.ENVELOPE + j] = log_ratio(s.envelope[lead, i & MASK], level)
    peak_value = envelope_peak(s, lead, at, now)
    f[LeadFeature.PEAK_TO_LEVEL] = log_ratio(peak_value, level)
    # Halved to lie in the range of the others.
    f[LeadFeature.PEAK_TO_NOISE] = 0.5 * log_ratio(peak_value, s.noise[lead])
    f[LeadFeature.SIZE_TO_AMPLITUDE] = log_ratio(size, amplitude)
    f[LeadFeature.NOISE_TO_LEVEL] = 0.5 * log_ratio(s.noise[lead], level)
    f[LeadFeature.PRESENT] = 1.0
    f[LeadFeature.PEAK_TO_SIZE] = np.log(max(peak_value / max(size, TINY), 1e-3))


@jit
def timing_features(s: Any, at: int, f: NDArray[np.float32]) -> None:
    """Write how the candidate lies in the rhythm, and what came since the last beat."""
    median = s.rr_median
    if s.last_at != NEVER:
        since = float(at - s.last_at)
        ratio = np.float32(np.log(max(since, 1.0) / median) if median > 0.0 else 0.0)
        # Bounded: after a pause of any length a candidate looks the same.
        f[TimingFeature.SINCE_S] = min(since / RATE, 3.0)
        f[TimingFeature.SINCE_TO_RR] = ratio
        # Least for a candidate on time, whether others are early or late.
        f[TimingFeature.SINCE_TO_RR_SQUARED] = limit(ratio, -1.0, 1.5) ** 2
        f[TimingFeature.LAST_PEAK_TO_LEVEL] = s.last_ratio
        f[TimingFeature.LAST_LOG_ODDS] = 0.5 * limit(s.last_score, -4.0, 4.0)
        f[TimingFeature.HAS_LAST] = 1.0
        f[TimingFeature.REFUSED_PEAK_TO_LEVEL] = max(-3.0, s.refused_ratio)
    known = min(s.rr_n, RR_COUNT)
    # One interval has no spread.
    if known >= 2:
        spread = 0.0
        for i in range(known):
            spread += abs(s.rr[i] - median)
        f[TimingFeature.RR_SPREAD] = min(1.0, spread / known / median)
        f[TimingFeature.RR_S] = median / RATE
    f[TimingFeature.RR_KNOWN] = known / RR_COUNT


@jit
def candidate_features(
    s: Any, p: Any, peak: int, at: int, now: int, f: NDArray[np.float32]
) -> None:
    """Fill `f`; an absent lead leaves zeros, and the first present one always comes first."""
    f[:] = 0.0
    slot = 0
    for lead in range(s.leads):
        if active(s, p, lead):
            part = f[slot * LEAD_FEATURES : (slot + 1) * LEAD_FEATURES]
            lead_features(s, lead, peak, at, now, part)
            slot += 1
    timing_features(s, at, f[TIMING:])
