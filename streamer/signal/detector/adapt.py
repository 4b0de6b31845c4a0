"""What the QRS detector learns from an accepted beat, and how good the signal around it is."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit, sort_few
from streamer.signal.detector.features import active, cut_patch, envelope_peak, limit, log_ratio
from streamer.signal.detector.state import MASK, PATCH_POINTS, RR_COUNT
from streamer.signal.position import NEVER

NOISE_RATE: Final = 0.2
"""Share of the way that the noise moves with each beat."""
TEMPLATE_RATE: Final = 0.1
"""Least share of the way that the template moves with each beat."""
REST_AFTER: Final = 80
"""Samples after a beat at which its T wave is over; with those below, where noise is measured."""
REST_BEFORE: Final = 45
REST_LONGEST: Final = 360
REST_SHORTEST: Final = 20
REST_STEP: Final = 4
QUALITY_SLOPE: Final = 2.5
"""Noise of 0.4 beat levels halves the quality."""


@jit
def adapt_noise(s: Any, lead: int, at: int) -> None:
    """Measure the envelope between the last beat and this one."""
    # From after the T wave to before the P wave: what is there is noise.
    stop = at - REST_BEFORE
    i = max(s.last_at + REST_AFTER, stop - REST_LONGEST)
    if s.last_at == NEVER or stop - i <= REST_SHORTEST:
        return
    total, count = 0.0, 0
    # Every fourth sample: the envelope is a mean of thirty.
    while i < stop:
        total += s.envelope[lead, i & MASK]
        count += 1
        i += REST_STEP
    s.noise[lead] += NOISE_RATE * (total / count - s.noise[lead])


@jit
def adapt_lead(
    s: Any, p: Any, lead: int, peak: int, at: int, now: int, patch: NDArray[np.float32]
) -> None:
    """Move a lead's beat level, amplitude, template and noise towards an accepted beat."""
    value = envelope_peak(s, lead, at, now)
    size = cut_patch(s, lead, peak, now, patch)
    # A lead that was off while the others learned starts from its first beat.
    if not s.known[lead]:
        s.known[lead] = 1
        s.level[lead] = max(value, p.floor)
        s.noise[lead] = 0.1 * s.level[lead]
    # By the logarithm: as quick up as down, and one artefact moves it by a factor of e at most.
    s.level[lead] *= np.exp(p.adapt * limit(log_ratio(value, s.level[lead]), -1.0, 1.0))
    s.level_floor[lead] = p.fade_floor * s.level[lead]
    adapt_noise(s, lead, at)
    if s.templates[lead] == 0:
        s.amplitude[lead] = size
    else:
        s.amplitude[lead] *= np.exp(p.adapt * limit(log_ratio(size, s.amplitude[lead]), -1.0, 1.0))
    # The mean of the first beats, then a running one.
    rate = max(1.0 / (s.templates[lead] + 1), TEMPLATE_RATE)
    for j in range(PATCH_POINTS):
        s.template[lead, j] += rate * (patch[j] - s.template[lead, j])
    s.templates[lead] += 1


@jit
def fade_lead(s: Any, p: Any, lead: int) -> None:
    """Expect smaller beats, and with them everything that is measured against them."""
    level = max(s.level[lead] * p.fade, s.level_floor[lead], p.floor)
    if level < s.level[lead]:
        share = level / s.level[lead]
        s.amplitude[lead] *= share
        s.noise[lead] *= share
        for j in range(PATCH_POINTS):
            s.template[lead, j] *= share
        s.level[lead] = level


@jit
def adapt_rhythm(s: Any, at: int) -> None:
    """Enter the RR interval that ends at `at` into the running median."""
    if s.last_at != NEVER:
        s.rr[s.rr_n % RR_COUNT] = at - s.last_at
        s.rr_n += 1
        # The median, which one missed or extra beat doesn't move.
        known = min(s.rr_n, RR_COUNT)
        ordered = s.rr[:known].copy()
        sort_few(ordered)
        s.rr_median = 0.5 * (ordered[(known - 1) // 2] + ordered[known // 2])


@jit
def quality_of(s: Any, p: Any, log_odds: float) -> float:
    """Signal quality: how sure the beat is, times how far the beats stand above the noise."""
    best = 0.0
    leads = 0
    # The better lead counts: it is the one that can be read.
    for lead in range(s.leads):
        if active(s, p, lead):
            ratio = s.noise[lead] / max(s.level[lead], p.floor)
            best = ratio if leads == 0 else min(best, ratio)
            leads += 1
    sure = 1.0 / (1.0 + np.exp(-log_odds))
    return float(sure / (1.0 + (QUALITY_SLOPE * best) ** 2))
