"""The per-sample state machine of the QRS detector, compiled."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.filters import jit

RING: Final = 1024
"""Samples of raw and filtered signal kept (2.8 s): a power of two, so that the index is masked."""
MASK: Final = RING - 1

STATE: Final = np.dtype(
    [
        ("n", np.int64),
        ("started", np.int64),
        ("raw", np.float32, (RING,)),
        ("filtered", np.float32, (RING,)),
        ("envelope", np.float32, (RING,)),
        ("slope_sum", np.float64),
        ("peak_value", np.float64),
        ("peak_at", np.int64),
        ("peak_reset", np.int64),
        ("bad_since", np.int64),
        ("bad_reason", np.int64),
        ("flat_since", np.int64),
        ("blank_until", np.int64),
        ("level", np.float64),
        ("noise", np.float64),
        ("rr_mean", np.float64),
        ("last_peak", np.int64),
        ("last_env", np.int64),
        ("last_value", np.float64),
        ("back_value", np.float64),
        ("back_at", np.int64),
        ("learn_until", np.int64),
        ("held", np.int64),
        ("held_at", np.int64, (32,)),
        ("held_value", np.float64, (32,)),
    ]
)
"""Everything the detector knows of one patient."""

PARAMETERS: Final = np.dtype(
    [
        ("window", np.int64),
        ("lag", np.int64),
        ("dominance", np.int64),
        ("refractory", np.int64),
        ("t_wave", np.int64),
        ("t_ratio", np.float64),
        ("threshold", np.float64),
        ("back_threshold", np.float64),
        ("back_rr", np.float64),
        ("floor", np.float64),
        ("flat", np.int64),
        ("blank", np.int64),
        ("learn", np.int64),
        ("reach", np.int64),
        ("silence", np.int64),
    ]
)

OUTPUT_PEAK: Final = 0
OUTPUT_GAP: Final = 1

OUTPUT: Final = np.dtype(
    [
        ("kind", np.int64),
        ("sample", np.int64),
        ("stop", np.int64),
        ("decided_at", np.int64),
        ("amplitude", np.float64),
        ("flag", np.int64),
        ("quality", np.float64),
    ]
)

NONE: Final = -(1 << 62)
INVALID: Final = 0
FLAT: Final = 1


def new_state() -> NDArray[Any]:
    """Return the state of a detector that has seen nothing, shape (1,)."""
    state = np.zeros(1, STATE)
    for name in ("bad_since", "flat_since", "last_peak", "last_env", "back_at", "peak_at"):
        state[name] = NONE
    return state


@jit
def _locate(s: Any, p: Any, env_at: int) -> tuple[int, float]:  # pragma: no cover - compiled
    """R peak: the largest deflection of the raw signal around the envelope's peak."""
    centre = env_at - p.lag
    low = max(centre - p.reach, 0)
    high = centre + p.reach
    baseline = 0.0
    count = 0
    for i in range(low - p.reach, high + p.reach):
        if i >= 0 and np.isfinite(s.raw[i & MASK]):
            baseline += s.raw[i & MASK]
            count += 1
    baseline /= max(count, 1)
    best = low
    value = 0.0
    for i in range(low, high + 1):
        deflection = s.raw[i & MASK] - baseline
        if abs(deflection) > abs(value):
            best = i
            value = deflection
    return best, value


@jit
def _emit(
    s: Any, p: Any, out: Any, count: int, env_at: int, value: float, now: int, flag: int
) -> int:  # pragma: no cover - compiled
    """Accept the candidate and write the peak."""
    sample, amplitude = _locate(s, p, env_at)
    if s.last_peak != NONE and sample <= s.last_peak:
        return count
    if s.last_env != NONE:
        rr = env_at - s.last_env
        if s.rr_mean == 0.0:
            s.rr_mean = min(max(rr, 100), 500)
        elif rr < 2.0 * s.rr_mean:
            s.rr_mean += 0.15 * (rr - s.rr_mean)
    s.level += (0.15 if s.level > 0 else 1.0) * (value - s.level)
    s.last_peak = sample
    s.last_env = env_at
    s.last_value = value
    s.back_value = 0.0
    s.back_at = NONE
    out[count].kind = OUTPUT_PEAK
    out[count].sample = sample
    out[count].decided_at = now
    out[count].amplitude = amplitude
    out[count].flag = flag
    out[count].quality = min(1.0, max(0.0, 1.0 - 2.0 * s.noise / max(s.level, 1e-9)))
    return count + 1


@jit
def _decide(
    s: Any, p: Any, out: Any, count: int, env_at: int, value: float, now: int
) -> int:  # pragma: no cover - compiled
    """Accept or refuse a candidate by level, refractory period and T-wave rule."""
    if value < p.floor:
        return count
    since = env_at - s.last_env
    if s.last_env != NONE and since < p.refractory:
        return count
    threshold = s.noise + p.threshold * (s.level - s.noise)
    is_t = s.last_env != NONE and since < p.t_wave and value < p.t_ratio * s.last_value
    if value > threshold and not is_t:
        return _emit(s, p, out, count, env_at, value, now, 0)
    s.noise += 0.1 * (min(value, s.level) - s.noise)
    if not is_t and value > s.back_value:
        s.back_value = value
        s.back_at = env_at
    return count


@jit
def _learn(s: Any, p: Any, out: Any, count: int, now: int) -> int:  # pragma: no cover - compiled
    """End the learning period: set the level from what was held, then decide on each."""
    top = 0.0
    for i in range(s.held):
        top = max(top, s.held_value[i])
    s.level = 0.8 * top
    s.noise = 0.05 * top
    held = s.held
    s.held = 0
    s.learn_until = 0
    for i in range(held):
        count = _decide(s, p, out, count, s.held_at[i], s.held_value[i], now)
    return count


@jit
def _candidate(
    s: Any, p: Any, out: Any, count: int, now: int
) -> int:  # pragma: no cover - compiled
    """Handle an envelope maximum that stood unbeaten."""
    if s.learn_until > 0:
        if s.held < 32 and s.peak_value >= p.floor:
            s.held_at[s.held] = s.peak_at
            s.held_value[s.held] = s.peak_value
            s.held += 1
        return count
    return _decide(s, p, out, count, s.peak_at, s.peak_value, now)


@jit
def _unusable(
    s: Any, p: Any, out: Any, count: int, now: int, x: float
) -> int:  # pragma: no cover - compiled
    """Follow invalid and flat stretches; write a gap when one ends."""
    invalid = not np.isfinite(x)
    previous = s.raw[(now - 1) & MASK]
    if invalid:
        s.flat_since = NONE
    elif s.started and x == previous:
        if s.flat_since == NONE:
            s.flat_since = now - 1
    else:
        s.flat_since = NONE
    flat = s.flat_since != NONE and now - s.flat_since >= p.flat
    if s.bad_since == NONE:
        if invalid:
            s.bad_since = now
            s.bad_reason = INVALID
        elif flat:
            s.bad_since = s.flat_since
            s.bad_reason = FLAT
    elif not invalid and s.flat_since == NONE:
        out[count].kind = OUTPUT_GAP
        out[count].sample = s.bad_since
        out[count].stop = now
        out[count].decided_at = now
        out[count].flag = s.bad_reason
        count += 1
        s.bad_since = NONE
        s.blank_until = now + p.blank
        s.last_env = NONE
        s.back_value = 0.0
        s.back_at = NONE
    return count


@jit
def run_detector(
    states: Any,
    p: Any,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: Any,
) -> int:  # pragma: no cover - compiled
    """Push samples through the detector; return how many outputs were written to `out`."""
    s = states[0]
    count = 0
    for i in range(raw.shape[0]):
        now = s.n
        count = _unusable(s, p, out, count, now, raw[i])
        s.raw[now & MASK] = raw[i]
        s.filtered[now & MASK] = filtered[i]
        if not s.started:
            s.started = 1
            s.learn_until = now + p.learn
            for j in range(RING):
                s.filtered[j] = filtered[i]
        slope = abs(s.filtered[now & MASK] - s.filtered[(now - 2) & MASK])
        old = s.envelope[now & MASK]
        s.envelope[now & MASK] = slope
        old = s.envelope[(now - p.window) & MASK]
        s.slope_sum += slope - old
        value = s.slope_sum / p.window
        if s.bad_since != NONE or now < s.blank_until:
            value = 0.0
            s.peak_value = 0.0
            s.peak_at = now
            s.peak_reset = now
        if value > s.peak_value:
            s.peak_value = value
            s.peak_at = now
        elif now - s.peak_at >= p.dominance:
            if s.peak_at != s.peak_reset:
                count = _candidate(s, p, out, count, now)
            s.peak_value = value
            s.peak_at = now
            s.peak_reset = now
        if s.learn_until > 0 and now >= s.learn_until:
            count = _learn(s, p, out, count, now)
        if s.last_env != NONE and s.rr_mean > 0.0:
            silence = now - s.last_env
            if s.back_at != NONE and silence > p.back_rr * s.rr_mean + p.dominance:
                if s.back_value > p.back_threshold * s.level:
                    count = _emit(s, p, out, count, s.back_at, s.back_value, now, 1)
                else:
                    s.back_at = NONE
                    s.back_value = 0.0
            if silence > p.silence:
                s.level *= 0.999
        s.n = now + 1
    return count
