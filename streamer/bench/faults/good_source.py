"""One live source of a flood: what it sent, and what the ward made of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import load_model
from replay.chunk import Chunk
from streamer.core.events import CHAIN_FS, LabeledBeat
from streamer.messages.payload import TOPIC_PREFIX
from streamer.messages.samples import SampleMessage, encode
from streamer.patient.chain import Chain

BLOCK: Final = 36
"""Samples of a message: a tenth of a second."""
LEADS: Final = 2

BeatKey = tuple[int, int]
"""R peak and revision of a beat."""


@dataclass(slots=True)
class Source:
    """One good source: what it sent and what came back."""

    name: str
    signal: NDArray[np.float32]
    """Shape (leads, n), mV."""
    sent_s: list[float] = field(default_factory=list)
    """When each block was sent."""
    seqs: list[int] = field(default_factory=list)
    beats: Counter[BeatKey] = field(default_factory=Counter)
    came_s: list[tuple[int, float]] = field(default_factory=list)
    """Of first labels: the block that decided them, and when they came."""

    def expected(self) -> Counter[BeatKey]:
        """Return the beats that its samples have."""
        chain = Chain(fs=CHAIN_FS, n_leads=LEADS, model=load_model())
        sent = np.ascontiguousarray(self.signal[:, : len(self.sent_s) * BLOCK])
        events = [*chain.push(Chunk(start=0, samples=sent)), *chain.flush()]
        beats = (event for event in events if isinstance(event, LabeledBeat))
        return Counter((beat.beat.rpeak.sample, beat.revision) for beat in beats)

    def delays_ms(self, begin_s: float, end_s: float) -> list[float]:
        """Return the delays of the first labels that were decided between two times."""
        return [
            (came_s - self.sent_s[block]) * 1e3
            for block, came_s in self.came_s
            if begin_s <= self.sent_s[block] < end_s
        ]

    def block(self, number: int) -> bytes:
        """Return one block as the message that it is sent in."""
        samples = self.signal[:, number * BLOCK : (number + 1) * BLOCK]
        return encode(
            SampleMessage(
                seq=number,
                first_sample=number * BLOCK,
                fs=CHAIN_FS,
                samples=np.ascontiguousarray(samples),
            )
        )

    def topic(self, kind: str) -> str:
        """Topic of one kind of its messages."""
        return f"{TOPIC_PREFIX}/{self.name}/{kind}"
