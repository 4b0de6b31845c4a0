"""What is counted of ventricular beats and is no rhythm: their rate, the first for long, a warning.

The warning comes from provisional labels, by the rule of `streamer.rhythm.runs` that the tracker
applies to the confirmed ones about a beat later.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from classifier.labels import Label
from streamer.core.events import CHAIN_FS, EctopyCondition, LabeledBeat
from streamer.rhythm.config import RhythmConfig
from streamer.rhythm.runs import PastBeat, Runs, past_beat
from streamer.rhythm.serialize import plain_fields, restore_fields

_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class EctopyConfig:
    """Limits."""

    v_rate_per_min: int = 6
    """V beats within a minute: more than five are a classical warning arrhythmia (Lown and Wolf
    1971, doi:10.1161/01.CIR.44.1.130)."""
    v_rate_clear_per_min: int = 3
    """The condition ends below this, so that a rate about the limit doesn't raise it again and
    again."""
    first_v_after_s: float = 3600.0
    """A V beat is the first if there was none for so long, or none yet."""
    rhythm: RhythmConfig = field(default_factory=RhythmConfig)
    """What makes a run."""

    def __post_init__(self) -> None:
        if not 0 < self.v_rate_clear_per_min <= self.v_rate_per_min:
            raise ValueError(
                f"V rate clears below {self.v_rate_clear_per_min} and is raised from "
                f"{self.v_rate_per_min}; expected 0 < the first <= the second"
            )


@dataclass(frozen=True, slots=True)
class EctopyFinding:
    """A condition that has begun."""

    condition: EctopyCondition
    beats: tuple[int, ...]
    """R-peak samples that are the evidence."""


@dataclass(slots=True, kw_only=True)
class _EctopyState:
    """What the counter remembers."""

    v_beats: deque[int]
    """V beats of the last minute."""
    provisional: deque[PastBeat]
    """Beats under their provisional labels, at the chain's rate."""
    newest: deque[int]
    """Samples of the newest of them, as many as make a run."""
    last_v: int | None = None
    ongoing: set[EctopyCondition] = field(default_factory=set)


class EctopyCounter:
    """Counts ventricular beats.

    Parameters
    ----------
    fs : float
        Sampling frequency at which the beats' samples count.
    config : EctopyConfig, optional
        Limits.
    """

    def __init__(self, fs: float, config: EctopyConfig | None = None) -> None:
        self._fs = fs
        self._config = config or EctopyConfig()
        rhythm = self._config.rhythm
        self._provisional_runs = Runs(rhythm)
        self._state = _EctopyState(
            v_beats=deque(maxlen=self._config.v_rate_per_min),
            provisional=deque(maxlen=rhythm.history_beats),
            newest=deque(maxlen=rhythm.run_beats),
        )

    @property
    def ongoing(self) -> frozenset[EctopyCondition]:
        """Conditions that have begun and aren't over."""
        return frozenset(self._state.ongoing)

    def push(self, beat: LabeledBeat) -> EctopyFinding | None:
        """Add a beat under a provisional or a confirmed label; return what begins with it."""
        return self._add_provisional(beat) if beat.revision == 0 else self._add_confirmed(beat)

    def clear_streaks(self) -> None:
        """Begin anew with beats in a row, after a gap."""
        self._provisional_runs.clear()
        self._state.provisional.clear()
        self._state.newest.clear()
        self._state.ongoing.discard(EctopyCondition.V_RUN_WARNING)

    def state(self) -> dict[str, Any]:
        """Return everything that is remembered, as JSON can hold it."""
        return {"runs": plain_fields(self._provisional_runs), **plain_fields(self._state)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no state of a counter.
        """
        restore_fields(self._state, state)
        restore_fields(self._provisional_runs, state["runs"])

    def _add_provisional(self, item: LabeledBeat) -> EctopyFinding | None:
        """Warn early of a run: that is worth a false one now and then."""
        sample = item.beat.rpeak.sample
        rr = None
        if self._state.newest:
            rr = round((sample - self._state.newest[-1]) * CHAIN_FS / self._fs)
        at = round(sample * CHAIN_FS / self._fs)
        beat = past_beat(item, at, rr, self._config.rhythm)
        self._provisional_runs.add(beat, self._state.provisional)
        self._state.provisional.append(beat)
        self._state.newest.append(sample)
        if self._provisional_runs.ventricular_rhythm() is None:
            return None
        return self._begin(EctopyCondition.V_RUN_WARNING, tuple(self._state.newest))

    def _add_confirmed(self, item: LabeledBeat) -> EctopyFinding | None:
        sample = item.beat.rpeak.sample
        self._forget_old(sample)
        if item.label is not Label.V:
            self._state.ongoing.discard(EctopyCondition.V_RUN_WARNING)
            return None
        before, self._state.last_v = self._state.last_v, sample
        self._state.v_beats.append(sample)
        if before is None or sample - before >= self._config.first_v_after_s * self._fs:
            return EctopyFinding(EctopyCondition.V_FIRST, (sample,))
        if len(self._state.v_beats) < self._config.v_rate_per_min:
            return None
        return self._begin(EctopyCondition.V_RATE, tuple(self._state.v_beats))

    def _begin(self, condition: EctopyCondition, beats: tuple[int, ...]) -> EctopyFinding | None:
        """Return the finding unless the condition goes on already."""
        if condition in self._state.ongoing:
            return None
        self._state.ongoing.add(condition)
        return EctopyFinding(condition, beats)

    def _forget_old(self, sample: int) -> None:
        """Keep the V beats of the last minute, and end the rate condition when few are left."""
        while self._state.v_beats and sample - self._state.v_beats[0] > _MINUTE_S * self._fs:
            self._state.v_beats.popleft()
        if len(self._state.v_beats) < self._config.v_rate_clear_per_min:
            self._state.ongoing.discard(EctopyCondition.V_RATE)
