"""What a ward says over MQTT: events, alerts, and how each of its sources stands."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt

from streamer.core.errors import SnapshotError
from streamer.core.events import CHAIN_FS, Published, StreamInfo
from streamer.messages.alerting import Alerting, AlertingConfig
from streamer.messages.payload import (
    TOPIC_PREFIX,
    TopicKind,
    check_source,
    topic,
    topic_of,
)
from streamer.messages.source_status import (
    CONNECTION_LOST,
    FINISHED,
    ConnectionState,
    DeliveryCounts,
    status_payload,
)
from streamer.messages.wire import EventMessage, WardStatisticsMessage, dumps
from streamer.mqtt.access import Credentials, TlsFiles
from streamer.mqtt.ward_connection import Incoming, WardMqtt

WARD: Final = "ward"
"""Name that a ward's own status goes by, unless it is given another."""


@dataclass(slots=True)
class _Voice:
    """One source of the ward."""

    info: StreamInfo
    alerting: Alerting
    events: int = 0
    """One past the highest `seq` so far."""
    first_seq: int = 0


class WardPublisher:
    """Publishes for all sources of a ward over one connection.

    Each source has its own topics, as if it had a connection of its own: events, alerts by a policy
    of its own, active alerts, acknowledgements, status. Only a last will there is but one for each
    connection: it is on the ward's own status, `ecg/<ward>/status`, and the status of each source
    names the ward in `via`. So a reader who sees the ward offline knows that all its sources are.

    Parameters
    ----------
    url : str
        Broker.
    name : str
        Of the ward, for its own status.
    on_samples : callable, optional
        As in `WardMqtt`.
    on_notice : callable, optional
        Gets a line when the broker is lost.
    alerting : AlertingConfig, optional
        Which events become alerts, of every source.
    tls, credentials : optional
        As in `WardMqtt`.
    wall_time : callable
        Seconds since the epoch.

    Attributes
    ----------
    mqtt : WardMqtt

    Raises
    ------
    ValueError
        If the name can't stand in a topic.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = WARD,
        on_samples: Incoming | None = None,
        on_notice: Callable[[str], None] | None = None,
        alerting: AlertingConfig | None = None,
        tls: TlsFiles | None = None,
        credentials: Credentials | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self.name = check_source(name)
        self._alerting = alerting
        self._wall_time = wall_time
        self._voices: dict[str, _Voice] = {}
        self._changed: set[str] = set()
        self._info = StreamInfo(
            source=name,
            fs=CHAIN_FS,
            leads=(),
            first_sample=0,
            n_samples=None,
            training_record=False,
            started_at=wall_time(),
        )
        self.mqtt = WardMqtt(
            url,
            on_samples=on_samples,
            on_acknowledge=self._acknowledge,
            on_connect=self._introduce,
            will=aiomqtt.Will(
                self._topic(name, TopicKind.STATUS),
                self._ward_status(ConnectionState.OFFLINE, CONNECTION_LOST),
                qos=1,
                retain=True,
            ),
            on_notice=on_notice,
            tls=tls,
            credentials=credentials,
        )

    async def start(self) -> None:
        """Connect, and say that the ward is online.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        await self.mqtt.start()

    async def close(self) -> None:
        """Say that the ward is offline, send what is queued, within a bound, and leave."""
        self.tell_alerts()
        self._tell_ward(ConnectionState.OFFLINE, FINISHED)
        await self.mqtt.close()

    def come(self, info: StreamInfo, first_seq: int) -> None:
        """Say that a source is online; its events are numbered from `first_seq`."""
        alerting = Alerting(info, TOPIC_PREFIX, self._alerting, self._wall_time)
        self._voices[info.source] = _Voice(info, alerting, first_seq, first_seq)
        self._changed.add(info.source)
        self._tell_status(info.source, ConnectionState.ONLINE)

    def state(self, source: str) -> dict[str, Any]:
        """Return what a snapshot must hold of a source's alerts, as JSON can hold it."""
        return self._voices[source].alerting.policy.state()

    def restore(self, source: str, state: Mapping[str, Any]) -> None:
        """Go on with the alerts of a source that has just come.

        Raises
        ------
        SnapshotError
            If the state isn't ours.
        """
        try:
            self._voices[source].alerting.policy.restore(state)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"snapshot of {source} has no usable alerts ({error}); remove it"
            ) from error

    def leave(self, source: str) -> None:
        """Say that a source's stream has ended."""
        self._tell_active(source)
        self._tell_status(source, ConnectionState.OFFLINE, FINISHED)
        self._changed.discard(source)
        del self._voices[source]

    def publish(self, message: Published, payload: EventMessage, encoded: bytes) -> None:
        """Publish an event of a source that has come, and the alert it raises, if any.

        Parameters
        ----------
        message : Published
        payload, encoded
            The event as `to_payload` and `dumps` make it.
        """
        source = payload.source
        voice = self._voices[source]
        voice.events = message.seq + 1
        self.mqtt.publish(topic_of(payload), encoded)
        for alert in voice.alerting.outgoing(message.event, payload):
            self.mqtt.publish(alert.topic, alert.payload)
        self._changed.add(source)

    def publish_statistics(self, message: WardStatisticsMessage) -> None:
        """Publish figures of the whole ward, unless messages wait that couldn't even be sent."""
        if not self.mqtt.is_behind:
            self.mqtt.publish(topic_of(message), dumps(message))

    def tell_alerts(self) -> None:
        """Publish the active alerts of sources where they have changed."""
        for source in self._changed:
            self._tell_active(source)
        self._changed.clear()

    def _introduce(self) -> None:
        """Say all that describes the present: the broker may know none of it, or old news."""
        # First of all: until then our last will may stand there.
        self._tell_ward(ConnectionState.ONLINE, urgent=True)
        for source, voice in self._voices.items():
            voice.alerting.forget_told()
            self._tell_status(source, ConnectionState.ONLINE)
        self._changed.update(self._voices)

    def _acknowledge(self, source: str, payload: bytes, _: float) -> None:
        voice = self._voices.get(source)
        if voice is not None:
            voice.alerting.acknowledge(payload)
            self._changed.add(source)

    def _tell_active(self, source: str) -> None:
        active = self._voices[source].alerting.changed()
        if active is not None:
            self.mqtt.publish(self._topic(source, TopicKind.ACTIVE), active, retain=True)

    def _tell_status(self, source: str, state: ConnectionState, reason: str | None = None) -> None:
        voice = self._voices[source]
        payload = status_payload(
            voice.info,
            DeliveryCounts(events=voice.events, waiting=self.mqtt.queued),
            state=state,
            reason=reason,
            now=self._wall_time(),
            first_seq=voice.first_seq,
            via=self.name,
        )
        self.mqtt.publish(self._topic(source, TopicKind.STATUS), payload, retain=True)

    def _tell_ward(
        self, state: ConnectionState, reason: str | None = None, *, urgent: bool = False
    ) -> None:
        name = self._topic(self.name, TopicKind.STATUS)
        self.mqtt.publish(name, self._ward_status(state, reason), retain=True, urgent=urgent)

    def _ward_status(self, state: ConnectionState, reason: str | None = None) -> bytes:
        """Encode the ward's own status; it has no signal and no events of its own."""
        return status_payload(
            self._info,
            DeliveryCounts(events=0, waiting=0),
            state=state,
            reason=reason,
            now=self._wall_time(),
            first_seq=0,
        )

    @staticmethod
    def _topic(source: str, kind: TopicKind) -> str:
        return topic(source, kind, TOPIC_PREFIX)
