"""What one source says over MQTT: its status, its alerts, and that it exists."""

from collections.abc import Callable
from dataclasses import dataclass

from streamer.core.events import StreamInfo
from streamer.messages.alerting import Alerting
from streamer.messages.outgoing import Outgoing, Rank
from streamer.messages.payload import TopicKind, topic, topic_of
from streamer.messages.source_status import ConnectionState, DeliveryCounts, status_payload
from streamer.messages.wire import BeatMessage, EventMessage, Message, MessageType, dumps
from streamer.mqtt.delivery import Present
from streamer.mqtt.outbox import Outbox


@dataclass(slots=True, kw_only=True)
class PublishedSource:
    """One source of a publisher, whatever becomes of its connections.

    Attributes
    ----------
    alerting : Alerting or None
        None for a ward itself, which has no events.
    events : int
        One past the highest number so far.
    is_resumed : bool
        Whether it goes on from a snapshot: events of before may come once more, the same as then.
    via : str or None
        The ward that publishes for it.
    """

    info: StreamInfo
    prefix: str
    outbox: Outbox
    wall_time: Callable[[], float]
    alerting: Alerting | None = None
    first_seq: int = 0
    events: int = 0
    is_resumed: bool = False
    via: str | None = None

    def topic(self, kind: TopicKind) -> str:
        """Topic of one kind of this source's messages."""
        return topic(self.info.source, kind, self.prefix)

    def status(self, state: ConnectionState, reason: str | None = None) -> Present:
        """Make a status message."""
        if state is ConnectionState.DEGRADED:
            reason = f"{self.outbox.waiting} messages behind"
        payload = status_payload(
            self.info,
            DeliveryCounts(
                events=self.events,
                waiting=self.outbox.waiting,
                shed=self.outbox.shed,
                expired=self.outbox.expired,
            ),
            state=state,
            reason=reason,
            now=self.wall_time(),
            first_seq=self.first_seq,
            via=self.via,
        )
        return Present(self.topic(TopicKind.STATUS), payload, MessageType.STATUS)

    def recall_alerts(self) -> None:
        """Take over the active alerts that an earlier run kept on disk."""
        kept = self.outbox.kept_alerts(self.info.source)
        if kept is not None and self.alerting is not None:
            self.alerting.recall(kept)

    def keep_alerts(self) -> None:
        """Have the active alerts survive the process, if the outbox does."""
        if self.alerting is None or not self.outbox.is_durable:
            return
        payload = self.alerting.to_keep()
        if payload is not None:
            self.outbox.keep_alerts(self.info.source, payload)

    def changed_alerts(self) -> Present | None:
        """Return the active alerts if they aren't those returned last."""
        payload = None if self.alerting is None else self.alerting.changed()
        if payload is None:
            return None
        return Present(self.topic(TopicKind.ACTIVE), payload, MessageType.ACTIVE)


def rank_of(message: EventMessage) -> Rank:
    """Return how much an event is worth when there is no room for all."""
    is_provisional = isinstance(message, BeatMessage) and message.revision == 0
    return Rank.PROVISIONAL if is_provisional else Rank.EVENT


def addressed(message: Message, prefix: str, rank: Rank) -> Outgoing:
    """Address one message to its topic."""
    return Outgoing(
        topic=topic_of(message, prefix), payload=dumps(message), rank=rank, kind=message.type
    )
