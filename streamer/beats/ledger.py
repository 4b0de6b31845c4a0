"""Keeps account of labelled beats: each counts once, under its latest label."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Final

from classifier.labels import Label
from streamer.core.events import OVERLOAD, LabeledBeat
from streamer.core.heart_rate import HeartRateConfig, heart_rate_bpm
from streamer.core.histogram import QuantileHistogram

_MS: Final = 1000.0


@dataclass(slots=True, kw_only=True)
class BeatMark:
    """What is remembered of one beat; its label changes when it is confirmed."""

    sample: int
    label: Label | None
    confirmed: bool
    rr_ms: float | None
    """Interval from the beat before; None after a gap and for the first beat."""
    quality: float
    labelled: bool = False
    """Whether a label has been published, however late."""
    late: bool = False
    """Whether the first label missed the latency budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """How much is remembered, and how the heart rate is formed."""

    beats: int = 256
    """Beats remembered; a confirmed label comes one or two beats after the provisional one."""
    rate: HeartRateConfig = field(default_factory=HeartRateConfig)
    rate_timeout_s: float = 4.0
    """Silence after which there is no heart rate: below 15 bpm a rate is no help."""
    start_s: float = 1.5
    """The detector listens for so long before it finds a beat (`DetectorConfig.learn_s`), so that
    those of the start are late without anybody's fault."""
    parts: bool = True
    """Whether the parts of the latency are counted apart: decision delay and time to compute."""


class BeatLedger:
    """Counts beats by class, and how long their first labels took.

    Parameters
    ----------
    fs : float
        Sampling frequency, in Hz, at which the events' samples count.
    budget_ms : float
        Latency budget of a first label, from the R peak, in ms.
    config : LedgerConfig, optional
        Sizes and times.
    first_sample : int, optional
        Where the stream begins; its start isn't told apart if None.

    Attributes
    ----------
    beats : deque of BeatMark
        The last beats, oldest first.
    counts : dict
        Beats by class; None counts those that have no label yet.
    decision_delay, compute, latency : QuantileHistogram
        Of every beat's first label, in ms: signal time from the R peak to the decision, time to
        compute it, and the sum of both. The first two stay empty without `LedgerConfig.parts`.
    n_late : int
        Beats whose first label missed the budget, those of the start left out.
    n_late_at_start : int
        Those.
    n_overload : int
        Beats whose confirmed label there was no time to work out.

    Raises
    ------
    ValueError
        If the budget isn't positive.
    """

    def __init__(
        self,
        *,
        fs: float,
        budget_ms: float = 500.0,
        config: LedgerConfig | None = None,
        first_sample: int | None = None,
    ) -> None:
        if budget_ms <= 0.0:
            raise ValueError(f"got a latency budget of {budget_ms} ms, expected more than 0")
        self.fs = fs
        self.budget_ms = budget_ms
        self.config = config or LedgerConfig()
        self.beats: deque[BeatMark] = deque(maxlen=self.config.beats)
        self.counts: dict[Label | None, int] = dict.fromkeys((*Label, None), 0)
        self.decision_delay = QuantileHistogram()
        self.compute = QuantileHistogram()
        self.latency = QuantileHistogram()
        self.n_late = self.n_late_at_start = 0
        self._started_at = -math.inf
        if first_sample is not None:
            self._started_at = first_sample + self.config.start_s * fs
        self.n_overload = 0

    @property
    def n_beats(self) -> int:
        """Beats seen, labelled or not."""
        return sum(self.counts.values())

    def is_at_start(self, sample: int) -> bool:
        """Whether a beat is one of the stream's start."""
        return sample < self._started_at

    def add(self, event: LabeledBeat, compute_ms: float) -> bool:
        """Account for a provisional or confirmed beat; True if it wasn't known before.

        A label for a beat that is no longer remembered changes nothing.
        """
        mark = self._find(event.beat.rpeak.sample)
        is_new = mark is None
        if mark is None:
            mark = self._remember(event)
            if mark is None:
                return False
        else:
            self._relabel(mark, event)
        if event.late:
            self._mark_late(mark)
        self.n_overload += event.reason == OVERLOAD
        # What was never worked out came with no delay that could be measured.
        if event.label is not None and not mark.labelled and event.reason != OVERLOAD:
            mark.labelled = True
            self._count_latency(mark, event, compute_ms)
        return is_new

    def rr_ms(self, n: int) -> list[float]:
        """Return up to `n` RR intervals in ms, newest first, back to the last interruption."""
        newest = islice((beat.rr_ms for beat in reversed(self.beats)), n)
        return [rr for rr in takewhile(lambda rr: rr is not None, newest) if rr is not None]

    def heart_rate_bpm(self, now: int) -> float | None:
        """Return the rate at sample `now`; None while unknown, and after a silence."""
        if not self.beats:
            return None
        if now - self.beats[-1].sample > self.config.rate_timeout_s * self.fs:
            return None
        rate = self.config.rate
        return heart_rate_bpm(self.rr_ms(rate.most)[::-1], _MS, rate)

    def last(self, n: int) -> list[BeatMark]:
        """Return up to `n` beats, oldest first."""
        return list(islice(reversed(self.beats), n))[::-1]

    def since(self, sample: int) -> Iterator[BeatMark]:
        """Yield the remembered beats at or after `sample`, newest first."""
        return takewhile(lambda beat: beat.sample >= sample, reversed(self.beats))

    def _find(self, sample: int) -> BeatMark | None:
        for beat in reversed(self.beats):
            if beat.sample <= sample:
                return beat if beat.sample == sample else None
        return None

    def _remember(self, event: LabeledBeat) -> BeatMark | None:
        """Remember a new beat; None if it is older than the newest, so one forgotten long ago."""
        beat = event.beat
        if self.beats and beat.rpeak.sample < self.beats[-1].sample:
            return None
        mark = BeatMark(
            sample=beat.rpeak.sample,
            label=event.label,
            confirmed=event.revision > 0,
            rr_ms=float(beat.rr_s[-1]) * _MS if beat.rr_s.size else None,
            quality=beat.rpeak.quality,
        )
        self.beats.append(mark)
        self.counts[mark.label] += 1
        return mark

    def _relabel(self, mark: BeatMark, event: LabeledBeat) -> None:
        if mark.confirmed and event.revision == 0:
            return
        self.counts[mark.label] -= 1
        self.counts[event.label] += 1
        mark.label = event.label
        mark.confirmed = event.revision > 0

    def _count_latency(self, mark: BeatMark, event: LabeledBeat, compute_ms: float) -> None:
        delay_ms = (event.decided_at - mark.sample) / self.fs * _MS
        if self.config.parts:
            self.decision_delay.add(delay_ms)
            self.compute.add(compute_ms)
        self.latency.add(delay_ms + compute_ms)
        if delay_ms + compute_ms > self.budget_ms:
            self._mark_late(mark)

    def _mark_late(self, mark: BeatMark) -> None:
        if not mark.late:
            is_at_start = self.is_at_start(mark.sample)
            self.n_late += not is_at_start
            self.n_late_at_start += is_at_start
        mark.late = True
