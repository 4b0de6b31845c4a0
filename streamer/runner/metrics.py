"""Figures of a ward, and where Prometheus fetches them: `http://HOST:PORT/metrics`."""

import contextlib
import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamer.core.errors import OutputError
from streamer.runner.runner import Runner

if TYPE_CHECKING:
    from streamer.mqtt.publisher import MqttPublisher

_PAGE_BYTES: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True, kw_only=True)
class WardFigures:
    """How one process of a ward stands; counts since its start."""

    patients: int = 0
    samples: int = 0
    """Of one lead each."""
    beats: int = 0
    late: int = 0
    events: int = 0
    added_p99_s: float | None = None
    """What it adds to the decision delay."""
    waiting: int = 0
    """Messages that the broker doesn't have yet."""
    shed: int = 0
    memory_bytes: int = 0
    """Resident, of the whole process."""


_KINDS: Final = {
    "patients": ("gauge", "patients that are followed"),
    "samples": ("counter", "samples taken, of one lead each"),
    "beats": ("counter", "beats published"),
    "late": ("counter", "beats whose first label missed the latency budget"),
    "events": ("counter", "events published"),
    "added_p99_s": ("gauge", "99th percentile of the added latency in seconds"),
    "waiting": ("gauge", "messages that the broker doesn't have yet"),
    "shed": ("counter", "messages dropped because the queue was full"),
    "memory_bytes": ("gauge", "resident memory of the process"),
}


def ward_figures(runner: Runner | None, mqtt: "MqttPublisher | None") -> WardFigures:
    """Return how this process stands; without a runner it has only begun."""
    if runner is None:
        return WardFigures()
    totals = runner.sessions.totals
    p99_ms = totals.added.quantile(0.99) if totals.added.count else None
    return WardFigures(
        patients=len(runner.sessions),
        samples=totals.samples,
        beats=totals.beats,
        late=totals.late,
        events=totals.events,
        added_p99_s=None if p99_ms is None else p99_ms / 1000.0,
        waiting=0 if mqtt is None else mqtt.n_waiting,
        shed=0 if mqtt is None else mqtt.shed,
        memory_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES,
    )


@contextlib.contextmanager
def serving_metrics(
    port: int | None,
    figures: Callable[[], Mapping[str, WardFigures]],
    unwatched: Callable[[], int] = lambda: 0,
) -> Iterator[None]:
    """Answer Prometheus on a port, if there is one, from a thread of its own.

    Parameters
    ----------
    port : int, optional
    figures : callable
        Returns the figures of each worker; of one process under the ward's name.
    unwatched : callable
        Returns how many patients nobody labels.

    Raises
    ------
    OutputError
        If prometheus_client is missing or the port is taken.
    """
    if port is None:
        yield
        return
    try:
        from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415
    except ImportError as error:
        raise OutputError(
            "--metrics needs prometheus_client, which isn't installed: "
            "pip install 'ecg-stream[metrics]'"
        ) from error
    registry = CollectorRegistry()
    registry.register(_Collector(figures, unwatched))
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise OutputError(
            f"can't answer on port {port}: {error.strerror}; choose another --metrics PORT"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """What prometheus_client asks."""

    def __init__(
        self, figures: Callable[[], Mapping[str, WardFigures]], unwatched: Callable[[], int]
    ) -> None:
        self._figures = figures
        self._unwatched = unwatched

    def collect(self) -> Iterator[Any]:
        """Yield each figure of every worker."""
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        families = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        found = self._figures()
        for name, (kind, text) in _KINDS.items():
            family = families[kind](f"ecg_stream_{name}", text, labels=["worker"])
            for worker, figures in found.items():
                value = getattr(figures, name)
                if value is not None:
                    family.add_metric([worker], value)
            yield family
        alone = GaugeMetricFamily("ecg_stream_unwatched", "patients that nobody labels")
        alone.add_metric([], self._unwatched())
        yield alone
