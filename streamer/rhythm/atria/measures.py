"""Whether the atria fibrillate: how irregular the intervals are, and whether P waves remain.

Two measures have to agree before fibrillation is first named. Over many beats, the coefficient of
sample entropy of Lake & Moorman 2011 (doi:10.1152/ajpheart.00561.2010): unlike a variance it stays
low where intervals are many but of a few kinds, as with frequent premature beats, and in sinus
arrhythmia, where each resembles the last. For unrelated intervals of a normal distribution it is
about ln(3.5 SD / mean). And, beat by beat, the probability of `streamer.rhythm.atria.fibrillation`,
which also finds and dates ends and returns within a few beats. Fibrillation that came back by
probability alone ends if its entropy, once that can be measured, doesn't bear it out. Before there
are beats enough for the entropy, the rhythm model (`classifier.inputs.sequence`), which has learnt
from millions of beats how intervals run on, may stand in for it.

Deviations from the paper: more beats than its 12, for fewer false alarms; intervals next to a beat
that isn't N or S are unknown and match nothing; P waves have a say (`AtriaConfig.p_wave_weight`).
"""

from dataclasses import dataclass
from functools import cache
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from classifier.labels import Label
from streamer.core.events import CHAIN_FS, Beat
from streamer.rhythm.atria.fibrillation import observe, transition_index
from streamer.rhythm.atria.fibrillation_model import log_odds_of
from streamer.rhythm.atria.memory import AtriaState, is_known, new_state
from streamer.rhythm.atria.p_waves import consistency, segment_before_qrs

HEART: Final = frozenset({Label.N, Label.S})
"""Beats that show what the atria do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtriaConfig:
    """When intervals and P waves speak for fibrillation; chosen on DS1, svdb and simulated ones."""

    beats: int = 48
    """N and S beats over which irregularity and P waves are measured."""
    min_templates: int = 20
    """Pairs of successive known intervals that must be among them."""
    min_segments: int = 8
    """Known segments before the QRS complexes that must be among them."""
    entropy: float = -0.9
    """Entropy less what P waves take off it, to name fibrillation for the first time."""
    entropy_end: float = -1.4
    """Entropy since fibrillation began below which it is none after all: Lake & Moorman's limit."""
    p_wave_weight: float = 5.0
    p_wave_floor: float = 0.1
    """What each part by which P waves are alike beyond the floor takes off the entropy."""
    tolerance_s: float = 0.03
    tolerance_step_s: float = 0.005
    max_tolerance_s: float = 0.4
    min_matches: int = 5
    """Intervals that differ by less than the tolerance match; it grows until there are enough."""
    log_odds: float = 4.0
    """Logarithm of the odds for fibrillation that name it, and against it that end it."""
    min_beats: int = 12
    """N and S beats of an episode before it is named: those of Lake & Moorman."""
    joint_log_odds: float = 3.0
    joint_beats: int = 8
    """Where the rhythm model speaks for fibrillation too, and both log-odds add up to more, the
    entropy need not be known, and so many beats are enough. Chosen on one half of cinc2017's
    records and on DS1, seen to hold on the other half."""
    memory_s: float = 1200.0
    """For so long after fibrillation the patient counts as one in whom it comes and goes."""


class Atria:
    """Remembers the last N and S beats and measures them.

    Parameters
    ----------
    config : AtriaConfig, optional
        Lengths and limits.
    """

    def __init__(self, config: AtriaConfig | None = None) -> None:
        self._config = AtriaConfig() if config is None else config
        self._last_fibrillating: int | None = None
        self.clear()

    def clear(self) -> None:
        """Forget every beat; whether the patient fibrillated not long ago remains."""
        self._state: AtriaState | None = None
        self._transition_at = -1
        self._log_odds = -np.inf
        self._joint_log_odds = -np.inf

    def add(self, beat: Beat, rr_samples: int | None, model_log_odds: float = 0.0) -> None:
        """Take an N or S beat.

        Parameters
        ----------
        rr_samples : int or None
            Interval since the beat before, if that was N or S as well.
        model_log_odds : float
            Of fibrillation, by the rhythm model.
        """
        if self._state is None:
            _load_kernels(beat.window.shape[0])
            self._state = new_state(beat.window.shape[0])
        interval_s = np.nan if rr_samples is None else rr_samples / CHAIN_FS
        segment = segment_before_qrs(beat.window)
        self._log_odds = observe(self._state, beat.rpeak.sample, interval_s, segment)
        self._joint_log_odds = self._log_odds + (model_log_odds if model_log_odds > 0 else -np.inf)

    @property
    def memory(self) -> AtriaState | None:
        """What is remembered of the beats; None before the first."""
        return self._state

    @property
    def log_odds(self) -> float:
        """Natural logarithm of the odds for fibrillation after the newest beat."""
        return self._log_odds

    @property
    def entropy(self) -> float | None:
        """Coefficient of sample entropy of the known intervals; None if there are too few."""
        return None if self._state is None else self._entropy_from(self._state, 0)

    def _entropy_from(self, state: AtriaState, first: int) -> float | None:
        """Return the entropy over the last beats of which none is before index `first`."""
        config, stop = self._config, int(state.filled[0])
        templates, shorter, longer, tolerance_s, mean_s = _match(
            state.interval_s[max(first, stop - config.beats) : stop],
            config.tolerance_s,
            config.tolerance_step_s,
            config.max_tolerance_s,
            config.min_matches,
        )
        # A ratio of a few matches is chance.
        if templates < config.min_templates:
            return None
        if longer < config.min_matches:
            return 0.0
        return log(shorter / longer) + log(2.0 * tolerance_s) - log(mean_s)

    def is_fibrillating(self, *, stays: bool) -> bool:
        """Tell whether the beats speak for fibrillation; with `stays` less is enough."""
        config, state = self._config, self._state
        if state is None:
            return False
        if stays:
            return self._goes_on(state)
        if self._is_agreed:
            return True
        if self._log_odds <= config.log_odds:
            return False
        if self._comes_and_goes(state):
            return True
        irregular = self._irregularity()
        return irregular is not None and irregular >= config.entropy

    @property
    def _is_agreed(self) -> bool:
        return self._joint_log_odds > self._config.joint_log_odds

    @property
    def least_beats(self) -> int:
        """N and S beats that an episode must have before it is named."""
        return self._config.joint_beats if self._is_agreed else self._config.min_beats

    def _goes_on(self, state: AtriaState) -> bool:
        """Tell whether fibrillation goes on; it does where nothing is known for a while."""
        config = self._config
        if self._log_odds < -config.log_odds or not is_known(state):
            return False
        entropy = self._entropy_from(state, self._first(state))
        if entropy is not None and entropy < config.entropy_end:
            self._last_fibrillating = None
            return False
        self._last_fibrillating = int(state.sample[state.filled[0] - 1])
        return True

    def _comes_and_goes(self, state: AtriaState) -> bool:
        # Paroxysmal fibrillation returns: less evidence is asked for a while.
        last, newest = self._last_fibrillating, int(state.sample[state.filled[0] - 1])
        return last is not None and newest - last < self._config.memory_s * CHAIN_FS

    def _irregularity(self) -> float | None:
        """Return the entropy less what P waves take off it; None if either is unknown."""
        entropy, p_waves = self.entropy, self.p_wave_consistency()
        if entropy is None or p_waves is None:
            return None
        config = self._config
        return entropy - config.p_wave_weight * max(p_waves - config.p_wave_floor, 0.0)

    def p_wave_consistency(self) -> float | None:
        """How much the segments before the QRS complexes are alike, 0 to 1, in the best lead.

        The energy of their mean over the mean of their energies, less what chance gives: P waves
        that come before every beat remain in a mean, fibrillatory waves don't. None if there are
        too few beats.
        """
        if self._state is None:
            return None
        stop = int(self._state.filled[0])
        recent = slice(max(stop - self._config.beats, 0), stop)
        segments = self._state.segment[recent][self._state.has_segment[recent]]
        if len(segments) < self._config.min_segments:
            return None
        leads = range(segments.shape[1])
        return max(consistency(np.ascontiguousarray(segments[:, lead])) for lead in leads)

    def beats_since_transition(self, *, fibrillating: bool) -> tuple[int, ...]:
        """Return the beats since fibrillation began (or ended), oldest first.

        The first is the one before the most probable place of a change after the last one.
        """
        if self._state is None:
            return ()
        state = self._state
        first = min(self._first(state), int(state.filled[0]) - 1)
        index = transition_index(state, first, fibrillating=fibrillating)
        return tuple(state.sample[max(index - 1, 0) : state.filled[0]].tolist())

    def note_transition(self, sample: int) -> None:
        """Remember that the rhythm changed at that beat: the next transition comes after it."""
        self._transition_at = sample

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        beats = None if self._state is None else [part.copy() for part in self._state]
        return {
            "beats": beats,
            "transition_at": self._transition_at,
            "last_fibrillating": self._last_fibrillating,
            "joint_log_odds": self._joint_log_odds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.clear()
        if state["beats"] is not None:
            self._state = AtriaState(*(part.copy() for part in state["beats"]))
            self._log_odds = log_odds_of(self._state.probability)
        self._transition_at = state["transition_at"]
        self._last_fibrillating = state["last_fibrillating"]
        self._joint_log_odds = state["joint_log_odds"]

    def _first(self, state: AtriaState) -> int:
        """Return the index of the first beat after the last transition."""
        known = state.sample[: state.filled[0]]
        return int(np.searchsorted(known, self._transition_at, "right"))


@cache
def _load_kernels(n_leads: int) -> None:
    """Load what isn't called before there is fibrillation: compiling it would hold up a stream."""
    state = new_state(n_leads)
    for sample in range(2):
        observe(state, sample, np.nan, state.segment[0])
    is_known(state)
    transition_index(state, 0, fibrillating=True)
    consistency(np.ascontiguousarray(state.segment[:, 0]))
    _match(state.interval_s, 1.0, 1.0, 1.0, 1)


@jit
def _match(
    intervals: NDArray[np.float64], first: float, step: float, most: float, least: int
) -> tuple[int, int, int, float, float]:
    """Count pairs of intervals that match, and of those the ones whose successors match too.

    Returns the number of templates (an interval and its successor known), both counts, the
    tolerance at which there were at least `least` of the second, and the mean interval.
    """
    n = intervals.size
    known = np.zeros(n, np.bool_)
    total_s, count = 0.0, 0
    for interval_s in intervals:
        if not np.isnan(interval_s):
            total_s += interval_s
            count += 1
    mean_s = total_s / max(count, 1)
    templates = 0
    for i in range(n - 1):
        # A template needs a successor, as pairs are compared by both of their intervals.
        known[i] = not (np.isnan(intervals[i]) or np.isnan(intervals[i + 1]))
        templates += known[i]
    # The tolerance grows until matches are many enough for a stable ratio (Lake & Moorman).
    tolerance = first
    while True:
        shorter, longer = 0, 0
        for i in range(n - 1):
            if not known[i]:
                continue
            # Each pair once: no interval is compared with itself, which would match always.
            for j in range(i + 1, n - 1):
                if known[j] and abs(intervals[i] - intervals[j]) < tolerance:
                    shorter += 1
                    longer += abs(intervals[i + 1] - intervals[j + 1]) < tolerance
        if longer >= least or tolerance >= most:
            return templates, shorter, longer, tolerance, mean_s
        tolerance += step
