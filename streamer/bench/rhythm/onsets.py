"""Time to alarm on simulated onsets, in the style of IEC 60601-2-27's disclosures."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.simulate.arrests import ARRESTS, OnsetMaker, SimulatedOnset
from replay.simulate.record import simulate_beats
from replay.simulate.rhythms import regular
from streamer.bench.work import Advance, fan_out, silent
from streamer.core.events import Alarm, Rhythm
from streamer.patient.record_events import record_events

_SINUS_S: Final = 20.0
"""Of sinus rhythm before each onset."""
_AFTER_S: Final = 12.0
_FIRST_S: Final = 1.0
_JITTER: Final = 0.02
"""Relative standard deviation of the intervals."""
_VT: Final = frozenset({Rhythm.VENTRICULAR_TACHYCARDIA})
_VF: Final = frozenset({Rhythm.VENTRICULAR_FIBRILLATION})
_ASYSTOLE: Final = frozenset({Rhythm.ASYSTOLE})


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated, and which alarm has to come."""

    name: str
    rhythms: frozenset[Rhythm]
    limit_s: float
    make: OnsetMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToAlarm:
    """How long the alarm took in the trials of one scenario."""

    name: str
    limit_s: float
    delays_s: tuple[float, ...]
    missed: int

    @property
    def trials(self) -> int:
        """How many onsets were simulated."""
        return len(self.delays_s) + self.missed

    @property
    def median_s(self) -> float | None:
        """The median delay; None without an alarm."""
        return median(self.delays_s) if self.delays_s else None

    @property
    def worst_s(self) -> float | None:
        """The longest; None if any is missing."""
        return max(self.delays_s) if self.delays_s and not self.missed else None


def _noise(seed: int) -> float:
    """Sensor noise in mV: every third trial has more."""
    return (0.01, 0.02, 0.05)[seed % 3]


def _new_beats(
    fs: float, seed: int, rr_before_s: float, rr_after_s: float | None, symbol: str
) -> SimulatedOnset:
    rng = np.random.default_rng(seed)
    before = regular(rng, _FIRST_S, _SINUS_S + rng.uniform(0, 1), rr_before_s, _JITTER)
    onset, after = before[-1], []
    if rr_after_s is not None:
        after = regular(rng, onset + rr_after_s, onset + _AFTER_S, rr_after_s, _JITTER)
    record = simulate_beats(
        [*before, *after],
        "N" * len(before) + symbol * len(after),
        fs=fs,
        duration_s=onset + _AFTER_S,
        seed=seed,
        noise_mv=_noise(seed),
    )
    # A tachycardia begins with its first beat, a silence or a rate with the last one before.
    return SimulatedOnset(record=record, onset_s=after[0] if symbol == "V" and after else onset)


def _tachycardia(fs: float, seed: int) -> SimulatedOnset:
    return _new_beats(fs, seed, 0.8, (0.30, 0.36, 0.42, 0.48)[seed % 4], "V")


def _asystole(fs: float, seed: int) -> SimulatedOnset:
    return _new_beats(fs, seed, (0.6, 0.8, 1.0)[seed % 3], None, "N")


def _step_up(fs: float, seed: int) -> SimulatedOnset:
    return _new_beats(fs, seed, 60.0 / 80.0, 60.0 / 120.0, "N")


def _step_down(fs: float, seed: int) -> SimulatedOnset:
    return _new_beats(fs, seed, 60.0 / 80.0, 60.0 / 40.0, "N")


def _fibrillation(fs: float, seed: int) -> SimulatedOnset:
    """Sum of two waves whose rate and height wander, which begins after a last beat."""
    trial = _new_beats(fs, seed, 0.8, None, "N")
    rng = np.random.default_rng(seed)
    onset_s = trial.onset_s + 0.4
    t = np.arange(trial.record.n_samples) / fs
    rate_hz = rng.uniform(3.5, 6.5) + _wander(rng, t.size, fs)
    phase = 2 * np.pi * np.cumsum(rate_hz) / fs
    height = rng.uniform(0.3, 0.8) * (1.0 + 0.3 * np.sin(2 * np.pi * 0.4 * t))
    wave = np.where(t >= onset_s, height * (np.sin(phase) + 0.25 * np.sin(1.7 * phase)), 0.0)
    signal = trial.record.signal + np.stack([wave, 0.7 * wave]).astype(np.float32)
    return SimulatedOnset(record=dataclasses.replace(trial.record, signal=signal), onset_s=onset_s)


def _wander(rng: np.random.Generator, n: int, fs: float) -> NDArray[np.float64]:
    """Make a slow random change of a few tenths of a Hz."""
    knots = rng.normal(0.0, 0.4, int(n / fs) + 2)
    return np.interp(np.arange(n) / fs, np.arange(knots.size), knots)


SCENARIOS: Final = (
    Scenario("ventricular tachycardia", _VT, 4.0, _tachycardia),
    Scenario("asystole", _ASYSTOLE, 5.0, _asystole),
    Scenario("ventricular fibrillation", _VF, 5.0, _fibrillation),
    Scenario("rate step 80 to 120", frozenset({Rhythm.TACHYCARDIA}), 5.0, _step_up),
    Scenario("rate step 80 to 40", frozenset({Rhythm.BRADYCARDIA}), 5.0, _step_down),
)
_ARREST_ALARMS: Final[dict[str, frozenset[Rhythm]]] = {
    "coarse fibrillation": _VF,
    "fine fibrillation": _VF,
    "ventricular flutter": _VF | _VT,
    "torsade de pointes": _VF | _VT,
    "sine-like tachycardia": _VF | _VT,
    "silence": _ASYSTOLE,
    "silence, drifting baseline": _ASYSTOLE,
    "silence, P waves go on": _ASYSTOLE,
}
"""Which alarms are right for each of `ARRESTS`."""
ARREST_SCENARIOS: Final = tuple(
    Scenario(name, _ARREST_ALARMS[name], 5.0, make) for name, make in ARRESTS.items()
)
"""Arrests whose every number is drawn at random."""


def delay_s(trial: SimulatedOnset, rhythms: frozenset[Rhythm]) -> float | None:
    """Return how long after its onset the first such alarm was raised; None if none was."""
    for event in record_events(trial.record):
        delay = event.decided_at / trial.record.fs - trial.onset_s
        if not (isinstance(event, Alarm) and event.is_raised):
            continue
        if event.rhythm in rhythms and delay > 0:
            return delay
    return None


def measure_onsets(
    *,
    trials: int,
    sampling_hz: Sequence[float] = (250.0, 360.0),
    scenarios: Sequence[Scenario] = SCENARIOS,
    advance: Advance = silent,
) -> list[TimeToAlarm]:
    """Simulate every scenario `trials` times at each sampling frequency."""

    def measure(scenario: Scenario) -> TimeToAlarm:
        delays = [
            delay_s(scenario.make(fs, seed), scenario.rhythms)
            for seed, fs in product(range(trials), sampling_hz)
        ]
        return TimeToAlarm(
            name=scenario.name,
            limit_s=scenario.limit_s,
            delays_s=tuple(delay for delay in delays if delay is not None),
            missed=delays.count(None),
        )

    return fan_out(measure, scenarios, advance=advance)
