"""Statistics over MQTT: figures of the ledger, every few seconds of signal."""

import json

import numpy as np
from fed_sink import FedSink
from jsonschema import Draft202012Validator
from message_schema import schema
from sample_events import labeled, stream_info

from replay.chunk import Chunk
from streamer.core.events import Published
from streamer.messages.payload import utc_time
from streamer.messages.wire import MessageType, StatisticsMessage, dumps
from streamer.sinks.statistics import StatisticsSink


class Output:
    def __init__(self) -> None:
        self.taken: list[StatisticsMessage] = []

    def publish_statistics(self, message: StatisticsMessage) -> None:
        self.taken.append(message)


async def test_latencies_are_published_every_few_seconds_and_at_the_end() -> None:
    output, info = Output(), stream_info()
    sink = FedSink(
        StatisticsSink,
        output,
        info=info,
        budget_ms=300.0,
        every_s=1.0,
        wall_time=lambda: 7.0,
    )
    await sink.start()
    step = round(info.fs)
    for k in range(3):
        first = info.first_sample + k * step
        sink.observe(Chunk(start=first, samples=np.zeros((1, step), np.float32)))
        event = labeled(first + 10, first + 10 + round((0.2 + 0.1 * k) * info.fs))
        sink.publish(Published(seq=k, event=event, compute_ms=5.0))
    await sink.close()
    assert [message.beats for message in output.taken] == [0, 1, 2, 3]
    last = output.taken[-1]
    assert (last.budget_ms, last.source, last.time) == (300.0, info.source, utc_time(7.0))
    for message in output.taken:
        Draft202012Validator(schema(MessageType.STATISTICS)).validate(json.loads(dumps(message)))
