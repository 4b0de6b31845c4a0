"""Whether an alarm is true, by the reference annotations of its record."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from classifier.labels import Label
from replay.record import Reference
from streamer.core.events import Alarm, Rhythm
from streamer.scoring.ec57 import BeatAnnotations
from streamer.scoring.episodes import (
    Span,
    flutter_spans,
    joined,
    reference_runs,
    spans_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthConfig:
    """How near an alarm has to be."""

    reach_s: float = 1.0
    """An episode may begin or end this much beyond the alarm's evidence."""
    rate_tolerance_bpm: float = 10.0
    """10 % or 5 a minute, whichever is greater, is what IEC 60601-2-27 allows a heart rate."""
    silence_tolerance_s: float = 0.1


class Truth:
    """Confirms alarms by the reference annotations of one record.

    Parameters
    ----------
    reference : Reference
        Annotations of beats and rhythm.
    fs : float
        Their sampling frequency in Hz.
    stop : int
        One past the last sample.
    """

    def __init__(self, reference: Reference, *, fs: float, stop: int) -> None:
        self._config = TruthConfig()
        self._fs = fs
        self._flutter = flutter_spans(reference, stop)
        self._beats = BeatAnnotations.of_reference(reference).samples
        runs = {label: reference_runs(reference, label) for label in (Label.V, Label.S)}
        pairs = {label: reference_runs(reference, label, least=2) for label in (Label.V, Label.S)}
        self._episodes: dict[Rhythm, list[Span]] = {
            Rhythm.VENTRICULAR_FIBRILLATION: self._flutter,
            Rhythm.VENTRICULAR_TACHYCARDIA: self._join(
                spans_of(reference, "VT", stop), runs[Label.V], self._flutter
            ),
            Rhythm.IDIOVENTRICULAR: self._join(
                spans_of(reference, "idioventricular", stop), runs[Label.V], self._flutter
            ),
            Rhythm.SUPRAVENTRICULAR_TACHYCARDIA: self._join(
                spans_of(reference, "SVT", stop), runs[Label.S]
            ),
            Rhythm.S_RUN: self._join(spans_of(reference, "SVT", stop), runs[Label.S]),
            Rhythm.V_COUPLET: self._join(pairs[Label.V], self._flutter),
            Rhythm.S_COUPLET: self._join(pairs[Label.S]),
            Rhythm.BIGEMINY: spans_of(reference, "bigeminy", stop),
            Rhythm.TRIGEMINY: spans_of(reference, "trigeminy", stop),
            Rhythm.ATRIAL_FIBRILLATION: spans_of(reference, "AF or flutter", stop),
        }

    @staticmethod
    def _join(*groups: Sequence[Span]) -> list[Span]:
        return joined(sorted(span for group in groups for span in group))

    def confirms(self, alarm: Alarm) -> bool:
        """Return whether the alarm is true."""
        if alarm.rhythm in self._episodes:
            return self._overlaps(alarm, self._episodes[alarm.rhythm])
        if alarm.rhythm in {Rhythm.PAUSE, Rhythm.ASYSTOLE}:
            return self._is_silent(alarm)
        if alarm.rhythm in _RATE_SIGN:
            return self._has_rate(alarm)
        return False

    def _overlaps(self, alarm: Alarm, spans: Sequence[Span]) -> bool:
        reach = self._config.reach_s * self._fs
        start, stop = alarm.onset - reach, max((alarm.decided_at, *alarm.beats)) + reach
        return any(a < stop and start < b for a, b in spans)

    def _is_silent(self, alarm: Alarm) -> bool:
        """Return whether the reference has no beat for as long as the alarm claims."""
        needed_s = _SILENCE_S[alarm.rhythm] - self._config.silence_tolerance_s
        after = np.searchsorted(
            self._beats, alarm.onset + self._config.silence_tolerance_s * self._fs
        )
        before = self._beats[after - 1] if after else 0
        ends = self._beats[after] if after < self._beats.size else alarm.decided_at
        return bool(ends - before >= needed_s * self._fs) and not self._overlaps(
            alarm, self._flutter
        )

    def _has_rate(self, alarm: Alarm) -> bool:
        """Return whether the reference has that rate about the alarm's beats."""
        limit, sign = _RATE_SIGN[alarm.rhythm]
        reach = self._config.reach_s * self._fs
        inside = self._beats[
            (self._beats >= alarm.onset - reach) & (self._beats <= alarm.decided_at + reach)
        ]
        if self._overlaps(alarm, self._flutter):
            return sign > 0
        if inside.size < 2:
            return sign < 0
        intervals = [float(b - a) for a, b in pairwise(inside)]
        rate = 60.0 * self._fs / fmean(intervals)
        return sign * (rate - limit) >= -self._config.rate_tolerance_bpm


_SILENCE_S = {Rhythm.PAUSE: 2.5, Rhythm.ASYSTOLE: 4.0}
_RATE_SIGN = {
    Rhythm.TACHYCARDIA: (115.0, 1),
    Rhythm.EXTREME_TACHYCARDIA: (140.0, 1),
    Rhythm.BRADYCARDIA: (50.0, -1),
    Rhythm.EXTREME_BRADYCARDIA: (40.0, -1),
}
"""Limit and direction of each rate alarm."""
