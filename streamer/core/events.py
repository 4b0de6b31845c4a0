"""Everything the chain emits: frozen, keyword-only, with the unit of each field.

Inside the chain, sample indices count at the chain's own rate (`CHAIN_FS`);
`streamer.patient.chain.Chain` turns them into the source's own sample index before an event leaves
it.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.labels import Label

CHAIN_FS: Final = 360.0
"""Sampling frequency, in Hz, at which every stage after the resampler works."""

OVERLOAD: Final = "overload"
"""`LabeledBeat.reason` of what the network had no time for."""


class GapReason(StrEnum):
    """Why samples are lost or unusable."""

    LOST = "lost"
    """The source jumped: samples never came."""
    INVALID = "invalid"
    """The source marked them invalid (NaN)."""
    FLAT = "flat"
    """No signal: lead off, or the amplifier is grounded."""
    SATURATED = "saturated"
    """The amplifier stands at its rail."""
    LEADS = "leads changed"
    """Other leads are used from here on; a few milliseconds, so that everything begins anew."""

    @property
    def begins_anew(self) -> bool:
        """Whether what follows is another signal, or of another time, than what came before."""
        return self in (GapReason.LOST, GapReason.LEADS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch without a usable signal: told once when it becomes known, once when it ends."""

    start: int
    """First unusable sample."""
    stop: int
    """One past the last unusable sample (so far, while `ongoing`)."""
    reason: GapReason
    decided_at: int
    """Sample at which this became known."""
    ongoing: bool = False
    """Whether it goes on: a gap of the same `start` that is not ongoing follows at its end."""
    leads: tuple[str, ...] = ()
    """Names of the leads that are used from `stop` on, where the reason is that they changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The chain's time: every sample up to and including `sample` has arrived.

    Stages with a time-out take it as an input. A stage that is about to handle an input known at
    sample d first lets every time-out due before d fire, each with the `decided_at` at which it
    was due; so the events are the same however the stream is cut.
    """

    sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RPeak:
    """One QRS complex, located at its R peak (or dominant deflection)."""

    sample: int
    """Where the peak is."""
    amplitude_mv: float
    """Deflection from the local baseline at the peak, in mV, signed."""
    decided_at: int
    """Sample whose arrival made the peak known; never less than `sample`."""
    search_back: bool
    """Whether it was found by looking back over a long silence."""
    quality: float
    """Signal-quality index around the peak, 0 (noise) to 1 (clean)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beat:
    """An R peak with what the classifier may see of it."""

    rpeak: RPeak
    window_start: int
    """Sample index of the window's first column."""
    window: NDArray[np.float32]
    """mV at the chain's rate, shape (leads, n); missing samples (start, gap) are NaN."""
    rr_s: NDArray[np.float32]
    """Last RR intervals in s, newest (the one that ends at this beat) last; empty after a gap."""
    decided_at: int
    """Sample that completed both the window and the detector's decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledBeat:
    """A beat with its class: provisional (revision 0) at once, confirmed (revision 1) later."""

    beat: Beat
    label: Label | None
    """None only when `late`: published unlabelled because the budget ran out."""
    probabilities: tuple[float, ...]
    """In the order of `classifier.labels.MODEL_LABELS`; empty when `label` is None."""
    revision: int
    """0 provisional, 1 confirmed."""
    decided_at: int
    """Sample at which this label became known."""
    late: bool = False
    """Whether the latency budget was missed."""
    reason: str | None = None
    """Why the label is Q, else None; `OVERLOAD` also where a confirmed label only repeats the
    provisional one because there was no time to work it out."""
    fibrillation_log_odds: float = 0.0
    """Natural logarithm of the odds for atrial fibrillation at this beat, by the rhythm model; 0
    without one."""


class Priority(IntEnum):
    """Alarm priority in the sense of IEC 60601-1-8."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Rhythm(StrEnum):
    """Rhythm of a stretch of beats; `streamer.rhythm.table` defines each."""

    UNKNOWN = "unknown"
    SINUS = "sinus rhythm"
    SINUS_BRADYCARDIA = "sinus bradycardia"
    SINUS_TACHYCARDIA = "sinus tachycardia"
    ATRIAL_FIBRILLATION = "atrial fibrillation"
    BIGEMINY = "ventricular bigeminy"
    TRIGEMINY = "ventricular trigeminy"
    BRADYCARDIA = "bradycardia"
    """A low rate, whatever the rhythm: an alarm only."""
    TACHYCARDIA = "tachycardia"
    """A high rate, whatever the rhythm: an alarm only."""
    EXTREME_BRADYCARDIA = "extreme bradycardia"
    EXTREME_TACHYCARDIA = "extreme tachycardia"
    V_COUPLET = "ventricular couplet"
    S_COUPLET = "supraventricular couplet"
    VENTRICULAR_TACHYCARDIA = "ventricular tachycardia"
    IDIOVENTRICULAR = "idioventricular rhythm"
    SUPRAVENTRICULAR_TACHYCARDIA = "supraventricular tachycardia"
    S_RUN = "supraventricular run"
    PAUSE = "pause"
    ASYSTOLE = "asystole"
    VENTRICULAR_FIBRILLATION = "ventricular fibrillation"
    """Flutter too: the signal alone doesn't tell them apart."""
    LEAD_OFF = "lead off"
    UNUSABLE = "ECG cannot be analysed"
    """The signal moves as beats do, but they are not found, or not clear: a technical alarm."""
    NO_SIGNAL = "no signal from source"
    """The source has sent nothing for a while: a technical alarm only."""


class EctopyCondition(StrEnum):
    """What an alert may say of ventricular beats beside the rhythms."""

    V_RUN_WARNING = "ventricular run, provisional"
    V_RATE = "frequent ventricular ectopic beats"
    V_FIRST = "first ventricular ectopic beat"


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmEvent:
    """The rhythm changed."""

    rhythm: Rhythm
    onset: int
    """First sample of the rhythm (an R peak, or the start of a silence)."""
    decided_at: int
    heart_rate_bpm: float | None
    """Trimmed mean of the last seconds (`streamer.core.heart_rate`); None while unknown, as where
    an episode has just ended."""
    beats: tuple[int, ...]
    """R-peak samples that are the evidence."""


class AlarmState(StrEnum):
    """What an `Alarm` says of its condition."""

    ONGOING = "ongoing"
    """It has begun and goes on: an alarm of the same rhythm and onset that is over follows."""
    MOMENT = "moment"
    """It was over as soon as it was known: nothing follows."""
    OVER = "over"
    """What was told as going on has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person should look at has begun, or is over."""

    rhythm: Rhythm
    priority: Priority
    onset: int
    decided_at: int
    beats: tuple[int, ...]
    """R-peak samples that are the evidence; none of an end."""
    state: AlarmState = AlarmState.MOMENT

    @property
    def is_raised(self) -> bool:
        """Whether it says that something has begun."""
        return self.state is not AlarmState.OVER


Event = LabeledBeat | RhythmEvent | Alarm | Gap
"""What leaves the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What sinks need to know of a source before its first event."""

    source: str
    """Name in topics and payloads; letters, digits, '.', '_' and '-' only."""
    fs: float
    """Sampling frequency of the source, Hz; event samples count at it."""
    leads: tuple[str, ...]
    """Lead names, primary first."""
    first_sample: int
    """Sample index of the first sample that will be played."""
    n_samples: int | None
    """How many samples will be played; None when live."""
    training_record: bool
    """Whether the shipped model was trained on this record."""
    started_at: float
    """Wall time (seconds since the epoch, UTC) that corresponds to `first_sample` at 1x speed."""
    n_offered: int = 0
    """How many leads the source has, if these are chosen from them."""

    @property
    def lead_names(self) -> str:
        """The leads in words: "MLII V1", or "II V1 of 12 leads"."""
        names = " ".join(self.leads)
        return f"{names} of {self.n_offered} leads" if self.n_offered > len(self.leads) else names

    def wall_time_s(self, sample: int) -> float:
        """Return the wall time of a sample at 1x speed, seconds since the epoch."""
        return self.started_at + (sample - self.first_sample) / self.fs


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An event on its way to the sinks."""

    seq: int
    """Counts every event of a source without holes: from 0, or on from an earlier run."""
    event: Event
    """With samples in the source's own index."""
    compute_ms: float
    """From the push of the samples that caused it until it left the chain."""
