"""Whether the beats that were found explain how the signal moves, or the ECG can't be analysed."""

from itertools import pairwise

from streamer.core.events import CHAIN_FS
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.waveform.measures import Measurement


def judge_movement(context: RhythmContext) -> None:
    """Note whether the newest hop of which all beats are known moved without a good one."""
    c = context.config
    if len(context.measurements) <= c.unusable_lag_hops:
        return
    context.unexplained.append(
        _is_unexplained(context, context.measurements[-1 - c.unusable_lag_hops])
    )
    if len(context.unexplained) * c.signal.hop_s > c.unusable_s:
        context.unexplained.popleft()


def unexplained_s(context: RhythmContext) -> float:
    """For how long, of the last seconds, the signal moved as a beat does without a good beat."""
    return sum(context.unexplained) * context.config.signal.hop_s


def first_unexplained(context: RhythmContext) -> int:
    """Return where such movement began; there must be some."""
    c = context.config
    hops = len(context.unexplained) - context.unexplained.index(True) + c.unusable_lag_hops
    return max(context.now + 1 - round(hops * c.signal.hop_s * CHAIN_FS), 0)


def is_disputed(context: RhythmContext) -> bool:
    """Whether a low rate can't be believed: there may be beats between those that were found."""
    if context.is_unusable:
        return True
    intervals = list(pairwise(context.peaks))[-context.config.rate.least :]
    moved = [m.sample for m in context.measurements if _is_unexplained(context, m)]
    filled = sum(any(before < at <= after for at in moved) for before, after in intervals)
    return filled > context.config.disputed_share * len(intervals)


def _is_unexplained(context: RhythmContext, measurement: Measurement) -> bool:
    c = context.config
    if context.gap is not None or context.relative_deflection(measurement) < c.unusable_part:
        return False
    first = measurement.sample - (c.signal.hop_s + c.unusable_after_s) * CHAIN_FS
    last = measurement.sample + c.unusable_before_s * CHAIN_FS
    return not any(
        first <= peak <= last and quality >= c.run_quality
        for peak, quality in zip(context.peaks, context.peak_qualities, strict=True)
    )
