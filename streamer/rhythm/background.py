"""Conditions of the transition table for the background rhythm and the rate alarms.

As in `streamer.rhythm.conditions`: the evidence where the condition holds, else None.
"""

from typing import Final

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, Rhythm
from streamer.rhythm.facts import Facts
from streamer.rhythm.rule import Evidence, State, evidence_of
from streamer.rhythm.runs import PastBeat


def unknowable(facts: Facts, state: State) -> Evidence | None:
    """Nothing but noise among the last beats; one good beat in four is enough to go on."""
    n = 2 * facts.config.min_beats
    if len(facts.beats) < n or (
        state is not Rhythm.UNKNOWN and facts.beats[-1].label is not Label.Q
    ):
        return None
    recent = list(facts.beats)[-n:]
    good = sum(beat.label is not Label.Q for beat in recent)
    limit = len(recent) // 4 if state is Rhythm.UNKNOWN else 1
    return evidence_of(recent) if good < limit else None


def bigeminy(facts: Facts, state: State) -> Evidence | None:
    """Every second beat ventricular."""
    return _pattern(facts, 2, stays=state is Rhythm.BIGEMINY)


def trigeminy(facts: Facts, state: State) -> Evidence | None:
    """Every third beat ventricular."""
    return _pattern(facts, 3, stays=state is Rhythm.TRIGEMINY)


_PATTERN: Final = frozenset({Label.V, Label.N, Label.S})
"""Classes of beats in a pattern; fusion and noise break it."""


def _pattern(facts: Facts, period: int, *, stays: bool) -> Evidence | None:
    """Find whole cycles of a V and what follows it, after another beat; any phase goes on with it.

    Without the other beats about them, a couplet or run beside an alternation would begin or end
    one.
    """
    cycles = period * facts.config.cycles
    length = cycles if stays else cycles + 1
    beats = facts.beats
    if len(beats) < length or all(beats[-k].label is not Label.V for k in range(1, period + 1)):
        return None
    recent = list(facts.beats)[-length:]
    if any(beat.rr_samples is None for beat in recent[1:]):
        return None
    if any(beat.label not in _PATTERN for beat in recent):
        return None
    marks = [beat.label is Label.V for beat in recent]
    repeats = sum(marks[-period:]) == 1 and marks[period:] == marks[:-period]
    begins = stays or (marks[1] and not marks[0])
    return evidence_of(recent) if repeats and begins else None


def atrial_fibrillation(facts: Facts, state: State) -> Evidence | None:
    """Irregular, and without P waves; since the turn to irregularity."""
    stays = state is Rhythm.ATRIAL_FIBRILLATION
    if not facts.atria.is_fibrillating(stays=stays):
        return None
    if stays:
        return evidence_of(list(facts.beats)[-1:])
    beats = facts.atria.turn(irregular=True)
    return Evidence(beats[0], beats) if len(beats) > facts.config.atria.least_beats else None


def slow(facts: Facts, state: State) -> Evidence | None:
    """Slower than sinus rhythm."""
    rate, config = facts.rate_bpm, facts.config
    stays = state is Rhythm.SINUS_BRADYCARDIA
    limit = config.bradycardia_bpm + config.rate_hysteresis_bpm * stays
    return _after(facts, state) if rate is not None and rate < limit - _ROUNDING else None


def fast(facts: Facts, state: State) -> Evidence | None:
    """Faster than sinus rhythm."""
    rate, config = facts.rate_bpm, facts.config
    stays = state is Rhythm.SINUS_TACHYCARDIA
    limit = config.tachycardia_bpm - config.rate_hysteresis_bpm * stays
    return _after(facts, state) if rate is not None and rate > limit + _ROUNDING else None


def ordinary(facts: Facts, state: State) -> Evidence | None:
    """Neither, and nothing else applied."""
    return None if facts.rate_bpm is None else _after(facts, state)


_ROUNDING: Final = 1e-9
"""A rate of exactly 60 or 100 a minute is ordinary."""


def _after(facts: Facts, state: State) -> Evidence | None:
    """Return the evidence of a rate; after fibrillation since the turn to regularity."""
    if not facts.beats:
        return None
    if state is Rhythm.ATRIAL_FIBRILLATION:
        beats = facts.atria.turn(irregular=False)
        return Evidence(beats[0], beats) if beats else evidence_of([facts.beats[-1]])
    if state is Rhythm.UNKNOWN:
        return evidence_of(list(facts.beats)) if len(facts.beats) > facts.config.min_beats else None
    if state in {Rhythm.BIGEMINY, Rhythm.TRIGEMINY}:
        return evidence_of(_since_ventricular(facts))
    return evidence_of([facts.beats[-1]])


def _since_ventricular(facts: Facts) -> list[PastBeat]:
    """Return the beats after the last ventricular one: there its pattern has ended."""
    beats = list(facts.beats)
    last = max((k for k, beat in enumerate(beats) if beat.label is Label.V), default=-1)
    return beats[last + 1 :] or beats[-1:]


# Rate


def extreme_tachycardia(facts: Facts, _state: State) -> Evidence | None:
    """Very fast over many beats."""
    config = facts.config
    return _rate_over(facts, config.extreme_tachycardia_beats, config.extreme_tachycardia_bpm, +1)


def extreme_bradycardia(facts: Facts, _state: State) -> Evidence | None:
    """Very slow over a few beats."""
    config = facts.config
    return _rate_over(facts, config.extreme_bradycardia_beats, config.extreme_bradycardia_bpm, -1)


def _rate_over(facts: Facts, n_beats: int, limit_bpm: float, sign: int) -> Evidence | None:
    seen = facts.seen
    if len(seen) < n_beats:
        return None
    rate = 60 * CHAIN_FS * (n_beats - 1) / (seen[-1] - seen[-n_beats])
    if sign * (rate - limit_bpm) <= 0 or not facts.is_rate_good():
        return None
    peaks = tuple(seen)[-n_beats:]
    return Evidence(peaks[0], peaks)


def tachycardia(facts: Facts, _state: State) -> Evidence | None:
    """Fast enough for an alarm."""
    rate, limit = facts.rate_bpm, facts.config.tachycardia_alarm_bpm
    fast = rate is not None and rate >= limit
    reached = fast and min(facts.newest_rates_bpm()) >= limit
    return _rate_evidence(facts) if reached and facts.is_rate_good() else None


def bradycardia(facts: Facts, _state: State) -> Evidence | None:
    """Slow enough for an alarm; four slow intervals would take longer than 5 s."""
    rate, config = facts.rate_bpm, facts.config
    limit = config.bradycardia_alarm_bpm
    slow = rate is not None and rate <= limit + config.alarm_hysteresis_bpm
    reached = slow and max(facts.newest_rates_bpm()) <= limit
    return _rate_evidence(facts) if reached and facts.is_rate_good() else None


def rate_is_back(facts: Facts, state: State) -> Evidence | None:
    """Well within the limits again."""
    rate, config = facts.rate_bpm, facts.config
    if rate is None:
        return None
    margin = config.alarm_hysteresis_bpm
    if state in {Rhythm.TACHYCARDIA, Rhythm.EXTREME_TACHYCARDIA}:
        back = rate < config.tachycardia_alarm_bpm - margin
    else:
        back = rate > config.bradycardia_alarm_bpm + margin
    return _rate_evidence(facts) if back else None


def _rate_evidence(facts: Facts) -> Evidence:
    peaks = tuple(facts.seen)[-facts.config.rate.least - 1 :]
    return Evidence(peaks[0], peaks)
