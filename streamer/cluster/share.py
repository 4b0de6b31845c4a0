"""A worker's share of a ward: the one runner, with only its own patients, which come and go."""

import asyncio
import os
from collections.abc import Collection
from typing import Final

import aiomqtt

from streamer.core.errors import BrokerError
from streamer.messages.samples import SamplesError, decode
from streamer.messages.source_status import ConnectionState
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.connection import ConnectionConfig, connect
from streamer.mqtt.protocol import Version
from streamer.mqtt.publisher import MqttPublisher
from streamer.runner.options import WardOptions
from streamer.runner.runner import Runner
from streamer.runner.ward import WardRun
from streamer.runner.ward_setup import WardStorage
from streamer.sources.live import LiveSource

_DAY_S: Final = 86_400


class Share(WardRun):
    """Follows its own patients, and takes others over from and hands them over to other shares.

    Parameters
    ----------
    options : WardOptions
    storage : WardStorage
    sources, awaited : collection of str
        Its patients, and those on their way to it.

    Attributes
    ----------
    sources, awaited : set of str
    """

    def __init__(
        self,
        options: WardOptions,
        storage: WardStorage,
        sources: Collection[str],
        awaited: Collection[str],
    ) -> None:
        super().__init__(options, storage)
        self.sources, self.awaited = set(sources), set(awaited)
        self._kept = storage
        self._leaving = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, and goes on with its patients."""
        mqtt = self._mqtt
        return mqtt is not None and mqtt.state not in {
            ConnectionState.CONNECTING,
            ConnectionState.OFFLINE,
        }

    async def watch(self, sources: Collection[str]) -> None:
        """Begin with patients that nobody had."""
        mqtt, _, _ = self._parts()
        self.sources.update(sources)
        await mqtt.follow(sources)

    async def expect(self, sources: Collection[str]) -> None:
        """Keep what comes for patients that another share still has.

        When this returns, whatever comes later has come here too.
        """
        mqtt, _, _ = self._parts()
        new = set(sources) - self.sources
        for source in new:
            self._kept.journal.let_go(source)
            self._kept.journal.await_patient(source)
        self.awaited |= new
        await mqtt.follow(new)

    async def hand_over(self, sources: Collection[str]) -> None:
        """Leave patients to others, who expect them already.

        All that the broker had taken for us before is in the patients' journals then, and all
        that we have said of them is with the broker.
        """
        mqtt, runner, live = self._parts()
        async with self._leaving:
            leaving = self.sources.intersection(sources)
            await mqtt.pass_marker()
            self.sources -= leaving
            mqtt.moving |= leaving
            await runner.hand_over(live.let_go(leaving))
            for source in leaving:
                self._kept.journal.let_go(source)
            await mqtt.pass_marker()
            await mqtt.follow(leaving, ends=True)
            mqtt.moving -= leaving

    async def take_over(self, sources: Collection[str]) -> None:
        """Go on with patients that were expected and have been handed over."""
        _, runner, live = self._parts()
        for source in self.awaited.intersection(sources):
            self.awaited.discard(source)
            self.sources.add(source)
            live.recall(source, runner.recall(source))
            await asyncio.sleep(0)

    def _parts(self) -> tuple[MqttPublisher, Runner, LiveSource]:
        if self._mqtt is None or self._runner is None or not isinstance(self._source, LiveSource):
            raise BrokerError("the worker isn't connected yet; try again")
        return self._mqtt, self._runner, self._source

    def _receive(self, source: str, payload: bytes, now_s: float) -> None:
        if source in self.sources:
            super()._receive(source, payload, now_s)
        elif source in self.awaited:
            try:
                stop = decode(payload).stop
            except SamplesError:
                return
            self._kept.journal.keep_samples(source, payload, stop)

    async def _recall(self, runner: Runner) -> None:
        """Go on with what a process of before was killed with, once it can't say anything more."""
        mqtt, _, live = self._parts()
        await self._fence(mqtt.url)
        await mqtt.follow(self.sources | self.awaited)
        for source in self.awaited:
            self._kept.journal.await_patient(source)
        live.begin(runner)
        for source in sorted(self.sources):
            live.recall(source, runner.recall(source))

    async def _fence(self, url: str) -> None:
        """Take the session from whoever has it: a broker drops the older of two connections."""
        try:
            async with connect(
                parse_url(url),
                identifier=self._kept.client_id,
                credentials=Credentials.from_environment(os.environ),
                config=ConnectionConfig(),
                version=Version.V5,
                tls=self._publishing.tls,
                session_s=_DAY_S,
                resume=True,
                on_messages=lambda messages: None,
                defers=True,
            ):
                pass
        except aiomqtt.MqttError:
            return  # A broker that is away has no connection either.
