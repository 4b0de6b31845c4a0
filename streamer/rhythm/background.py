"""Conditions of the transition table for the background rhythm and the rate alarms.

As in `streamer.rhythm.conditions`: the evidence where the condition holds, else None.
"""

from statistics import median
from typing import Final

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, Rhythm
from streamer.rhythm.context import RhythmContext
from streamer.rhythm.rule import Condition, Evidence, State, evidence_of
from streamer.rhythm.runs import PastBeat
from streamer.rhythm.usability import is_disputed


def unknowable(context: RhythmContext, state: State) -> Evidence | None:
    """Nothing but noise among the last beats; one good beat in four is enough to go on."""
    n = 2 * context.config.min_beats
    if len(context.beats) < n or (
        state is not Rhythm.UNKNOWN and context.beats[-1].label is not Label.Q
    ):
        return None
    recent = list(context.beats)[-n:]
    good = sum(beat.label is not Label.Q for beat in recent)
    limit = len(recent) // 4 if state is Rhythm.UNKNOWN else 1
    return evidence_of(recent) if good < limit else None


_IN_PATTERN: Final = frozenset({Label.V, Label.N, Label.S})
"""Classes of beats in a pattern; fusion and noise break it."""


def pattern(rhythm: Rhythm, period: int) -> Condition:
    """Make the condition of a pattern in which one beat of a period is ventricular."""
    return lambda context, state: _pattern(context, period, stays=state is rhythm)


def _pattern(context: RhythmContext, period: int, *, stays: bool) -> Evidence | None:
    """Find whole cycles of a V and what follows it, after another beat; any phase goes on with it.

    Without the other beats about them, a couplet or run beside an alternation would begin or end
    one.
    """
    cycles = period * context.config.cycles
    length = cycles if stays else cycles + 1
    beats = context.beats
    if len(beats) < length or all(beats[-k].label is not Label.V for k in range(1, period + 1)):
        return None
    recent = list(context.beats)[-length:]
    if any(beat.rr_samples is None for beat in recent[1:]):
        return None
    if any(beat.label not in _IN_PATTERN for beat in recent):
        return None
    marks = [beat.label is Label.V for beat in recent]
    repeats = sum(marks[-period:]) == 1 and marks[period:] == marks[:-period]
    begins = stays or (marks[1] and not marks[0])
    return evidence_of(recent) if repeats and begins else None


def atrial_fibrillation(context: RhythmContext, state: State) -> Evidence | None:
    """Irregular, and without P waves; since the transition to irregularity."""
    stays = state is Rhythm.ATRIAL_FIBRILLATION
    if not context.atria.is_fibrillating(stays=stays):
        return None
    if stays:
        return evidence_of(list(context.beats)[-1:])
    beats = context.atria.beats_since_transition(fibrillating=True)
    return Evidence(beats[0], beats) if len(beats) > context.atria.least_beats else None


def slow(context: RhythmContext, state: State) -> Evidence | None:
    """Slower than sinus rhythm."""
    rate, config = context.rate_bpm, context.config
    stays = state is Rhythm.SINUS_BRADYCARDIA
    limit = config.bradycardia_bpm + config.rate_hysteresis_bpm * stays
    return _after(context, state) if rate is not None and rate < limit - _ROUNDING else None


def fast(context: RhythmContext, state: State) -> Evidence | None:
    """Faster than sinus rhythm."""
    rate, config = context.rate_bpm, context.config
    stays = state is Rhythm.SINUS_TACHYCARDIA
    limit = config.tachycardia_bpm - config.rate_hysteresis_bpm * stays
    return _after(context, state) if rate is not None and rate > limit + _ROUNDING else None


def ordinary(context: RhythmContext, state: State) -> Evidence | None:
    """Neither, and nothing else applied."""
    return None if context.rate_bpm is None else _after(context, state)


_ROUNDING: Final = 1e-9
"""A rate of exactly 60 or 100 a minute is ordinary."""


def _after(context: RhythmContext, state: State) -> Evidence | None:
    """Return the evidence of a rate; after fibrillation since the transition to regularity."""
    if not context.beats:
        return None
    if state is Rhythm.ATRIAL_FIBRILLATION:
        beats = context.atria.beats_since_transition(fibrillating=False)
        return Evidence(beats[0], beats) if beats else evidence_of([context.beats[-1]])
    if state is Rhythm.UNKNOWN:
        enough = len(context.beats) > context.config.min_beats
        return evidence_of(list(context.beats)) if enough else None
    if state in {Rhythm.BIGEMINY, Rhythm.TRIGEMINY}:
        return evidence_of(_since_ventricular(context))
    return evidence_of([context.beats[-1]])


def _since_ventricular(context: RhythmContext) -> list[PastBeat]:
    """Return the beats after the last ventricular one: there its pattern has ended."""
    beats = list(context.beats)
    last = max((k for k, beat in enumerate(beats) if beat.label is Label.V), default=-1)
    return beats[last + 1 :] or beats[-1:]


# Rate


def extreme_tachycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Very fast over many beats."""
    config = context.config
    return _rate_over(context, config.extreme_tachycardia_beats, config.extreme_tachycardia_bpm, +1)


def extreme_bradycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Very slow over a few beats."""
    config = context.config
    n_beats, limit = config.extreme_bradycardia_beats, config.extreme_bradycardia_bpm
    found = _rate_over(context, n_beats, limit, -1)
    return None if found is None or is_disputed(context) else found


def no_longer_extreme(context: RhythmContext, state: State) -> Evidence | None:
    """Halfway back from the extreme limit to the ordinary one, but not inside that."""
    config = context.config
    if state is Rhythm.EXTREME_TACHYCARDIA:
        limit = (config.extreme_tachycardia_bpm + config.tachycardia_alarm_bpm) / 2
        back = _rate_over(context, config.extreme_tachycardia_beats, limit, -1)
        return back and tachycardia(context, state)
    limit = (config.extreme_bradycardia_bpm + config.bradycardia_alarm_bpm) / 2
    back = _rate_over(context, config.extreme_bradycardia_beats, limit, +1)
    return back and bradycardia(context, state)


def _rate_over(
    context: RhythmContext, n_beats: int, limit_bpm: float, sign: int
) -> Evidence | None:
    seen = context.peaks
    if len(seen) < n_beats:
        return None
    rate = 60 * CHAIN_FS * (n_beats - 1) / (seen[-1] - seen[-n_beats])
    if sign * (rate - limit_bpm) <= 0 or not context.is_rate_good():
        return None
    peaks = tuple(seen)[-n_beats:]
    return Evidence(peaks[0], peaks)


def tachycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Fast enough for an alarm."""
    rate, limit = context.rate_bpm, context.config.tachycardia_alarm_bpm
    fast = rate is not None and rate >= limit
    reached = fast and min(_newest_rates_bpm(context)) >= limit
    return _rate_evidence(context) if reached and context.is_rate_good() else None


def bradycardia(context: RhythmContext, _state: State) -> Evidence | None:
    """Slow enough for an alarm; four slow intervals would take longer than 5 s."""
    rate, config = context.rate_bpm, context.config
    limit = config.bradycardia_alarm_bpm
    slow = rate is not None and rate <= limit + config.alarm_hysteresis_bpm
    reached = slow and max(_newest_rates_bpm(context)) <= limit
    is_low = reached and context.is_rate_good() and not is_disputed(context)
    return _rate_evidence(context) if is_low else None


def rate_is_back(context: RhythmContext, state: State) -> Evidence | None:
    """Well within the limits again."""
    rate, config = context.rate_bpm, context.config
    if rate is None:
        return None
    margin = config.alarm_hysteresis_bpm
    if state in {Rhythm.TACHYCARDIA, Rhythm.EXTREME_TACHYCARDIA}:
        back = rate < config.tachycardia_alarm_bpm - margin
    else:
        back = rate > config.bradycardia_alarm_bpm + margin
    return _rate_evidence(context) if back else None


def _newest_rates_bpm(context: RhythmContext) -> tuple[float, float]:
    """Return the rate of the newest three intervals, and of the middle one of them.

    One early beat or one pause is no rate, nor is what two of three alternating intervals
    show: the middle one in time counts twice, as its kind alternates with that of the others.
    There must be enough beats for `rate_bpm`.
    """
    a, b, c, d = list(context.peaks)[-4:]
    mean = ((b - a) + 2 * (c - b) + (d - c)) / 4
    middle = median((b - a, c - b, d - c))
    return 60 * CHAIN_FS / mean, 60 * CHAIN_FS / middle


def _rate_evidence(context: RhythmContext) -> Evidence:
    peaks = tuple(context.peaks)[-context.config.rate.least - 1 :]
    return Evidence(peaks[0], peaks)
