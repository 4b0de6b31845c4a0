"""What is remembered of one patient: the shapes of the beats and the recent RR intervals.

Beats are sorted into a few shapes as they come (leader clustering, as the beat matching of
Hamilton's open-source ECG analysis, doi:10.1109/CIC.2002.1166717, does it). The shape that most
beats on time have had lately is the template. Counts fade, so that a wrong first choice is
outvoted and a lasting change is followed.
"""

from typing import Any

import numpy as np

from classifier.inputs.describe import describe_and_learn
from classifier.inputs.features import FEATURE_NAMES, FloatArray
from classifier.inputs.geometry import GEOMETRY, SIGNAL_CHANNELS
from classifier.inputs.kernels import records
from classifier.inputs.sequence import untrained
from classifier.inputs.state import OF_RHYTHM, OPEN, STATE, new_state
from classifier.inputs.window import REASONS


class BeatInputs:
    """One beat as the network sees it, with what the confirmed label will need of it.

    Once the network has embedded the signal, the embedding takes its place, so that a beat that
    waits for the next one takes little room.

    Parameters
    ----------
    features : ndarray of float32, shape (len(FEATURE_NAMES),)
        The last `N_NEXT` of them zero.
    kept : structured ndarray of `state.OPEN`, shape (1,)
    signal : ndarray of float32, shape (2, window_samples), optional
        Beat and template, in units of the template's amplitude.
    embedding : ndarray of float32, shape (k,), optional
        The network's embedding of the signal; one of the two is given.
    unjudgeable : str, optional
        Why the beat can't be judged.
    """

    __slots__ = ("_embedding", "_signal", "features", "kept", "unjudgeable")

    def __init__(
        self,
        features: FloatArray,
        kept: Any,
        *,
        signal: FloatArray | None = None,
        embedding: FloatArray | None = None,
        unjudgeable: str | None = None,
    ) -> None:
        self.features = features
        self.kept = kept
        self.unjudgeable = unjudgeable
        self._signal = signal
        self._embedding = embedding

    @property
    def is_embedded(self) -> bool:
        """Whether only the embedding of the signal is left."""
        return self._embedding is not None

    @property
    def signal(self) -> FloatArray:
        """Shape (2, window_samples): beat and template, in units of the template's amplitude.

        Raises
        ------
        ValueError
            Once it is embedded.
        """
        if self._signal is None:
            raise ValueError("this beat is embedded, so that its signal is no longer kept")
        return self._signal

    @property
    def embedding(self) -> FloatArray:
        """Shape (k,): the network's embedding of the signal.

        Raises
        ------
        ValueError
            Before the signal is embedded.
        """
        if self._embedding is None:
            raise ValueError("this beat is not embedded yet; embed its signal first")
        return self._embedding

    def set_embedding(self, embedding: FloatArray) -> None:
        """Keep the embedding in place of the signal."""
        self._embedding = embedding
        self._signal = None


class PatientMemory:
    """All that the beat classifier remembers of one patient, besides the open beat.

    Parameters
    ----------
    weights : structured ndarray of `sequence.WEIGHTS`, shape (1,), optional
        Of the rhythm model; without it the measures of the sequence are 0.
    """

    def __init__(self, weights: Any = None) -> None:
        self._weights = untrained() if weights is None else weights
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._state = new_state()

    def forget_shapes(self) -> None:
        """Forget what beats look like, as when other leads are used, but not their rhythm."""
        known = self._state
        self._state = new_state()
        for name in OF_RHYTHM:
            self._state[name] = known[name]

    def state(self) -> Any:
        """Copy the state: a record of `state.STATE`, shape (1,)."""
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

    def describe_and_learn(
        self,
        windows_mv: FloatArray,
        rr_s: float,
        quality: float = 1.0,
        *,
        learns: bool = True,
        before: BeatInputs | None = None,
    ) -> tuple[BeatInputs, FloatArray]:
        """Describe a beat by what was known before it, then learn from it.

        Parameters
        ----------
        windows_mv : ndarray of float32, shape (leads, window_samples)
            Primary lead first, NaN where missing; leads beyond the second aren't used.
        rr_s : float
            Interval that ends at this beat, 0 if unknown.
        quality : float
            Of the R peak, 0 to 1.
        learns : bool
            Whether to learn from the beat; nothing is learned from one that can't be judged.
        before : BeatInputs, optional
            The beat before, if it waits to be confirmed.

        Returns
        -------
        BeatInputs
        ndarray of float32, shape (len(FEATURE_NAMES),)
            The features of the beat before, completed with those of the next beat; equal to
            `before.features` if the interval is unknown, of length 0 without it.
        """
        signal = np.empty((len(SIGNAL_CHANNELS), GEOMETRY.window_samples), np.float32)
        features = np.zeros(len(FEATURE_NAMES), np.float32)
        kept = records(OPEN, 1)
        if before is None:
            earlier, completed = kept, features[:0]
        else:
            earlier, completed = before.kept, before.features.copy()
        reason = describe_and_learn(
            self._state,
            self._weights,
            windows_mv,
            rr_s,
            quality,
            learns,
            signal,
            features,
            kept,
            earlier,
            completed,
        )
        found = BeatInputs(features, kept, signal=signal, unjudgeable=REASONS[reason])
        return found, completed
