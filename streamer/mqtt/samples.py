"""Publishes the raw samples of a replay, so that another instance can label them."""

import numpy as np

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo
from streamer.messages.payload import TOPIC_PREFIX
from streamer.messages.samples import SampleMessage, encode
from streamer.mqtt.ward_connection import SAMPLES, WardMqtt

_MESSAGE_S = 0.1
"""Signal in one message: ten a second are few for a broker and soon enough for a label."""


class SamplesSink:
    """Publishes samples on `ecg/<name>/samples`, float32, a tenth of a second at a time.

    Parameters
    ----------
    url : str
        Broker.
    name : str, optional
        Source that the samples are published for; that of the replay if None.
    """

    def __init__(self, url: str, *, name: str | None = None) -> None:
        self._mqtt = WardMqtt(url)
        self._name = name
        self._info: StreamInfo | None = None
        self._chunks: list[Chunk] = []
        self._seq = 0

    async def start(self, info: StreamInfo) -> None:
        """Connect."""
        self._info = info
        await self._mqtt.start()

    def observe(self, chunk: Chunk) -> None:
        """Take samples; a jump in their index ends a message."""
        if self._chunks and chunk.start != self._chunks[-1].stop:
            self._send()
        self._chunks.append(chunk)
        if self._info is not None:
            held = chunk.stop - self._chunks[0].start
            if held >= _MESSAGE_S * self._info.fs:
                self._send()

    def publish(self, message: Published) -> None:
        """Ignore events."""

    async def drain(self) -> None:
        """Return at once: the queue is long."""

    async def close(self) -> None:
        """Send the rest and leave."""
        self._send()
        await self._mqtt.close()

    def _send(self) -> None:
        if not self._chunks or self._info is None:
            return
        message = SampleMessage(
            seq=self._seq,
            first_sample=self._chunks[0].start,
            fs=self._info.fs,
            samples=np.concatenate([chunk.samples for chunk in self._chunks], axis=1),
        )
        self._seq += 1
        self._chunks = []
        name = self._name or self._info.source
        self._mqtt.publish(f"{TOPIC_PREFIX}/{name}/{SAMPLES}", encode(message))
