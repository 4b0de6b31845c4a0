"""Leads of the QRS detector: which are usable, their envelopes, and the gaps where none is."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from streamer.signal.detector.features import active
from streamer.signal.detector.state import FLAT, GAP, INVALID, MASK, RING, SATURATED, SLOPES
from streamer.signal.position import NEVER

MEAN_RATE: Final = 0.002
"""Of the slow baseline that tells saturation from lead-off."""
NOISE_WEIGHT: Final = 4.0
"""A lead whose noise is a quarter of its beats counts half."""
NOTHING: Final = -1e9
"""Log-odds that any candidate beats."""
QUIET: Final = -4.0
"""Log ratio that any refused candidate beats."""


@jit
def forget_refused(s: Any) -> None:
    """Start over with what was refused since the last beat."""
    s.back_at = NEVER
    s.back_score = NOTHING
    s.refused_ratio = QUIET


@jit
def set_weights(s: Any, p: Any) -> None:
    """Weigh each lead by its beat level and noise, so that their envelopes can be added."""
    total = 0.0
    for lead in range(s.leads):
        s.weight[lead] = 0.0
        if active(s, p, lead):
            # Close to the inverse of the noise power, but bounded where a lead is clean.
            noise = s.noise[lead] / max(s.level[lead], p.floor)
            s.weight[lead] = 1.0 / (1.0 + (NOISE_WEIGHT * noise) ** 2)
            total += s.weight[lead]
    # In units of its beat level, so that the sum is 1 where all leads are at theirs.
    for lead in range(s.leads):
        if s.weight[lead] > 0.0:
            s.weight[lead] /= total * max(s.level[lead], p.floor)


@jit
def start(s: Any, p: Any, raw: NDArray[np.float32], i: int) -> None:
    """Fill the past with the first sample, so that nothing rises from zero."""
    s.started = 1
    s.first = s.n
    s.learning = 1
    s.learn_until = s.n + p.learn
    s.peak_at = s.n
    s.peak_reset = s.n
    forget_refused(s)
    for lead in range(s.leads):
        first = raw[lead, i] if np.isfinite(raw[lead, i]) else np.float32(0.0)
        s.midline[lead] = first
        # Settled from the start: the filters begin at the first sample and don't ring.
        s.usable[lead] = 1
        s.good_since[lead] = s.n - p.settle
        for j in range(RING):
            s.raw[lead, j] = first


@jit
def follow_lead(s: Any, p: Any, lead: int, x: float, now: int) -> None:
    """Store a sample and follow whether the lead can be used: not if it is invalid or flat."""
    before = s.raw[lead, (now - 1) & MASK]
    finite = np.isfinite(x)
    # An invalid sample repeats the last good one, so that no step is filtered or measured.
    value = np.float32(x) if finite else before
    s.raw[lead, now & MASK] = value
    s.flat_run[lead] = s.flat_run[lead] + 1 if value == before else 0
    s.midline[lead] += MEAN_RATE * (value - s.midline[lead])
    usable = finite and s.flat_run[lead] < p.flat_line
    if usable and not s.usable[lead]:
        s.good_since[lead] = now
    if s.usable[lead] and not usable:
        s.usable[lead] = 0
        set_weights(s, p)
    s.usable[lead] = usable


@jit
def update_envelope(s: Any, p: Any, lead: int, x: float, now: int) -> None:
    """Average the absolute two-sample slope of the band-passed signal over the window."""
    older = s.filtered[lead, now & 1]
    slope = np.float32(abs(x - older))
    s.filtered[lead, now & 1] = x
    oldest = s.slope[lead, (now - p.window) & (SLOPES - 1)]
    # In double precision a running sum of these hardly drifts in days.
    s.slope_sum[lead] += np.float64(slope) - np.float64(oldest)
    s.slope[lead, now & (SLOPES - 1)] = slope
    s.envelope[lead, now & MASK] = s.slope_sum[lead] / p.window


@jit
def combined_envelope(s: Any, p: Any, now: int) -> float:
    """Add up the settled leads' envelopes, weighted; the sum of all while still learning."""
    value = 0.0
    for lead in range(s.leads):
        if s.usable[lead] and now - s.good_since[lead] >= p.settle:
            weight = 1.0 if s.learning else s.weight[lead]
            value += weight * s.envelope[lead, now & MASK]
    return value


@jit
def write_gap(s: Any, out: Any, count: int, stop: int, now: int, ongoing: int) -> int:
    """Write out the gap as it is known at `now`: up to `stop`, and going on or not."""
    out[count].kind = GAP
    out[count].sample = s.gap_since
    out[count].stop = stop
    out[count].decided_at = now
    out[count].flag = s.gap_reason
    out[count].ongoing = ongoing
    if not ongoing:
        s.gap_since = NEVER
    return count + 1


@jit
def follow_gap(s: Any, p: Any, raw: NDArray[np.float32], i: int, out: Any, count: int) -> int:
    """Report a gap when no lead is usable, and its end when one is again."""
    usable = False
    # The lead that was flat last tells since when there is no signal at all.
    flat_run = s.flat_run[0]
    for lead in range(s.leads):
        usable = usable or s.usable[lead]
        flat_run = min(flat_run, s.flat_run[lead])
    if not usable and s.gap_since == NEVER:
        invalid = False
        for lead in range(s.leads):
            invalid = invalid or not np.isfinite(raw[lead, i])
        # A flat line was one from its first equal sample on, but is known as one only now.
        s.gap_since = s.n if invalid else max(s.n - flat_run, s.first)
        s.gap_reason = INVALID if invalid else FLAT
        off_centre = abs(s.raw[0, s.n & MASK] - s.midline[0])
        if not invalid and s.known[0] and off_centre > p.rail * s.amplitude[0]:
            s.gap_reason = SATURATED
        count = write_gap(s, out, count, s.n + 1, s.n, 1)
    if usable and s.gap_since != NEVER:
        count = write_gap(s, out, count, s.n, s.n, 0)
        forget_refused(s)
        s.last_at = NEVER  # The first beat after a gap has no RR interval.
    return count
