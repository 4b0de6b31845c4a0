"""Live samples on their way into a ward: let in, put in order, kept until the next tick."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from replay.chunk import Chunk
from streamer.messages.guard import RejectedError, Rejection
from streamer.messages.samples import SampleMessage, SamplesError
from streamer.sources.gate import GateConfig, SamplesGate
from streamer.sources.track import SampleTrack, TrackConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeConfig:
    """Patience with live sources, and what they may send."""

    absent_s: float = 30.0
    """A source that is silent for so long has left."""
    track: TrackConfig = field(default_factory=TrackConfig)
    """How long missing messages are waited for."""
    gate: GateConfig = field(default_factory=GateConfig)
    lowest_fs: float = 50.0
    highest_fs: float = 5000.0


@dataclass(slots=True, kw_only=True)
class LiveSource:
    """A source whose samples come over the network."""

    track: SampleTrack
    heard_s: float
    pending: list[Chunk] = field(default_factory=list)


class LiveIntake:
    """Takes in messages of many sources, which may come and go at any time.

    Parameters
    ----------
    n_leads : int
        Of the ward: missing leads become invalid, others are left out.
    admit : callable
        Told of a new source: its name, first message, time of arrival and track.
    leave : callable
        Told the name of one that has left or starts anew; what was pending is taken before.
    config : IntakeConfig, optional

    Attributes
    ----------
    sources : dict of str to LiveSource
    """

    def __init__(
        self,
        *,
        n_leads: int,
        admit: Callable[[str, SampleMessage, float, SampleTrack], None],
        leave: Callable[[str], None],
        config: IntakeConfig | None = None,
    ) -> None:
        self.sources: dict[str, LiveSource] = {}
        self._n_leads = n_leads
        self._admit = admit
        self._leave = leave
        self._config = config or IntakeConfig()
        self._gate = SamplesGate(self._config.gate)

    @property
    def rejected(self) -> Counter[Rejection]:
        """Messages turned away."""
        return self._gate.rejected

    def receive(self, source: str, payload: bytes, now_s: float) -> None:
        """Take one message; what does harm or isn't in our form is counted and dropped."""
        try:
            message = self._gate.admit(source, payload, now_s)
        except RejectedError:
            return
        try:
            live = self._source_of(source, message, now_s)
            live.heard_s = now_s
            live.pending += live.track.push(message, now_s)
        except SamplesError as error:
            self._gate.reject(RejectedError(Rejection.INVALID, str(error)))

    def pass_time(self, now_s: float) -> None:
        """Let go what was held back for too long, and sources that are silent."""
        for source, live in list(self.sources.items()):
            live.pending += live.track.tick(now_s)
            if now_s - live.heard_s > self._config.absent_s:
                self._leave(source)
                self._gate.forget(source)

    def take(self, source: str) -> list[Chunk]:
        """Return a source's pending samples with the ward's number of leads."""
        live = self.sources[source]
        pending, live.pending = live.pending, []
        return [self._fit(chunk) for chunk in pending]

    def forget(self, source: str) -> None:
        """Forget the samples of a source that has left or starts anew."""
        self.sources.pop(source, None)

    def trust(self, source: str) -> None:
        """Let a source come as fast as it likes."""
        self._gate.trust(source)

    def _source_of(self, source: str, message: SampleMessage, now_s: float) -> LiveSource:
        live = self.sources.get(source)
        if live is not None and live.track.is_restart(message):
            self._leave(source)
            live = None
        return live or self._begin(source, message, now_s)

    def _begin(self, source: str, message: SampleMessage, now_s: float) -> LiveSource:
        config = self._config
        if not config.lowest_fs <= message.fs <= config.highest_fs:
            raise SamplesError(
                f"{source} has {message.fs:g} Hz; expected {config.lowest_fs:g} to "
                f"{config.highest_fs:g}"
            )
        live = LiveSource(track=SampleTrack(config.track), heard_s=now_s)
        self._admit(source, message, now_s, live.track)
        self._gate.know(source)
        self.sources[source] = live
        return live

    def _fit(self, chunk: Chunk) -> Chunk:
        leads, n = chunk.samples.shape
        if leads == self._n_leads:
            return chunk
        samples = np.full((self._n_leads, n), np.nan, np.float32)
        samples[:leads] = chunk.samples[: self._n_leads]
        return Chunk(start=chunk.start, samples=samples)
