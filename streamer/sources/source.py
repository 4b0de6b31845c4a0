"""What the runner asks of a source of samples."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from replay.record import Reference
from streamer.core.events import StreamInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Samples of one patient that are due."""

    chunks: Sequence[Chunk]
    due_s: float | None
    """When the last of them was due, on the event loop's clock; None without a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """As many samples of each of some patients, all at the chain's rate."""

    sources: Sequence[str]
    samples: NDArray[np.float32]
    """Shape (patients of the ward, leads, n), in mV; only those of `sources` are looked at."""
    counts: NDArray[np.int64]
    """Shape (patients of the ward,): n for those of `sources`, else 0."""
    n: int
    due_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is due at one moment."""

    pieces: Mapping[str, Piece] = field(default_factory=dict)
    block: Block | None = None
    is_recall: bool = False
    """Whether the samples were pushed before, by a process that was killed."""
    is_behind: bool = False
    """Whether more waits already than the labels of which can be worked out in time."""


class Host(Protocol):
    """Where a source's patients are followed; the runner is one."""

    def open(
        self,
        info: StreamInfo,
        *,
        first_sample: int | None = None,
        reference: Reference | None = None,
    ) -> int | None:
        """Begin with a patient, or go on from its snapshot if one fits.

        Parameters
        ----------
        info : StreamInfo
        first_sample : int, optional
            The earliest sample that the source can give; None: any.
        reference : Reference, optional
            Annotations of the record.

        Returns
        -------
        int or None
            The sample to go on with; None: `info.first_sample`.
        """
        ...

    def close(self, source: str) -> "asyncio.Task[Any]":
        """End a patient's stream; the task ends when its last labels are published."""
        ...

    def silent(self, source: str, *, is_silent: bool) -> None:
        """Note that a source has sent no samples for a while, or sends again."""
        ...


class Source(Protocol):
    """Gives the samples of one patient or of many, each when it is due."""

    @property
    def is_paced(self) -> bool:
        """Whether it keeps real time by itself; if not, the consumer of its turns sets the pace."""
        ...

    def begin(self, host: Host) -> None:
        """Open the patients that are known from the start."""
        ...

    def turns(self) -> AsyncIterator[Turn]:
        """Yield what is due, until the end."""
        ...
