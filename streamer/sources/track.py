"""Puts a source's messages in order, and counts what was lost, repeated or reordered."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from replay.chunk import Chunk
from streamer.messages.samples import SampleMessage, SamplesError

_PPM: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackConfig:
    """How long missing messages are waited for, and what counts as a restart."""

    wait_messages: int = 8
    """Messages held back for a missing one before it; then it counts as lost."""
    wait_s: float = 0.25
    """How long they are held back at most."""
    most_jump_s: float = 3600.0
    """A source that jumps further, forward or back, has started anew."""
    restart_after: int = 64
    """Messages after which number 0 means a new run; until then it is a late duplicate."""
    drift_block_s: float = 10.0
    """Length of a segment, which its least delayed message represents: delays only ever add."""
    drift_blocks: int = 30
    """Segments over which the drift is estimated."""


@dataclass(slots=True)
class TrackCounts:
    """What happened to a source's samples on the network; overload here isn't counted."""

    messages: int = 0
    lost_samples: int = 0
    duplicates: int = 0
    reordered: int = 0


@dataclass(slots=True)
class _Drift:
    """Least delay of each segment, as (time of arrival, delay), in s."""

    config: TrackConfig
    blocks: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, arrived_s: float, delay_s: float) -> None:
        """Count one message."""
        if self.blocks and arrived_s - self.blocks[-1][0] < self.config.drift_block_s:
            began_s, least_s = self.blocks[-1]
            self.blocks[-1] = (began_s, min(least_s, delay_s))
            return
        self.blocks.append((arrived_s, delay_s))
        if len(self.blocks) > self.config.drift_blocks:
            self.blocks.popleft()

    @property
    def ppm(self) -> float | None:
        """Slope of the delay; None before three segments are complete."""
        complete = list(self.blocks)[:-1]
        if len(complete) < 3:
            return None
        times, delays = np.array(complete).T
        return float(np.polyfit(times - times[0], delays, 1)[0] * _PPM)


class SampleTrack:
    """One source's messages, in order again.

    Duplicates are dropped. A message that arrives ahead of another is held back until that has
    arrived, for `wait_messages` or `wait_s`; what is missing then is lost, and the chain reports
    a `Gap`. Pure: times are arguments.

    Parameters
    ----------
    config : TrackConfig, optional

    Attributes
    ----------
    counts : TrackCounts
    fs : float or None
        Sampling frequency; None before the first message.
    n_leads : int or None
    """

    def __init__(self, config: TrackConfig | None = None) -> None:
        self._config = config or TrackConfig()
        self.counts = TrackCounts()
        self.fs: float | None = None
        self.n_leads: int | None = None
        self._next_seq: int | None = None
        self._next_sample: int | None = None
        self._held: dict[int, SampleMessage] = {}
        self._held_since: float | None = None
        self._drift = _Drift(self._config)

    @property
    def drift_ppm(self) -> float | None:
        """How much slower the source's clock runs than ours, in parts per million."""
        return self._drift.ppm

    @property
    def next_sample(self) -> int | None:
        """One past the last sample that was passed on."""
        return self._next_sample

    def resume(self, next_sample: int) -> None:
        """Continue after an interruption: samples before `next_sample` were passed on already."""
        self._next_sample = next_sample

    def is_restart(self, message: SampleMessage) -> bool:
        """Whether a message belongs to a new run of the source: its stream must begin anew."""
        if self._next_sample is None or self.fs is None:
            return False
        if (message.fs, message.samples.shape[0]) != (self.fs, self.n_leads):
            return True
        jump_s = abs(message.first_sample - self._next_sample) / self.fs
        return jump_s > self._config.most_jump_s or self._starts_over(message)

    def push(self, message: SampleMessage, now_s: float) -> list[Chunk]:
        """Take a message; return the samples that are next, in order.

        Raises
        ------
        SamplesError
            If it is of a new run (see `is_restart`); use a new track.
        """
        if self.is_restart(message):
            raise SamplesError("the source has started anew; its stream must begin anew too")
        self.counts.messages += 1
        if self._next_seq is None:
            self.fs, self.n_leads = message.fs, int(message.samples.shape[0])
            self._next_seq = message.seq
        if message.seq < self._next_seq or message.seq in self._held:
            self.counts.duplicates += 1
            return []
        self._drift.add(now_s, now_s - message.stop / message.fs)
        self.counts.reordered += bool(self._held) and message.seq < max(self._held)
        self._held[message.seq] = message
        if self._held_since is None:
            self._held_since = now_s
        return self._release(now_s)

    def tick(self, now_s: float) -> list[Chunk]:
        """Let time pass; return what is no longer held back."""
        return self._release(now_s)

    def _starts_over(self, message: SampleMessage) -> bool:
        """Whether it is the very first message of a new run, long after that of this one."""
        return message.seq == 0 and (self._next_seq or 0) > self._config.restart_after

    def _release(self, now_s: float) -> list[Chunk]:
        chunks: list[Chunk] = []
        while self._held:
            if self._next_seq not in self._held:
                if not self._is_patience_over(now_s):
                    break
                self._next_seq = min(self._held)
            message = self._held.pop(self._next_seq)
            self._next_seq = message.seq + 1
            chunks += self._pass_on(message)
        if not self._held:
            self._held_since = None
        return chunks

    def _is_patience_over(self, now_s: float) -> bool:
        waited_s = 0.0 if self._held_since is None else now_s - self._held_since
        return len(self._held) > self._config.wait_messages or waited_s >= self._config.wait_s

    def _pass_on(self, message: SampleMessage) -> list[Chunk]:
        """Cut off what was passed on before, and count what is missing in between."""
        expected = message.first_sample if self._next_sample is None else self._next_sample
        self.counts.lost_samples += max(message.first_sample - expected, 0)
        samples = message.samples[:, max(expected - message.first_sample, 0) :]
        if samples.shape[1] == 0:
            return []
        self._next_sample = message.stop
        start = message.stop - samples.shape[1]
        return [Chunk(start=start, samples=np.ascontiguousarray(samples))]
