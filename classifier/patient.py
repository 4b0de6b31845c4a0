"""What is known of one patient so far: the shapes of the beats and the recent RR intervals.

Beats are sorted into a few shapes as they come (leader clustering, as the beat matching of
Hamilton's open-source ECG analysis, doi:10.1109/CIC.2002.1166717, does it). The shape that most
beats on time have had lately is the patient's usual beat, the template. Counts fade, so that a
wrong first choice is outvoted and a lasting change is followed.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.features import (
    FEATURE_NAMES,
    GEOMETRY,
    N_NEXT,
    PREMATURE_RATIO,
    QRS,
    FloatArray,
    align,
    fill_missing,
    morphology_features,
    next_features,
    remove_baseline,
    rhythm_features,
    shift,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientConfig:
    """How quickly a patient's picture changes."""

    n_shapes: int = 8
    """Distinct beat shapes kept; the rarest makes room for a new one."""
    match_min: float = 0.85
    """`similarity` from which a beat has a known shape: amplitude within 1.7x, or shape alike."""
    memory_beats: int = 150
    """Beats after which the count of a shape has faded to 1/e: about two minutes."""
    long_run_beats: int = 300
    """Memory of the long-run mean RR interval: about five minutes."""
    smoothing_beats: int = 24
    """A shape is the exponential mean of about this many of its beats: several breaths."""
    rr_beats: int = 40
    """Intervals whose median is the usual RR interval."""
    mature_beats: int = 20
    """Beats until the template is trusted fully."""
    on_time_bonus: float = 4.0
    """How much more a beat on time counts towards the usual shape than a premature one."""


CONFIG: Final = PatientConfig()
QRS_SIMILARITY: Final = FEATURE_NAMES.index("qrs_similarity")
IRREGULARITY: Final = FEATURE_NAMES.index("irregularity_10")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeatInputs:
    """One beat as the network sees it, with what the confirmed label will need of it."""

    signal: FloatArray
    """Shape (2, window_samples): beat and template, in units of the template's amplitude."""
    features: FloatArray
    """Shape (len(FEATURE_NAMES),), the last `N_NEXT` of them zero."""
    window: FloatArray
    """Shape (window_samples,): mV, baseline removed."""
    rr_s: float
    """Interval that ends at this beat, 0 if unknown."""
    median_rr_s: float
    """Usual interval at this beat, 0 if unknown."""
    shape: int | None
    """Which known shape it has; None if a new one."""
    shift: int
    """Samples by which it lies later than that shape."""
    unjudgeable: str | None
    """Why the beat can't be judged, else None."""


class Patient:
    """Running state of one patient; the beat classifier's only memory besides the open beat."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._templates = np.zeros((CONFIG.n_shapes, GEOMETRY.window_samples), np.float32)
        self._counts = np.zeros(CONFIG.n_shapes)
        self._on_time = np.zeros(CONFIG.n_shapes)
        self._rr_s: NDArray[np.float64] = np.zeros(0)
        self._long_run_s = 0.0
        self._n_beats = 0
        self._previous_similarity = 1.0

    def state(self) -> dict[str, Any]:
        """Copy the state into numbers and arrays."""
        return {
            "templates": self._templates.copy(),
            "counts": self._counts.copy(),
            "on_time": self._on_time.copy(),
            "rr_s": self._rr_s.copy(),
            "long_run_s": self._long_run_s,
            "n_beats": self._n_beats,
            "previous_similarity": self._previous_similarity,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state that `state` returned."""
        self._templates = state["templates"].copy()
        self._counts = state["counts"].copy()
        self._on_time = state["on_time"].copy()
        self._rr_s = state["rr_s"].copy()
        self._long_run_s = state["long_run_s"]
        self._n_beats = state["n_beats"]
        self._previous_similarity = state["previous_similarity"]

    def describe(self, window_mv: FloatArray, rr_s: float) -> BeatInputs:
        """Describe a beat by what was known before it; changes nothing.

        Parameters
        ----------
        window_mv : ndarray of float32, shape (window_samples,)
            Primary lead, NaN where missing.
        rr_s : float
            Interval that ends at this beat, 0 if unknown.
        """
        filled, unjudgeable = fill_missing(window_mv)
        window = remove_baseline(filled)
        used = np.flatnonzero(self._counts)
        templates = self._templates[used] if used.size else window[None]
        shifts, similarities = align(window, templates)
        usual = self._usual(used)
        beat, template = shift(window, int(shifts[usual])), templates[usual]
        amplitude = max(float(np.ptp(template[QRS])), float(np.ptp(beat[QRS])) / 20.0, 1e-3)
        signal = (np.stack([beat, template]) / np.float32(amplitude)).astype(np.float32)
        best = int(similarities.argmax())
        known = used.size > 0 and similarities[best] >= CONFIG.match_min
        shape = int(used[best]) if known else None
        features = np.concatenate(
            [
                rhythm_features(self._rr_s, rr_s, self._long_run_s),
                morphology_features(signal[0], signal[1], float(similarities[usual])),
                self._shape_features(shape),
                np.zeros(N_NEXT, np.float32),
            ]
        )
        return BeatInputs(
            signal=signal,
            features=features,
            window=window,
            rr_s=rr_s,
            median_rr_s=float(np.median(self._rr_s)) if self._rr_s.size else 0.0,
            shape=shape,
            shift=int(shifts[best]) if known else 0,
            unjudgeable=unjudgeable,
        )

    def learn(self, beat: BeatInputs) -> None:
        """Take the beat that was just described into the picture."""
        late_enough = beat.rr_s >= PREMATURE_RATIO * beat.median_rr_s
        self._learn_shape(beat, on_time=beat.rr_s == 0.0 or late_enough)
        if beat.rr_s > 0.0:
            self._rr_s = np.append(self._rr_s, beat.rr_s)[-CONFIG.rr_beats :]
            known = self._long_run_s > 0.0
            step = (beat.rr_s - self._long_run_s) / CONFIG.long_run_beats
            self._long_run_s = self._long_run_s + step if known else beat.rr_s
        self._n_beats += 1
        self._previous_similarity = float(beat.features[QRS_SIMILARITY])

    def _usual(self, used: NDArray[np.intp]) -> int:
        """Position in `used` of the usual shape; 0 if none is known yet."""
        if used.size == 0:
            return 0
        return int((self._counts + CONFIG.on_time_bonus * self._on_time)[used].argmax())

    def _shape_features(self, shape: int | None) -> FloatArray:
        """How common this shape is, how often it came on time, how much is known, and the last."""
        maturity = min(self._n_beats / CONFIG.mature_beats, 1.0)
        if shape is None:
            return np.array([0.0, 0.0, maturity, self._previous_similarity], np.float32)
        share = self._counts[shape] / self._counts.sum()
        on_time = self._on_time[shape] / self._counts[shape]
        return np.array([share, on_time, maturity, self._previous_similarity], np.float32)

    def _learn_shape(self, beat: BeatInputs, *, on_time: bool) -> None:
        """Move the matching shape towards the beat, or begin a new shape with it."""
        fade = 1.0 - 1.0 / CONFIG.memory_beats
        self._counts *= fade
        self._on_time *= fade
        shape = beat.shape
        if shape is None:
            shape = int(self._counts.argmin())
            self._templates[shape] = beat.window
            self._counts[shape] = self._on_time[shape] = 0.0
        else:
            step = np.float32(max(1.0 / (self._counts[shape] + 1.0), 1.0 / CONFIG.smoothing_beats))
            aligned = shift(beat.window, beat.shift)
            self._templates[shape] += step * (aligned - self._templates[shape])
        self._counts[shape] += 1.0
        self._on_time[shape] += float(on_time)


def confirm(beat: BeatInputs, following: BeatInputs) -> FloatArray:
    """Complete a beat's features with what the next beat tells.

    Returns
    -------
    ndarray of float32, shape (len(FEATURE_NAMES),)
        A new array; `beat.features` itself if the interval to `following` is unknown.
    """
    if following.rr_s <= 0.0:
        return beat.features
    _, similarities = align(following.window, beat.window[None])
    known = next_features(
        rr_s=beat.rr_s,
        median_rr_s=beat.median_rr_s,
        next_rr_s=following.rr_s,
        next_qrs_similarity=float(following.features[QRS_SIMILARITY]),
        next_qrs_similarity_to_this=float(similarities[0]),
        irregularity=float(beat.features[IRREGULARITY]),
    )
    return np.concatenate([beat.features[:-N_NEXT], known])
