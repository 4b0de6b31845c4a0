"""The subscriber of the benchmarks, a process of its own: notes when it has each message.

``python -m streamer.bench.speed.subscriber URL FILE`` says `ready` once it listens, and on SIGTERM
writes a JSON line for each message to FILE: when it was received (seconds since the epoch), topic
and payload.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Final

from streamer.messages.payload import TOPIC_PREFIX
from streamer.mqtt.access import parse_url
from streamer.mqtt.connection import Connection, ConnectionConfig, client_identifier, connect

_END_TIMEOUT_S: Final = 20.0
"""How long the broker may take to hand over what it has accepted already."""

Note = tuple[float, str, bytes]


async def collect(url: str, notes: list[Note], stopping: asyncio.Event) -> None:
    """Note messages until `stopping` is set, and all that the broker had accepted by then."""
    from streamer.mqtt.access import Credentials  # noqa: PLC0415

    identifier = client_identifier("bench")
    end_topic = f"{TOPIC_PREFIX}/{identifier}/end"
    async with connect(
        parse_url(url),
        identifier=identifier,
        credentials=Credentials(),
        config=ConnectionConfig(),
    ) as client:
        await client.subscribe(f"{TOPIC_PREFIX}/#", qos=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async with asyncio.TaskGroup() as group:
            # The broker delivers it after everything that it got before.
            group.create_task(_publish_end(stopping, client, end_topic))
            async for message in client.messages:
                if str(message.topic) == end_topic:
                    break
                payload = message.payload if isinstance(message.payload, bytes) else b""
                notes.append((time.time(), str(message.topic), payload))


async def _publish_end(stopping: asyncio.Event, client: Connection, end_topic: str) -> None:
    await stopping.wait()
    await client.publish(end_topic, b"", qos=1)


async def _main(url: str, notes: list[Note]) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    collecting = asyncio.create_task(collect(url, notes, stopping))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({collecting, stop}, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(collecting, _END_TIMEOUT_S)


def main() -> None:
    """Run as a process."""
    url, output = sys.argv[1:]
    notes: list[Note] = []
    asyncio.run(_main(url, notes))
    with Path(output).open("w") as file:
        for received_s, topic, payload in notes:
            file.write(json.dumps([received_s, topic, payload.decode(errors="replace")]) + "\n")


if __name__ == "__main__":
    main()
