"""Publishes a replay's latencies every few seconds of signal, when there is time for it."""

import time
from collections.abc import Callable
from typing import Final, Protocol

from replay.chunk import Chunk
from streamer.core.events import StreamInfo
from streamer.core.histogram import QuantileHistogram
from streamer.messages.fields import QUANTILES
from streamer.messages.payload import utc_time
from streamer.messages.wire import SCHEMA_VERSION, StatisticsMessage
from streamer.scoring.account import Accounts
from streamer.sinks.sink import QuietSink

_EVERY_S: Final = 5.0
_DIGITS: Final = 3


class TakesStatistics(Protocol):
    """Where statistics go; a publisher over MQTT is one."""

    def publish_statistics(self, message: StatisticsMessage) -> None:
        """Take statistics; never blocks."""
        ...


class StatisticsSink(QuietSink):
    """Hands on the latencies of a replay's beats every `every_s` of signal.

    They are shed first: the runner shows no samples while it is behind schedule, so that nothing
    is published then, and the publisher drops them while other messages wait.

    Parameters
    ----------
    output : TakesStatistics
    accounts : Accounts
    every_s : float
    wall_time : callable
        Seconds since the epoch.
    """

    def __init__(
        self,
        output: TakesStatistics,
        accounts: Accounts,
        *,
        every_s: float = _EVERY_S,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self._output = output
        self._accounts = accounts
        self._every_s = every_s
        self._wall_time = wall_time
        self._infos: dict[str, StreamInfo] = {}
        self._due: dict[str, int] = {}

    def open(self, info: StreamInfo) -> None:
        """Publish for the first time after `every_s`."""
        self._infos[info.source] = info
        self._due[info.source] = info.first_sample + self._every(info)

    def close_source(self, source: str) -> None:
        """Publish the last figures."""
        info = self._infos.pop(source, None)
        if info is not None:
            self._publish(info)

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Publish when it is time."""
        if chunk.stop >= self._due[info.source]:
            self._due[info.source] = chunk.stop + self._every(info)
            self._publish(info)

    def _every(self, info: StreamInfo) -> int:
        return max(round(self._every_s * info.fs), 1)

    def _publish(self, info: StreamInfo) -> None:
        ledger = self._accounts[info.source].ledger
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
