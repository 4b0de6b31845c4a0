"""Publishes the raw samples of sources, so that another instance can label them."""

import numpy as np

from replay.chunk import Chunk
from streamer.core.events import Published, StreamInfo
from streamer.messages.payload import TOPIC_PREFIX
from streamer.messages.samples import SampleMessage, encode
from streamer.mqtt.client import SAMPLES, MqttClient
from streamer.mqtt.link import ClientConfig

_MESSAGE_S = 0.1
"""Signal in one message: ten a second are few for a broker and soon enough for a label."""


class SamplesSink:
    """Publishes samples on `ecg/<name>/samples`, float32, a tenth of a second at a time.

    Parameters
    ----------
    url : str
        Broker.
    name : str, optional
        Source that the samples are published for, if there is but one; its own if None.
    """

    def __init__(self, url: str, *, name: str | None = None) -> None:
        # Nobody wants samples late.
        self._client = MqttClient(url, config=ClientConfig(settle_s=0.0))
        self._name = name
        self._chunks: dict[str, list[Chunk]] = {}
        self._infos: dict[str, StreamInfo] = {}
        self._seqs: dict[str, int] = {}

    async def start(self) -> None:
        """Connect."""
        await self._client.start()

    def open(self, info: StreamInfo) -> None:
        """Begin a source."""
        self._infos[info.source] = info
        self._chunks[info.source] = []
        self._seqs[info.source] = 0

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Take samples; a jump in their index ends a message."""
        chunks = self._chunks[info.source]
        if chunks and chunk.start != chunks[-1].stop:
            self._send(info)
        chunks.append(chunk)
        if chunk.stop - chunks[0].start >= _MESSAGE_S * info.fs:
            self._send(info)

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Ignore events."""

    def close_source(self, source: str) -> None:
        """Send the rest of a source."""
        self._send(self._infos.pop(source))
        del self._chunks[source], self._seqs[source]

    async def drain(self) -> None:
        """Return at once: the queue is long."""

    async def close(self) -> None:
        """Send the rest and leave."""
        for source in list(self._infos):
            self.close_source(source)
        await self._client.close()

    def _send(self, info: StreamInfo) -> None:
        chunks = self._chunks[info.source]
        if not chunks:
            return
        message = SampleMessage(
            seq=self._seqs[info.source],
            first_sample=chunks[0].start,
            fs=info.fs,
            samples=np.concatenate([chunk.samples for chunk in chunks], axis=1),
            leads=info.leads,
        )
        self._seqs[info.source] += 1
        chunks.clear()
        name = self._name or info.source
        self._client.queue(f"{TOPIC_PREFIX}/{name}/{SAMPLES}", encode(message))
