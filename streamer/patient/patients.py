"""What a ward knows of its patients beside their rows, and how their samples are dealt out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from replay.chunk import Chunk
from streamer.beats.label_request import Step
from streamer.beats.windower import WindowerConfig
from streamer.core.events import CHAIN_FS, Event
from streamer.patient.chain import Chain, ChainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class WardConfig:
    """Sizes and times of a ward."""

    width: int = 180
    """Most samples of one patient in one turn: half a second; longer chunks are cut."""
    poll_s: float = 0.25
    """How often the signal and the time-outs of a patient without beats are looked at."""
    chain: ChainConfig = field(
        default_factory=lambda: ChainConfig(windower=WindowerConfig(max_peak_delay_s=1.8))
    )
    """Of every patient. The detector reports no beat later than it learns anew (1.5 s) and a
    candidate takes before that, so no more is kept."""

    def longest_chunk(self, fs: float) -> int:
        """Return how many samples of a source fit into `width` of the chain's."""
        return max(int((self.width - 1) * fs / CHAIN_FS), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """One source of a ward."""

    source: str
    fs: float
    row: int
    """Its row in the ward's arrays."""
    chain: Chain
    """Lives in that row."""


PatientStep = tuple[Patient, Step]
"""A step of one patient."""


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
        source: [piece for chunk in those for piece in chunk.blocks(sizes[source])]
        for source, those in chunks.items()
    }
    for number in range(max(map(len, pieces.values()), default=0)):
        yield {source: those[number] for source, those in pieces.items() if len(those) > number}
