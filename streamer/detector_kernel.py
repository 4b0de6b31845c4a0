"""The per-sample state machine of the QRS detector, compiled.

Each sample goes through these steps, in this order:

1. `follow_lead`: is the lead usable? Hold the last good sample where it is not.
2. `update_envelope`: slope of the band-passed signal, averaged over a QRS width.
3. `follow_gap`: open a gap when no lead is usable, write it out when one is again.
4. the leads' envelopes, each divided by its own beat level, are added up; a maximum of the sum that
   stands unbeaten is a candidate, on which `decide` decides.
5. `look_back`: after a long silence the best refused candidate gets a second hearing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.detector_features import (
    active,
    candidate_features,
    cut_patch,
    envelope_peak,
    limit,
    locate,
    log_ratio,
    primary,
)
from streamer.detector_state import (
    FEATURES,
    FLAT,
    GAP,
    HELD,
    INVALID,
    MASK,
    NEVER,
    PATCH_POINTS,
    PEAK,
    RING,
    RR_COUNT,
    SATURATED,
)
from streamer.filters import jit
from streamer.peak_scorer import score

RATIO = 45  # of the first lead's features: log of envelope peak over level
MEAN_RATE = 0.002  # of the slow baseline by which saturation is told from lead-off
NOISE_RATE = 0.2
NOISE_WEIGHT = 4.0  # a lead whose noise is a quarter of its beats counts half
TEMPLATE_RATE = 0.1
REST_AFTER, REST_BEFORE, REST_LONGEST, REST_STEP = 80, 45, 360, 4  # noise is measured between beats
EDGE = 8  # samples after its peak at which a lead-off step is already flat


@jit
def start(s: Any, p: Any, raw: NDArray[np.float32], i: int) -> None:  # pragma: no cover - compiled
    """Fill the past with the first sample, so that nothing rises from zero."""
    s.started = 1
    s.learning = 1
    s.learn_until = s.n + p.learn
    s.peak_at = s.n
    s.peak_reset = s.n
    s.refused_ratio = -4.0
    s.back_score = -1e9
    for lead in range(s.leads):
        first = raw[lead, i] if np.isfinite(raw[lead, i]) else np.float32(0.0)
        s.mean[lead] = first
        s.usable[lead] = 1
        s.good_since[lead] = s.n - p.settle
        for j in range(RING):
            s.raw[lead, j] = first


@jit
def set_weights(s: Any, p: Any) -> None:  # pragma: no cover - compiled
    """Weigh each lead by its beat level and noise, so that their envelopes can be added."""
    total = 0.0
    for lead in range(s.leads):
        s.weight[lead] = 0.0
        if active(s, p, lead):
            noise = s.noise[lead] / max(s.level[lead], p.floor)
            s.weight[lead] = 1.0 / (1.0 + (NOISE_WEIGHT * noise) ** 2)
            total += s.weight[lead]
    for lead in range(s.leads):
        if s.weight[lead] > 0.0:
            s.weight[lead] /= total * max(s.level[lead], p.floor)


@jit
def follow_lead(
    s: Any, p: Any, lead: int, x: float, now: int
) -> None:  # pragma: no cover - compiled
    """Store a sample and follow whether the lead can be used: not if it is invalid or flat."""
    before = s.raw[lead, (now - 1) & MASK]
    finite = np.isfinite(x)
    value = np.float32(x) if finite else before
    s.raw[lead, now & MASK] = value
    s.flat_run[lead] = s.flat_run[lead] + 1 if value == before else 0
    s.mean[lead] += MEAN_RATE * (value - s.mean[lead])
    usable = finite and s.flat_run[lead] < p.flat
    if usable and not s.usable[lead]:
        s.good_since[lead] = now
    if s.usable[lead] and not usable:
        s.usable[lead] = 0
        set_weights(s, p)
    s.usable[lead] = usable


@jit
def update_envelope(
    s: Any, p: Any, lead: int, x: float, now: int
) -> None:  # pragma: no cover - compiled
    """Average the absolute two-sample slope of the band-passed signal over the window."""
    older = s.filtered[lead, now & 1]
    slope = np.float32(abs(x - older))
    s.filtered[lead, now & 1] = x
    s.slope_sum[lead] += np.float64(slope) - np.float64(s.slope[lead, (now - p.window) & MASK])
    s.slope[lead, now & MASK] = slope
    s.envelope[lead, now & MASK] = s.slope_sum[lead] / p.window


@jit
def follow_gap(
    s: Any, p: Any, raw: NDArray[np.float32], i: int, out: Any, count: int
) -> int:  # pragma: no cover - compiled
    """Open a gap where no lead is usable; write it when one is again."""
    usable = False
    flat_run = s.flat_run[0]
    for lead in range(s.leads):
        usable = usable or s.usable[lead]
        flat_run = min(flat_run, s.flat_run[lead])
    if not usable and s.gap_since == NEVER:
        invalid = False
        for lead in range(s.leads):
            invalid = invalid or not np.isfinite(raw[lead, i])
        s.gap_since = s.n if invalid else s.n - flat_run
        s.gap_reason = INVALID if invalid else FLAT
        off_centre = abs(s.raw[0, s.n & MASK] - s.mean[0])
        if not invalid and s.known[0] and off_centre > p.rail * s.amplitude[0]:
            s.gap_reason = SATURATED
    if usable and s.gap_since != NEVER:
        count = write_gap(s, out, count, s.n)
        forget_rhythm(s)
    return count


@jit
def write_gap(s: Any, out: Any, count: int, now: int) -> int:  # pragma: no cover - compiled
    """Write out the open gap, which ends before `now`."""
    out[count].kind = GAP
    out[count].sample = s.gap_since
    out[count].stop = now
    out[count].decided_at = now
    out[count].flag = s.gap_reason
    s.gap_since = NEVER
    return count + 1


@jit
def forget_rhythm(s: Any) -> None:  # pragma: no cover - compiled
    """After a gap the next beat has no predecessor."""
    s.last_at = NEVER
    s.back_at = NEVER
    s.back_score = -1e9
    s.refused_ratio = -4.0


@jit
def adapt_noise(s: Any, lead: int, at: int) -> None:  # pragma: no cover - compiled
    """Measure the envelope between the last beat and this one."""
    stop = at - REST_BEFORE
    i = max(s.last_at + REST_AFTER, stop - REST_LONGEST)
    if s.last_at == NEVER or stop - i <= 20:
        return
    total, count = 0.0, 0
    while i < stop:
        total += s.envelope[lead, i & MASK]
        count += 1
        i += REST_STEP
    s.noise[lead] += NOISE_RATE * (total / count - s.noise[lead])


@jit
def adapt_lead(
    s: Any, p: Any, lead: int, peak: int, at: int, now: int, patch: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Move a lead's beat level, amplitude, template and noise towards an accepted beat."""
    value = envelope_peak(s, lead, at, now)
    size = cut_patch(s, lead, peak, now, patch)
    if not s.known[lead]:
        s.known[lead] = 1
        s.level[lead] = max(value, p.floor)
        s.noise[lead] = 0.1 * s.level[lead]
    s.level[lead] *= np.exp(p.adapt * limit(log_ratio(value, s.level[lead]), -1.0, 1.0))
    s.level_floor[lead] = p.fade_floor * s.level[lead]
    adapt_noise(s, lead, at)
    if s.templates[lead] == 0:
        s.amplitude[lead] = size
    else:
        s.amplitude[lead] *= np.exp(p.adapt * limit(log_ratio(size, s.amplitude[lead]), -1.0, 1.0))
    rate = max(1.0 / (s.templates[lead] + 1), TEMPLATE_RATE)
    for j in range(PATCH_POINTS):
        s.template[lead, j] += rate * (patch[j] - s.template[lead, j])
    s.templates[lead] += 1


@jit
def adapt_rhythm(s: Any, at: int) -> None:  # pragma: no cover - compiled
    """Enter the RR interval that ends at `at` into the running median."""
    if s.last_at != NEVER:
        s.rr[s.rr_n % RR_COUNT] = at - s.last_at
        s.rr_n += 1
        known = min(s.rr_n, RR_COUNT)
        ordered = np.sort(s.rr[:known])
        s.rr_median = 0.5 * (ordered[(known - 1) // 2] + ordered[known // 2])


@jit
def quality_of(s: Any, p: Any, log_odds: float) -> float:  # pragma: no cover - compiled
    """Signal quality: how sure the beat is, times how far the beats stand above the noise."""
    worst = 0.0
    leads = 0
    for lead in range(s.leads):
        if active(s, p, lead):
            ratio = s.noise[lead] / max(s.level[lead], p.floor)
            worst = ratio if leads == 0 else min(worst, ratio)
            leads += 1
    sure = 1.0 / (1.0 + np.exp(-log_odds))
    return float(sure / (1.0 + (2.5 * worst) ** 2))


@jit
def accept(
    s: Any, p: Any, out: Any, count: int, at: int, now: int, log_odds: float, flag: int
) -> int:  # pragma: no cover - compiled
    """Write a beat and learn from it."""
    peak, amplitude = locate(s, p, primary(s, p), at, now)
    patch = np.empty(PATCH_POINTS, np.float32)
    lead = primary(s, p)
    s.last_ratio = log_ratio(envelope_peak(s, lead, at, now), s.level[lead])
    out[count].kind = PEAK
    out[count].sample = peak
    out[count].decided_at = now
    out[count].amplitude = amplitude
    out[count].quality = quality_of(s, p, log_odds)
    out[count].flag = flag
    for other in range(s.leads):
        if s.usable[other] and now - s.good_since[other] >= p.settle:
            adapt_lead(s, p, other, peak, at, now, patch)
    adapt_rhythm(s, at)
    s.last_at = at
    s.last_peak = peak
    s.last_score = log_odds
    s.back_at = NEVER
    s.back_score = -1e9
    s.refused_ratio = -4.0
    set_weights(s, p)
    return count + 1


@jit
def is_edge(s: Any, p: Any, peak: int, now: int) -> bool:  # pragma: no cover - compiled
    """Whether the candidate is the step into a flat line: lead-off or saturation."""
    lead = primary(s, p)
    return bool(now - s.flat_run[lead] <= peak + EDGE)


@jit
def decide(
    s: Any, p: Any, net: Any, out: Any, count: int, at: int, now: int, f: Any, trace: Any
) -> int:  # pragma: no cover - compiled
    """Score a candidate and accept it, or keep the best refused one for search-back."""
    if s.last_at != NEVER and at - s.last_at < p.refractory:
        return count
    peak, _ = locate(s, p, primary(s, p), at, now)
    if s.last_peak != NEVER and peak <= s.last_peak:
        return count
    if is_edge(s, p, peak, now):
        return count
    candidate_features(s, p, peak, at, now, f)
    log_odds = score(net, f)
    if trace.shape[0] > 0:
        row = trace[int(trace[0, 0]) + 1]
        row[0] = peak
        row[1] = log_odds
        row[2:] = f
        trace[0, 0] += 1
    if log_odds > p.threshold:
        return accept(s, p, out, count, at, now, log_odds, 0)
    s.refused_ratio = max(s.refused_ratio, f[RATIO])
    if log_odds > s.back_score:
        s.back_score = log_odds
        s.back_at = at
    return count


@jit
def end_learning(
    s: Any, p: Any, net: Any, out: Any, count: int, now: int, f: Any, trace: Any
) -> int:  # pragma: no cover - compiled
    """Set the first levels from what was held back, then decide on each of it."""
    s.learning = 0
    for lead in range(s.leads):
        top = 0.0
        for h in range(s.held):
            top = max(top, s.envelope[lead, s.held_at[h] & MASK])
        s.level[lead] = max(0.8 * top, p.floor)
        s.level_floor[lead] = p.fade_floor * s.level[lead]
        s.noise[lead] = 0.1 * s.level[lead]
        s.known[lead] = top > p.floor
        low, high = s.raw[lead, now & MASK], s.raw[lead, now & MASK]
        for j in range(RING):
            low, high = min(low, s.raw[lead, j]), max(high, s.raw[lead, j])
        s.amplitude[lead] = max(0.6 * (high - low), 1e-3)
    set_weights(s, p)
    for h in range(s.held):
        value = 0.0
        for lead in range(s.leads):
            value += s.weight[lead] * s.envelope[lead, s.held_at[h] & MASK]
        if value > p.gate:
            count = decide(s, p, net, out, count, s.held_at[h], now, f, trace)
    s.held = 0
    return count


@jit
def candidate(
    s: Any, p: Any, net: Any, out: Any, count: int, now: int, f: Any, trace: Any
) -> int:  # pragma: no cover - compiled
    """Handle an envelope maximum: hold it while learning, else decide."""
    if s.learning:
        if s.held < HELD:
            s.held_at[s.held] = s.peak_at
            s.held += 1
        return count
    if s.peak_value > p.gate:
        return decide(s, p, net, out, count, s.peak_at, now, f, trace)
    return count


@jit
def combined_envelope(s: Any, p: Any, now: int) -> float:  # pragma: no cover - compiled
    """Add up the settled leads' envelopes, weighted; the sum of all while still learning."""
    value = 0.0
    for lead in range(s.leads):
        if s.usable[lead] and now - s.good_since[lead] >= p.settle:
            weight = 1.0 if s.learning else s.weight[lead]
            value += weight * s.envelope[lead, now & MASK]
    return value


@jit
def look_back(s: Any, p: Any, out: Any, count: int, now: int) -> int:  # pragma: no cover - compiled
    """After a long silence accept the best refused candidate, if it was close; fade the levels."""
    if s.learning or s.last_at == NEVER:
        return count
    silence = now - s.last_at
    if s.back_at != NEVER and s.rr_median > 0.0 and silence > p.back_rr * s.rr_median + p.dominance:
        if s.back_score > p.back_threshold and now - s.back_at < RING // 2:
            return accept(s, p, out, count, s.back_at, now, s.back_score, 1)
        s.back_at = NEVER
        s.back_score = -1e9
    if silence > p.silence:
        for lead in range(s.leads):
            s.level[lead] = max(s.level[lead] * p.fade, s.level_floor[lead], p.floor)
        set_weights(s, p)
    return count


@jit
def run_detector(
    s: Any,
    p: Any,
    net: Any,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: Any,
    trace: NDArray[np.float32],
) -> int:  # pragma: no cover - compiled
    """Push samples through the detector.

    `trace`, unless it is empty, receives each candidate: row 0 counts them, then a row each of
    peak, log-odds and features. Returns how many rows of `out` were written.
    """
    count = 0
    f = np.zeros(FEATURES, np.float32)
    for i in range(raw.shape[1]):
        now = s.n
        if not s.started:
            start(s, p, raw, i)
        for lead in range(s.leads):
            follow_lead(s, p, lead, raw[lead, i], now)
            update_envelope(s, p, lead, filtered[lead, i], now)
            if now - s.good_since[lead] == p.settle:
                set_weights(s, p)
        count = follow_gap(s, p, raw, i, out, count)
        value = combined_envelope(s, p, now)
        if value > s.peak_value:
            s.peak_value = value
            s.peak_at = now
        elif now - s.peak_at >= p.dominance:
            if s.peak_at != s.peak_reset:
                count = candidate(s, p, net, out, count, now, f, trace)
            s.peak_value = value
            s.peak_at = now
            s.peak_reset = now
        if s.learning and now >= s.learn_until:
            count = end_learning(s, p, net, out, count, now, f, trace)
        count = look_back(s, p, out, count, now)
        s.n = now + 1
    return count


@jit
def finish_detector(
    s: Any, p: Any, net: Any, out: Any, trace: NDArray[np.float32]
) -> int:  # pragma: no cover - compiled
    """End the stream: decide on what is pending with what there is, and close an open gap."""
    count = 0
    if not s.started:
        return count
    f = np.zeros(FEATURES, np.float32)
    now = s.n - 1
    if s.peak_at != s.peak_reset:
        count = candidate(s, p, net, out, count, now, f, trace)
    if s.learning:
        count = end_learning(s, p, net, out, count, now, f, trace)
    if s.gap_since != NEVER:
        count = write_gap(s, out, count, s.n)
        out[count - 1].decided_at = now
    return count
