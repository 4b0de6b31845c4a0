"""Whether a candidate is a beat, and what follows from that, compiled."""

from typing import Any, Final

import numpy as np

from classifier.compiled import inlined, jit
from streamer.signal.detector.adapt import adapt_lead, adapt_rhythm, quality_of
from streamer.signal.detector.features import (
    active,
    candidate_features,
    envelope_peak,
    locate,
    log_ratio,
    primary,
)
from streamer.signal.detector.leads import forget_refused, set_weights
from streamer.signal.detector.peak_scorer import score
from streamer.signal.detector.state import (
    LEAD_FEATURES,
    PATCH_POINTS,
    PEAK,
    LeadFeature,
    Trace,
)
from streamer.signal.position import NEVER

EDGE: Final = 8
"""Samples after its peak at which a lead-off step is already flat."""
ALIKE: Final = 0.95
LEAST_SCALE: Final = 0.5
LARGE: Final = -0.5
"""Correlation with the template, size in templates and logarithm of the envelope in beat levels
from which on a candidate is a beat like those before: T waves and noise don't come near."""


@jit
def accept(
    s: Any, p: Any, out: Any, count: int, at: int, now: int, log_odds: float, quality: float
) -> int:
    """Write a beat and learn from it."""
    peak, amplitude = locate(s, p, primary(s, p), at, now)
    patch = np.empty(PATCH_POINTS, np.float32)
    lead = primary(s, p)
    # Against the level as it was before this beat, as the features had it.
    s.last_ratio = log_ratio(envelope_peak(s, lead, at, now), s.level[lead])
    out[count].kind = PEAK
    out[count].sample = peak
    out[count].decided_at = now
    out[count].amplitude = amplitude
    out[count].quality = quality
    out[count].flag = 0
    # Leads that weren't active learn too: that is how their beats become known.
    for other in range(s.leads):
        if s.usable[other] and now - s.good_since[other] >= p.settle:
            adapt_lead(s, p, other, peak, at, now, patch)
    adapt_rhythm(s, at)
    s.last_at = at
    s.last_score = log_odds
    # What was refused before an accepted beat is no longer searched back for.
    forget_refused(s)
    set_weights(s, p)
    return count + 1


@inlined
def is_edge(s: Any, p: Any, peak: int, now: int) -> bool:
    """Whether the candidate is the step into a flat line (lead-off, saturation) on every lead."""
    for lead in range(s.leads):
        if active(s, p, lead) and now - s.flat_run[lead] > peak + EDGE:
            return False
    return True


@jit
def resembles_beats(s: Any, p: Any, f: Any) -> bool:
    """Whether one active lead shows the complex of the beats before, and no other speaks against.

    The scorer has learned from adults, and takes an infant's narrow complexes for spikes.
    """
    slot, alike = 0, False
    for lead in range(s.leads):
        if not active(s, p, lead):
            continue
        part = f[slot * LEAD_FEATURES : (slot + 1) * LEAD_FEATURES]
        correlation = part[LeadFeature.TEMPLATE_CORRELATION]
        if correlation <= 0.0 or part[LeadFeature.PEAK_TO_LEVEL] < LARGE:
            return False
        alike = alike or (correlation >= ALIKE and part[LeadFeature.TEMPLATE_SCALE] >= LEAST_SCALE)
        slot += 1
    return alike


@jit
def decide(
    s: Any, p: Any, net: Any, out: Any, count: int, at: int, now: int, f: Any, trace: Any
) -> int:
    """Score a candidate and accept it, or keep the best refused one for search-back."""
    # No features are made of what can't be a beat: they take most of the time.
    if s.last_at != NEVER and at - s.last_at < p.refractory:
        return count
    peak, _ = locate(s, p, primary(s, p), at, now)
    if is_edge(s, p, peak, now):
        return count
    candidate_features(s, p, peak, at, now, f)
    log_odds = np.float64(score(net, f))
    if trace.shape[0] > 0:
        row = trace[int(trace[0, 0]) + 1]
        row[Trace.PEAK] = peak
        row[Trace.LOG_ODDS] = log_odds
        row[Trace.FEATURES :] = f
        trace[0, 0] += 1
    is_beat = log_odds > p.threshold
    if not is_beat and resembles_beats(s, p, f):
        is_beat = True
        log_odds = p.resembling
    if is_beat:
        quality = quality_of(s, p, log_odds)
        return accept(s, p, out, count, at, now, log_odds, quality)
    s.refused_ratio = max(s.refused_ratio, f[LeadFeature.PEAK_TO_LEVEL])
    # Search-back takes the best refused candidate, not the latest.
    if log_odds > s.back_score:
        s.back_score = log_odds
        s.back_at = at
    return count
