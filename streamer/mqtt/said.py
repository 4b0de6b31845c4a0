"""What was said of each source, kept in its journal before it is sent: nothing is said twice."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from streamer.messages.outgoing import Outgoing
from streamer.messages.payload import SaidKey, said_key
from streamer.messages.wire import AlertMessage, EventMessage, loads
from streamer.mqtt.outbox import Outbox
from streamer.patient.journal import Journal


class _Record(Struct, frozen=True, array_like=True):
    """The messages that one event made."""

    next_seq: int
    messages: list[Outgoing]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Record)


class Said:
    """Keeps messages of events in the journals of their sources.

    Parameters
    ----------
    journal : Journal, optional
        Nothing is kept without one.
    outbox : Outbox
        Where messages wait to be sent.

    Attributes
    ----------
    n_put : int
        Messages put so far, kept or not.
    """

    def __init__(self, journal: Journal | None, outbox: Outbox) -> None:
        self._journal = journal
        self._outbox = outbox
        self._keys: dict[str, set[SaidKey]] = {}
        self.n_put = outbox.unacknowledged
        outbox.is_durable = outbox.is_durable or journal is not None

    @property
    def n_delivered(self) -> int:
        """Messages that the broker has, of all that were put."""
        return self.n_put - self._outbox.unacknowledged

    def put(self, messages: Sequence[Outgoing], source: str, next_seq: int | None) -> None:
        """Put messages into the outbox, once the journal has those of an event."""
        self.n_put += len(messages)
        self._keep(messages, source, next_seq)
        self._outbox.put(*messages, source=source, next_seq=next_seq)

    def recall(self, source: str, records: Iterable[bytes]) -> None:
        """Say again what the outbox of this process doesn't have; numbers go on from there."""
        keys = self._keys.setdefault(source, set())
        known = self._outbox.next_seq(source)
        for data in records:
            record = _DECODER.decode(data)
            if record.next_seq > known:
                self.put(record.messages, source, record.next_seq)
            else:
                self._keep(record.messages, source, record.next_seq)
            for outgoing in record.messages:
                message = loads(outgoing.payload)
                if isinstance(message, EventMessage) and not isinstance(message, AlertMessage):
                    keys.add(said_key(message))

    def take_keys(self, source: str) -> set[SaidKey]:
        """Take the keys of what was recalled of a source."""
        return self._keys.pop(source, set())

    def _keep(self, messages: Sequence[Outgoing], source: str, next_seq: int | None) -> None:
        if self._journal is not None and next_seq is not None:
            record = _ENCODER.encode(_Record(next_seq, list(messages)))
            self._journal.keep_said(source, record, self.n_put)
