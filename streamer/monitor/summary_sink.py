"""Collects the summary of a run as one of its sinks."""

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo
from streamer.monitor.state import MqttStatus, ReferenceAnnotations
from streamer.monitor.summary import Summary


class SummarySink:
    """Feeds a `Summary`.

    Parameters
    ----------
    budget_ms : float
        Latency budget of a first label, from the R peak, in ms.
    mqtt : MqttStatus, optional
        Counters to report.
    reference : ReferenceAnnotations, optional
        Annotations that came with the record.
    """

    def __init__(
        self,
        *,
        budget_ms: float = 500.0,
        mqtt: MqttStatus | None = None,
        reference: ReferenceAnnotations | None = None,
    ) -> None:
        self._budget_ms = budget_ms
        self._mqtt = mqtt
        self._reference = reference
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """What was collected so far.

        Raises
        ------
        RuntimeError
            If the sink wasn't started.
        """
        if self._summary is None:
            raise RuntimeError("there is no summary before start()")
        return self._summary

    async def start(self, info: StreamInfo) -> None:
        """Begin a new summary."""
        self._summary = Summary(
            info, budget_ms=self._budget_ms, mqtt=self._mqtt, reference=self._reference
        )

    def observe(self, chunk: Chunk) -> None:
        """Note how far the source has been played."""
        self.summary.observe(chunk)

    def publish(self, message: Published) -> None:
        """Take one event."""
        self.summary.publish(message)

    async def drain(self) -> None:
        """Return at once: nothing is queued."""

    async def close(self) -> None:
        """Make the summary final."""
        if self._summary is not None:
            self._summary.finish()
