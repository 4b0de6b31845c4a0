"""The whole signal path of one patient: samples in, labelled beats, rhythm and alarms out."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from classifier.runtime import BeatModel, load_model
from replay.chunk import Chunk
from streamer.bandpass import BandPass, BandPassConfig
from streamer.beat_classifier import BeatClassifier, BeatClassifierConfig
from streamer.detector import DetectorConfig, QRSDetector
from streamer.errors import SnapshotError, StageClosedError
from streamer.events import (
    CHAIN_FS,
    Alarm,
    Beat,
    Event,
    Gap,
    GapReason,
    LabeledBeat,
    RhythmEvent,
    RPeak,
    Tick,
)
from streamer.resample import Resampler, ResamplerConfig
from streamer.rhythm import RhythmConfig, RhythmTracker
from streamer.stage import Snapshot, Stage
from streamer.windower import BeatWindower, WindowerConfig

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Configuration of every stage, and how much is pushed through them at once."""

    block_samples: int = 1024
    """Longer pushes are cut into blocks of this length, so that memory stays bounded."""
    resampler: ResamplerConfig = field(default_factory=ResamplerConfig)
    bandpass: BandPassConfig = field(default_factory=BandPassConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    windower: WindowerConfig = field(default_factory=WindowerConfig)
    classifier: BeatClassifierConfig = field(default_factory=BeatClassifierConfig)
    rhythm: RhythmConfig = field(default_factory=RhythmConfig)


class Chain:
    """Resample, filter, detect, cut, classify and follow the rhythm of one source.

    Parameters
    ----------
    fs : float
        Sampling frequency of the source in Hz.
    n_leads : int
        Rows of every chunk, primary lead first.
    model : BeatModel, optional
        The beat classifier's network; the shipped one if None.
    config : ChainConfig, optional
        Configuration of the stages.

    Raises
    ------
    ValueError
        If `fs` or `n_leads` is out of range.

    Notes
    -----
    The chain keeps the contract of its stages. Samples of its events count at the source's own
    rate: a position is the source sample nearest in time, a `decided_at` the source sample whose
    arrival made the event known. Beat windows stay at the chain's rate. Events ascend in
    `decided_at`.
    """

    def __init__(
        self,
        *,
        fs: float,
        n_leads: int,
        model: BeatModel | None = None,
        config: ChainConfig | None = None,
    ) -> None:
        config = ChainConfig() if config is None else config
        model = load_model() if model is None else model
        self._block_samples = config.block_samples
        self._own_rate = fs == CHAIN_FS
        self._resampler = Resampler(fs=fs, n_leads=n_leads, config=config.resampler)
        self._bandpass = BandPass(n_leads=n_leads, config=config.bandpass)
        self._detector = QRSDetector(n_leads=n_leads, config=config.detector)
        self._windower = BeatWindower(n_leads=n_leads, config=config.windower)
        self._classifier = BeatClassifier(model, config.classifier)
        self._rhythm = RhythmTracker(config=config.rhythm)
        self._identity = f"{fs:g} Hz, {n_leads} leads"
        self._start_anew()

    @property
    def _stages(self) -> tuple[Stage[Any, Any], ...]:
        return (
            self._resampler,
            self._bandpass,
            self._detector,
            self._windower,
            self._classifier,
            self._rhythm,
        )

    def reset(self) -> None:
        """Return to the state of a new object."""
        for stage in self._stages:
            stage.reset()
        self._start_anew()

    def _start_anew(self) -> None:
        self._last_sample = 0
        self._lost: Gap | None = None
        self._closed = False

    def push(self, item: Chunk) -> list[Event]:
        """Take samples at the source's rate and return every event they made known.

        Raises
        ------
        StageClosedError
            After `flush`.
        OverlapError
            If the chunk starts before the end of the one before it.
        """
        if self._closed:
            raise StageClosedError("the chain was flushed; reset it before pushing again")
        events: list[Event] = []
        for block in self._blocks(item):
            for resampled in self._resampler.push(block):
                events += self._push_resampled(resampled)
        self._last_sample = item.stop - 1
        return events if self._own_rate else [self._at_source(event) for event in events]

    def flush(self) -> list[Event]:
        """End the stream: each stage's rest goes through the next before that one is flushed."""
        if self._closed:
            return []
        self._closed = True
        events: list[Event] = []
        for resampled in self._resampler.flush():
            events += self._push_resampled(resampled)
        events += self._cut_lost()
        for filtered in self._bandpass.flush():
            for found in self._detector.push(filtered):
                events += self._cut(found)
        for found in self._detector.flush():
            events += self._cut(found)
        for beat in self._windower.flush():
            events += self._classify(beat)
        for labeled in self._classifier.flush():
            events += self._follow(labeled)
        events += self._rhythm.flush()
        return events if self._own_rate else [self._at_end(event) for event in events]

    def snapshot(self) -> Snapshot:
        """Copy the state of every stage."""
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "identity": self._identity,
                "last_sample": self._last_sample,
                "lost": None if self._lost is None else [self._lost.start, self._lost.stop],
                "closed": self._closed,
                "stages": [stage.snapshot() for stage in self._stages],
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another version, sampling frequency or number of leads.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        if state["identity"] != self._identity:
            raise SnapshotError(
                f"snapshot is of a chain for {state['identity']}, expected {self._identity}; "
                "restore it into a chain like the one it was taken from"
            )
        for stage, inner in zip(self._stages, state["stages"], strict=True):
            stage.restore(inner)
        self._last_sample = state["last_sample"]
        self._lost = None if state["lost"] is None else _lost(*state["lost"])
        self._closed = state["closed"]

    def _blocks(self, chunk: Chunk) -> Iterator[Chunk]:
        size = self._block_samples
        if chunk.samples.shape[1] <= size:
            yield chunk
            return
        for first in range(0, chunk.samples.shape[1], size):
            # Rows that lie apart would make every kernel compile a second time.
            samples = np.ascontiguousarray(chunk.samples[:, first : first + size])
            yield Chunk(start=chunk.start + first, samples=samples)

    def _push_resampled(self, item: Chunk | Gap) -> list[Event]:
        """Push through everything after the resampler."""
        if isinstance(item, Gap):
            self._hold_lost(item)
            return []
        events: list[Event] = []
        self._windower.push(item)
        for filtered in self._bandpass.push(item):
            for found in self._detector.push(filtered):
                events += self._cut_found(found)
        events += self._cut_lost()
        events += self._tick(Tick(sample=item.stop - 1))
        return events

    def _hold_lost(self, gap: Gap) -> None:
        """Keep a loss until the detector has seen it and given what it held from before."""
        start = gap.start if self._lost is None else self._lost.start
        self._lost = _lost(start, gap.stop)

    def _cut_found(self, found: RPeak | Gap) -> list[Event]:
        if self._lost is None:
            return self._cut(found)
        if found.decided_at < self._lost.decided_at:
            return self._cut(dataclasses.replace(found, decided_at=self._lost.decided_at))
        return [*self._cut_lost(), *self._cut(found)]

    def _cut_lost(self) -> list[Event]:
        gap, self._lost = self._lost, None
        return [] if gap is None else self._cut(gap)

    def _tick(self, tick: Tick) -> list[Event]:
        """Let the time-outs of every stage fire, the first stage's first."""
        events = self._cut(tick)
        for labeled in self._classifier.push(tick):
            events += self._follow(labeled)
        events += self._rhythm.push(tick)
        return events

    def _cut(self, item: RPeak | Gap | Tick) -> list[Event]:
        events: list[Event] = []
        for beat in self._windower.push(item):
            events += self._classify(beat)
        return events

    def _classify(self, item: Beat | Gap) -> list[Event]:
        events: list[Event] = []
        for labeled in self._classifier.push(item):
            events += self._follow(labeled)
        return events

    def _follow(self, item: LabeledBeat | Gap) -> list[Event]:
        """Add what the rhythm makes of the event, keeping the order of `decided_at`."""
        # The tracker's time-outs that were due before this event come before it.
        events: list[Event] = [item, *self._rhythm.push(item)]
        events.sort(key=_decided_at)
        return events

    def _at_source(self, event: Event) -> Event:
        """Turn the chain's sample indices into the source's."""
        position, decided_at = self._resampler.to_source, self._resampler.arrival(event.decided_at)
        match event:
            case LabeledBeat():
                beat = self._beat_at_source(event.beat)
                return dataclasses.replace(event, beat=beat, decided_at=decided_at)
            case RhythmEvent() | Alarm():
                return dataclasses.replace(
                    event,
                    onset=position(event.onset),
                    decided_at=decided_at,
                    beats=tuple(position(sample) for sample in event.beats),
                )
            case Gap():
                start, stop = position(event.start), position(event.stop)
                return dataclasses.replace(event, start=start, stop=stop, decided_at=decided_at)

    def _beat_at_source(self, beat: Beat) -> Beat:
        position, arrival = self._resampler.to_source, self._resampler.arrival
        rpeak = dataclasses.replace(
            beat.rpeak,
            sample=position(beat.rpeak.sample),
            decided_at=arrival(beat.rpeak.decided_at),
        )
        return dataclasses.replace(
            beat,
            rpeak=rpeak,
            window_start=position(beat.window_start),
            decided_at=arrival(beat.decided_at),
        )

    def _at_end(self, event: Event) -> Event:
        """Like `_at_source`, for what the end of the stream made known before its time."""
        event = self._at_source(event)
        return dataclasses.replace(event, decided_at=min(event.decided_at, self._last_sample))


def _lost(start: int, stop: int) -> Gap:
    return Gap(start=start, stop=stop, reason=GapReason.LOST, decided_at=stop)


def _decided_at(event: Event) -> int:
    return event.decided_at
