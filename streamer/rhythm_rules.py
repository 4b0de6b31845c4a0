"""What the last beats say about the rhythm: pure functions of a short history."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from classifier.labels import Label
from streamer.events import CHAIN_FS, Priority, Rhythm


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmConfig:
    """Constants of the rhythm tracker.

    Rate limits of the rhythms are the textbook ones (sinus bradycardia below 60/min, tachycardia
    above 100/min). Those of the alarms are the usual defaults of adult bedside monitors, 50 and
    120/min, chosen wider so that a slow sleeper raises none.
    """

    bradycardia_bpm: float = 60.0
    tachycardia_bpm: float = 100.0
    bradycardia_alarm_bpm: float = 50.0
    tachycardia_alarm_bpm: float = 120.0
    rate_hysteresis_bpm: float = 3.0
    """A rate must come back over its limit by this much before the rhythm ends."""
    alarm_hysteresis_bpm: float = 10.0
    """The same before an alarm can be raised again; wider, as the rate swings in atrial
    fibrillation."""
    rate_beats: int = 8
    """RR intervals whose median is the heart rate: two ectopic beats don't move it."""
    min_beats: int = 4
    """RR intervals before any rhythm is named."""
    hold_beats: int = 4
    """Beats in a row that must say the same before the rhythm changes."""
    irregular_beats: int = 16
    """Beats over which irregularity is measured."""
    irregular_min: int = 8
    """Differences of RR intervals that must be usable among them."""
    irregular_ratio: float = 0.10
    """Irregular above this: median absolute difference of successive RR intervals, as a part of
    the median RR interval. Dash et al. 2009 (doi:10.1007/s10439-009-9740-z) take the root mean
    square over ectopy-free beats and the same limit; a median needs no ectopy filter."""
    irregular_ratio_end: float = 0.05
    """Regular again below this."""
    cycles: int = 3
    """Repetitions that make bigeminy or trigeminy."""
    v_run_beats: int = 3
    """V beats in a row that make a run (AAMI EC57)."""
    pause_s: float = 2.5
    """Silence that is a pause; 2 to 3 s are in use (doi:10.1161/CIR.0000000000000628 has 3 s)."""
    pause_margin_s: float = 0.6
    """Longer than the decision delay of an ordinary beat, so that none is announced as missing."""

    @property
    def history_beats(self) -> int:
        """Beats that the rules look back on."""
        return max(self.irregular_beats, self.rate_beats, 3 * self.cycles) + 1


@dataclass(frozen=True, slots=True)
class PastBeat:
    """One confirmed beat."""

    sample: int
    label: Label
    rr_samples: int | None
    """Interval from the beat before; None after a gap or a pause."""


PRIORITIES: Final[dict[Rhythm, Priority]] = {
    Rhythm.V_RUN: Priority.HIGH,
    Rhythm.PAUSE: Priority.HIGH,
    Rhythm.TACHYCARDIA: Priority.MEDIUM,
    Rhythm.BRADYCARDIA: Priority.MEDIUM,
    Rhythm.IRREGULAR: Priority.LOW,
    Rhythm.BIGEMINY: Priority.LOW,
    Rhythm.TRIGEMINY: Priority.LOW,
    Rhythm.V_COUPLET: Priority.LOW,
}
"""Priority of each rhythm's alarm."""

PERIODS: Final[dict[Rhythm, int]] = {Rhythm.BIGEMINY: 2, Rhythm.TRIGEMINY: 3}
"""Beats from one V to the next in rhythms that are a pattern of labels."""


def heart_rate(beats: Sequence[PastBeat], config: RhythmConfig) -> float | None:
    """Return the rate in beats a minute, None before there are enough intervals."""
    intervals = [
        after.rr_samples
        for before, after in pairwise(beats)
        if after.rr_samples is not None and Label.Q not in (before.label, after.label)
    ][-config.rate_beats :]
    if len(intervals) < config.min_beats:
        return None
    return 60 * CHAIN_FS / median(intervals)


def irregularity(beats: Sequence[PastBeat], config: RhythmConfig) -> float | None:
    """Return how much successive RR intervals differ, None where too few are usable.

    Intervals next to a V or Q beat are left out: they say nothing about the atria.
    """
    recent = list(beats)[-config.irregular_beats :]
    intervals: list[int | None] = [
        None if {before.label, after.label} & {Label.V, Label.Q} else after.rr_samples
        for before, after in pairwise(recent)
    ]
    usable = [interval for interval in intervals if interval is not None]
    differences = [
        abs(after - before)
        for before, after in pairwise(intervals)
        if before is not None and after is not None
    ]
    if len(differences) < config.irregular_min:
        return None
    return median(differences) / median(usable)


def is_pattern(beats: Sequence[PastBeat], rhythm: Rhythm, config: RhythmConfig) -> bool:
    """Say whether the last beats repeat: one V in every `PERIODS[rhythm]` beats."""
    period = PERIODS[rhythm]
    recent = list(beats)[-period * config.cycles :]
    if len(recent) < period * config.cycles:
        return False
    marks = [beat.label is Label.V for beat in recent]
    unbroken = all(beat.rr_samples is not None for beat in recent[1:])
    return unbroken and sum(marks[:period]) == 1 and marks[period:] == marks[:-period]


def candidate(beats: Sequence[PastBeat], current: Rhythm, config: RhythmConfig) -> Rhythm:
    """Name the rhythm that the last beats speak for, the most specific first.

    `current` makes a rhythm easier to keep than to enter.
    """
    rate = heart_rate(beats, config)
    if rate is None:
        return Rhythm.UNKNOWN
    for rhythm in PERIODS:
        if is_pattern(beats, rhythm, config):
            return rhythm
    spread = irregularity(beats, config)
    kept = current is Rhythm.IRREGULAR
    if spread is not None and spread > (
        config.irregular_ratio_end if kept else config.irregular_ratio
    ):
        return Rhythm.IRREGULAR
    limits = (config.bradycardia_bpm, config.tachycardia_bpm)
    return rate_rhythm(rate, limits, current, config.rate_hysteresis_bpm)


def rate_rhythm(
    rate_bpm: float, limits_bpm: tuple[float, float], current: Rhythm | None, hysteresis_bpm: float
) -> Rhythm:
    """Name the rate: too slow, too fast, or (sinus) in between; the current name is sticky."""
    low, high = limits_bpm
    if rate_bpm < low + hysteresis_bpm * (current is Rhythm.BRADYCARDIA):
        return Rhythm.BRADYCARDIA
    if rate_bpm > high - hysteresis_bpm * (current is Rhythm.TACHYCARDIA):
        return Rhythm.TACHYCARDIA
    return Rhythm.SINUS
