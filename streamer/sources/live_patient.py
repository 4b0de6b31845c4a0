"""One source whose samples arrive over the network: its limits, what waits, when it was due."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from replay.chunk import Chunk
from streamer.core.events import StreamInfo
from streamer.messages.samples import SampleMessage, SamplesError
from streamer.sources.gate import GateConfig
from streamer.sources.looped import TurnConfig
from streamer.sources.source import Piece
from streamer.sources.track import SampleTrack, TrackConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """Limits of live sources: silence, missing messages, and what they may send.

    A source that is silent stays until a person removes it.
    """

    silent_s: float = 4.0
    """A source without samples for so long is told to be silent: within 5 s, turns included."""
    caught_up_s: float = 0.5
    """Signal in one turn: a source that returned and brings no more than that sends live again."""
    track: TrackConfig = field(default_factory=TrackConfig)
    """How long missing messages are waited for."""
    gate: GateConfig = field(default_factory=GateConfig)
    lowest_fs: float = 50.0
    highest_fs: float = 5000.0
    turns: TurnConfig = field(default_factory=TurnConfig)
    most_s: float = 2.0
    """Most signal of a patient in one turn: of a backlog the rest comes in the next."""
    is_eager: bool = False
    """Whether samples are passed on on arrival, not turn by turn: for a single source."""


@dataclass(slots=True, kw_only=True)
class LivePatient:
    """A source whose samples arrive over the network."""

    info: StreamInfo
    track: SampleTrack
    heard_s: float
    began_s: float
    """When `info.first_sample` was due, estimated from the quickest message so far: from times of
    arrival, not from the sender's clock."""
    group: int
    pending: list[Chunk] = field(default_factory=list)
    recalled_to: int | None = None
    """One past the last sample that was pushed by a process before, if any was."""
    successor: list[tuple[SampleMessage, float]] = field(default_factory=list)
    """The first messages of its next run, which begins once this one is over."""
    is_silent: bool = False
    is_ending: bool = False
    is_catching_up: bool = False
    """Whether it sends what it sent or kept before: nobody is late for that."""
    closing: "asyncio.Task[Any] | None" = None

    def played_s(self, stop: int) -> float:
        """Return how long the signal is up to the sample before `stop`, in s."""
        return (stop - 1 - self.info.first_sample) / self.info.fs

    @property
    def pending_s(self) -> float:
        """How much signal waits for its turn, in s."""
        return sum(int(chunk.samples.shape[1]) for chunk in self.pending) / self.info.fs

    def next_piece(self, config: LiveConfig, n_leads: int, now_s: float) -> Piece | None:
        """Remove and return samples that wait, and say when the last of them was due."""
        if not self.pending or self.closing is not None:
            return None
        newest_s = self.played_s(self.pending[-1].stop)
        self.began_s = min(self.began_s, now_s - newest_s)
        chunks = self.next_chunks(config.most_s, n_leads)
        if self.is_catching_up:
            piece_s = (chunks[-1].stop - chunks[0].start) / self.info.fs
            self.is_catching_up = piece_s > config.caught_up_s
            return Piece(chunks=chunks, due_s=None)
        return Piece(chunks=chunks, due_s=self.began_s + self.played_s(chunks[-1].stop))

    def next_chunks(self, most_s: float, n_leads: int, *, is_recall: bool = False) -> list[Chunk]:
        """Remove and return samples that wait, not too many at once, with so many leads."""
        waiting, n = self.pending, 0
        if is_recall:
            waiting = [c for c in waiting if self.recalled_to is None or c.stop <= self.recalled_to]
        while n < len(waiting) and waiting[n].stop - waiting[0].start <= most_s * self.info.fs:
            n += 1
        n = max(n, min(len(waiting), 1))
        self.pending = self.pending[n:]
        if is_recall and n == len(waiting):
            self.recalled_to = None
        return [_fit(chunk, n_leads) for chunk in waiting[:n]]


def recalled_pieces(
    patients: Iterable[LivePatient], config: LiveConfig, n_leads: int
) -> dict[str, Piece]:
    """Remove and return the next samples that a process before had pushed, of every patient."""
    those = [patient for patient in patients if patient.recalled_to is not None]
    chunks = {p.info.source: p.next_chunks(config.most_s, n_leads, is_recall=True) for p in those}
    return {source: Piece(chunks=some, due_s=None) for source, some in chunks.items() if some}


def described(
    source: str,
    message: SampleMessage,
    leads: tuple[str, ...],
    started_at: float,
    config: LiveConfig,
) -> StreamInfo:
    """Describe the stream that begins with a message, its leads named as far as it names them.

    Raises
    ------
    SamplesError
        If its sampling frequency is beyond the limits.
    """
    if not config.lowest_fs <= message.fs <= config.highest_fs:
        raise SamplesError(
            f"{source} has {message.fs:g} Hz; expected {config.lowest_fs:g} to "
            f"{config.highest_fs:g}"
        )
    return StreamInfo(
        source=source,
        fs=message.fs,
        leads=(*message.leads, *leads[len(message.leads) :])[: len(leads)],
        first_sample=message.first_sample,
        n_samples=None,
        training_record=False,
        started_at=started_at,
    )


def _fit(chunk: Chunk, n_leads: int) -> Chunk:
    """Leave out surplus leads; missing ones become invalid."""
    found, n = chunk.samples.shape
    if found == n_leads:
        return chunk
    samples = np.full((n_leads, n), np.nan, np.float32)
    samples[:found] = chunk.samples[:n_leads]
    return Chunk(start=chunk.start, samples=samples)
