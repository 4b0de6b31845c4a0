"""Evidence that beats in sequence are a ventricular tachycardia, whatever each is called.

A beat is labelled by itself, and one of a shape that nobody has seen is easily taken for noise or
for another class. A run shows more: its beats are fast, all may be ventricular, they resemble each
other, as noise does not, and the signal between them is smooth. A logistic regression weighs these
four measures of as many beats. Where the weights come from: `ecg-stream train runs`.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import inf, log
from statistics import fmean, median
from typing import Final, NamedTuple

RUN: Final = 4
"""Beats that are judged together: the least of which noise seldom has as many alike."""


class Looks(NamedTuple):
    """What one beat adds to the evidence."""

    p_normal: float
    p_ventricular: float
    """Probabilities of the labels N and V."""
    similarity: float
    """Of its QRS complex to that of the beat before; see `streamer.rhythm.beat_shape`."""
    roughness: float
    """Of the signal about it."""


class RunMeasure(IntEnum):
    """Measures of a run, by their position."""

    VENTRICULAR = 0
    """ln of the median probability of V."""
    LEAST_VENTRICULAR = 1
    """The same of the beat with the second least probability: one may be hidden in noise."""
    SIMILARITY = 2
    """Mean similarity of each beat to the one before."""
    ROUGHNESS = 3
    """Mean roughness of the signal."""


WEIGHTS: Final = (0.832, 0.928, 2.426, -0.930)
"""Of the measures, in their order, as `ecg-stream train runs` prints them."""
CONSTANT: Final = 0.027
_LEAST: Final = 0.03
"""Probability that no beat is below: the network's last digits say nothing."""
_NORMAL: Final = 0.5
"""A beat that is N rather than anything else is no part of a run."""


def measure_run(beats: Sequence[Looks]) -> tuple[float, ...] | None:
    """Return the `RunMeasure`s of beats in sequence; None where one of them is normal."""
    if any(beat.p_normal > _NORMAL for beat in beats):
        return None
    ventricular = sorted(beat.p_ventricular for beat in beats)
    return (
        log(median(ventricular) + _LEAST),
        log(ventricular[1] + _LEAST),
        # The first beat of a run differs from the one before.
        fmean(beat.similarity for beat in beats[1:]),
        fmean(beat.roughness for beat in beats),
    )


def run_log_odds(beats: Sequence[Looks]) -> float:
    """Return the log-odds that beats in sequence are ventricular; minus infinity if one is not."""
    found = measure_run(beats)
    if found is None:
        return -inf
    return CONSTANT + sum(w * value for w, value in zip(WEIGHTS, found, strict=True))
