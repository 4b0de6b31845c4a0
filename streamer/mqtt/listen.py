"""Follows what replays publish: waits for a broker, survives its restarts, notices what is lost."""

import asyncio
import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiomqtt

from classifier.labels import Label
from streamer.core.errors import BrokerError
from streamer.messages.payload import MAIN_KIND, TopicKind, check_source, topic
from streamer.messages.received import Freshness, Received, SourceTrack, receive
from streamer.messages.wire import (
    AlertMessage,
    AnyMessage,
    BeatMessage,
    EventMessage,
    MalformedError,
    StatusMessage,
)
from streamer.mqtt.access import Address, Credentials, TlsFiles, parse_url
from streamer.mqtt.broker import DEFAULT_URL
from streamer.mqtt.connection import ConnectionConfig, Versions, client_identifier, connect
from streamer.mqtt.link import backoff
from streamer.mqtt.local_address import read_note
from streamer.mqtt.protocol import AUTO, explain, is_login_refused, is_refused, unreachable

LISTENING: Final = ConnectionConfig(backoff_cap_s=1.0)
"""A person waits: look for the broker every second."""

SESSION_S: Final = 300
"""How long a broker that speaks MQTT 5 keeps messages for a listener whose connection broke."""
MAX_SOURCES: Final = 20_000
"""Sources that are followed at the same time."""
_FOLLOWED: Final = (
    TopicKind.STATUS,
    TopicKind.BEATS,
    TopicKind.RHYTHM,
    TopicKind.ALARMS,
    TopicKind.GAPS,
    TopicKind.ALERTS,
)
"""All that has numbers, so that holes show, and status first; live samples are left to others."""
_DETAILS: Final = frozenset({TopicKind.BEATS, TopicKind.ALARMS, TopicKind.STATISTICS})
"""What is shown only if asked for."""
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", re.ASCII)
_UNITS_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """What to show, and for how long."""

    url: str | None = None
    """None: where an embedded broker runs on this machine, else mqtt://127.0.0.1:1883."""
    source: str | None = None
    """None: every source."""
    all_beats: bool = False
    """Every event, not only alerts, rhythm, gaps and status."""
    labels: frozenset[str] = frozenset()
    """Show confirmed beats of these classes too; with `all_beats`, only these beats."""
    alarms_only: bool = False
    """Alerts and nothing else."""
    version: str = AUTO
    tls: TlsFiles | None = None
    duration_s: float | None = None
    count: int | None = None
    """Messages to show before the end."""

    def __post_init__(self) -> None:
        unknown = self.labels - set(Label)
        if unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))}: no such label; expected some of "
                f"{','.join(Label)}, such as --labels V,S"
            )
        if self.alarms_only and (self.all_beats or self.labels):
            raise ValueError("--alarms shows alerts only; leave --all and --labels out")


@dataclass(slots=True)
class Tally:
    """What was seen; malformed messages and duplicates are counted, not shown."""

    shown: int = 0
    duplicates: int = 0
    malformed: int = 0
    connections: int = 0
    tracks: dict[str, SourceTrack] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Events that never came, over all sources."""
        return sum(track.missing_count for track in self.tracks.values())

    def summary(self) -> str:
        """One line for the end."""
        return (
            f"{self.shown} messages shown; {self.missing} missing, "
            f"{self.duplicates} duplicates dropped, {self.malformed} malformed"
        )


def parse_duration(text: str) -> float:
    """Read `60`, `60s`, `5m` or `1h` as seconds.

    Raises
    ------
    ValueError
        If it is none of these or zero.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not seconds:
        raise ValueError(f"{text!r} is no duration; expected a time such as 60s, 5m or 1h")
    return seconds


class Listener:
    """Receives messages and hands the chosen ones on.

    Parameters
    ----------
    options : ListenOptions
    show : callable
        Gets each message to show.
    notice : callable
        Gets one line about connections and losses.
    credentials : Credentials, optional
        From the environment by default.
    config : ConnectionConfig
    random_source : injected for tests

    Raises
    ------
    ValueError
        If `options` hold a URL or a source name that is none.
    """

    def __init__(
        self,
        options: ListenOptions,
        *,
        show: Callable[[Received], None],
        notice: Callable[[str], None],
        credentials: Credentials | None = None,
        environment: Mapping[str, str] = os.environ,
        config: ConnectionConfig = LISTENING,
        random_source: random.Random | None = None,
    ) -> None:
        if options.url is not None:
            parse_url(options.url)
        if options.source is not None:
            check_source(options.source)
        self.tally = Tally()
        self._options = options
        self._show = show
        self._notice = notice
        self._credentials = credentials or Credentials.from_environment(environment)
        self._config = config
        self._random = random_source or random.Random()
        self._waiting_for: Address | None = None
        self._versions = Versions(options.version)
        self._identifier = client_identifier("listen")

    @property
    def succeeded(self) -> bool:
        """Whether a broker was there and `count`, if any, was reached."""
        wanted = self._options.count or 0
        return self.tally.connections > 0 and self.tally.shown >= wanted

    async def run(self) -> None:
        """Listen until `duration_s` or `count` is reached, or for ever.

        Raises
        ------
        BrokerError
            If the broker refuses our login or the subscription: waiting would not help.
        """
        try:
            async with asyncio.timeout(self._options.duration_s) as limit:
                await self._follow()
        except TimeoutError:
            if not limit.expired():
                raise

    async def _follow(self) -> None:
        delays = backoff(self._config, self._random)
        while True:
            # Looked up anew each time: the replay may have started since.
            address = parse_url(self._options.url or read_note() or DEFAULT_URL)
            connections = self.tally.connections
            try:
                await self._listen_to(address)
                return
            except aiomqtt.MqttError as error:
                if is_login_refused(error):
                    raise unreachable(address, error, "name another one") from None
                self._lost(address, error, was_connected=self.tally.connections > connections)
            if self.tally.connections > connections:
                delays = backoff(self._config, self._random)
            await asyncio.sleep(next(delays))

    async def _listen_to(self, address: Address) -> None:
        """Take messages until enough are shown."""
        version = await self._versions.settle(address, self._config, self._options.tls)
        async with connect(
            address,
            identifier=self._identifier,
            credentials=self._credentials,
            config=self._config,
            version=version,
            tls=self._options.tls,
            session_s=SESSION_S,
            resume=self.tally.connections > 0,
        ) as client:
            await self._subscribe(client, address)
            self._waiting_for = None
            again = " again" if self.tally.connections else ""
            self.tally.connections += 1
            self._notice(f"listening to {address.url}{again}")
            async for message in client.messages:
                self.take(str(message.topic), message.payload)
                if self._options.count is not None and self.tally.shown >= self._options.count:
                    return

    async def _subscribe(self, client: aiomqtt.Client, address: Address) -> None:
        source = self._options.source or "+"
        names = [topic(source, kind) for kind in _FOLLOWED]
        codes = await client.subscribe([(name, 1) for name in names])
        for name, code in zip(names, codes, strict=True):
            if is_refused(code):
                raise BrokerError(
                    f"MQTT broker {address.url} doesn't let us read {name}; "
                    "ask for that right, or name another broker"
                )

    def _lost(self, address: Address, error: BaseException, *, was_connected: bool) -> None:
        """Say once that we wait, and for how long at most."""
        if was_connected:
            self._notice(f"connection to {address.url} lost ({explain(error)}); trying again")
        elif self._waiting_for != address:
            bound_s = self._options.duration_s
            until = "until Ctrl-C" if bound_s is None else f"up to {bound_s:g} s in all"
            self._notice(
                f"no broker at {address.url} yet ({explain(error)}); waiting for one, {until}"
            )
        self._waiting_for = address

    def take(self, name: str, data: object) -> None:
        """Judge one message from the network; show it if it is new and wanted."""
        try:
            received = receive(name, data if isinstance(data, bytes) else b"")
        except MalformedError:
            self.tally.malformed += 1
            return
        tracks, message = self.tally.tracks, received.message
        if message.source not in tracks and len(tracks) >= MAX_SOURCES:
            self.tally.malformed += 1  # No ward has so many; somebody makes names up.
            return
        track = tracks.setdefault(message.source, SourceTrack())
        if isinstance(message, StatusMessage):
            self._report(message.source, track.status(message))
            if not track.is_online:
                self._tell_silenced(message.source)
        elif isinstance(message, EventMessage):
            freshness, hole = track.event(message)
            self._report(message.source, hole)
            if freshness is Freshness.DUPLICATE:
                self.tally.duplicates += 1
                return
        if self._is_wanted(message):
            self.tally.shown += 1
            self._show(received)

    def _tell_silenced(self, ward: str) -> None:
        """Say how many sources a ward that is offline leaves behind, which can't say so."""
        silenced = sum(t.via == ward and t.is_online for t in self.tally.tracks.values())
        if silenced:
            sources = "1 source is" if silenced == 1 else f"{silenced} sources are"
            self._notice(f"{ward} is offline, and so {sources} that it published for")

    def _report(self, source: str, hole: int) -> None:
        if hole:
            self._notice(f"{source}: {hole} {'event is' if hole == 1 else 'events are'} missing")

    def _is_wanted(self, message: AnyMessage) -> bool:
        """Alerts stand in for the beats and alarms behind them."""
        options = self._options
        if options.alarms_only:
            return isinstance(message, AlertMessage)
        if isinstance(message, BeatMessage) and options.labels:
            confirmed = message.revision == 1
            return message.label in options.labels and (confirmed or options.all_beats)
        return options.all_beats or MAIN_KIND[message.type] not in _DETAILS
