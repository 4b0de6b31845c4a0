"""One record, or one live feed, at its own pace."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Protocol

from replay.chunk import Chunk
from replay.record import Reference
from streamer.core.events import StreamInfo
from streamer.sources.source import Host, Piece, Turn


class Chunks(Protocol):
    """Samples, each when it is due; a player, a transport and a live feed are such."""

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield every chunk when it is due."""
        ...

    def due(self, sample: int) -> float | None:
        """Return the clock time at which a sample is due; None while nothing is scheduled."""
        ...


class PacedSource:
    """The one patient of a replay.

    Parameters
    ----------
    chunks : Chunks
    info : StreamInfo
    is_real_time : bool
        Whether latencies count from when a sample is due. At another speed they count from the
        push, and it goes no faster than the sinks can follow.
    reference : Reference, optional
        Annotations of the record.
    go_on : callable, optional
        Gets the sample to go on with where a snapshot was resumed.

    Attributes
    ----------
    info : StreamInfo
    is_paced : bool
        Whether it is played at real time.
    """

    def __init__(
        self,
        chunks: Chunks,
        info: StreamInfo,
        *,
        is_real_time: bool = True,
        reference: Reference | None = None,
        go_on: Callable[[int], None] | None = None,
    ) -> None:
        self.is_paced = is_real_time
        self._chunks: AsyncIterable[Chunk] = chunks
        self._due = chunks.due if is_real_time else lambda sample: None
        self.info = info
        self._reference = reference
        self._go_on = go_on or (lambda sample: None)

    def begin(self, host: Host) -> None:
        """Open the patient."""
        following = host.open(self.info, reference=self._reference)
        if following is not None:
            self._go_on(following)

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield each chunk."""
        async for chunk in self._chunks:
            piece = Piece(chunks=(chunk,), due_s=self._due(chunk.stop - 1))
            yield Turn(pieces={self.info.source: piece})
