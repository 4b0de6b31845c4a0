"""Labels what a WebSocket server sends: JSON, a list in mV for each lead, any number of samples.

pip install websockets
python websocket_client.py ws://sensor.local:8765 --fs 250 --leads I II
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator

import numpy as np
from websockets.asyncio.client import connect

from streamer import LabeledBeat, stream


async def messages(url: str) -> AsyncIterator[np.ndarray]:
    """Yield the samples of each message, shape (leads, n), until the server closes."""
    async with connect(url) as connection:
        async for message in connection:
            yield np.array(json.loads(message), np.float32)


async def main(url: str, fs: float, leads: list[str]) -> None:
    """Print each beat."""
    async for event in stream(messages(url), fs=fs, leads=leads):
        if isinstance(event, LabeledBeat) and event.revision == 1:
            print(event.beat.rpeak.sample, event.label, flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label a WebSocket's samples.")
    parser.add_argument("url")
    parser.add_argument("--fs", type=float, required=True, help="sampling frequency in Hz")
    parser.add_argument("--leads", nargs="+", default=["ECG"], help="their names")
    args = parser.parse_args()
    asyncio.run(main(args.url, args.fs, args.leads))
