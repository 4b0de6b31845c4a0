"""What is known of one patient so far: the shapes of the beats and the recent RR intervals.

Beats are sorted into a few shapes as they come (leader clustering, as the beat matching of
Hamilton's open-source ECG analysis, doi:10.1109/CIC.2002.1166717, does it). The shape that most
beats on time have had lately is the patient's usual beat, the template. Counts fade, so that a
wrong first choice is outvoted and a lasting change is followed.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from classifier import kernels
from classifier.features import (
    FEATURE_NAMES,
    GEOMETRY,
    PREMATURE_RATIO,
    QRS,
    SIGNAL_CHANNELS,
    FloatArray,
    fill_missing,
    remove_baseline,
)
from classifier.patient_kernel import describe, describe_next, learn, usual_interval
from classifier.patient_state import (
    HALF_WINDOW,
    MATCH,
    STATE,
    Parameters,
    new_state,
    records,
    stretches,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientConfig:
    """How quickly a patient's picture changes."""

    match_min: float = 0.85
    """`similarity` from which a beat has a known shape: amplitude within 1.7x, or shape alike."""
    memory_beats: int = 150
    """Beats after which the count of a shape has faded to 1/e: about two minutes."""
    long_run_beats: int = 300
    """Memory of the long-run mean RR interval: about five minutes."""
    smoothing_beats: int = 24
    """A shape is the exponential mean of about this many of its beats: several breaths."""
    mature_beats: int = 20
    """Beats until the template is trusted fully."""
    on_time_bonus: float = 4.0
    """How much more a beat on time counts towards the usual shape than a premature one."""
    entropy_beats: int = 50
    """Memory of the mean entropy of the intervals: atrial fibrillation lasts."""

    def parameters(self) -> Parameters:
        """Return what the kernels take."""
        p, qrs, t = stretches()
        return Parameters(
            p=p,
            qrs=qrs,
            t=t,
            reach=GEOMETRY.max_shift_samples,
            match_min=self.match_min,
            fade=1.0 - 1.0 / self.memory_beats,
            long_run_beats=float(self.long_run_beats),
            smoothing_beats=float(self.smoothing_beats),
            mature_beats=float(self.mature_beats),
            on_time_bonus=self.on_time_bonus,
            entropy_beats=float(self.entropy_beats),
            premature_ratio=PREMATURE_RATIO,
        )


CONFIG: Final = PatientConfig()
_PARAMETERS: Final = CONFIG.parameters()
_NO_SECOND: Final[FloatArray] = np.zeros(HALF_WINDOW, np.float32)
_FLAT_MV: Final = 0.02
"""A second lead whose QRS complex is smaller than this says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeatInputs:
    """One beat as the network sees it, with what the confirmed label will need of it."""

    signal: FloatArray
    """Shape (2, window_samples): beat and template, in units of the template's amplitude."""
    features: FloatArray
    """Shape (len(FEATURE_NAMES),), the last `N_NEXT` of them zero."""
    window: FloatArray
    """Shape (window_samples,): mV, baseline removed."""
    second: FloatArray | None
    """Shape (window_samples / 2,): the second lead likewise at half the rate; None without one."""
    rr_s: float
    """Interval that ends at this beat, 0 if unknown."""
    median_rr_s: float
    """Usual interval at this beat, 0 if unknown."""
    long_run_s: float
    """Mean interval of the last minutes at this beat, 0 if unknown."""
    quality: float
    """Of the R peak, 0 to 1."""
    match: Any
    """Record of `patient_state.MATCH`, shape (1,)."""
    unjudgeable: str | None
    """Why the beat can't be judged, else None."""

    @property
    def is_new_shape(self) -> bool:
        """Whether the patient had no such beat before."""
        return bool(self.match["shape"][0] < 0)


class Patient:
    """Running state of one patient; the beat classifier's only memory besides the open beat."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._state = new_state()

    def state(self) -> Any:
        """Copy the state: a record of `patient_state.STATE`, shape (1,)."""
        return self._state.copy()

    def set_state(self, state: Any) -> None:
        """Take over a state that `state` returned.

        Raises
        ------
        ValueError
            If it is none.
        """
        if getattr(state, "dtype", None) != STATE or state.shape != (1,):
            raise ValueError("another kind of patient state")
        self._state[:] = state

    def describe(self, windows_mv: FloatArray, rr_s: float, quality: float = 1.0) -> BeatInputs:
        """Describe a beat by what was known before it; changes nothing.

        Parameters
        ----------
        windows_mv : ndarray of float32, shape (leads, window_samples)
            Primary lead first, NaN where missing; leads beyond the second aren't used.
        rr_s : float
            Interval that ends at this beat, 0 if unknown.
        quality : float
            Of the R peak, 0 to 1.
        """
        filled, unjudgeable = fill_missing(windows_mv[0])
        window = remove_baseline(filled)
        second = _second(windows_mv)
        match = records(MATCH, 1)
        signal = np.empty((len(SIGNAL_CHANNELS), GEOMETRY.window_samples), np.float32)
        features = np.zeros(len(FEATURE_NAMES), np.float32)
        state = self._state[0]
        describe(
            state,
            _PARAMETERS,
            window,
            _NO_SECOND if second is None else second,
            second is not None,
            rr_s,
            quality,
            match[0],
            signal,
            features,
        )
        return BeatInputs(
            signal=signal,
            features=features,
            window=window,
            second=second,
            rr_s=rr_s,
            median_rr_s=usual_interval(state),
            long_run_s=float(self._state["long_run_s"][0]),
            quality=quality,
            match=match,
            unjudgeable=unjudgeable,
        )

    def learn(self, beat: BeatInputs) -> None:
        """Take the beat that was just described into the picture."""
        learn(
            self._state[0],
            _PARAMETERS,
            beat.window,
            _NO_SECOND if beat.second is None else beat.second,
            beat.second is not None,
            beat.rr_s,
            beat.quality,
            beat.match[0],
        )


def _second(windows_mv: FloatArray) -> FloatArray | None:
    """Prepare the second lead; None where it is missing or flat."""
    if len(windows_mv) < 2:
        return None
    window = windows_mv[1]
    if not np.isfinite(window).all() or np.ptp(window[QRS]) < _FLAT_MV:
        return None
    second = np.empty(HALF_WINDOW, np.float32)
    kernels.halve(remove_baseline(window), second)
    return second


def confirm(beat: BeatInputs, following: BeatInputs) -> FloatArray:
    """Complete a beat's features with what the next beat tells.

    Returns
    -------
    ndarray of float32, shape (len(FEATURE_NAMES),)
        A new array; `beat.features` itself if the interval to `following` is unknown.
    """
    if following.rr_s <= 0.0:
        return beat.features
    features = beat.features.copy()
    describe_next(
        beat.window,
        following.window,
        following.features,
        following.is_new_shape,
        (beat.rr_s, following.rr_s, beat.median_rr_s, beat.long_run_s),
        _PARAMETERS,
        features,
    )
    return features
