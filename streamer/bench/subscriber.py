"""The subscriber of the benchmarks, a process of its own: notes when it has each message.

``python -m streamer.bench.subscriber URL FILE`` says `ready` once it listens, and on SIGTERM writes
a JSON line for each message to FILE: when it came (seconds since the epoch), topic and payload.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Final

from streamer.mqtt_connection import (
    ConnectionConfig,
    client_identifier,
    connect,
    parse_url,
)
from streamer.payload import TOPIC_PREFIX

_SETTLE_S: Final = 0.5
"""What the broker has accepted already still arrives within this."""

Note = tuple[float, str, bytes]


async def collect(url: str, notes: list[Note]) -> None:
    """Note messages until cancelled."""
    from streamer.mqtt_access import Credentials  # noqa: PLC0415

    async with connect(
        parse_url(url),
        identifier=client_identifier("bench"),
        credentials=Credentials(),
        config=ConnectionConfig(),
    ) as client:
        await client.subscribe(f"{TOPIC_PREFIX}/#", qos=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            notes.append((time.time(), str(message.topic), payload))


async def _main(url: str, notes: list[Note]) -> None:
    collecting = asyncio.create_task(collect(url, notes))
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({collecting, stop}, return_when=asyncio.FIRST_COMPLETED)
    if collecting.done():
        collecting.result()
    await asyncio.sleep(_SETTLE_S)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)


def main() -> None:
    """Run as a process."""
    url, output = sys.argv[1:]
    notes: list[Note] = []
    asyncio.run(_main(url, notes))
    with Path(output).open("w") as file:
        for came, topic, payload in notes:
            file.write(json.dumps([came, topic, payload.decode(errors="replace")]) + "\n")


if __name__ == "__main__":
    main()
