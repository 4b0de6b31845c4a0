"""A ward whose patients have a beat at every tenth sample, and what a runner needs to play it."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from sample_events import labeled

from replay.chunk import Chunk
from streamer.core.events import Event, Gap, GapReason, StreamInfo
from streamer.sources.paced import PacedSource

INFO = StreamInfo(
    source="test",
    fs=100.0,
    leads=("MLII",),
    first_sample=0,
    n_samples=None,
    training_record=False,
    started_at=0.0,
)


class EchoChain:
    """Makes a beat of each gap: the plainest step that becomes an event."""

    def conclude(self, item: Any) -> list[Event]:
        return [labeled(item.start, item.decided_at)]

    def end(self) -> list[Event]:
        return []

    def source_sample(self, sample: int) -> int:
        return sample

    def at_source(self, event: Any) -> Any:
        return event


class EchoWard:
    def __init__(self) -> None:
        self.patients: dict[str, Any] = {}
        self.last: dict[str, int] = {}
        self.finished: list[str] = []

    def admit(self, source: str, *, fs: float = 360.0) -> Any:
        self.last[source] = -1
        self.patients[source] = SimpleNamespace(source=source, fs=fs, row=0, chain=EchoChain())
        return self.patients[source]

    def push_chunks(self, chunks: Mapping[str, Sequence[Chunk]]) -> list[Any]:
        steps = []
        for source, those in chunks.items():
            for chunk in those:
                self.last[source] = chunk.stop - 1
                steps += [(self.patients[source], step) for step in self.steps(chunk)]
        return steps

    def steps(self, chunk: Chunk) -> list[Gap]:
        beats = (n for n in range(chunk.start, chunk.stop) if n % 10 == 0)
        return [beat_at(n, chunk.stop - 1) for n in beats]

    def finish(self, source: str) -> list[Any]:
        self.finished.append(source)
        return [(self.patients[source], beat_at(self.last[source], self.last[source]))]

    def discharge(self, source: str) -> None:
        self.patients.pop(source)


def beat_at(sample: int, decided_at: int) -> Gap:
    return Gap(start=sample, stop=sample + 1, reason=GapReason.FLAT, decided_at=decided_at)


class Unscheduled:
    """Chunks that come when they come."""

    def __init__(self, chunks: AsyncIterable[Chunk]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        async for chunk in self._chunks:
            yield chunk

    def due(self, sample: int) -> None:
        return None


async def zeros(n: int, size: int = 7) -> AsyncIterator[Chunk]:
    for start in range(0, n, size):
        stop = min(start + size, n)
        yield Chunk(start=start, samples=np.zeros((1, stop - start), np.float32))


def played(chunks: AsyncIterable[Chunk], *, is_real_time: bool = True) -> PacedSource:
    return PacedSource(Unscheduled(chunks), INFO, is_real_time=is_real_time)
