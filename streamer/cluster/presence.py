"""What a coordinator hears of sources over MQTT, and says about those that nobody watches."""

import asyncio
import time
from collections.abc import Collection
from typing import Final

import msgspec

from streamer.core.errors import BrokerError
from streamer.messages.payload import TopicKind, check_source, topic, utc_time
from streamer.messages.samples import SamplesError, decode
from streamer.messages.source_status import ConnectionState
from streamer.messages.wire import (
    SCHEMA_VERSION,
    MalformedError,
    MessageType,
    StatusMessage,
    dumps,
    loads,
)
from streamer.mqtt.client import SAMPLES, Incoming, MqttClient
from streamer.mqtt.delivery import Present
from streamer.mqtt.publisher import MqttPublisher
from streamer.mqtt.publishing import Publishing

_LISTEN_S: Final = 0.25
"""A source sends several messages a second; longer would cost what the workers need."""
_SETTLE_S: Final = 0.5
_VERSION: Final = "5"
"""Sessions that outlive their connections are bounded in time only there."""


class ClusterPresence:
    """The coordinator's own connections.

    Parameters
    ----------
    publishing : Publishing
    """

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing
        self._statuses: dict[str, StatusMessage] = {}
        self._told: set[str] = set()
        self._found: dict[str, StatusMessage] = {}
        self._name = ""
        self._publisher: MqttPublisher | None = None
        self._reader: MqttClient | None = None

    async def start(self, name: str) -> None:
        """Connect, and say that the ward is online.

        Raises
        ------
        BrokerError
            If the broker can't be reached, or another ward goes by the name there.
        """
        self._name = name
        self._reader = self._client({TopicKind.STATUS: self._note_status})
        await self._reader.start()
        await asyncio.sleep(_SETTLE_S)
        known = self._statuses.get(name)
        if known is not None and known.state != ConnectionState.OFFLINE:
            raise BrokerError(
                f"a ward named {name} is online at {self._publishing.mqtt} already; "
                "end that one, or give this one another --name"
            )
        self._publisher = MqttPublisher(
            self._publishing.mqtt, ward=name, tls=self._publishing.tls, version=_VERSION
        )
        await self._publisher.start()

    async def listen(self, known: Collection[str]) -> set[str]:
        """Return the sources that send samples and aren't known."""
        self._found.clear()

        def note(source: str, payload: bytes, _: float) -> None:
            if source in known or source in self._found:
                return
            try:
                message = decode(payload)
                check_source(source)
            except (SamplesError, ValueError):
                return
            self._found[source] = self._first_status(source, message.fs, message.first_sample)

        client = self._client({SAMPLES: note})
        try:
            await client.start()
            await asyncio.sleep(_LISTEN_S)
        except BrokerError:
            pass  # The workers notice too; what comes meanwhile nobody can send either.
        finally:
            await client.close()
        for source, status in self._found.items():
            self._statuses.setdefault(source, status)
        return set(self._found)

    def tell_unwatched(self, sources: Collection[str], reason: str) -> None:
        """Say of each source that nobody labels it, once."""
        if self._publisher is None:
            return
        for source in set(sources) - self._told:
            status = self._statuses.get(source)
            if status is None:
                continue
            self._told.add(source)
            said = msgspec.structs.replace(
                status,
                state=ConnectionState.UNWATCHED.value,
                reason=reason,
                time=utc_time(time.time()),
                via=self._name,
            )
            self._publisher.tell(
                Present(topic(source, TopicKind.STATUS), dumps(said), MessageType.STATUS)
            )

    def watched(self, sources: Collection[str]) -> None:
        """Note that sources are labelled again; their worker says so itself."""
        self._told.difference_update(sources)

    async def close(self) -> None:
        """Say that the ward is offline, and leave."""
        for client in (self._publisher, self._reader):
            if client is not None:
                await client.close()

    def _client(self, readers: dict[str, Incoming]) -> MqttClient:
        return MqttClient(
            self._publishing.mqtt,
            readers=dict(readers),
            tls=self._publishing.tls,
            version=_VERSION,
        )

    def _note_status(self, source: str, payload: bytes, _: float) -> None:
        try:
            message = loads(payload)
        except MalformedError:
            return
        if isinstance(message, StatusMessage) and message.state != ConnectionState.UNWATCHED:
            self._statuses[source] = message

    @staticmethod
    def _first_status(source: str, fs: float, first_sample: int) -> StatusMessage:
        now = utc_time(time.time())
        return StatusMessage(
            schema=SCHEMA_VERSION,
            source=source,
            fs=fs,
            time=now,
            state=ConnectionState.UNWATCHED.value,
            reason=None,
            started_at=now,
            leads=[],
            first_sample=first_sample,
            n_samples=None,
            training_record=False,
            first_seq=0,
            events=0,
            waiting=0,
            shed=0,
            shed_by_rank={},
            expired=0,
        )
