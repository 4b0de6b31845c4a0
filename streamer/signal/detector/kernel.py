"""The per-sample state machine of the QRS detector, compiled.

Each sample goes through these steps, in this order:

1. `follow_lead`: is the lead usable? Hold the last good sample where it is not.
2. `update_envelope`: slope of the band-passed signal, averaged over a QRS width.
3. `follow_gap`: report a gap when no lead is usable, and its end when one is again.
4. the leads' envelopes, each relative to its own beat level, are added; a maximum of the sum that
   stands unbeaten is a candidate, on which `decide` decides.
5. `look_back`: after a long silence the best refused candidate gets a second hearing.

A state machine over plain numbers: it also runs uncompiled, which is how its branches are tested.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from streamer.signal.detector.adapt import fade_lead, quality_of
from streamer.signal.detector.decide import accept, decide
from streamer.signal.detector.leads import (
    combined_envelope,
    follow_gap,
    follow_lead,
    forget_refused,
    set_weights,
    start,
    update_envelope,
    write_gap,
)
from streamer.signal.detector.state import FEATURES, HELD, MASK, RING
from streamer.signal.position import NEVER

FIRST_LEVEL: Final = 0.8
"""Share of the largest envelope of the learning period that becomes the beat level."""
NOISE_STEP: Final = 4
REST_SHARE: Final = 0.5
REST_LEAST: Final = 0.3
"""An envelope below half the beat level is rest, and takes up at least this share of a rhythm."""
FIRST_AMPLITUDE: Final = 0.6
SURPRISE: Final = 2.5
"""Beat levels above which a first beat can't be explained by what was learnt."""


@inlined
def learn_again(s: Any, p: Any, now: int) -> None:
    """Begin a new learning period."""
    s.learning = 1
    s.learn_until = now + p.learn
    s.held = 0


@jit
def first_noise(s: Any, p: Any, lead: int, level: float, now: int) -> float:
    """Return the mean envelope of the learning period where it is far below the beat level."""
    total, count = 0.0, 0
    for i in range(now - p.learn, now, NOISE_STEP):
        value = float(s.envelope[lead, i & MASK])
        if value < REST_SHARE * level:
            total += value
            count += 1
    # Hardly any rest: noise from end to end.
    return total / count if count * NOISE_STEP > REST_LEAST * p.learn else level


@inlined
def end_learning(
    s: Any, p: Any, net: Any, out: Any, count: int, now: int, f: Any, trace: Any
) -> int:
    """Set the first levels from what was held back, then decide on each of it.

    Where there was nothing but silence, go on learning.
    """
    s.learning = 0
    s.learn_until = now
    for lead in range(s.leads):
        top = 0.0
        for h in range(s.held):
            top = max(top, s.envelope[lead, s.held_at[h] & MASK])
        s.level[lead] = max(FIRST_LEVEL * top, p.floor)
        s.level_floor[lead] = p.fade_floor * s.level[lead]
        s.noise[lead] = first_noise(s, p, lead, s.level[lead], now)
        # A lead without a signal is learnt from its first beat, when that comes.
        s.known[lead] = top > p.floor
        low, high = s.raw[lead, now & MASK], s.raw[lead, now & MASK]
        # From peak to peak, because which way the beats point isn't known yet.
        for j in range(RING):
            low, high = min(low, s.raw[lead, j]), max(high, s.raw[lead, j])
        s.amplitude[lead] = max(FIRST_AMPLITUDE * (high - low), 1e-3)
    set_weights(s, p)
    # Silence from end to end: its maxima are dropped.
    if not s.known[0] and not s.known[s.leads - 1]:
        learn_again(s, p, now)
    for h in range(s.held):
        value = 0.0
        for lead in range(s.leads):
            value += s.weight[lead] * s.envelope[lead, s.held_at[h] & MASK]
        if value > p.gate:
            count = decide(s, p, net, out, count, s.held_at[h], now, f, trace)
    s.held = 0
    return count


@inlined
def candidate(s: Any, p: Any, net: Any, out: Any, count: int, now: int, f: Any, trace: Any) -> int:
    """Handle an envelope maximum: hold it while learning, else decide.

    One far above a level that no beat has confirmed shows that noise was learnt: learn again.
    """
    if not s.learning and s.last_at == NEVER and s.peak_value > SURPRISE:
        learn_again(s, p, now)
    # Nothing can be judged before the levels are known, and nothing may be lost.
    if s.learning:
        if s.held < HELD:
            s.held_at[s.held] = s.peak_at
            s.held += 1
        return count
    if s.peak_value > p.gate:
        return decide(s, p, net, out, count, s.peak_at, now, f, trace)
    return count


@inlined
def is_second_hearing_due(s: Any, p: Any, now: int) -> bool:
    """Whether the best refused candidate was close, and all that surrounds it is in the rings."""
    is_recent = s.back_at != NEVER and now - s.back_at < RING // 2
    return bool(is_recent and s.back_score > p.back_threshold)


@inlined
def accept_refused(s: Any, p: Any, out: Any, count: int, now: int) -> int:
    """Accept the best refused candidate by search-back."""
    quality = quality_of(s, p, s.back_score)
    count = accept(s, p, out, count, s.back_at, now, s.back_score, quality)
    out[count - 1].flag = 1
    return count


@inlined
def look_back(s: Any, p: Any, out: Any, count: int, now: int) -> int:
    """After a long silence accept the best refused candidate, if it was close; fade the levels."""
    if s.learning:
        return count
    if s.last_at == NEVER:
        # No beat has confirmed the levels: they may have been learnt from an artefact.
        if now - s.learn_until > p.silence:
            # Or the beats are unlike any that the scorer has learned: one shows what they are like.
            if is_second_hearing_due(s, p, now):
                return accept_refused(s, p, out, count, now)
            learn_again(s, p, now)
        if now - s.back_at >= RING // 2:
            forget_refused(s)
        return count
    silence = now - s.last_at
    if s.back_at != NEVER and s.rr_median > 0.0 and silence > p.back_rr * s.rr_median + p.dominance:
        if is_second_hearing_due(s, p, now):
            return accept_refused(s, p, out, count, now)
        forget_refused(s)
    # The beats may have become smaller than what is still expected.
    if silence > p.silence:
        for lead in range(s.leads):
            fade_lead(s, p, lead)
        set_weights(s, p)
    return count


@inlined
def run_detector(
    s: Any,
    p: Any,
    net: Any,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: Any,
    trace: NDArray[np.float32],
) -> int:
    """Push samples through the detector.

    `trace`, unless it is empty, receives each candidate: row 0 counts them, then a row each of
    peak, log-odds and features. Returns how many rows of `out` were written.
    """
    # Were it a plain constant, all that takes it would be compiled once more for that.
    count: Any = np.int64(0)
    f = np.zeros(FEATURES, np.float32)
    for i in range(raw.shape[1]):
        now = s.n
        if not s.started:
            start(s, p, raw, i)
        for lead in range(s.leads):
            follow_lead(s, p, lead, raw[lead, i], now)
            update_envelope(s, p, lead, filtered[lead, i], now)
            # From this sample on it counts again.
            if now - s.good_since[lead] == p.settle:
                set_weights(s, p)
        count = follow_gap(s, p, raw, i, out, count)
        value = combined_envelope(s, p, now)
        if value > s.peak_value:
            s.peak_value = value
            s.peak_at = now
        elif now - s.peak_at >= p.dominance:
            # A maximum where the search began is the tail of the one before.
            if s.peak_at != s.peak_reset:
                count = candidate(s, p, net, out, count, now, f, trace)
            s.peak_value = value
            s.peak_at = now
            s.peak_reset = now
        if s.learning and now >= s.learn_until:
            count = end_learning(s, p, net, out, count, now, f, trace)
        count = look_back(s, p, out, count, now)
        s.n = now + 1
    return int(count)


@inlined
def finish_detector(
    s: Any, p: Any, net: Any, out: Any, count: int, trace: NDArray[np.float32]
) -> int:
    """End the stream: decide on what is pending with what there is, and close an open gap."""
    if not s.started:
        return count
    f = np.zeros(FEATURES, np.float32)
    now = s.n - 1
    # The last maximum has nothing left to wait for.
    if s.peak_at != s.peak_reset:
        count = candidate(s, p, net, out, count, now, f, trace)
    if s.learning:
        count = end_learning(s, p, net, out, count, now, f, trace)
    if s.gap_since != NEVER:
        count = write_gap(s, out, count, s.n, now, False)
    return count


@jit
def push_detector(
    states: Any,
    parameters: Any,
    net: NDArray[np.float32],
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: Any,
    trace: NDArray[np.float32],
    is_last: bool,
) -> int:
    """Call `run_detector` for the one patient in `states`, and `finish_detector` at the end."""
    s, p = states[0], parameters[0]
    count = run_detector(s, p, net, raw, filtered, out, trace)
    if is_last:
        count = finish_detector(s, p, net, out, count, trace)
    return count
