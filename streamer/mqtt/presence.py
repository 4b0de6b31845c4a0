"""Tells how sources stand: status, active alerts and last will, retained, on each connection."""

import asyncio
from collections import deque
from typing import Final, Unpack
from uuid import uuid4

import aiomqtt

from streamer.core.events import CHAIN_FS, StreamInfo
from streamer.messages.alerting import Alerting, AlertingConfig
from streamer.messages.home_assistant import discovery
from streamer.messages.outgoing import Outgoing
from streamer.messages.payload import TopicKind, check_source
from streamer.messages.source_status import (
    CONNECTION_LOST,
    FINISHED,
    ConnectionState,
    Health,
    HealthConfig,
)
from streamer.messages.wire import MessageType
from streamer.mqtt.client import SAMPLES, Incoming, MqttClient
from streamer.mqtt.delivery import Present
from streamer.mqtt.link import LinkOptions
from streamer.mqtt.outbox import Outbox
from streamer.mqtt.protocol import Version, message_properties, user_properties
from streamer.mqtt.said import Said
from streamer.mqtt.sources import PublishedSource
from streamer.patient.journal import Journal
from streamer.rhythm.alerting.patients import PatientAlerts

_WARD_HEALTH: Final = HealthConfig(degraded_from=20_000, healthy_from=2000)
_MARKER: Final = "marker"
"""Last level of a topic on which a ward writes to itself."""
_SESSION_S: Final = 300
"""How long a broker keeps our subscriptions; that it has lost them tells that it was restarted."""
_ADVICE: Final = "name another one with --mqtt URL, or go without: --mqtt off"


class Presence(MqttClient):
    """The part of `MqttPublisher` that tells how its sources stand; takes what that takes."""

    def __init__(
        self,
        url: str,
        *,
        ward: str | None,
        client_id: str,
        outbox: Outbox,
        prefix: str,
        alerting: AlertingConfig | None,
        alerts: PatientAlerts | None,
        ha_discovery: bool,
        on_samples: Incoming | None,
        journal: Journal | None,
        **options: Unpack[LinkOptions],
    ) -> None:
        is_ward = ward is not None
        super().__init__(
            url,
            client_id=client_id,
            outbox=outbox,
            readers={
                TopicKind.ACKNOWLEDGE: self._acknowledge,
                SAMPLES: on_samples,
                _MARKER: None if journal is None else self._take_marker,
            },
            prefix=prefix,
            session_s=_SESSION_S,
            forgives=is_ward,
            advice=_ADVICE,
            **options,
        )
        self._alerting_config = alerting
        self.alerts = PatientAlerts() if alerts is None else alerts
        self.alerts.watchers.append(self._note_acknowledged)
        self._ha_discovery = ha_discovery
        self._sources: dict[str, PublishedSource] = {}
        self._changed: set[str] = set()
        """Sources whose active alerts may have changed."""
        self._said = Said(journal, outbox)
        self._markers: dict[bytes, asyncio.Future[None]] = {}
        self._leaving: deque[tuple[int, PublishedSource]] = deque()
        """Sources that have ended, with the number of messages to be delivered before."""
        self._left: list[PublishedSource] = []
        """Sources that were said to have ended; the broker may not have it yet."""
        self.moving: set[str] = set()
        """Sources whose stream doesn't end when they are closed: others publish for them."""
        self.reason = FINISHED
        """Why we are offline after `close`, in our status."""
        self._health = Health(outbox.capacity, _WARD_HEALTH if is_ward else None)
        self._told = ConnectionState.ONLINE
        self._ward = None if ward is None else self._ward_itself(check_source(ward))

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
            self._subscriptions.place = f"{self._prefix}/{name}"
        self._leaving = deque(entry for entry in self._leaving if entry[1].info.source != name)
        self._left = [left for left in self._left if left.info.source != name]
        first_seq = max(first_seq or 0, self._outbox.next_seq(name))
        self._sources[name] = source = PublishedSource(
            info=info,
            prefix=self._prefix,
            outbox=self._outbox,
            wall_time=self._wall_time,
            alerting=Alerting(
                info, self._prefix, self._alerting_config, self._wall_time, self.alerts
            ),
            first_seq=first_seq,
            events=first_seq,
            via=None if self._ward is None else self._ward.info.source,
        )
        if self._outbox.is_durable:
            self._put(source=name, next_seq=first_seq)
        source.recall_alerts()
        self._tell_present(source)

    def close_source(self, source: str) -> None:
        """Say that a source's stream has ended, once all its events are delivered."""
        if self._ward is None:
            return  # `close` says so.
        self._tell_changed()
        self._changed.discard(source)
        self.alerts.close(source)
        published = self._sources.pop(source)
        if source in self.moving:
            return  # It goes on elsewhere.
        self._leaving.append((self._said.n_put, published))
        self._outbox.forget(source)
        self._wake.set()

    def tell_active(self) -> None:
        """Publish active alerts where they changed, and save what was put; called once a turn."""
        self._tell_changed()
        self._outbox.commit()

    async def pass_marker(self) -> None:
        """Return once the broker has what was put, and we what it had taken for us before."""
        name = self._speaker().info.source
        payload = uuid4().hex.encode()
        self._markers[payload] = passed = asyncio.get_running_loop().create_future()
        self._put(Outgoing(topic=f"{self._prefix}/{name}/{_MARKER}", payload=payload))
        await passed

    def _take_marker(self, source: str, payload: bytes, _: float) -> None:
        passed = self._markers.pop(payload, None)
        if passed is not None and not passed.done():
            passed.set_result(None)

    async def close(self) -> None:
        """Send what is queued, within `flush_timeout_s`, say that we are offline, and leave.

        What could not be sent is counted in `undelivered`; the broker then publishes the last will.
        """
        await super().close()

    def _put(self, *messages: Outgoing, source: str = "", next_seq: int | None = None) -> None:
        self._said.put(messages, source, next_seq)
        self._wake.set()
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
        while self._leaving and self._leaving[0][0] <= self._said.n_delivered:
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
        self._send_present(self._speaker().status(ConnectionState.OFFLINE, self.reason))

    def _acknowledge(self, source: str, payload: bytes, _: float) -> None:
        known = self._sources.get(source)
        if known is not None and known.alerting is not None:
            known.alerting.acknowledge(payload)
            self._note_acknowledged(source)  # The count of what was turned away too.

    def _note_acknowledged(self, source: str) -> None:
        """Tell how a source's alerts stand now that a person has seen one, here or elsewhere."""
        known = self._sources.get(source)
        if known is not None:
            known.keep_alerts()
            if self._ward is None:
                self._outbox.commit()
            self._changed.add(source)
            self._wake.set()

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
