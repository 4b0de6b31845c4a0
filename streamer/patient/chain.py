"""The whole signal path of one patient: samples in, labelled beats, rhythm and alarms out."""

from dataclasses import dataclass, field
from typing import Any, Final

from classifier.network.runtime import BeatModel, load_model
from replay.chunk import Chunk
from streamer.beats.label_request import LabelRequest, Step, label_beats
from streamer.beats.label_requester import LabelingConfig
from streamer.beats.windower import WindowerConfig
from streamer.core.errors import SnapshotError, StageClosedError
from streamer.core.events import CHAIN_FS, Event, Gap, LabeledBeat, Tick
from streamer.core.stage import Snapshot
from streamer.patient.beat_path import BeatPath
from streamer.patient.memory import ChainMemory
from streamer.rhythm.tracker import RhythmConfig
from streamer.signal.bandpass import BandPass, BandPassConfig
from streamer.signal.detector.qrs_detector import DetectorConfig, QRSDetector
from streamer.signal.position import get_position
from streamer.signal.resample import Resampler, ResamplerConfig
from streamer.signal.source_index import SourceIndex

_VERSION: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Configuration of every stage, and how much is pushed through them at once."""

    block_samples: int = 1024
    """Longer pushes are cut into blocks of this length, so that memory stays bounded."""
    resampler: ResamplerConfig = field(default_factory=ResamplerConfig)
    bandpass: BandPassConfig = field(default_factory=BandPassConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    windower: WindowerConfig = field(default_factory=WindowerConfig)
    labeling: LabelingConfig = field(default_factory=LabelingConfig)
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
    memory : ChainMemory, optional
        Arrays to live in, such as a row of a ward's; arrays of its own if None.

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

    `push` and `flush` work out labels at once. To have another thread do it, use `advance`,
    `finish`, `conclude` and `end`, of which `push` and `flush` are made.
    """

    def __init__(
        self,
        *,
        fs: float,
        n_leads: int,
        model: BeatModel | None = None,
        config: ChainConfig | None = None,
        memory: ChainMemory | None = None,
    ) -> None:
        config = ChainConfig() if config is None else config
        self.model = load_model() if model is None else model
        self._block_samples = config.block_samples
        self._own_rate = fs == CHAIN_FS
        self._resampler = Resampler(fs=fs, n_leads=n_leads, config=config.resampler)
        self._bandpass = BandPass(n_leads=n_leads, config=config.bandpass)
        self._detector = QRSDetector(n_leads=n_leads, config=config.detector)
        self.path = BeatPath(
            n_leads=n_leads,
            spec=self.model.spec,
            windower=config.windower,
            labeling=config.labeling,
            rhythm=config.rhythm,
        )
        self._at_source = SourceIndex(self._resampler)
        self._identity = f"{fs:g} Hz, {n_leads} leads"
        self._n_leads = n_leads
        self._closed = False
        if memory is not None:
            self.move_to(memory)
            self.reset()

    @property
    def _stages(self) -> tuple[Any, ...]:
        return (self._resampler, self._bandpass, self._detector, self.path)

    @property
    def next_sample(self) -> int | None:
        """The source's sample that comes next; None before the first."""
        return get_position(self._resampler.position)

    def changes_leads(self, item: Chunk) -> bool:
        """Return whether a chunk is of other leads than the one before it."""
        return self._resampler.changes_leads(item)

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended."""
        return self._closed

    def move_to(self, memory: ChainMemory) -> None:
        """Go on in other arrays, which hold the same."""
        if self._own_rate:  # Else the source's samples are counted apart from the chain's.
            self._resampler.position = memory.source
        self._bandpass.memory = memory.bandpass
        self._detector.memory = memory.detector
        self.path.move_to(memory)

    def reset(self) -> None:
        """Return to the state of a new object."""
        for stage in self._stages:
            stage.reset()
        self._closed = False

    def push(self, item: Chunk) -> list[Event]:
        """Take samples at the source's rate and return every event they made known.

        Raises
        ------
        StageClosedError
            After `flush`.
        OverlapError
            If the chunk starts before the end of the one before it.
        ValueError
            If its samples aren't of shape (leads, n).
        """
        return self._label_now(self.advance(item))

    def flush(self) -> list[Event]:
        """End the stream: each stage's rest goes through the next before that one is flushed."""
        if self._closed:
            return []
        return [*self._label_now(self.finish()), *self.end()]

    def advance(self, item: Chunk) -> list[Step]:
        """Take samples; return the label requests they raise, with the gaps and ticks between.

        Raises
        ------
        StageClosedError, OverlapError, ValueError
            As `push` does.
        """
        self._check(item)
        steps: list[Step] = []
        # In one piece of memory: rows that lie apart would make every kernel compile a second time.
        for block in item.blocks(self._block_samples):
            for resampled in self._resampler.push(block):
                steps += self._push_resampled(resampled)
        return steps

    def resample(self, item: Chunk) -> list[Chunk]:
        """Bring samples that follow the last ones to the chain's rate, and nothing else.

        For a ward, whose kernel advances the chain's memory then. Raises as `push` does.
        """
        self._check(item)
        return [found for found in self._resampler.push(item) if isinstance(found, Chunk)]

    def finish(self) -> list[Step]:
        """End the stream, all but the rhythm; return the last label requests."""
        self._closed = True
        steps: list[Step] = []
        for resampled in self._resampler.flush():
            steps += self._push_resampled(resampled)
        steps += self.path.apply_loss()
        for filtered in self._bandpass.flush():
            for found in self._detector.push(filtered):
                steps += self.path.add_detection(found)
        for found in self._detector.flush():
            steps += self.path.add_detection(found)
        return [*steps, *self.path.finish()]

    def conclude(self, item: LabeledBeat | Gap | Tick) -> list[Event]:
        """Take a label, gap or tick, in the order of the steps; return what it made known."""
        return self._outward(self.path.conclude(item))

    def end(self) -> list[Event]:
        """Return the rhythm's last events, once everything was concluded."""
        return self._outward(self.path.end())

    def at_source(self, event: LabeledBeat) -> LabeledBeat:
        """Put one beat on the source's index, without concluding anything from it."""
        return event if self._own_rate else self._at_source.labeled_beat(event)

    def source_sample(self, sample: int) -> int:
        """Return the source's sample nearest to one of the chain's."""
        return sample if self._own_rate else self._resampler.to_source(sample)

    def snapshot(self) -> Snapshot:
        """Copy the state of every stage."""
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "identity": self._identity,
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
        self._closed = state["closed"]

    def _label_now(self, steps: list[Step]) -> list[Event]:
        """Work out each label at once, and conclude every step."""
        events: list[Event] = []
        for step in steps:
            found = label_beats(self.model, [step])[0] if isinstance(step, LabelRequest) else step
            events += self.conclude(found)
        return events

    def _outward(self, events: list[Event]) -> list[Event]:
        if self._own_rate:
            return events
        # What the end of the stream made known was known before its time.
        last_sample = (self.next_sample or 1) - 1 if self._closed else None
        return [self._at_source(event, last_sample=last_sample) for event in events]

    def _check(self, chunk: Chunk) -> None:
        if self._closed:
            raise StageClosedError("the chain was flushed; reset it before pushing again")
        shape, leads = chunk.samples.shape, self._n_leads
        if len(shape) == 2 and shape[0] == leads:
            return
        advice = "give each lead a row"
        if len(shape) == 1 and leads == 1:
            advice = "pass samples[None]"
        elif shape[1:] == (leads,):
            advice = "pass samples.T"
        raise ValueError(f"got samples of shape {shape}, expected ({leads}, n); {advice}")

    def _push_resampled(self, item: Chunk | Gap) -> list[Step]:
        """Push through everything after the resampler."""
        if isinstance(item, Gap):
            self.path.note_loss(item)
            return []
        steps: list[Step] = []
        self.path.store(item)
        for filtered in self._bandpass.push(item):
            self.path.add_signal(filtered)
            for found in self._detector.push(filtered):
                steps += self.path.add_detection(found)
        return [*steps, *self.path.apply_loss(), *self.path.tick(item.stop - 1)]
