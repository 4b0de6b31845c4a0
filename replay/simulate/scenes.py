"""What happens in the demo and when: scenes, rhythm, and the annotations that follow from them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from replay.record import Reference


class SceneRhythm(Enum):
    """Who sets the pace in a scene; the value is WFDB's auxiliary text for it."""

    SINUS = "(N"
    ATRIAL_FIBRILLATION = "(AFIB"
    BIGEMINY = "(B"
    VENTRICULAR_TACHYCARDIA = "(VT"


class Disturbance(Enum):
    """What spoils the signal of a scene."""

    NONE = "none"
    NOISE = "noise"
    LEAD_OFF = "lead off"


PAUSE: Final = "_"
"""In a pattern: the sinus node rests for `DemoConfig.pause_s` before the next beat."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One part of the demo."""

    stop_s: float
    """The first beat after this time is the scene's last."""
    pattern: str
    """WFDB symbols of successive beats, repeated until the scene ends."""
    rhythm: SceneRhythm = SceneRhythm.SINUS
    disturbance: Disturbance = Disturbance.NONE


SCENES: Final = (
    Scene(12, "N"),
    Scene(38, "NNNVNNNN"),
    Scene(62, "NNNNANNN"),
    Scene(86, "NV", SceneRhythm.BIGEMINY),
    Scene(92, "N"),
    Scene(104, "NNNNNNVVNNNNNNNN"),
    Scene(110, "N"),
    Scene(124, "NNNNVVVVVVNNNNNNNNNN"),
    Scene(132, "N"),
    Scene(180, "N", SceneRhythm.ATRIAL_FIBRILLATION),
    Scene(192, "N"),
    Scene(204, "NNNN_NNNNNNNNNNNN"),
    Scene(210, "N"),
    Scene(232, "NNNNNNVNNNNNNNNN", SceneRhythm.SINUS, Disturbance.NOISE),
    Scene(245, "N"),
    Scene(257, "N", SceneRhythm.SINUS, Disturbance.LEAD_OFF),
    Scene(272, "N"),
    Scene(300, "NNNNVNNNNANN"),
)
"""The whole demo, in order of time: the first ectopic beats within a quarter of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Numbers behind the demo.

    Variability follows the bimodal RR spectrum of McSharry et al. 2003
    (doi:10.1109/TBME.2003.808805): respiration (high frequency) and Mayer waves (low frequency).
    """

    fs: float = 360.0
    """Hz, as the MIT-BIH Arrhythmia Database."""
    heart_rate_bpm: float = 74.0
    respiration_hz: float = 0.25
    mayer_hz: float = 0.1
    respiration_rr: float = 0.035
    """Sinus arrhythmia: relative swing of the RR interval with respiration."""
    mayer_rr: float = 0.02
    jitter_rr: float = 0.008
    """Relative standard deviation of what is left of the RR variability."""
    respiration_gain: float = 0.05
    """Relative swing of the amplitude with respiration."""
    respiration_baseline_mv: float = 0.06
    jitter_gain: float = 0.02
    """Relative standard deviation of the beats' amplitude."""
    coupling_v: float = 0.62
    """Interval before a ventricular ectopic beat, relative to the sinus interval."""
    coupling_a: float = 0.66
    """Interval before an atrial premature beat, relative to the sinus interval."""
    after_a: float = 1.08
    """Interval after it: the sinus node is reset, the pause is not compensatory."""
    run_rr_s: float = 0.38
    """Interval within ventricular couplets and runs: 158 beats/min."""
    pause_s: float = 3.2
    af_rr_s: float = 0.62
    """Median interval in atrial fibrillation."""
    af_spread: float = 0.24
    """Standard deviation of its logarithm."""
    af_rr_bounds_s: tuple[float, float] = (0.36, 1.3)
    f_wave_hz: float = 6.2
    f_wave_mv: tuple[float, float] = (0.035, 0.075)
    """Amplitude of the fibrillatory waves in each lead."""
    f_wave_wander_hz: float = 0.8
    f_wave_wander: float = 0.2
    """How fast and how far the rate and height of the fibrillatory waves wander."""
    sensor_noise_mv: float = 0.006
    muscle_noise_mv: float = 0.09
    motion_noise_mv: float = 0.30
    """Standard deviation of electrode motion while a scene is noisy."""
    motion_hz: float = 1.2
    """Upper edge of its band."""
    fade_s: float = 0.5
    """How fast disturbances and fibrillatory waves come and go."""
    lead_off_mv: float = 0.0
    """What an open input reads."""
    lead_off_margin_s: float = 0.03
    """A beat whose R peak is this close to a lead-off is cut by it and not annotated."""
    rhythm_mark_s: float = 0.25
    """A rhythm mark stands this long before its first beat."""
    run_beats: int = 3
    """Ventricular beats in a row that are called ventricular tachycardia."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBeat:
    """One beat of the demo: when, after which RR interval, which WFDB symbol, in which rhythm."""

    time_s: float
    rr_s: float
    symbol: str
    rhythm: SceneRhythm


@dataclass(slots=True)
class DemoHeart:
    """Walks through the scenes beat by beat."""

    config: DemoConfig
    rng: np.random.Generator
    time_s: float = 0.0
    """Of the latest beat."""
    rr_s: float = 0.0
    symbol: str = "N"

    def sinus_rr_s(self) -> float:
        """RR interval the sinus node would choose now."""
        c, turn = self.config, 2 * np.pi * self.time_s
        swing = c.respiration_rr * np.sin(turn * c.respiration_hz)
        swing += c.mayer_rr * np.sin(turn * c.mayer_hz)
        swing += c.jitter_rr * self.rng.standard_normal()
        return float(60.0 / c.heart_rate_bpm * (1.0 + swing))

    def fibrillation_rr_s(self) -> float:
        """RR interval with nothing to set the pace."""
        c = self.config
        spread = np.exp(c.af_spread * self.rng.standard_normal())
        return float(np.clip(c.af_rr_s * spread, *c.af_rr_bounds_s))

    def paced_rr_s(self, symbol: str) -> float:
        """RR interval that ends at the next beat, sinus or ectopic."""
        c, sinus = self.config, self.sinus_rr_s()
        match self.symbol, symbol:
            case ("V", "V"):
                return c.run_rr_s * float(1.0 + c.jitter_rr * self.rng.standard_normal())
            case ("V", _):  # the sinus node kept its own time: a full compensatory pause
                return 2.0 * sinus - self.rr_s
            case (_, "V"):
                return c.coupling_v * sinus
            case (_, "A"):
                return c.coupling_a * sinus
            case ("A", _):
                return c.after_a * sinus
            case _:
                return sinus

    def beats(self) -> Iterator[DemoBeat]:
        """Yield every beat of the demo in order of time."""
        for scene in SCENES:
            pattern = itertools.cycle(scene.pattern)
            while self.time_s < scene.stop_s:
                symbol = next(pattern)
                if symbol == PAUSE:
                    symbol, self.rr_s = next(pattern), self.config.pause_s
                elif scene.rhythm is SceneRhythm.ATRIAL_FIBRILLATION:
                    self.rr_s = self.fibrillation_rr_s()
                else:
                    self.rr_s = self.paced_rr_s(symbol)
                self.time_s += self.rr_s
                self.symbol = symbol
                yield DemoBeat(
                    time_s=self.time_s, rr_s=self.rr_s, symbol=symbol, rhythm=scene.rhythm
                )


def timed_scenes() -> Iterator[tuple[float, Scene]]:
    """Yield each scene with the time at which it starts."""
    starts = [0.0, *(scene.stop_s for scene in SCENES)]
    return zip(starts, SCENES, strict=False)


def annotate(beats: list[DemoBeat], config: DemoConfig) -> Reference:
    """Beats, rhythm changes and changes of signal quality, in order of time."""
    marks = [
        (edge_s, "~", "")
        for start_s, scene in timed_scenes()
        if scene.disturbance is not Disturbance.NONE
        for edge_s in (start_s, scene.stop_s)
    ]
    rhythm = None
    for beat, beat_rhythm in zip(beats, _rhythms(beats, config.run_beats), strict=True):
        if beat_rhythm is not rhythm:
            rhythm = beat_rhythm
            marks.append((max(0.0, beat.time_s - config.rhythm_mark_s), "+", rhythm.value))
        if not _lead_is_off(beat.time_s, config.lead_off_margin_s):
            marks.append((beat.time_s, beat.symbol, ""))
    marks.sort(key=lambda mark: mark[0])
    times, symbols, aux = zip(*marks, strict=True)
    samples = np.rint(np.asarray(times) * config.fs).astype(np.int64)
    return Reference(samples=samples, symbols=symbols, aux=aux)


def _rhythms(beats: list[DemoBeat], run_beats: int) -> Iterator[SceneRhythm]:
    """Yield each beat's rhythm: its scene's, or tachycardia within a long run of V."""
    for symbol, group in itertools.groupby(beats, key=lambda beat: beat.symbol):
        run = list(group)
        tachycardia = symbol == "V" and len(run) >= run_beats
        for beat in run:
            yield SceneRhythm.VENTRICULAR_TACHYCARDIA if tachycardia else beat.rhythm


def _lead_is_off(time_s: float, margin_s: float) -> bool:
    """Whether any part of a QRS at that time is lost."""
    return any(
        start_s - margin_s <= time_s < scene.stop_s + margin_s
        for start_s, scene in timed_scenes()
        if scene.disturbance is Disturbance.LEAD_OFF
    )
