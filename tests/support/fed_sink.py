"""A sink with one source, fed as the runner feeds it: the account first."""

from typing import Any

from monitor_cases import info as made_up

from replay.chunk import Chunk
from streamer.core.events import LabeledBeat, Published, StreamInfo
from streamer.scoring.account import Account


class FedSink:
    def __init__(
        self,
        kind: Any,
        *args: Any,
        info: StreamInfo | None = None,
        budget_ms: float = 500.0,
        reference: Any = None,
        **options: Any,
    ) -> None:
        self.info = made_up() if info is None else info
        self.account = Account(self.info, budget_ms=budget_ms, reference=reference)
        self.sink = kind(*args, accounts={self.info.source: self.account}, **options)
        self._now = self.info.first_sample
        self._is_open = False

    async def start(self) -> None:
        self.sink.open(self.info)
        self._is_open = True
        await self.sink.start()

    def observe(self, chunk: Chunk) -> None:
        self._now = chunk.stop
        self.sink.observe(self.info, chunk)

    def publish(self, message: Published) -> None:
        if isinstance(message.event, LabeledBeat):
            self.account.take(message.event, message.compute_ms, self._now)
        self.sink.publish(self.info, message)

    async def drain(self) -> None:
        await self.sink.drain()

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.account.finish(self._now)
            self.sink.close_source(self.info.source)
        await self.sink.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sink, name)
