"""Conditions of the transition table for episodes and moments.

Each is a pure function of the context and the state: the evidence where it holds, else None. Those
of the background and of the rate are in `streamer.rhythm.background`.
"""

from typing import Final

from streamer.core.events import CHAIN_FS, Rhythm
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.rule import Condition, Evidence, State, evidence_of
from streamer.rhythm.usability import first_unexplained, unexplained_s

# Signal


def fibrillation(context: RhythmContext, _state: State) -> Evidence | None:
    """Waves for as long as it takes to be sure of them."""
    config = context.config
    if context.vf_evidence < config.vf_alarm_evidence:
        return None
    return Evidence(max(context.now + 1 - round(config.signal.window_s * CHAIN_FS), 0))


def fibrillation_over(context: RhythmContext, _state: State) -> Evidence | None:
    """No such waves for a while."""
    if context.hops_without_vf < context.config.vf_hold_hops:
        return None
    return Evidence(
        context.now + 1 - round(context.hops_without_vf * context.config.signal.hop_s * CHAIN_FS)
    )


def asystole(context: RhythmContext, state: State) -> Evidence | None:
    """No beat for long, and nothing like one in the signal."""
    config = context.config
    # Fine waves are as quiet as a silence, and call for a shock: told as long as they last.
    if state is Rhythm.VENTRICULAR_FIBRILLATION and context.vf_evidence > 0.0:
        return None
    least_s = config.asystole_s + config.asystole_margin_s
    if context.last_peak is None or context.is_unusable:
        least_s = max(least_s, config.first_beat_s)
    if context.silence_s() < least_s or not _began_before_gap(context):
        return None
    if context.is_disturbed():
        return None
    return _silence(context, config.asystole_s)


def pause(context: RhythmContext, _state: State) -> Evidence | None:
    """No beat for a while, and nothing like one in the signal."""
    config = context.config
    if context.last_peak is None or context.silence_s() < config.pause_s + config.pause_margin_s:
        return None
    if context.is_unusable:
        return None
    if context.gap is not None and not context.source_is_flat:
        return None
    return _silence(context, config.pause_s)


def _silence(context: RhythmContext, least_s: float) -> Evidence | None:
    """Return the silence if the signal has been quiet since the last T wave."""
    config = context.config
    if context.quiet_s() < least_s - config.t_wave_s - config.signal.hop_s:
        return None
    peak = context.last_peak
    return Evidence(context.silence_onset(), () if peak is None else (peak,))


_OVERDUE: Final = 1.5
"""Times the interval before after which a beat is missing."""


def _began_before_gap(context: RhythmContext) -> bool:
    """Whether a beat was missing already when the signal went, if it did."""
    if context.gap is None or context.source_is_flat:
        return True
    rate = context.rate_before_gap
    rr = CHAIN_FS if rate is None else 60 * CHAIN_FS / rate
    seen = context.gap_start - context.silence_onset()
    if context.now - context.gap_start >= context.config.gap_asystole_s * CHAIN_FS:
        return False
    return seen > max(_OVERDUE * rr, context.config.gap_silence_s * CHAIN_FS)


def past_pause(context: RhythmContext, _state: State) -> Evidence | None:
    """Find a pause that the newest beat has ended before it was announced."""
    config = context.config
    if context.last_interval is None or context.episode in {Rhythm.PAUSE, Rhythm.ASYSTOLE}:
        return None
    start, stop = context.last_interval
    if stop - start < config.pause_s * CHAIN_FS or context.gap is not None:
        return None
    first, last = start + config.t_wave_s * CHAIN_FS, stop - config.signal.hop_s * CHAIN_FS
    hop = config.signal.hop_s * CHAIN_FS
    between = [m for m in context.measurements if first + hop <= m.sample < last]
    if not between or any(context.relative_deflection(m) > context.quiet_limit for m in between):
        return None
    return Evidence(start, (start, stop))


def beat_again(context: RhythmContext, _state: State) -> Evidence | None:
    """Find the beat that ends a silence."""
    return None if context.last_peak is None else Evidence(context.last_peak, (context.last_peak,))


def lead_off(context: RhythmContext, _state: State) -> Evidence | None:
    """No signal, unless the source is always so flat between beats."""
    if context.gap is None or context.source_is_flat:
        return None
    return Evidence(context.gap_start)


def lead_on(context: RhythmContext, _state: State) -> Evidence | None:
    """Find that there is a signal again."""
    return Evidence(context.now) if context.gap is None else None


_WAVES: Final = frozenset({Rhythm.VENTRICULAR_FIBRILLATION, Rhythm.VENTRICULAR_TACHYCARDIA})
"""Episodes whose waves are known, though not as beats."""


def unusable(context: RhythmContext, _state: State) -> Evidence | None:
    """Movement like that of beats for long, and neither good beats nor a lethal rhythm in it."""
    if context.vf_evidence > 0.0 or context.episode in _WAVES or context.gap is not None:
        return None
    if unexplained_s(context) < context.config.unusable_least_s:
        return None
    return Evidence(first_unexplained(context))


def usable(context: RhythmContext, _state: State) -> Evidence | None:
    """Find that movement is explained by beats again, or that a lethal rhythm explains it."""
    if unexplained_s(context) > context.config.usable_most_s and context.episode not in _WAVES:
        return None
    return Evidence(context.now)


# Runs


def ventricular_run(rhythm: Rhythm) -> Condition:
    """Make the condition of a ventricular run of that name, fast or slow."""

    def condition(context: RhythmContext, _state: State) -> Evidence | None:
        if context.runs.ventricular_rhythm() is not rhythm:
            return None
        return evidence_of(context.runs.v_streak[: context.config.run_beats])

    return condition


def steady_tachycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Find a fast ventricular run in noise by its steady pace."""
    if not context.runs.is_steady_tachycardia():
        return None
    return evidence_of(context.runs.steady[: context.config.run_beats])


def likely_tachycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Find a fast run by what its beats show together, whatever each was called."""
    return evidence_of(context.runs.sequence) if context.runs.is_likely_tachycardia() else None


def supraventricular_run(rhythm: Rhythm) -> Condition:
    """Make the condition of a supraventricular run of that name.

    In fibrillation every early beat would seem to be one.
    """

    def condition(context: RhythmContext, _state: State) -> Evidence | None:
        if context.background is Rhythm.ATRIAL_FIBRILLATION:
            return None
        if context.runs.supraventricular_rhythm() is not rhythm:
            return None
        return evidence_of(context.runs.s_streak[-context.config.run_beats :])

    return condition


def ventricular_run_over(context: RhythmContext, _state: State) -> Evidence | None:
    """Find the beat that ends a ventricular run."""
    runs = context.runs
    goes_on = runs.v_streak and not runs.v_ended
    is_run = goes_on or runs.is_steady() or runs.is_likely_run()
    return None if is_run else _newest(context)


def supraventricular_run_over(context: RhythmContext, _state: State) -> Evidence | None:
    """Find the beat that ends a supraventricular run."""
    return None if context.runs.s_streak else _newest(context)


def _newest(context: RhythmContext) -> Evidence | None:
    return evidence_of([context.beats[-1]]) if context.beats else None


def ventricular_couplet(context: RhythmContext, _state: State) -> Evidence | None:
    """Two ventricular beats that are over."""
    couplet = context.runs.v_couplet()
    return evidence_of(couplet) if couplet else None


def supraventricular_couplet(context: RhythmContext, _state: State) -> Evidence | None:
    """Two supraventricular ectopic beats that are over."""
    couplet = context.runs.s_couplet()
    in_fibrillation = context.background is Rhythm.ATRIAL_FIBRILLATION
    return evidence_of(couplet) if couplet and not in_fibrillation else None
