"""Publishes the events of any number of sources over MQTT, at least once and in order.

Each source has its own topics: events, alerts by a policy of its own, active alerts,
acknowledgements, status. They share one connection and one outbox. There is but one last will a
connection: of a single source it is on its own status; of a ward it is on the ward's,
`ecg/<ward>/status`, and the status of each source names the ward in `via`. So a reader who sees the
ward offline knows that all its sources are.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiomqtt

from replay.chunk import Chunk
from streamer.core.errors import SnapshotError
from streamer.core.events import CHAIN_FS, Published, StreamInfo
from streamer.messages.alerting import Alerting, AlertingConfig
from streamer.messages.home_assistant import discovery
from streamer.messages.outgoing import Outgoing, Rank
from streamer.messages.payload import (
    TOPIC_PREFIX,
    TopicKind,
    check_source,
    to_payload,
)
from streamer.messages.source_status import (
    CONNECTION_LOST,
    FINISHED,
    ConnectionState,
    Health,
    HealthConfig,
)
from streamer.messages.wire import MessageType, StatisticsMessage, WardStatisticsMessage
from streamer.mqtt.access import Credentials, TlsFiles
from streamer.mqtt.client import (
    QUEUE_SIZE,
    SAMPLES,
    ClientConfig,
    Incoming,
    MqttClient,
)
from streamer.mqtt.connection import AUTO, ConnectionConfig, Version, client_identifier
from streamer.mqtt.delivery import Present
from streamer.mqtt.outbox import MemoryOutbox, Outbox, OutboxConfig
from streamer.mqtt.protocol import message_properties, user_properties
from streamer.mqtt.sources import PublishedSource, addressed, rank_of

__all__ = ["ClientConfig", "ConnectionState", "MqttPublisher"]

WARD: Final = "ward"
"""Name that a ward's own status goes by, unless it is given another."""
WARD_QUEUE_SIZE: Final = 500_000
"""Messages kept for a ward while the broker is away."""
WARD_OUTBOX: Final = OutboxConfig(keep=50_000, keep_s=15.0)
"""What a ward's publisher keeps after its acknowledgement: the last seconds of thousands."""
_WARD_HEALTH: Final = HealthConfig(degraded_from=20_000, healthy_from=2000)
_SESSION_S: Final = 300
"""How long a broker keeps our subscriptions; that it has lost them tells that it was restarted."""
_ADVICE: Final = "name another one with --mqtt URL, or go without: --mqtt off"


class MqttPublisher(MqttClient):
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
    credentials, tls, version, prefix, on_notice, config, connection_config
        As `MqttClient` takes them.
    alerting : AlertingConfig, optional
        Which events become alerts, of every source.
    ha_discovery : bool
        Whether to announce the sources to Home Assistant.
    on_samples : callable, optional
        Gets source, payload and arrival of every message on `ecg/<source>/samples`.
    sleep, random_source, wall_time : injected for tests

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
        credentials: Credentials | None = None,
        tls: TlsFiles | None = None,
        version: str = AUTO,
        prefix: str = TOPIC_PREFIX,
        alerting: AlertingConfig | None = None,
        ha_discovery: bool = False,
        on_samples: Incoming | None = None,
        on_notice: Callable[[str], None] | None = None,
        config: ClientConfig | None = None,
        connection_config: ConnectionConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random_source: random.Random | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        is_ward = ward is not None
        outbox = outbox or _memory(is_ward, queue_size, wall_time)
        super().__init__(
            url,
            client_id=client_id or _default_client_id("ward" if is_ward else "replay", outbox),
            outbox=outbox,
            readers={TopicKind.ACKNOWLEDGE: self._acknowledge, SAMPLES: on_samples},
            prefix=prefix,
            session_s=_SESSION_S,
            credentials=credentials,
            tls=tls,
            version=version,
            forgives=is_ward,
            on_notice=on_notice,
            advice=_ADVICE,
            config=config,
            connection_config=connection_config,
            sleep=sleep,
            random_source=random_source,
            wall_time=wall_time,
        )
        self._alerting_config = alerting
        self._ha_discovery = ha_discovery
        self._sources: dict[str, PublishedSource] = {}
        self._changed: set[str] = set()
        """Sources whose active alerts may have changed."""
        self._puts = outbox.unacknowledged
        self._leaving: deque[tuple[int, PublishedSource]] = deque()
        """Sources that have ended, with the number of messages to be delivered before."""
        self._left: list[PublishedSource] = []
        """Sources that were said to have ended; the broker may not have it yet."""
        self._reason = FINISHED
        self._health = Health(outbox.capacity, _WARD_HEALTH if is_ward else None)
        self._told = ConnectionState.ONLINE
        self._ward = None if ward is None else self._ward_itself(check_source(ward))

    @property
    def is_behind(self) -> bool:
        """Whether more waits than what is on its way in good times."""
        return self._outbox.waiting > (0 if self._ward is None else self._config.in_flight)

    def next_seq(self, source: str) -> int:
        """Return the number of a source's next event; with a disk it goes on from run to run."""
        return self._outbox.next_seq(source)

    async def start(self) -> None:
        """Connect and say that all is online.

        With an outbox on disk a broker that can't be reached is waited for in the background.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        ValueError
            If it is to publish for one source and none is open.
        """
        if self._ward is None and not self._sources:
            raise ValueError("no source is open; open one before the start, or name a ward")
        await super().start()

    def open(self, info: StreamInfo, *, first_seq: int | None = None) -> None:
        """Say that a source is online.

        Parameters
        ----------
        info : StreamInfo
        first_seq : int, optional
            Number of its first event; by default the next one, or that of the event that comes.

        Raises
        ------
        ValueError
            If the source's name can't stand in a topic, or it is a second one outside of a ward.
        """
        name = check_source(info.source)
        if self._ward is None:
            if self._sources.keys() - {name}:
                raise ValueError(f"source {name} is a second one; name a ward to publish for many")
            self._source = name
        self._leaving = deque(entry for entry in self._leaving if entry[1].info.source != name)
        self._left = [left for left in self._left if left.info.source != name]
        first_seq = max(first_seq or 0, self._outbox.next_seq(name))
        self._sources[name] = source = PublishedSource(
            info=info,
            prefix=self._prefix,
            outbox=self._outbox,
            wall_time=self._wall_time,
            alerting=Alerting(info, self._prefix, self._alerting_config, self._wall_time),
            first_seq=first_seq,
            events=first_seq,
            via=None if self._ward is None else self._ward.info.source,
        )
        self._tell_present(source)

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
        self._put(
            addressed(payload, self._prefix, rank_of(payload)),
            *alerts,
            source=info.source,
            next_seq=message.seq + 1,
        )
        self._changed.add(info.source)

    def publish_statistics(self, message: StatisticsMessage | WardStatisticsMessage) -> None:
        """Queue statistics, of a source or the ward, unless messages wait: those come first."""
        if not (self._is_closing or self.is_behind):
            self._put(addressed(message, self._prefix, Rank.STATISTICS))

    def tell_active(self) -> None:
        """Publish active alerts where they changed, and save what was put; called once a turn."""
        self._tell_changed()
        self._outbox.commit()

    def alert_state(self, source: str) -> dict[str, Any]:
        """Return what a snapshot must hold of a source's alerts, as JSON can hold it."""
        return self._alerting(source).policy.state()

    def restore_alerts(self, source: str, state: Mapping[str, Any]) -> None:
        """Go on with the alerts of a source that has just been opened.

        Raises
        ------
        SnapshotError
            If the state isn't ours.
        """
        try:
            self._alerting(source).policy.restore(state)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"snapshot of {source} has no usable alerts ({error}); remove it"
            ) from error
        self._changed.add(source)

    def close_source(self, source: str) -> None:
        """Say that a source's stream has ended, once all its events are delivered."""
        if self._ward is None:
            return  # `close` says so.
        self._tell_changed()
        self._changed.discard(source)
        self._leaving.append((self._puts, self._sources.pop(source)))
        self._outbox.forget(source)
        self._wake.set()

    async def close(self, reason: str = FINISHED) -> None:
        """Send what is queued, within `flush_timeout_s`, say that we are offline, and leave.

        What could not be sent is counted in `undelivered`; the broker then publishes the last will.
        """
        self._reason = reason
        await super().close()

    def _alerting(self, source: str) -> Alerting:
        alerting = self._sources[source].alerting
        if alerting is None:
            raise KeyError(source)
        return alerting

    def _ward_itself(self, name: str) -> PublishedSource:
        info = StreamInfo(
            source=name,
            fs=CHAIN_FS,
            leads=(),
            first_sample=0,
            n_samples=None,
            training_record=False,
            started_at=self._wall_time(),
        )
        return PublishedSource(
            info=info, prefix=self._prefix, outbox=self._outbox, wall_time=self._wall_time
        )

    def _put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        super()._put(*messages, source=source, next_seq=next_seq)
        self._puts += len(messages)
        if self._ward is None:
            self._outbox.commit()

    def _speaker(self) -> PublishedSource:
        """Return whose status bears the last will."""
        return self._ward or next(iter(self._sources.values()))

    def _will(self, version: Version) -> aiomqtt.Will:
        status = self._speaker().status(ConnectionState.OFFLINE, CONNECTION_LOST)
        fields = user_properties(MessageType.STATUS)
        return aiomqtt.Will(
            status.topic,
            status.payload,
            qos=1,
            retain=True,
            properties=message_properties(version, fields, will=True),
        )

    def _introduce(self) -> None:
        """Say all that describes the present: the broker may know none of it, or old news."""
        self.state = self._told = self._health.judge(self._outbox.waiting)
        if self._ward is not None:
            # First of all: until then our last will may stand there.
            self._send_present(self._ward.status(self._told))
        for source in self._sources.values():
            if source.alerting is not None:
                source.alerting.forget_told()
            self._tell_present(source)
        for source in self._left:
            self._send_present(source.status(ConnectionState.OFFLINE, FINISHED))

    def _tell_present(self, source: PublishedSource) -> None:
        self._send_present(source.status(self._told))
        if self._ha_discovery:
            for name, payload in discovery(source.info, self._prefix):
                self._send_present(Present(name, payload, None))
        self._changed.add(source.info.source)

    def _take_turn(self) -> None:
        """Tell what has changed since the last turn, before more is sent."""
        state = self._health.judge(self._outbox.waiting)
        if state is not self._told and not (self._is_closing and self._outbox.is_idle):
            self.state = self._told = state
            for source in [self._ward, *self._sources.values()]:
                if source is not None:
                    self._send_present(source.status(state))
        self._tell_changed()
        self._tell_ended()

    def _tell_ended(self) -> None:
        """Say that sources have ended whose last message is delivered."""
        if not self._is_telling:
            self._left.clear()
        passed = self._puts - self._outbox.unacknowledged
        while self._leaving and self._leaving[0][0] <= passed:
            source = self._leaving.popleft()[1]
            self._left.append(source)
            self._send_present(source.status(ConnectionState.OFFLINE, FINISHED))

    def _tell_changed(self) -> None:
        for name in self._changed:
            present = self._sources[name].changed_alerts()
            if present is not None:
                self._send_present(present)
        self._changed.clear()

    def _finish(self) -> None:
        """Say that we are offline; the sources of a ward are so by its own status."""
        self._send_present(self._speaker().status(ConnectionState.OFFLINE, self._reason))

    def _acknowledge(self, source: str, payload: bytes, _: float) -> None:
        known = self._sources.get(source)
        if known is not None and known.alerting is not None:
            known.alerting.acknowledge(payload)
            self._changed.add(source)
            self._wake.set()


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
