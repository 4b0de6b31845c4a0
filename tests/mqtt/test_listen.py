import asyncio
import contextlib
import json
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mosquitto_broker import Mosquitto, free_port
from mqtt_subscriber import QUICK, WAIT_S, begin, patient_sink, play
from sample_events import (
    alarm,
    alert_fields,
    fields,
    gap,
    labeled_beat,
    one_of_each,
    published,
    rhythm_event,
    stream_info,
)

from classifier.labels import Label
from streamer.bench.faults.link import Link
from streamer.core.errors import BrokerError
from streamer.core.events import Event
from streamer.messages.payload import to_payload, topic_of
from streamer.messages.received import Received
from streamer.messages.source_status import ConnectionState, DeliveryCounts, status_payload
from streamer.messages.wire import AlertMessage, AnyMessage, EventMessage, StatusMessage, dumps
from streamer.mqtt.access import Credentials, parse_url
from streamer.mqtt.broker import EmbeddedBroker
from streamer.mqtt.connection import connect
from streamer.mqtt.listen import Listener, ListenOptions, parse_duration

pytestmark = pytest.mark.usefixtures("own_cache")


class Terminal:
    """What a listener shows and says."""

    def __init__(self) -> None:
        self.shown: list[AnyMessage] = []
        self.notices: list[str] = []
        self.changed = asyncio.Event()

    def show(self, received: Received) -> None:
        self.shown.append(received.message)
        self.changed.set()

    def seqs(self) -> list[int]:
        """Numbers of the events, alerts left out."""
        events = [m for m in self.shown if isinstance(m, EventMessage)]
        return [m.seq for m in events if not isinstance(m, AlertMessage)]

    def notice(self, line: str) -> None:
        self.notices.append(line)
        self.changed.set()

    async def until_noticed(self, words: str, count: int = 1) -> None:
        async with asyncio.timeout(WAIT_S):
            while sum(words in line for line in self.notices) < count:
                self.changed.clear()
                await self.changed.wait()

    async def until_shown(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.shown) < count:
                self.changed.clear()
                await self.changed.wait()


def listener(terminal: Terminal, **options: object) -> Listener:
    return Listener(
        ListenOptions(**options),
        show=terminal.show,
        notice=terminal.notice,
        credentials=Credentials(),
        config=QUICK,
        random_source=random.Random(1),
    )


@contextlib.asynccontextmanager
async def running(listening: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(listening.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_by_default_alerts_rhythm_gaps_and_status_are_shown(embedded: EmbeddedBroker) -> None:
    terminal = Terminal()
    listening = listener(terminal, url=embedded.url)
    async with running(listening):
        await terminal.until_noticed("listening to")
        await play(embedded.url)
        await terminal.until_shown(6)
    shown = [message.type.value for message in terminal.shown]
    assert shown == ["status", "alert", "rhythm", "alert", "gap", "status"]
    assert "6 messages shown; 0 missing, 0 duplicates dropped, 0 mal" in listening.tally.summary()


async def test_all_shows_every_event_once_and_in_order(embedded: EmbeddedBroker) -> None:
    terminal = Terminal()
    events = 30 * len(one_of_each())
    # Two of status; the first V beat and thirty runs are alerts as well.
    shown = events + 2 + 31
    listening = listener(terminal, url=embedded.url, all_beats=True, count=shown)
    async with running(listening):
        await terminal.until_noticed("listening to")
        await play(embedded.url, count=30)
        await terminal.until_shown(shown)
    assert terminal.seqs() == list(range(events))
    assert listening.succeeded


def shown_with(events: list[Event], **options: object) -> list[AnyMessage]:
    terminal = Terminal()
    listening = listener(terminal, **options)
    for seq, event in enumerate(events):
        payload = to_payload(published(event, seq=seq), stream_info())
        listening.take(topic_of(payload), dumps(payload))
    listening.take("ecg/208/alerts", dumps(alert_fields()))
    return terminal.shown


def test_filters() -> None:
    events: list[Event] = [
        labeled_beat(label=Label(letter), revision=revision)
        for letter in "NSV"
        for revision in (0, 1)
    ]
    events += [rhythm_event(), alarm(), gap()]

    def kinds(**options: object) -> list[tuple[str, object, object]]:
        return [
            (m.type.value, getattr(m, "label", None), getattr(m, "revision", None))
            for m in shown_with(events, **options)
        ]

    quiet = [("rhythm", None, None), ("gap", None, None), ("alert", None, None)]
    assert kinds() == quiet
    assert kinds(labels=frozenset("VS")) == [("beat", "S", 1), ("beat", "V", 1), *quiet]
    assert kinds(alarms_only=True) == [("alert", None, None)]
    assert len(kinds(all_beats=True)) == len(events) + 1
    both = kinds(all_beats=True, labels=frozenset("V"))
    assert [kind for kind in both if kind[0] == "beat"] == [("beat", "V", 0), ("beat", "V", 1)]
    with pytest.raises(ValueError, match="X: no such label; expected some of N,S,V,F,Q"):
        ListenOptions(labels=frozenset("VX"))
    with pytest.raises(ValueError, match="leave --all and --labels out"):
        ListenOptions(alarms_only=True, all_beats=True)


async def test_one_source_only(embedded: EmbeddedBroker) -> None:
    terminal = Terminal()
    async with running(listener(terminal, url=embedded.url, source="b", count=6)):
        await terminal.until_noticed("listening to")
        await play(embedded.url, source="a")
        await play(embedded.url, source="b")
        await terminal.until_shown(6)
    assert {m.source for m in terminal.shown} == {"b"}


async def test_count_ends_it(embedded: EmbeddedBroker) -> None:
    terminal = Terminal()
    listening = listener(terminal, url=embedded.url, count=2)
    task = asyncio.create_task(listening.run())
    await terminal.until_noticed("listening to")
    await play(embedded.url)
    await asyncio.wait_for(task, WAIT_S)
    assert len(terminal.shown) == 2
    assert listening.succeeded


async def test_it_waits_for_a_broker_to_appear_and_finds_the_embedded_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamer.mqtt.listen.DEFAULT_URL", f"mqtt://127.0.0.1:{free_port()}")
    terminal = Terminal()
    async with running(listener(terminal)):
        await terminal.until_noticed("waiting for one, until Ctrl-C")
        broker = EmbeddedBroker(free_port())
        await broker.start()
        try:
            await terminal.until_noticed(f"listening to {broker.url}")
            await play(broker.url)
            await terminal.until_shown(6)
        finally:
            await broker.stop()
    assert sum("waiting" in line for line in terminal.notices) == 1


async def test_a_time_limit_bounds_the_wait() -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    terminal = Terminal()
    async with running(listener(terminal, url=url, duration_s=3600.0)):
        await terminal.until_noticed("waiting for one, up to 3600 s in all")
    listening = listener(Terminal(), url=url, duration_s=0.05)
    await asyncio.wait_for(listening.run(), WAIT_S)
    assert not listening.succeeded


@pytest.mark.mosquitto
async def test_it_survives_a_killed_broker(mosquitto: str, tmp_path: Path) -> None:
    terminal = Terminal()
    count = 120
    async with Mosquitto(mosquitto, tmp_path) as broker:
        publisher = patient_sink(broker.url)
        listening = listener(terminal, url=broker.url, all_beats=True)
        async with running(listening):
            await terminal.until_noticed("listening to")
            await begin(publisher, stream_info())
            for seq in range(count // 2):
                publisher.publish(stream_info(), published(labeled_beat(label=Label.N), seq=seq))
            # All came before the end: what the broker loses on its own is another matter.
            await terminal.until_shown(1 + count // 2)
            broker.kill()
            await terminal.until_noticed("lost")
            await broker.start()
            await terminal.until_noticed(f"listening to {broker.url} again")
            for seq in range(count // 2, count):
                publisher.publish(stream_info(), published(labeled_beat(label=Label.N), seq=seq))
            await publisher.close()
            async with asyncio.timeout(WAIT_S):
                while not has_ended(terminal):
                    terminal.changed.clear()
                    await terminal.changed.wait()
    assert terminal.seqs() == list(range(count))
    assert listening.tally.missing == 0
    assert listening.tally.connections >= 2


def has_ended(terminal: Terminal) -> bool:
    return any(isinstance(m, StatusMessage) and m.reason == "finished" for m in terminal.shown)


@pytest.mark.mosquitto
async def test_a_refused_login_is_fatal(mosquitto: str, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    async with Mosquitto(mosquitto, tmp_path, password_file=passwords) as broker:
        with pytest.raises(BrokerError, match=r"refuses us.*ECG_STREAM_MQTT_USERNAME"):
            await asyncio.wait_for(listener(Terminal(), url=broker.url).run(), WAIT_S)


def feed(listening: Listener, seqs: list[int]) -> None:
    for seq in seqs:
        payload = to_payload(published(rhythm_event(), seq=seq), stream_info())
        listening.take(topic_of(payload), dumps(payload))


def test_holes_are_reported_and_duplicates_dropped() -> None:
    terminal = Terminal()
    listening = listener(terminal)
    feed(listening, [0, 1, 4, 4, 6])
    assert terminal.notices == ["208: 2 events are missing", "208: 1 event is missing"]
    assert terminal.seqs() == [0, 1, 4, 6]
    assert (listening.tally.missing, listening.tally.duplicates) == (3, 1)


def test_a_lost_ward_takes_its_sources_along() -> None:
    terminal = Terminal()
    listening = listener(terminal)

    def status(source: str, state: ConnectionState, via: str | None) -> None:
        payload = status_payload(
            stream_info(source),
            DeliveryCounts(events=0, waiting=0),
            state=state,
            reason=None,
            now=0.0,
            first_seq=0,
            via=via,
        )
        listening.take(f"ecg/{source}/status", payload)

    for source, via in (("a", "ward"), ("b", "ward"), ("c", "other"), ("d", None), ("ward", None)):
        status(source, ConnectionState.ONLINE, via)
    status("b", ConnectionState.OFFLINE, "ward")
    assert terminal.notices == []
    status("ward", ConnectionState.OFFLINE, None)
    assert terminal.notices == ["ward is offline, and so 1 source is that it published for"]


def test_made_up_sources_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.mqtt.listen.MAX_SOURCES", 3)
    listening = listener(Terminal())
    for number in range(10):
        payload = to_payload(published(gap()), stream_info(f"bed{number}"))
        listening.take(topic_of(payload), dumps(payload))
    assert (len(listening.tally.tracks), listening.tally.malformed) == (3, 7)


def test_malformed_messages_are_counted_not_fatal() -> None:
    terminal = Terminal()
    listening = listener(terminal)
    listening.take("ecg/208/beats", b"\x00")
    listening.take("ecg/208/beats", None)
    feed(listening, [0])
    assert listening.tally.malformed == 2
    assert len(terminal.shown) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("1.5m", 90), ("2 min", 120), ("1h", 3600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "5x", "s", "1:00", "nan"])
def test_refused_durations(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 60s"):
        parse_duration(text)


@pytest.mark.parametrize("options", [{"url": "localhost"}, {"source": "a/#"}])
def test_nonsense_is_refused_at_once(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        listener(Terminal(), **options)


def test_unused_events_stay_quiet() -> None:
    terminal = Terminal()
    listening = listener(terminal)
    for seq, event in enumerate([labeled_beat(label=Label.N), gap(), alarm()]):
        payload = to_payload(published(event, seq=seq), stream_info())
        listening.take(topic_of(payload), dumps(payload))
    assert [m.type.value for m in terminal.shown] == ["gap"]
    assert json.loads(dumps(terminal.shown[0]))["reason"] == "flat"
    assert os.environ["XDG_CACHE_HOME"]


async def test_live_samples_are_left_to_others(embedded: EmbeddedBroker) -> None:
    terminal = Terminal()
    listening = listener(terminal, url=embedded.url, count=1)
    task = asyncio.create_task(listening.run())
    await terminal.until_noticed("listening to")
    async with connect(
        parse_url(embedded.url), identifier="bed", credentials=Credentials(), config=QUICK
    ) as bed:
        await bed.publish("ecg/208/samples", b"ECG1\x00\xff", qos=1)
        await bed.publish("ecg/208/rhythm", dumps(fields(rhythm_event())), qos=1)
    await asyncio.wait_for(task, WAIT_S)
    assert (listening.tally.shown, listening.tally.malformed) == (1, 0)


@pytest.mark.mosquitto
async def test_with_mqtt_5_a_broken_connection_costs_a_listener_nothing(
    mosquitto: str, tmp_path: Path
) -> None:
    """The broker keeps the session and hands over what came while nobody listened."""
    count = 100
    terminal = Terminal()
    async with Mosquitto(mosquitto, tmp_path) as broker, Link(broker.port) as link:
        publisher = patient_sink(broker.url)
        listening = listener(terminal, url=link.url, all_beats=True)
        async with running(listening):
            await terminal.until_noticed("listening to")
            await begin(publisher, stream_info())
            for seq in range(count):
                publisher.publish(stream_info(), published(labeled_beat(label=Label.N), seq=seq))
                if seq == count // 2:
                    await terminal.until_shown(1 + seq)
                    link.freeze()
                    link.cut()
            # All is published while the listener is away.
            await publisher.close()
            link.thaw()
            async with asyncio.timeout(WAIT_S):
                while not has_ended(terminal):
                    terminal.changed.clear()
                    await terminal.changed.wait()
    assert terminal.seqs() == list(range(count))
    assert (listening.tally.missing, listening.tally.connections) == (0, 2)
