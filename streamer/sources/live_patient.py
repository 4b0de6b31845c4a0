"""One live source: what it may send, and what has come from it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from replay.chunk import Chunk
from streamer.core.events import StreamInfo
from streamer.messages.samples import SampleMessage
from streamer.sources.gate import GateConfig
from streamer.sources.looped import TurnConfig
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
    successor: list[tuple[SampleMessage, float]] = field(default_factory=list)
    """The first messages of its next run, which begins once this one is over."""
    is_silent: bool = False
    is_ending: bool = False
    is_catching_up: bool = False
    """Whether it sends what it sent or kept before: nobody is late for that."""
    closing: "asyncio.Task[Any] | None" = None
