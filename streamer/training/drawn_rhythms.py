"""Rhythms drawn at random: with supraventricular ectopic beats from few to most, and with none.

Nearly all ectopic beats of the training records are rare and early. There are patients in whom they
are frequent, or most of all beats, as in sick sinus syndrome: pairs, bigeminy and long atrial runs,
then a pause until the sinus node speaks. And there are irregular rhythms without an ectopic beat,
with which those must not be confused: sinus arrhythmia, pauses, atrioventricular block and sudden
changes of rate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import numpy as np


class DrawnBeat(NamedTuple):
    """A beat of a drawn rhythm."""

    is_ectopic: bool
    ratio: float
    """RR interval before it, to the sinus interval."""
    blocked: int = 0
    """P waves in that interval that no beat followed, evenly spaced."""


Draw = Callable[[np.random.Generator], Iterator[DrawnBeat]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmRanges:
    """Ranges from which the rhythm of a patient is drawn, and again each few minutes."""

    share: tuple[float, float] = (0.01, 0.9)
    """Of ectopic beats; drawn so that its logarithm, or that of the rest, is even."""
    stretch_beats: tuple[int, int] = (60, 400)
    """After which the rhythm changes."""
    run_beats: tuple[float, float] = (1.0, 12.0)
    """Mean length of a run."""
    coupling: tuple[float, float] = (0.5, 0.9)
    """First ectopic interval, to the sinus interval."""
    run_interval: tuple[float, float] = (0.5, 1.0)
    """Interval inside runs, to the sinus interval."""
    pause: tuple[float, float] = (1.0, 1.5)
    """Interval after the last ectopic beat, to the sinus interval."""
    long_pause: tuple[float, float] = (1.5, 4.0)
    long_pauses: tuple[float, float] = (0.0, 0.5)
    """Share of the pauses that are long."""
    respiration: tuple[float, float] = (0.0, 0.08)
    """Sinus arrhythmia, of the sinus interval."""
    jitter: tuple[float, float] = (0.005, 0.04)
    breaths: tuple[float, float] = (0.15, 0.35)
    """In a beat."""
    arrhythmia: tuple[float, float] = (0.0, 0.25)
    """Sinus arrhythmia where no beat is ectopic."""
    pause_share: tuple[float, float] = (0.01, 0.15)
    block_share: tuple[float, float] = (0.05, 0.7)
    """Of the intervals that are doubled."""
    wenckebach_beats: tuple[int, int] = (2, 8)
    changed_rate: tuple[float, float] = (0.6, 1.4)
    """RR interval, to the sinus interval."""


RANGES: Final = RhythmRanges()


def ectopic_rhythm(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield the beats of a patient with supraventricular ectopic beats, for ever."""
    return _breathing(rng, _ectopic, RANGES.respiration)


def sinus_rhythm(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield the beats of a patient whose irregular rhythm has no ectopic beat, for ever."""
    return _breathing(rng, _irregular, RANGES.arrhythmia)


def _breathing(
    rng: np.random.Generator, draw: Draw, respiration: tuple[float, float]
) -> Iterator[DrawnBeat]:
    """Draw one stretch after another, with a sinus rate that wanders and follows respiration."""
    slow, phase = 1.0, rng.uniform(0, 2 * np.pi)
    breath = rng.uniform(*RANGES.breaths)
    size = rng.uniform(*respiration)
    while True:
        for beat in islice(draw(rng), int(rng.integers(*RANGES.stretch_beats))):
            slow *= float(np.exp(rng.normal(0, 0.01) - 0.02 * np.log(slow)))
            phase += 2 * np.pi * breath
            sinus = slow * (1.0 + size * np.sin(phase))
            yield beat._replace(ratio=beat.ratio * (slow if beat.is_ectopic else sinus))


def _irregular(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield sinus beats with pauses, atrioventricular block or changes of rate."""
    kind = rng.choice(len(_IRREGULAR))
    jitter = rng.uniform(*RANGES.jitter)
    for beat in _IRREGULAR[kind](rng):
        yield beat._replace(ratio=float(beat.ratio * np.exp(rng.normal(0, jitter))))


def _paused(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    share = rng.uniform(*RANGES.pause_share)
    while True:
        yield DrawnBeat(False, rng.uniform(*RANGES.long_pause) if rng.random() < share else 1.0)


def _blocked(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield beats with second degree block of fixed PR time (Mobitz II), up to 2:1."""
    share, stays = rng.uniform(*RANGES.block_share), rng.uniform(0.5, 0.95)
    dropped = False
    while True:
        dropped = dropped if rng.random() < stays else rng.random() < share
        yield DrawnBeat(False, 2.0, 1) if dropped else DrawnBeat(False, 1.0)


def _wenckebach(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield cycles in which RR intervals shorten until one beat is dropped."""
    while True:
        beats = int(rng.integers(*RANGES.wenckebach_beats))
        shortening = rng.uniform(0.02, 0.1)
        for number in range(beats):
            yield DrawnBeat(False, 1.0 + shortening * (beats / 2 - number) / beats)
        yield DrawnBeat(False, 2.0 - 2 * shortening, 1)


def _changing(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield beats whose rate goes to another one within a few beats, and stays a while."""
    ratio = 1.0
    while True:
        wanted = rng.uniform(*RANGES.changed_rate)
        steps = int(rng.integers(1, 10))
        for step in np.linspace(ratio, wanted, steps + 1)[1:]:
            yield DrawnBeat(False, float(step))
        ratio = wanted
        for _ in range(int(rng.integers(4, 60))):
            yield DrawnBeat(False, ratio)


_IRREGULAR: Final[tuple[Draw, ...]] = (_paused, _blocked, _wenckebach, _changing)


def _ectopic(rng: np.random.Generator) -> Iterator[DrawnBeat]:
    """Yield beats of one rhythm with ectopic beats."""
    ranges = RANGES
    share = float(np.exp(rng.uniform(np.log(ranges.share[0]), np.log(0.5))))
    if rng.random() < 0.5:
        share = min(1.0 - share, ranges.share[1])
    run = float(np.exp(rng.uniform(*np.log(ranges.run_beats))))
    coupling, within = rng.uniform(*ranges.coupling), rng.uniform(*ranges.run_interval)
    pause, long_share = rng.uniform(*ranges.pause), rng.uniform(*ranges.long_pauses)
    jitter = rng.uniform(*ranges.jitter)
    # A run of `run` beats follows so many sinus beats on average that the share comes out.
    sinus_beats = max(run * (1.0 - share) / share, 1.0)

    def varied(ratio: float) -> float:
        return float(ratio * np.exp(rng.normal(0, jitter)))

    while True:
        for number in range(rng.geometric(1.0 / run)):
            yield DrawnBeat(True, varied(within if number else coupling))
        long = rng.random() < long_share
        yield DrawnBeat(False, varied(rng.uniform(*ranges.long_pause) if long else pause))
        for _ in range(rng.geometric(1.0 / sinus_beats) - 1):
            yield DrawnBeat(False, varied(1.0))
