"""What the monitor knows: samples and events in, numbers to show out; no clock, no terminal."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label
from replay.chunk import Chunk
from streamer.core.events import (
    Alarm,
    Gap,
    GapReason,
    LabeledBeat,
    Published,
    Rhythm,
    RhythmEvent,
    StreamInfo,
)
from streamer.monitor.burden import Burden
from streamer.monitor.gain import Gain
from streamer.monitor.shown_alerts import ShownAlert, in_sight, shown_alerts
from streamer.monitor.status import MqttStatus, Pace
from streamer.rhythm.alerting.patients import PatientAlerts
from streamer.scoring.account import Account
from streamer.signal.ring import SampleRing

TRACE_SECONDS: Final = 10.0
"""Signal kept for the trace; the widest sweep is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """How much is remembered and how numbers on the screen are formed."""

    quality_beats: int = 8
    """Beats whose median quality is shown."""
    notices: int = 16
    """Alarms and gaps remembered."""
    dead_s: float = 1.0
    """Time without any change that is shown as a lost signal."""
    dead_mv: float = 0.002
    """Less change than this is none: a step of 11 bits over 10 mV is 0.005 mV."""
    gain_every_s: float = 0.5
    """How often the vertical scale is looked at."""
    message_s: float = 6.0
    """How long a message to the person at the keys stays, in seconds of the wall clock."""


class MonitorState:
    """Everything a frame is drawn from.

    Parameters
    ----------
    info : StreamInfo
        The source.
    account : Account
        Of its beats; an event is in it before it is published here.
    alerts : PatientAlerts, optional
        Where alarms are acknowledged; shared with whoever else shows or publishes them.
    mqtt : MqttStatus, optional
        Counters to show.
    speed : float, optional
        Factor of real time that was asked for; None is as fast as possible.
    pace : Pace, optional
        How the source is played; None if nobody can change it.
    config : MonitorConfig, optional
        Sizes and times.

    Attributes
    ----------
    shows_help : bool
        Whether the keys are shown over the trace.
    message : str or None
        What the person at the keys should know right now.
    top_lead : int
        Row of the lead that is drawn on top.

    Notes
    -----
    Memory doesn't grow with the length of the stream, but for the reference annotations that
    are given.
    """

    def __init__(
        self,
        info: StreamInfo,
        account: Account,
        *,
        alerts: PatientAlerts | None = None,
        mqtt: MqttStatus | None = None,
        speed: float | None = 1.0,
        pace: Pace | None = None,
        config: MonitorConfig | None = None,
    ) -> None:
        self.pace = pace
        self.shows_help = False
        self.message: str | None = None
        self.top_lead = 0
        self.burden = Burden(info.fs)
        self.alerts = PatientAlerts() if alerts is None else alerts
        self._policy = self.alerts.open(info)
        self._seen: dict[str, int] = {}
        """Up to which sample a person has seen alarms that are shown for a moment."""
        self.info = info
        self.mqtt = mqtt
        self.speed = speed
        self.measured_speed: float | None = None
        self.config = config = config or MonitorConfig()
        self.now = info.first_sample
        self.ring = SampleRing(len(info.leads), round(TRACE_SECONDS * info.fs))
        self.gains = [Gain(fs=info.fs) for _ in info.leads]
        self.ledger, self.score = account.ledger, account.score
        self.rhythm: RhythmEvent | None = None
        self.alarms: deque[Alarm] = deque(maxlen=config.notices)
        self.gaps: deque[Gap] = deque(maxlen=config.notices)
        self.n_alarms = 0
        self._gain_every = max(round(config.gain_every_s * info.fs), 1)
        self._gain_due = info.first_sample + self._gain_every

    def observe(self, chunk: Chunk) -> None:
        """See the samples as they are played.

        Raises
        ------
        ValueError
            If the chunk has another number of leads than the source.
        OverlapError
            If it starts before the end of the chunk before it.
        """
        self.ring.append(chunk)
        if chunk.leads is not None and chunk.leads != self.info.leads:
            self.info = replace(self.info, leads=chunk.leads)
        self.now = chunk.stop
        if self.now >= self._gain_due:
            self._gain_due = self.now + self._gain_every
            recent = self._recent(self.config.gain_every_s * 12)
            for gain, lead in zip(self.gains, recent, strict=True):
                gain.update(self.now, lead)
            if self.score is not None:
                self.score.advance(self.now)

    def publish(self, message: Published) -> None:
        """Take one event of the chain."""
        event = message.event
        self.alerts.take(self.info, event)
        if isinstance(event, LabeledBeat):
            if event.revision > 0:
                sample = event.beat.rpeak.sample
                self.burden.add(sample, ventricular=event.label is Label.V)
        elif isinstance(event, RhythmEvent):
            self.rhythm = event
        elif isinstance(event, Alarm):
            if event.is_raised:
                self.alarms.append(event)
                self.n_alarms += 1
        else:
            self._take_gap(event)

    def _take_gap(self, gap: Gap) -> None:
        """Remember a gap, in place of what was known of it while it went on."""
        if self.gaps and self.gaps[-1].ongoing and self.gaps[-1].start == gap.start:
            self.gaps[-1] = gap
            return
        self.gaps.append(gap)

    def age_s(self, sample: int) -> float:
        """Seconds of signal since `sample`."""
        return max(self.now - sample, 0) / self.info.fs

    @property
    def progress(self) -> float | None:
        """Part of the replay that was played, 0 to 1; None for a live source."""
        if not self.info.n_samples:
            return None
        return min((self.now - self.info.first_sample) / self.info.n_samples, 1.0)

    @property
    def heart_rate_bpm(self) -> float | None:
        """From the median of the last RR intervals; None while unknown or after a silence."""
        return self.ledger.heart_rate_bpm(self.now)

    @property
    def quality(self) -> float | None:
        """Median quality index of the last beats, 0 to 1; None while unknown, 0 without signal."""
        if self.lost_signal is not None or self.silent_since_s is not None:
            return 0.0
        recent = [beat.quality for beat in self.ledger.last(self.config.quality_beats)]
        return statistics.median(recent) if recent else None

    @property
    def lost_signal(self) -> GapReason | None:
        """Why the primary lead shows nothing right now; None when it does."""
        window = self._recent(self.config.dead_s)[0]
        if window.size < 2:
            return None
        known = window[np.isfinite(window)]
        if known.size == 0:
            return GapReason.INVALID
        return GapReason.FLAT if float(np.ptp(known)) < self.config.dead_mv else None

    @property
    def shown_alerts(self) -> list[ShownAlert]:
        """What holds, what nobody has acknowledged, and what was raised a moment ago, in order."""
        return shown_alerts(self.info, self._policy, reversed(self.alarms), self.now, self._seen)

    @property
    def banner(self) -> list[ShownAlert]:
        """What the banner shows: the gravest, and what that must not hide."""
        return in_sight(self.shown_alerts)

    @property
    def silent_since_s(self) -> float | None:
        """When the last sample came, in seconds since the epoch, if the source is silent."""
        onset = self._policy.ongoing_onset(Rhythm.NO_SIGNAL)
        if onset is None:
            return None
        return self.info.wall_time_s(onset)

    def acknowledge(self, banner: Sequence[ShownAlert]) -> ShownAlert | None:
        """Acknowledge what a banner shows; return it, None if there is nothing to acknowledge."""
        for one in banner:
            if not one.is_acknowledged:
                self._seen[one.condition] = self.now
                self.alerts.acknowledge(self.info.source, one.condition)
                return one
        return None

    def next_lead(self) -> str:
        """Draw the next lead on top and return its name."""
        self.top_lead = (self.top_lead + 1) % len(self.info.leads)
        return self.info.leads[self.top_lead]

    @property
    def lead_order(self) -> tuple[int, ...]:
        """Rows of the leads as they are drawn, the top one first."""
        n = len(self.info.leads)
        return tuple((self.top_lead + k) % n for k in range(n))

    def _recent(self, seconds: float) -> NDArray[np.float32]:
        start = max(self.now - round(seconds * self.info.fs), self.info.first_sample)
        return self.ring.read(start, self.now)
