"""Follow the rhythm beat by beat: rhythm changes and alarms."""

from collections import deque
from typing import Final

from classifier.labels import Label
from streamer.errors import StageClosedError
from streamer.events import CHAIN_FS, Alarm, Gap, GapReason, LabeledBeat, Rhythm, RhythmEvent, Tick
from streamer.rhythm_rules import (
    PERIODS,
    PRIORITIES,
    PastBeat,
    RhythmConfig,
    candidate,
    heart_rate,
    rate_rhythm,
)
from streamer.stage import Snapshot

__all__ = ["RhythmConfig", "RhythmTracker"]

_VERSION: Final = 1

Output = RhythmEvent | Alarm


class RhythmTracker:
    """Name the rhythm from confirmed labels, and raise alarms.

    Two layers: a *background* rhythm (unknown, sinus, bradycardia, tachycardia, irregular,
    bigeminy, trigeminy) that changes only after several beats agree, and an *episode* (V run,
    pause) that lies over it at once and gives it back when it ends. A `RhythmEvent` says that
    what is on top has changed. A V couplet is over as soon as it is known, so it is an alarm only.

    Parameters
    ----------
    config : RhythmConfig, optional
        Limits.

    Notes
    -----
    Labels count once confirmed (revision 1); that a beat is there at all counts at once (revision
    0), for pauses. The decision delay is that of the confirmed label, except for a pause: known
    `pause_s` + `pause_margin_s` after the last R peak, or with the beat that ends it. Silence
    while samples are lost is no pause; other gaps are known only at their end, so that a silence
    in them is announced first, and the gap then makes the rhythm unknown.
    """

    def __init__(self, config: RhythmConfig | None = None) -> None:
        self._config = RhythmConfig() if config is None else config
        self._pause_samples = round(self._config.pause_s * CHAIN_FS)
        self._pause_delay = self._pause_samples + round(self._config.pause_margin_s * CHAIN_FS)
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new object."""
        self._beats: deque[PastBeat] = deque(maxlen=self._config.history_beats)
        self._background = Rhythm.UNKNOWN
        self._episode: Rhythm | None = None
        self._rival = Rhythm.UNKNOWN
        self._rival_since: deque[int] = deque(maxlen=self._config.hold_beats)
        self._v_streak: list[int] = []
        self._rate_alarm: Rhythm | None = None
        self._last_peak: int | None = None
        self._pause_due: int | None = None
        self._now = -1
        self._closed = False

    def push(self, item: LabeledBeat | Gap | Tick) -> list[Output]:
        """Take a label, a gap or the time; return what became known, in order of `decided_at`.

        Raises
        ------
        StageClosedError
            After `flush`.
        """
        if self._closed:
            raise StageClosedError("the rhythm tracker was flushed; reset it before pushing again")
        if isinstance(item, Tick):
            self._now = item.sample
            return self._time_out(before=item.sample + 1)
        self._now = item.decided_at
        if isinstance(item, Gap):
            return self._push_gap(item)
        outputs = self._time_out(before=item.decided_at)
        if item.revision == 0:
            return outputs + self._see(item.beat.rpeak.sample, item.decided_at)
        return outputs + self._confirm(item)

    def flush(self) -> list[Output]:
        """End the stream: two V beats at the end are a couplet."""
        if self._closed:
            return []
        self._closed = True
        return self._end_v_streak(self._now)

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "beats": [[b.sample, b.label.value, b.rr_samples] for b in self._beats],
                "background": self._background.value,
                "episode": None if self._episode is None else self._episode.value,
                "rival": self._rival.value,
                "rival_since": list(self._rival_since),
                "v_streak": list(self._v_streak),
                "rate_alarm": None if self._rate_alarm is None else self._rate_alarm.value,
                "last_peak": self._last_peak,
                "pause_due": self._pause_due,
                "now": self._now,
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another stage or version.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        self.reset()
        self._beats.extend(PastBeat(n, Label(label), rr) for n, label, rr in state["beats"])
        self._background = Rhythm(state["background"])
        self._episode = None if state["episode"] is None else Rhythm(state["episode"])
        self._rival = Rhythm(state["rival"])
        self._rival_since.extend(state["rival_since"])
        self._v_streak = list(state["v_streak"])
        self._rate_alarm = None if state["rate_alarm"] is None else Rhythm(state["rate_alarm"])
        self._last_peak = state["last_peak"]
        self._pause_due = state["pause_due"]
        self._now = state["now"]
        self._closed = state["closed"]

    def _time_out(self, *, before: int) -> list[Output]:
        """Announce the pause that was due before that sample, if one was."""
        due, onset = self._pause_due, self._last_peak
        if due is None or onset is None or due >= before:
            return []
        self._pause_due = None
        return [
            *self._begin(Rhythm.PAUSE, onset, due, (onset,)),
            self._alarm(Rhythm.PAUSE, onset, due, (onset,)),
        ]

    def _see(self, sample: int, decided_at: int) -> list[Output]:
        """Take note of a beat's place; it ends a pause."""
        outputs: list[Output] = []
        if self._episode is Rhythm.PAUSE:
            outputs += self._end_episode(sample, decided_at)
        elif self._last_peak is not None and sample - self._last_peak >= self._pause_samples:
            evidence = (self._last_peak, sample)
            outputs.append(self._alarm(Rhythm.PAUSE, self._last_peak, decided_at, evidence))
        self._last_peak = sample
        self._pause_due = max(sample + self._pause_delay, decided_at)
        return outputs

    def _confirm(self, item: LabeledBeat) -> list[Output]:
        """Add a confirmed beat to the history and see what it changes."""
        sample = item.beat.rpeak.sample
        rr = sample - self._beats[-1].sample if self._beats else None
        if rr is not None and rr >= self._pause_samples:
            rr = None
        beat = PastBeat(sample, item.label or Label.Q, rr)
        outputs = self._follow_v(beat, item.decided_at)
        self._beats.append(beat)
        if self._episode is None:
            outputs += self._follow_background(sample, item.decided_at)
        return outputs + self._follow_rate(sample, item.decided_at)

    def _follow_v(self, beat: PastBeat, decided_at: int) -> list[Output]:
        """Count V beats in a row: couplets and runs."""
        outputs: list[Output] = []
        if beat.label is not Label.V or beat.rr_samples is None:
            outputs += self._end_v_streak(decided_at)
            if self._episode is Rhythm.V_RUN:
                outputs += self._end_episode(beat.sample, decided_at)
        if beat.label is Label.V:
            # One more than a run is kept, so that a run is announced only once.
            self._v_streak = [*self._v_streak, beat.sample][-self._config.v_run_beats - 1 :]
            if len(self._v_streak) == self._config.v_run_beats:
                evidence = tuple(self._v_streak)
                if self._episode is None:
                    outputs += self._begin(Rhythm.V_RUN, evidence[0], decided_at, evidence)
                outputs.append(self._alarm(Rhythm.V_RUN, evidence[0], decided_at, evidence))
        return outputs

    def _is_run(self) -> bool:
        return len(self._v_streak) >= self._config.v_run_beats

    def _end_v_streak(self, decided_at: int) -> list[Output]:
        streak, is_run = tuple(self._v_streak), self._is_run()
        self._v_streak = []
        if len(streak) < 2 or is_run:
            return []
        return [self._alarm(Rhythm.V_COUPLET, streak[0], decided_at, streak)]

    def _follow_background(self, sample: int, decided_at: int) -> list[Output]:
        """Change the background once enough beats in a row speak for the same other rhythm."""
        rhythm = candidate(self._beats, self._background, self._config)
        if rhythm is not self._rival or rhythm is self._background:
            self._rival = rhythm
            self._rival_since.clear()
        self._rival_since.append(sample)
        at_once = self._background is Rhythm.UNKNOWN or rhythm in PERIODS
        full = len(self._rival_since) == self._config.hold_beats
        if rhythm is self._background or not (at_once or full):
            return []
        evidence = self._evidence(rhythm)
        self._background = rhythm
        outputs: list[Output] = [self._event(rhythm, evidence[0], decided_at, evidence)]
        if rhythm in PERIODS or rhythm is Rhythm.IRREGULAR:
            outputs.append(self._alarm(rhythm, evidence[0], decided_at, evidence))
        return outputs

    def _evidence(self, rhythm: Rhythm) -> tuple[int, ...]:
        """Return the beats that make the new background rhythm."""
        if self._background is Rhythm.UNKNOWN:
            return tuple(beat.sample for beat in self._beats)
        if rhythm in PERIODS:
            length = PERIODS[rhythm] * self._config.cycles
            return tuple(beat.sample for beat in self._beats)[-length:]
        return tuple(self._rival_since)

    def _follow_rate(self, sample: int, decided_at: int) -> list[Output]:
        """Raise an alarm when the rate leaves its limits, once each time."""
        rate, config = heart_rate(self._beats, self._config), self._config
        if rate is None:
            return []
        limits = (config.bradycardia_alarm_bpm, config.tachycardia_alarm_bpm)
        rhythm = rate_rhythm(rate, limits, self._rate_alarm, config.alarm_hysteresis_bpm)
        before, self._rate_alarm = self._rate_alarm, rhythm
        if rhythm is Rhythm.SINUS or rhythm is before:
            return []
        evidence = tuple(beat.sample for beat in self._beats)[-config.rate_beats - 1 :]
        return [self._alarm(rhythm, sample, decided_at, evidence)]

    def _push_gap(self, gap: Gap) -> list[Output]:
        """Forget what was before the gap: after it nothing is known."""
        # No sample came in a stretch that was lost, so no silence was seen in it.
        before = gap.start if gap.reason is GapReason.LOST else gap.decided_at
        outputs = self._time_out(before=min(before, gap.decided_at))
        outputs += self._end_v_streak(gap.decided_at)
        known = self._background is not Rhythm.UNKNOWN or self._episode is not None
        now = self._now
        self.reset()
        self._now = now
        if known:
            outputs.append(self._event(Rhythm.UNKNOWN, gap.start, gap.decided_at, ()))
        return outputs

    def _begin(
        self, rhythm: Rhythm, onset: int, decided_at: int, evidence: tuple[int, ...]
    ) -> list[Output]:
        """Lay an episode over the background."""
        self._episode = rhythm
        self._rival_since.clear()
        return [self._event(rhythm, onset, decided_at, evidence)]

    def _end_episode(self, sample: int, decided_at: int) -> list[Output]:
        """Give back the background rhythm, from this beat on."""
        self._episode = None
        return [self._event(self._background, sample, decided_at, (sample,))]

    def _event(
        self, rhythm: Rhythm, onset: int, decided_at: int, beats: tuple[int, ...]
    ) -> RhythmEvent:
        rate = heart_rate(self._beats, self._config)
        return RhythmEvent(
            rhythm=rhythm, onset=onset, decided_at=decided_at, heart_rate_bpm=rate, beats=beats
        )

    @staticmethod
    def _alarm(rhythm: Rhythm, onset: int, decided_at: int, beats: tuple[int, ...]) -> Alarm:
        return Alarm(
            rhythm=rhythm,
            priority=PRIORITIES[rhythm],
            onset=onset,
            decided_at=decided_at,
            beats=beats,
        )
