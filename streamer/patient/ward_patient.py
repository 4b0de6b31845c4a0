"""What a ward knows of its patients, apart from what lies in the big arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from replay.chunk import Chunk
from streamer.beats.windower import WindowerConfig
from streamer.core.events import Event
from streamer.patient.beat_path import BeatPath
from streamer.patient.chain import ChainConfig
from streamer.signal.resample import Resampler
from streamer.signal.source_index import SourceIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class WardConfig:
    """Sizes and times of a ward."""

    width: int = 180
    """Most samples of one patient in one tick: half a second; longer chunks are cut."""
    poll_s: float = 0.25
    """How often the signal and the time-outs of a patient without beats are looked at."""
    chain: ChainConfig = field(
        default_factory=lambda: ChainConfig(windower=WindowerConfig(max_peak_delay_s=1.8))
    )
    """Of every patient. The detector reports no beat later than it learns anew (1.5 s) and a
    candidate takes before that, so no more is kept."""


@dataclass(slots=True, kw_only=True)
class Patient:
    """One source of the ward, apart from what lies in the big arrays."""

    source: str
    fs: float
    row: int
    path: BeatPath
    resampler: Resampler | None
    """None at the chain's rate."""
    at_source: SourceIndex | None
    next_sample: int | None = None
    """In the source's own index; None before the first sample, and at the chain's rate, where the
    detector's state has it."""

    def outward(self, event: Event) -> Event:
        """Put an event on the source's own index."""
        return event if self.at_source is None else self.at_source(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class WardEvent:
    """An event of one patient."""

    patient: Patient
    event: Event


def rounds(
    chunks: Mapping[str, Sequence[Chunk]], sizes: Mapping[str, int]
) -> Iterator[dict[str, Chunk]]:
    """Deal out chunks so that each source has one piece a round, of up to `sizes` samples."""
    pieces = {
        source: [piece for chunk in those for piece in _pieces(chunk, sizes[source])]
        for source, those in chunks.items()
    }
    for number in range(max(map(len, pieces.values()), default=0)):
        yield {source: those[number] for source, those in pieces.items() if len(those) > number}


def _pieces(chunk: Chunk, size: int) -> Iterator[Chunk]:
    for first in range(0, chunk.samples.shape[1], size):
        yield Chunk(start=chunk.start + first, samples=chunk.samples[:, first : first + size])
