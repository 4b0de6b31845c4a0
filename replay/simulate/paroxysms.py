"""Simulated atrial fibrillation that comes and goes, and ectopy that looks like it.

Each maker is a pure function of the sampling frequency and a seed, as in `replay.simulate.rhythms`:
the seed draws a patient and all that follows from the ranges in `ParoxysmRanges`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from replay.simulate.patient import draw_shapes
from replay.simulate.rhythms import RANGES, Heart, Maker, maker
from replay.simulate.waves import Samples, log_uniform, wandering_phase

_FIRST_S: Final = 0.5
_LAST_S: Final = 3.0
"""No rhythm begins this near the end."""
_TAIL_S: Final = 0.6
_FADE_S: Final = 0.2
"""In which fibrillatory waves come and go."""
_MARK_S: Final = 0.05
"""A rhythm's mark stands so much before its first beat."""

Beats = list[tuple[float, str]]
"""Time in s and WFDB symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParoxysmRanges:
    """Ranges from which a patient is drawn; intervals in s."""

    duration_s: float = 480.0
    bout_s: tuple[float, float] = (8.0, 120.0)
    """Length of one rhythm; log-uniform."""
    sinus_rr_s: tuple[float, float] = (0.6, 1.1)
    breathing: tuple[float, float] = (0.0, 0.12)
    """Part by which respiration changes the interval."""
    breathing_hz: tuple[float, float] = (0.15, 0.35)
    jitter: tuple[float, float] = (0.005, 0.03)
    fibrillation_rr_s: tuple[float, float] = (0.42, 0.95)
    fibrillation_spread: tuple[float, float] = (0.13, 0.28)
    """Standard deviation of the logarithm of the interval."""
    memory: float = 0.15
    """Correlation of one interval of fibrillation with the next."""
    coarse_mv: tuple[float, float] = RANGES.fibrillation_mv
    fine_mv: tuple[float, float] = (0.008, 0.03)
    """Size of fibrillatory waves; log-uniform."""
    hidden: float = 0.3
    """Share of patients who also have a regular rhythm of the AV node, without P waves."""
    hidden_rr_s: tuple[float, float] = (0.8, 1.2)
    premature: tuple[float, ...] = (0.0, 0.02, 0.08, 0.2)
    ventricular: tuple[float, ...] = (0.0, 0.0, 0.05, 0.15)
    """Shares of beats that are premature, of the atria and of the ventricles; one is drawn."""
    much_premature: tuple[float, float] = (0.1, 0.4)
    coupling: tuple[float, float] = (0.55, 0.85)
    """Interval before a premature beat as a part of the usual one."""


PAROXYSM_RANGES: Final = ParoxysmRanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """What sets the intervals of one patient."""

    sinus_rr_s: float
    breathing: float
    breathing_hz: float
    jitter: float
    fibrillation_rr_s: float
    spread: float
    hidden_rr_s: float
    hides: bool
    premature: float
    ventricular: float


def _draw(rng: np.random.Generator, c: ParoxysmRanges) -> _Pace:
    return _Pace(
        sinus_rr_s=rng.uniform(*c.sinus_rr_s),
        breathing=rng.uniform(*c.breathing),
        breathing_hz=rng.uniform(*c.breathing_hz),
        jitter=rng.uniform(*c.jitter),
        fibrillation_rr_s=rng.uniform(*c.fibrillation_rr_s),
        spread=rng.uniform(*c.fibrillation_spread),
        hidden_rr_s=rng.uniform(*c.hidden_rr_s),
        hides=bool(rng.random() < c.hidden),
        premature=float(rng.choice(c.premature)),
        ventricular=float(rng.choice(c.ventricular)),
    )


RhythmDraw = Callable[[np.random.Generator, _Pace, float, float], Beats]
"""Beats after a time and until a little after another."""


def _sinus(rng: np.random.Generator, pace: _Pace, start_s: float, stop_s: float) -> Beats:
    """P waves before every beat; premature ones, each of which may have others soon after it."""
    beats: Beats = []
    time_s = start_s
    while time_s < stop_s:
        breath = np.sin(2 * np.pi * pace.breathing_hz * time_s)
        rr_s = pace.sinus_rr_s * (
            1.0 + pace.breathing * breath + pace.jitter * rng.standard_normal()
        )
        before = beats[-1][1] if beats else "N"
        if before != "N":
            rr_s *= 1.0 + (rng.uniform(0.15, 0.5) if before == "V" else rng.uniform(-0.02, 0.25))
        drawn = rng.random() if before == "N" or rng.random() < 0.3 else 1.0
        symbol = "N"
        if drawn < pace.premature + pace.ventricular:
            symbol = "A" if drawn < pace.premature else "V"
            rr_s *= rng.uniform(*PAROXYSM_RANGES.coupling)
        time_s += max(rr_s, 0.3)
        beats.append((time_s, symbol))
    return beats


def _hidden(rng: np.random.Generator, pace: _Pace, start_s: float, stop_s: float) -> Beats:
    """Beats of the AV node, with a premature one now and then."""
    beats: Beats = []
    time_s = start_s
    while time_s < stop_s:
        if rng.random() < min(pace.premature, 0.1):
            time_s += pace.hidden_rr_s * rng.uniform(0.4, 0.6)
            beats.append((time_s, "A"))
        time_s += pace.hidden_rr_s * (1.0 + 0.03 * rng.standard_normal())
        beats.append((time_s, "j"))
    return beats


def _fibrillation(rng: np.random.Generator, pace: _Pace, start_s: float, stop_s: float) -> Beats:
    """Beats at random intervals that hardly depend on each other."""
    beats: Beats = []
    time_s, deviation = start_s, 0.0
    while time_s < stop_s:
        deviation = PAROXYSM_RANGES.memory * deviation + pace.spread * rng.standard_normal()
        rr_s = float(np.clip(pace.fibrillation_rr_s * np.exp(deviation), 0.3, 2.0))
        is_ventricular = rng.random() < 0.5 * pace.ventricular
        time_s += max(0.7 * rr_s, 0.3) if is_ventricular else rr_s
        beats.append((time_s, "V" if is_ventricular else "j"))
    return beats


_MARKS: Final[dict[RhythmDraw, str]] = {_sinus: "(N", _hidden: "(NOD", _fibrillation: "(AFIB"}


def _waves(
    rng: np.random.Generator,
    spans: list[tuple[float, float]],
    size_mv: tuple[float, float],
    fs: float,
    n: int,
) -> Samples:
    """Return fibrillatory waves in both leads, within the spans in s."""
    rate_hz = rng.uniform(*RANGES.fibrillation_hz)
    phase = wandering_phase(n, fs, rate_hz, rng, wander=0.15, wander_hz=1.0)
    rough = max(round(_FADE_S * fs / 4), 1)
    noise = np.convolve(rng.standard_normal(n), np.ones(rough) / np.sqrt(rough), "same")
    shape = np.sin(phase) + 0.35 * np.sin(2 * phase) + 0.3 * noise
    share = np.zeros(n)
    for start_s, stop_s in spans:
        share[round(start_s * fs) : round(stop_s * fs)] = 1.0
    fade = round(_FADE_S * fs)
    share = np.convolve(share, np.ones(fade) / fade, "same")
    return np.outer([log_uniform(rng, *size_mv) for _ in range(2)], shape * share)


def _paroxysmal(name: str, size_mv: tuple[float, float]) -> Maker:
    """Make fibrillation that takes turns with a regular rhythm."""

    def draw(rng: np.random.Generator, fs: float) -> Heart:
        c = PAROXYSM_RANGES
        shapes, pace = draw_shapes(rng), _draw(rng, c)
        beats: Beats = []
        marks: list[tuple[float, str]] = []
        spans: list[tuple[float, float]] = []
        time_s, fibrillates = _FIRST_S, bool(rng.random() < 0.5)
        while time_s < c.duration_s - _LAST_S:
            stop_s = min(time_s + log_uniform(rng, *c.bout_s), c.duration_s - _LAST_S)
            rhythm = _fibrillation if fibrillates else _sinus
            if not fibrillates and pace.hides and rng.random() < 0.6:
                rhythm = _hidden
            more = rhythm(rng, pace, time_s, stop_s)
            marks.append((more[0][0] - _MARK_S, _MARKS[rhythm]))
            if fibrillates:
                spans.append((time_s, more[-1][0]))
            beats += more
            time_s, fibrillates = more[-1][0], not fibrillates
        return Heart(
            beats=_before_the_end(beats),
            shapes=shapes,
            duration_s=c.duration_s,
            waves=_waves(rng, spans, size_mv, fs, round(c.duration_s * fs)),
            marks=marks,
        )

    return maker(name, draw)


def _ectopic(rng: np.random.Generator, _fs: float) -> Heart:
    """Sinus rhythm with so many premature beats that it is irregular."""
    c = PAROXYSM_RANGES
    shapes, pace = draw_shapes(rng), _draw(rng, c)
    atrial = rng.uniform(*c.much_premature)
    share = 0.0 if rng.random() < 0.6 else float(rng.uniform(0.0, 0.5))
    pace = replace(pace, premature=(1.0 - share) * atrial, ventricular=share * atrial)
    beats = _before_the_end(_sinus(rng, pace, _FIRST_S, c.duration_s - _LAST_S))
    return Heart(beats=beats, shapes=shapes, duration_s=c.duration_s, marks=[(0.0, "(N")])


def _before_the_end(beats: Beats) -> Beats:
    return [beat for beat in beats if beat[0] < PAROXYSM_RANGES.duration_s - _TAIL_S]


PAROXYSMS: Final[dict[str, Maker]] = {
    "paroxysmal fibrillation": _paroxysmal("paroxysmal fibrillation", PAROXYSM_RANGES.coarse_mv),
    "fine paroxysmal fibrillation": _paroxysmal("fine fibrillation", PAROXYSM_RANGES.fine_mv),
    "ectopic rhythm": maker("ectopic rhythm", _ectopic),
}
"""Fibrillation that comes and goes, and what must not be taken for it."""
