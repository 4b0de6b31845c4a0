"""What changed with a patient lately: rhythm, alarms, heart rate."""

from collections import deque
from collections.abc import Container
from typing import Final

from streamer.core.clock_format import clock
from streamer.core.events import Alarm, Event, Rhythm, RhythmEvent
from streamer.monitor.shown_alerts import short_name

_LATELY_S: Final = 600.0
_MEASURE_S: Final = 60.0
_CHANGE_BPM: Final = 15.0
"""Well above the 10 % or 5 a minute by which IEC 60601-2-27 lets a heart rate be off."""
_SINUS: Final = {Rhythm.SINUS_BRADYCARDIA: Rhythm.SINUS, Rhythm.SINUS_TACHYCARDIA: Rhythm.SINUS}
"""They differ by their rate only, which is said apart."""


_NAMES: Final = {Rhythm.SINUS: "sinus"}


def plain(rhythm: Rhythm) -> Rhythm:
    """Return a rhythm without what its rate says already."""
    return _SINUS.get(rhythm, rhythm)


class Course:
    """The last ten minutes of one patient.

    Parameters
    ----------
    fs : float
        At which the patient's samples count.
    """

    def __init__(self, fs: float) -> None:
        self._lately = round(_LATELY_S * fs)
        self._measure_every = round(_MEASURE_S * fs)
        self._rates: deque[tuple[int, float]] = deque(maxlen=round(_LATELY_S / _MEASURE_S))
        self._due: int | None = None
        self._rhythm = self._before = Rhythm.UNKNOWN
        self._changed_at = 0
        self._alarm: Alarm | None = None

    def take(self, event: Event) -> None:
        """Note what an event changes."""
        if isinstance(event, RhythmEvent):
            rhythm = plain(event.rhythm)
            if Rhythm.UNKNOWN not in (self._rhythm, rhythm) and rhythm != self._rhythm:
                self._before, self._changed_at = self._rhythm, event.onset
            self._rhythm = self._rhythm if rhythm is Rhythm.UNKNOWN else rhythm
        elif isinstance(event, Alarm) and event.is_raised:
            self._alarm = event

    def measure(self, now: int, rate_bpm: float | None) -> None:
        """Look at the heart rate; it is remembered once a minute, not of the first."""
        self._due = now + self._measure_every if self._due is None else self._due
        if rate_bpm is not None and now >= self._due:
            self._rates.append((now, rate_bpm))
            self._due = now + self._measure_every

    def words(self, now: int, rate_bpm: float | None, told: Container[str] = ()) -> tuple[str, ...]:
        """Say what changed, the most telling first; empty where nothing did.

        Parameters
        ----------
        now : int
            The newest sample.
        rate_bpm : float, optional
            The heart rate now.
        told : container of str
            Alarms that are said already.
        """
        since = now - self._lately
        found = []
        alarm, fs = self._alarm, self._lately / _LATELY_S
        if alarm is not None and alarm.onset >= since and alarm.rhythm not in told:
            found.append(f"{short_name(alarm.rhythm)} {clock((now - alarm.onset) / fs)} ago")
        was_alarm = alarm is not None and alarm.rhythm == self._before
        if self._before is not Rhythm.UNKNOWN and self._changed_at >= since and not was_alarm:
            found.append(f"was {_NAMES.get(self._before) or short_name(self._before)}")
        rates = [(at, rate) for at, rate in self._rates if at >= since]
        if rates and rate_bpm is not None and abs(rate_bpm - rates[0][1]) >= _CHANGE_BPM:
            minutes = max(round((now - rates[0][0]) / fs / 60.0), 1)
            found.append(f"{rates[0][1]:.0f}→{rate_bpm:.0f} /min in {minutes} min")
        return tuple(found)
