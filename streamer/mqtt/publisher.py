"""Publishes the events of any number of sources over MQTT, at least once and in order.

Each source has its own topics: events, alerts by a policy of its own, active alerts,
acknowledgements, status. They share one connection and one outbox. There is but one last will a
connection: of a single source it is on its own status; of a ward it is on the ward's,
`ecg/<ward>/status`, and the status of each source names the ward in `via`. So a reader who sees the
ward offline knows that all its sources are.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, Unpack

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo
from streamer.messages.alerting import AlertingConfig
from streamer.messages.outgoing import Rank
from streamer.messages.payload import TOPIC_PREFIX, SaidKey, to_payload
from streamer.messages.source_status import ConnectionState
from streamer.messages.wire import StatisticsMessage, WardStatisticsMessage
from streamer.mqtt.client import QUEUE_SIZE, Incoming
from streamer.mqtt.connection import client_identifier
from streamer.mqtt.delivery import Present
from streamer.mqtt.link import ClientConfig, LinkOptions
from streamer.mqtt.outbox import MemoryOutbox, Outbox, OutboxConfig
from streamer.mqtt.presence import Presence
from streamer.mqtt.sources import addressed, rank_of
from streamer.patient.journal import Journal
from streamer.rhythm.alerting.patients import PatientAlerts

__all__ = ["ClientConfig", "ConnectionState", "MqttPublisher"]

WARD: Final = "ward"
"""Name that a ward's own status goes by, unless it is given another."""
WARD_QUEUE_SIZE: Final = 500_000
"""Messages kept for a ward while the broker is away."""
WARD_OUTBOX: Final = OutboxConfig(keep=50_000, keep_s=15.0)
"""What a ward's publisher keeps after its acknowledgement: the last seconds of thousands."""


class MqttPublisher(Presence):
    """Publishes for one source or a ward of them under `ecg/<source>/`; a `Sink`.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]`, or `mqtts://...` for TLS.
    ward : str, optional
        Name of the ward for its own status; without it there is one source, opened before `start`.
    client_id : str, optional
        Name shown in the broker's log; unique by default, or that of an outbox on disk.
    queue_size : int, optional
        Messages kept while the broker is slow or away; beyond it the least important is shed.
    outbox : Outbox, optional
        Where messages wait, in place of a queue in memory; the publisher closes it.
    prefix : str
        First level of every topic.
    alerting : AlertingConfig, optional
        How alerts travel.
    alerts : PatientAlerts, optional
        Which events become alerts, of every source; shared with whoever shows them.
    ha_discovery : bool
        Whether to announce the sources to Home Assistant.
    on_samples : callable, optional
        Gets source, payload and arrival of every message on `ecg/<source>/samples`.
    journal : Journal, optional
        Keeps what is said of each source until it is delivered and its snapshot covers it.
    **options
        Credentials, TLS, version, times ...: see `LinkOptions`.

    Raises
    ------
    ValueError
        If `url` is none, `queue_size` is not positive, or `ward` can't stand in a topic.
    """

    def __init__(
        self,
        url: str,
        *,
        ward: str | None = None,
        client_id: str | None = None,
        queue_size: int | None = None,
        outbox: Outbox | None = None,
        prefix: str = TOPIC_PREFIX,
        alerting: AlertingConfig | None = None,
        alerts: PatientAlerts | None = None,
        ha_discovery: bool = False,
        on_samples: Incoming | None = None,
        journal: Journal | None = None,
        **options: Unpack[LinkOptions],
    ) -> None:
        is_ward = ward is not None
        outbox = outbox or _memory(is_ward, queue_size, options.get("wall_time", time.time))
        super().__init__(
            url,
            ward=ward,
            alerting=alerting,
            alerts=alerts,
            ha_discovery=ha_discovery,
            on_samples=on_samples,
            journal=journal,
            client_id=client_id or _default_client_id("ward" if is_ward else "replay", outbox),
            outbox=outbox,
            prefix=prefix,
            **options,
        )

    @property
    def is_behind(self) -> bool:
        """Whether more waits than what is on its way in good times."""
        return self._outbox.waiting > (0 if self._ward is None else self._config.in_flight)

    def next_seq(self, source: str) -> int:
        """Return the number of a source's next event; with a disk it goes on from run to run."""
        return self._outbox.next_seq(source)

    def recall(self, source: str, records: Iterable[bytes]) -> None:
        """Say again what a source's journal holds; its numbers go on from there."""
        self._said.recall(source, records)
        self._wake.set()

    def said(self, source: str) -> set[SaidKey]:
        """Take the keys of what was recalled of a source: it must not be said anew."""
        return self._said.take_keys(source)

    @property
    def n_delivered(self) -> int:
        """How many messages the broker has, of all that were put."""
        return self._said.n_delivered

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Ignore raw samples."""

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Queue one event of an open source, and the alert that it raises, if any.

        When the queue is full the least important message is shed.

        Raises
        ------
        ValueError
            If the number of the event was used before; start at `next_seq`.
        OutputError
            If the outbox's disk is full or fails.
        """
        if self._is_closing:
            return
        source = self._sources[info.source]
        if source.is_resumed and message.seq < source.first_seq:
            # The run that wrote the snapshot had published it; its alert is told already too.
            self.alerts.take(source.info, message.event)
            return
        if message.seq < source.events:
            raise ValueError(
                f"event {message.seq} of {info.source} was published before; "
                f"go on at {source.events}"
            )
        if source.events == source.first_seq != message.seq:
            source.first_seq = message.seq  # It goes on from a snapshot.
            self._send_present(source.status(self._told))
        source.events = message.seq + 1
        payload = to_payload(message, source.info)
        alerting = source.alerting
        alerts = [] if alerting is None else alerting.outgoing(message.event, payload)
        source.keep_alerts()
        self._put(
            addressed(payload, self._prefix, rank_of(payload)),
            *alerts,
            source=info.source,
            next_seq=message.seq + 1,
        )
        self._changed.add(info.source)

    def tell(self, present: Present) -> None:
        """Say something of the present, retained; dropped while there is no connection."""
        self._send_present(present)

    def publish_statistics(self, message: StatisticsMessage | WardStatisticsMessage) -> None:
        """Queue statistics, of a source or the ward, unless messages wait: those come first."""
        if not (self._is_closing or self.is_behind):
            self._put(addressed(message, self._prefix, Rank.STATISTICS))

    def keep(self) -> None:
        """Write what was published to disk, if the outbox has one."""
        self._outbox.commit()

    def resume(self, source: str) -> None:
        """Note that a source goes on from a snapshot: events of before it may come once more."""
        self._sources[source].is_resumed = True
        self._changed.add(source)


def _memory(is_ward: bool, queue_size: int | None, wall_time: Callable[[], float]) -> MemoryOutbox:
    size = WARD_QUEUE_SIZE if is_ward else QUEUE_SIZE
    return MemoryOutbox(
        size if queue_size is None else queue_size,
        config=WARD_OUTBOX if is_ward else None,
        wall_time=wall_time,
    )


def _default_client_id(role: str, outbox: Outbox) -> str:
    """Keep the name of an outbox on disk, so that a broker ends our last, broken connection."""
    name = outbox.client_id
    return client_identifier(role) if name is None else f"ecg-stream-{role}-{name}"
