"""What to tell a person who waits for samples that don't come: which sources there are."""

import asyncio
from typing import Final

from streamer.messages.payload import TopicKind
from streamer.messages.source_status import ConnectionState
from streamer.messages.wire import MalformedError, StatusMessage, loads
from streamer.mqtt.access import TlsFiles
from streamer.mqtt.client import SAMPLES, MqttClient

WAIT_S: Final = 5.0
"""Silence after which it is said what is waited for."""
_LISTEN_S: Final = 1.0
"""A source sends several messages a second; its status is retained."""
_MOST_NAMES: Final = 8


async def describe_sources(url: str, tls: TlsFiles | None = None) -> str:
    """Listen to a broker for a moment, and say which sources send samples or events there.

    Raises
    ------
    BrokerError
        If the broker can't be reached.
    """
    senders: set[str] = set()
    publishers: set[str] = set()

    def note_status(source: str, payload: bytes, _: float) -> None:
        try:
            message = loads(payload)
        except MalformedError:
            return
        if isinstance(message, StatusMessage) and message.state != ConnectionState.OFFLINE:
            # A ward has no leads: it is no source itself.
            publishers.update([source] if message.leads else [])

    client = MqttClient(
        url,
        readers={
            SAMPLES: lambda source, payload, now_s: senders.add(source),
            TopicKind.STATUS: note_status,
        },
        tls=tls,
    )
    await client.start()
    try:
        await asyncio.sleep(_LISTEN_S)
    finally:
        await client.close()
    said = f"samples come from {_names(senders)}" if senders else "no source sends samples there"
    silent = publishers - senders
    return f"{said}; events, but no samples, from {_names(silent)}" if silent else said


def _names(sources: set[str]) -> str:
    names = sorted(sources)
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
