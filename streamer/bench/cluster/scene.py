"""Patients whose samples are sent in real time, and a subscriber that misses nothing."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from classifier.network.runtime import load_model
from replay.chunk import Chunk
from replay.records import open_record
from streamer.beats.batched_model import BatchedModel
from streamer.core.events import LabeledBeat
from streamer.messages.payload import TOPIC_PREFIX, SaidKey, TopicKind, said_key
from streamer.messages.samples import SampleMessage, encode
from streamer.messages.wire import (
    AlertMessage,
    BeatMessage,
    EventMessage,
    MalformedError,
    StatusMessage,
    loads,
)
from streamer.mqtt.client import SAMPLES, Incoming, MqttClient
from streamer.patient.patients import WardConfig
from streamer.patient.ward import Ward
from streamer.sources.looped import LoopedRecords

N_LEADS: Final = 2
FS: Final = 360.0
_EVENTS: Final = (TopicKind.BEATS, TopicKind.RHYTHM, TopicKind.ALARMS, TopicKind.GAPS)
_RECORDS: Final = ("demo", "demo:2", "demo:3")
_GAIN: Final = 200.0
_DECIDED_S: Final = 5.0
"""Longer than any label takes, in signal."""


class Patients:
    """Sends samples of many patients, each from a place of its own in simulated records.

    Parameters
    ----------
    url : str
        Broker.
    names : list of str
    message_s : float
        Signal in one message.
    speed : float
        Factor of real time.

    Attributes
    ----------
    sent : int
        Samples of each patient that were sent.
    """

    def __init__(
        self, url: str, names: list[str], *, message_s: float = 0.1, speed: float = 1.0
    ) -> None:
        self.names = names
        self.sent = 0
        self._is_stopped = False
        self._began_s = 0.0
        self._places = {name: place for place, name in enumerate(names)}
        self._client = MqttClient(url)
        self._looped = LoopedRecords([open_record(name) for name in _RECORDS], N_LEADS)
        self._size = round(message_s * FS)
        self._period_s = self._size / FS / speed

    def stop(self) -> None:
        """Send no more."""
        self._is_stopped = True

    async def run(self) -> None:
        """Send until stopped, and until the broker has it."""
        await self._client.start()
        loop = asyncio.get_running_loop()
        began_s = self._began_s = loop.time()
        for number in itertools.count():
            if self._is_stopped:
                break
            due_s = began_s + number * self._period_s
            block = self.samples(number * self._size, self._size)
            share = max(len(self.names) // 10, 1)
            # Spread over the period, as sources of many makers are.
            for first in range(0, len(self.names), share):
                await asyncio.sleep(due_s + first / len(self.names) * self._period_s - loop.time())
                for name, samples in zip(
                    self.names[first : first + share], block[first : first + share], strict=True
                ):
                    message = SampleMessage(
                        seq=number, first_sample=self.sent, fs=FS, samples=samples
                    )
                    self._client.queue(
                        f"{TOPIC_PREFIX}/{name}/{SAMPLES}", encode(message, gain=_GAIN)
                    )
            self.sent += self._size
        await self._client.delivered()

    async def close(self) -> None:
        """Leave."""
        await self._client.close()

    @property
    def settled(self) -> int:
        """The sample up to which every beat is decided by what was sent."""
        return self.sent - round(_DECIDED_S * FS)

    def due_s(self, source: str, sample: int) -> float:
        """Return when a sample was to be sent, on the event loop's clock."""
        place = self._places[source] / len(self.names)
        return self._began_s + (sample // self._size + place) * self._period_s

    def samples(self, start: int, n: int) -> NDArray[np.float32]:
        """Return what is sent of each patient, shape (patients, leads, n), in mV."""
        block = self._looped.read(np.full(len(self.names), start, np.int64), n)
        return np.round(block * _GAIN).astype(np.float32) / np.float32(_GAIN)

    def truth(self, starts: Mapping[str, int]) -> dict[tuple[str, int, int], str]:
        """Return the label of each beat by source, sample and revision, of an undisturbed ward.

        Parameters
        ----------
        starts : mapping of str to int
            From which sample on each source was followed.
        """
        model = BatchedModel(load_model())
        ward = Ward(model, n_leads=N_LEADS, config=WardConfig())
        for name in self.names:
            ward.admit(name, fs=FS)
        found: dict[tuple[str, int, int], str] = {}
        for start in range(0, self.sent, self._size):
            block = self.samples(start, self._size)
            chunks = {
                name: [Chunk(start=start, samples=samples)]
                for name, samples in zip(self.names, block, strict=True)
                if start >= starts[name]
            }
            for made in ward.label(ward.push_chunks(chunks)):
                if isinstance(made.event, LabeledBeat):
                    key = (made.patient.source, made.event.beat.rpeak.sample, made.event.revision)
                    found[key] = str(made.event.label)
        return found


@dataclass(slots=True)
class Audit:
    """What a subscriber has, of all sources together."""

    events: dict[tuple[str, int], SaidKey] = field(default_factory=dict)
    """By source and number."""
    labels: dict[tuple[str, int, int], str | None] = field(default_factory=dict)
    """By source, sample and revision."""
    numbers: dict[tuple[str, SaidKey], int] = field(default_factory=dict)
    came_s: dict[str, list[float]] = field(default_factory=dict)
    """When each new event came."""
    due_s: Callable[[str, int], float] | None = None
    """Returns when a sample was sent."""
    delays_ms: list[float] = field(default_factory=list)
    """Of first labels, from when the sample that decided them was sent."""
    repeated: int = 0
    """Messages that came again, which receivers drop by (source, seq)."""
    reused: int = 0
    """Numbers that came with different content: lost to those who drop what they know."""
    doubled: int = 0
    """Events that came under a second number."""
    disordered: int = 0
    states: dict[str, str] = field(default_factory=dict)
    """Of each source and ward."""
    via: dict[str, str] = field(default_factory=dict)
    """Who publishes for each source."""
    starts: dict[str, int] = field(default_factory=dict)
    """The first sample of each source that was followed."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def client(self, url: str) -> MqttClient:
        """Make the client that feeds it."""
        readers: dict[str, Incoming] = dict.fromkeys((*_EVENTS, TopicKind.STATUS), self.take)
        return MqttClient(url, client_id="ecg-stream-audit", readers=readers, keeps_session=True)

    def take(self, source: str, payload: bytes, now_s: float) -> None:
        """Take one message."""
        self.changed.set()
        try:
            message = loads(payload)
        except MalformedError:
            return
        if isinstance(message, StatusMessage):
            self.states[source] = message.state
            if message.via is not UNSET:
                self.via[source] = message.via
            if message.leads:
                self.starts.setdefault(source, message.first_sample)
        if not isinstance(message, EventMessage) or isinstance(message, AlertMessage):
            return
        place, key = (source, message.seq), said_key(message)
        if place in self.events:
            self.repeated += 1
            self.reused += self.events[place] != key
            return
        self.events[place] = key
        self.doubled += self.numbers.setdefault((source, key), message.seq) != message.seq
        self.disordered += (source, message.seq - 1) not in self.events and message.seq > 0
        self.came_s.setdefault(source, []).append(now_s)
        if isinstance(message, BeatMessage) and message.label is not None:
            self.labels[source, message.sample, message.revision] = message.label
            if message.revision == 0 and self.due_s is not None:
                self.delays_ms.append((now_s - self.due_s(source, message.decided_at)) * 1000.0)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait until something is so.

        Raises
        ------
        TimeoutError
            If it isn't in time.
        """
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_more(self, sources: Iterable[str], n: int, timeout_s: float) -> None:
        """Wait until n more events of each source have come."""
        enough = {source: len(self.came_s.get(source, ())) + n for source in sources}
        await self.until(
            lambda: all(len(self.came_s.get(s, ())) >= most for s, most in enough.items()),
            timeout_s,
        )

    def compare(self, truth: dict[tuple[str, int, int], str], before: int) -> "Verdict":
        """Compare with an undisturbed ward, beats before a sample only."""
        expected = {k: label for k, label in truth.items() if k[1] < before}
        found = {k: label for k, label in self.labels.items() if k[1] < before}
        numbers: dict[str, int] = {}
        for source, seq in self.events:
            numbers[source] = max(numbers.get(source, 0), seq + 1)
        return Verdict(
            beats=len(expected),
            lost=len(expected.keys() - found.keys()),
            added=len(found.keys() - expected.keys()),
            relabelled=sum(expected[k] != found[k] for k in expected.keys() & found.keys()),
            doubled=self.doubled,
            reused=self.reused,
            disordered=self.disordered,
            holes=sum(numbers.values()) - len(self.events),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of all events; all but `beats` are 0 if nothing is wrong."""

    beats: int
    """Labels of an undisturbed run, provisional and confirmed."""
    lost: int
    added: int
    relabelled: int
    doubled: int
    reused: int
    disordered: int
    holes: int

    @property
    def is_perfect(self) -> bool:
        """Whether every beat was published exactly once, as in an undisturbed run."""
        wrong = (self.lost, self.added, self.relabelled, self.doubled, self.reused)
        return not any((*wrong, self.disordered, self.holes))
