"""What is accepted on `ecg/<source>/samples`: limited source by source; rejections counted."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Final

from streamer.messages.guard import SAMPLES_LIMITS, Guard, GuardLimits, RejectedError, Rejection
from streamer.messages.payload import check_source
from streamer.messages.samples import SampleMessage, decode

STRANGERS_LIMITS: Final = GuardLimits(
    max_bytes=SAMPLES_LIMITS.max_bytes, rate_per_s=1000.0, burst=10_000
)
"""For the first messages of all sources together: a whole ward may start at once."""

_NO_LIMIT: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """What is accepted."""

    limits: GuardLimits = SAMPLES_LIMITS
    """Of one source."""
    strangers: GuardLimits = STRANGERS_LIMITS
    """Of the messages that would each begin a source."""
    most_sources: int = 20_000
    """No ward has so many; more are invented names."""


class SamplesGate:
    """Decodes live samples of known and new sources, and rejects harmful messages.

    Pure: times are arguments. Each source has a `Guard` of its own, so that none can use up
    another's share; what a source sends beyond its limit is lost and becomes a `Gap`.

    Parameters
    ----------
    config : GateConfig, optional

    Attributes
    ----------
    rejected : Counter of Rejection
        Rejected messages, of all sources together.
    """

    def __init__(self, config: GateConfig | None = None) -> None:
        self._config = config or GateConfig()
        self.rejected: Counter[Rejection] = Counter()
        self._strangers = Guard(self._config.strangers)
        self._guards: dict[str, Guard] = {}

    def admit(self, source: str, payload: bytes, now_s: float) -> SampleMessage:
        """Decode one message.

        Raises
        ------
        RejectedError
            If the name, the message or the rate is not acceptable.
        """
        guard = self._guards.get(source, self._strangers)
        try:
            return guard.admit(payload, now_s, lambda data: self._decode(source, data))
        except RejectedError as error:
            self.reject(error)
            raise

    def know(self, source: str) -> None:
        """Give a source that was admitted to the ward a guard of its own."""
        if source not in self._guards:
            self._guards[source] = Guard(self._config.limits)

    def trust(self, source: str) -> None:
        """Accept messages of a source at any rate: it is not on the network."""
        self._guards[source] = Guard(
            dataclasses.replace(self._config.limits, rate_per_s=_NO_LIMIT, burst=_NO_LIMIT)
        )

    def forget(self, source: str) -> None:
        """Treat a source that has ended as a new one again."""
        self._guards.pop(source, None)

    def reject(self, error: RejectedError) -> None:
        """Count a rejected message."""
        self.rejected[error.rejection] += 1

    def _decode(self, source: str, data: bytes) -> SampleMessage:
        check_source(source)
        if source not in self._guards and len(self._guards) >= self._config.most_sources:
            raise RejectedError(Rejection.TOO_MANY, f"limit {self._config.most_sources} sources")
        return decode(data)
