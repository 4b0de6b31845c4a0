"""Publishes a replay's latencies every few seconds of signal, when there is time for it."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from replay.chunk import Chunk
from streamer.beats.ledger import BeatLedger
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.core.histogram import QuantileHistogram
from streamer.messages.fields import QUANTILES
from streamer.messages.payload import utc_time
from streamer.messages.wire import SCHEMA_VERSION, StatisticsMessage

_EVERY_S: Final = 5.0
_DIGITS: Final = 3


class TakesStatistics(Protocol):
    """Where statistics go; `streamer.mqtt.publisher.MqttPublisher` is one."""

    def publish_statistics(self, message: StatisticsMessage) -> None:
        """Take statistics; never blocks."""
        ...


class StatisticsSink:
    """Keeps account of latencies and hands them on every `every_s` of signal.

    They are shed first: the engine shows no samples while it is behind schedule, so that nothing
    is counted up then, and `MqttPublisher` drops them while other messages wait.

    Parameters
    ----------
    output : TakesStatistics
    budget_ms : float
        Latency budget of a first label, from the R peak, in ms.
    every_s : float
    wall_time : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        output: TakesStatistics,
        *,
        budget_ms: float = 500.0,
        every_s: float = _EVERY_S,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self._output = output
        self._budget_ms = budget_ms
        self._every_s = every_s
        self._wall_time = wall_time
        self._info: StreamInfo | None = None
        self._ledger: BeatLedger | None = None
        self._every = self._due = 0

    async def start(self, info: StreamInfo) -> None:
        """Begin a new account."""
        self._info = info
        self._ledger = BeatLedger(fs=info.fs, budget_ms=self._budget_ms)
        self._every = max(round(self._every_s * info.fs), 1)
        self._due = info.first_sample + self._every

    def observe(self, chunk: Chunk) -> None:
        """Publish when it is time."""
        if chunk.stop >= self._due:
            self._due = chunk.stop + self._every
            self._publish()

    def publish(self, message: Published) -> None:
        """Count a beat."""
        if self._ledger is not None and isinstance(message.event, LabeledBeat):
            self._ledger.take(message.event, message.compute_ms)

    async def drain(self) -> None:
        """Return at once: nothing is queued."""

    async def close(self) -> None:
        """Publish the last figures."""
        self._publish()

    def _publish(self) -> None:
        ledger, info = self._ledger, self._info
        if ledger is None or info is None:
            return
        self._output.publish_statistics(
            StatisticsMessage(
                schema=SCHEMA_VERSION,
                source=info.source,
                fs=info.fs,
                time=utc_time(self._wall_time()),
                budget_ms=ledger.budget_ms,
                beats=ledger.n_beats,
                late=ledger.n_late,
                overload=ledger.n_overload,
                decision_delay_ms=quantiles(ledger.decision_delay),
                compute_ms=quantiles(ledger.compute),
                latency_ms=quantiles(ledger.latency),
            )
        )


def quantiles(histogram: QuantileHistogram) -> dict[str, float | None]:
    """Return the quantiles that are published; None while there is nothing to count."""
    found = {name: histogram.quantile(fraction) for name, fraction in QUANTILES.items()}
    return {name: None if v is None else round(v, _DIGITS) for name, v in found.items()}
