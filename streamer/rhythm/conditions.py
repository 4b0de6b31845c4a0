"""Conditions of the transition table for episodes: pure functions of the facts and the state.

Each returns its evidence where it holds, else None. Those of the background and of the rate are in
`streamer.rhythm.background`.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final

from streamer.core.events import CHAIN_FS, Rhythm
from streamer.rhythm.facts import Facts
from streamer.rhythm.rule import Evidence, State, evidence_of
from streamer.rhythm.runs import PastBeat

# Signal


def fibrillation(facts: Facts, _state: State) -> Evidence | None:
    """Waves for as long as it takes to be sure of them."""
    config = facts.config
    if facts.wave_evidence < config.vf_evidence:
        return None
    return Evidence(max(facts.now + 1 - round(config.signal.window_s * CHAIN_FS), 0))


def fibrillation_over(facts: Facts, _state: State) -> Evidence | None:
    """No such waves for a while."""
    if facts.calm_hops < facts.config.vf_hold_hops:
        return None
    return Evidence(facts.now + 1 - round(facts.calm_hops * facts.config.signal.hop_s * CHAIN_FS))


def asystole(facts: Facts, _state: State) -> Evidence | None:
    """No beat for long, and nothing like one in the signal."""
    config = facts.config
    least_s = config.asystole_s + config.asystole_margin_s
    if facts.last_peak is None:
        least_s = max(least_s, config.first_beat_s)
    if facts.silence_s() < least_s or not _began_before_gap(facts):
        return None
    return _silence(facts, config.asystole_s)


def pause(facts: Facts, _state: State) -> Evidence | None:
    """No beat for a while, and nothing like one in the signal."""
    config = facts.config
    if facts.last_peak is None or facts.silence_s() < config.pause_s + config.pause_margin_s:
        return None
    if facts.gap is not None and not facts.flat_is_natural:
        return None
    return _silence(facts, config.pause_s)


def _silence(facts: Facts, least_s: float) -> Evidence | None:
    """Return the silence if the signal has been quiet since the last T wave."""
    config = facts.config
    if facts.quiet_s() < least_s - config.t_wave_s - config.signal.hop_s:
        return None
    peak = facts.last_peak
    return Evidence(facts.silence_onset(), () if peak is None else (peak,))


_OVERDUE: Final = 1.5
"""Times the usual interval after which a beat is missing."""


def _began_before_gap(facts: Facts) -> bool:
    """Whether a beat was missing already when the signal went, if it did."""
    if facts.gap is None or facts.flat_is_natural:
        return True
    rate = facts.rate_before_gap
    usual = CHAIN_FS if rate is None else 60 * CHAIN_FS / rate
    return facts.gap_start - facts.silence_onset() > _OVERDUE * usual


def past_pause(facts: Facts, _state: State) -> Evidence | None:
    """Find a pause that the newest beat has ended before it was announced."""
    config = facts.config
    if facts.interval is None or facts.episode in {Rhythm.PAUSE, Rhythm.ASYSTOLE}:
        return None
    start, stop = facts.interval
    if stop - start < config.pause_s * CHAIN_FS or facts.gap is not None:
        return None
    first, last = start + config.t_wave_s * CHAIN_FS, stop - config.signal.hop_s * CHAIN_FS
    hop = config.signal.hop_s * CHAIN_FS
    between = [m for m in facts.measured if first + hop <= m.sample < last]
    if not between or any(facts.loudness(m) > facts.quiet_part for m in between):
        return None
    return Evidence(start, (start, stop))


def beat_again(facts: Facts, _state: State) -> Evidence | None:
    """Find the beat that ends a silence."""
    return None if facts.last_peak is None else Evidence(facts.last_peak, (facts.last_peak,))


def lead_off(facts: Facts, _state: State) -> Evidence | None:
    """No signal, unless the source is always so flat between beats."""
    if facts.gap is None or facts.flat_is_natural:
        return None
    return Evidence(facts.gap_start)


def lead_on(facts: Facts, _state: State) -> Evidence | None:
    """Find that there is a signal again."""
    return Evidence(facts.now) if facts.gap is None else None


# Runs


def _is_tachycardia(facts: Facts, streak: Sequence[PastBeat]) -> bool:
    rate = facts.rate_of(streak[-facts.config.run_beats :])
    return rate is not None and rate >= 60.0 / facts.config.run_rr_s


def ventricular_tachycardia(facts: Facts, _state: State) -> Evidence | None:
    """Find a fast ventricular run."""
    streak = facts.runs.streak
    if len(streak) < facts.config.run_beats or not _is_tachycardia(facts, streak):
        return None
    return evidence_of(streak[: facts.config.run_beats]) if _is_clear(facts, streak) else None


def steady_tachycardia(facts: Facts, _state: State) -> Evidence | None:
    """Find a fast ventricular run in noise by its steady pace."""
    steady = facts.runs.steady
    if len(steady) < facts.config.steady_beats or not _is_tachycardia(facts, steady):
        return None
    return evidence_of(steady[: facts.config.run_beats])


def _is_clear(facts: Facts, streak: Sequence[PastBeat]) -> bool:
    """Tell whether ventricular beats in a row are beats, not artefact."""
    config = facts.config
    limit = config.run_median_quality
    if len(streak) >= config.long_run_beats:
        limit = config.long_run_quality
    return median(beat.quality for beat in streak) >= limit


def idioventricular(facts: Facts, _state: State) -> Evidence | None:
    """Find a slow ventricular run: another pacemaker, so another pace."""
    config, streak = facts.config, facts.runs.streak
    if len(streak) < config.run_beats or _is_tachycardia(facts, streak):
        return None
    if min(beat.quality for beat in streak) < config.escape_quality:
        return None
    rate = facts.rate_of(streak)
    if facts.runs.usual_rr is not None and rate is not None:
        pace = 60 * CHAIN_FS / rate
        if abs(pace - facts.runs.usual_rr) <= config.escape_pace * facts.runs.usual_rr:
            return None
    return evidence_of(streak[: config.run_beats])


def supraventricular_tachycardia(facts: Facts, _state: State) -> Evidence | None:
    """Find a fast supraventricular run."""
    found = _supraventricular(facts)
    return found if found is not None and _is_tachycardia(facts, facts.runs.s_streak) else None


def supraventricular_run(facts: Facts, _state: State) -> Evidence | None:
    """Find a slow supraventricular run."""
    found = _supraventricular(facts)
    return found if found is not None and not _is_tachycardia(facts, facts.runs.s_streak) else None


def _supraventricular(facts: Facts) -> Evidence | None:
    """Find a supraventricular run; in fibrillation every early beat would seem to be one."""
    if facts.background is Rhythm.ATRIAL_FIBRILLATION:
        return None
    streak = facts.runs.s_streak[-facts.config.run_beats :]
    return evidence_of(streak) if len(streak) == facts.config.run_beats else None


def ventricular_run_over(facts: Facts, _state: State) -> Evidence | None:
    """Find the beat that ends a ventricular run."""
    goes_on = facts.runs.streak and not facts.runs.ended
    is_steady = len(facts.runs.steady) >= facts.config.steady_beats
    return None if goes_on or is_steady else _newest(facts)


def supraventricular_run_over(facts: Facts, _state: State) -> Evidence | None:
    """Find the beat that ends a supraventricular run."""
    return None if facts.runs.s_streak else _newest(facts)


def _newest(facts: Facts) -> Evidence | None:
    return evidence_of([facts.beats[-1]]) if facts.beats else None


def ventricular_couplet(facts: Facts, _state: State) -> Evidence | None:
    """Two ventricular beats that are over."""
    if len(facts.runs.ended) != 2:
        return None
    quality = median(beat.quality for beat in facts.runs.ended)
    return evidence_of(facts.runs.ended) if quality >= facts.config.couplet_quality else None


def supraventricular_couplet(facts: Facts, _state: State) -> Evidence | None:
    """Two supraventricular ectopic beats that are over."""
    if len(facts.runs.s_ended) != 2 or facts.background is Rhythm.ATRIAL_FIBRILLATION:
        return None
    return evidence_of(facts.runs.s_ended)
