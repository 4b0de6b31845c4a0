"""One live source over MQTT, in the place of a record and its player."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from replay.chunk import Chunk
from streamer.messages.payload import TOPIC_PREFIX, check_source
from streamer.messages.samples import SampleMessage, SamplesError, decode
from streamer.mqtt.access import TlsFiles
from streamer.mqtt.address import parse_url
from streamer.mqtt.client import SAMPLES, MqttClient
from streamer.sources.intake import IntakeConfig, LiveIntake
from streamer.sources.track import SampleTrack

_SCHEMES: Final = ("mqtt://", "mqtts://")
_FORM: Final = "mqtt://HOST[:PORT]/SOURCE, such as mqtt://localhost:1883/bed4"
_MOST_LEADS: Final = 2
_LOOK_S: Final = 0.05
"""How often the patience with missing messages is looked at."""


def is_live(name: str) -> bool:
    """Whether a name asks for a live source rather than a record."""
    return name.startswith(_SCHEMES)


def parse_source(url: str) -> tuple[str, str]:
    """Split `mqtt://HOST[:PORT]/SOURCE` into the broker's URL and the source's name.

    Raises
    ------
    ValueError
        If the URL has another form.
    """
    broker, slash, source = url.rpartition("/")
    if not slash or broker.endswith("/") or not source:
        raise ValueError(f"{url!r} names no live source; expected {_FORM}")
    return parse_url(broker).url, check_source(source)


class LiveFeed:
    """Samples of one source as they come, from its first message on.

    Iterate over it for its chunks, without end until the source starts anew: another run of it is
    another stream.

    Parameters
    ----------
    url : str
        `mqtt://HOST[:PORT]/SOURCE`.
    on_notice : callable, optional
        Gets one line about the connection and about the end.
    tls : TlsFiles, optional
        For `mqtts`; the system's authorities by default.
    config : IntakeConfig, optional
        Patience with the source, and what it may send.

    Attributes
    ----------
    name : str
    fs : float
        Hz; this and the following are known after `begin`.
    leads : tuple of str
        One or two; what a source has beyond is left out.
    start : int
        Index of the first sample.
    started_at : float
        Wall time of that sample, in s since the epoch.

    Raises
    ------
    ValueError
        If `url` is none of a live source.
    """

    database: None = None
    n_samples: None = None

    def __init__(
        self,
        url: str,
        *,
        on_notice: Callable[[str], None] | None = None,
        tls: TlsFiles | None = None,
        config: IntakeConfig | None = None,
    ) -> None:
        broker, self.name = parse_source(url)
        self.fs = 0.0
        self.leads: tuple[str, ...] = ()
        self.start = 0
        self.started_at = 0.0
        self._notice = on_notice or (lambda line: None)
        # However long it is silent, it is the source that was asked for.
        self._config = config or IntakeConfig(absent_s=float("inf"))
        self._mqtt = MqttClient(
            broker,
            readers={SAMPLES: self._receive},
            source=self.name,
            on_notice=self._notice,
            tls=tls,
        )
        self._intake: LiveIntake | None = None
        self._rest: list[Chunk] = []
        self._began_s = 0.0
        self._came = asyncio.Event()
        self._ended = False

    async def begin(self) -> None:
        """Connect, and wait for the first message, however long that takes.

        Raises
        ------
        BrokerError
            If the broker can't be reached or refuses us.
        """
        await self._mqtt.start()
        topic = f"{TOPIC_PREFIX}/{self.name}/{SAMPLES}"
        self._notice(f"waiting for samples on {topic} at {self._mqtt.url}")
        await self._came.wait()

    async def close(self) -> None:
        """Leave the broker."""
        await self._mqtt.close()

    def reference(self) -> None:
        """Return None: nobody has annotated what is yet to come."""

    def due(self, sample: int) -> float:
        """Return when a sample was due on the event loop's clock, by the quickest message so far.

        Not the sender's clock but the arrival says so.
        """
        return self._began_s + (sample + 1 - self.start) / self.fs

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the samples in order."""
        while True:
            self._came.clear()
            for chunk in self._take():
                yield chunk
            if self._ended:
                return
            try:
                await asyncio.wait_for(self._came.wait(), _LOOK_S)
            except TimeoutError:
                if self._intake is not None:
                    self._intake.pass_time(self._now())

    def _take(self) -> list[Chunk]:
        if self._ended:
            rest, self._rest = self._rest, []
            return rest
        chunks = [] if self._intake is None else self._intake.take(self.name)
        if chunks:
            played_s = (chunks[-1].stop - self.start) / self.fs
            self._began_s = min(self._began_s, self._now() - played_s)
        return chunks

    def _receive(self, source: str, payload: bytes, now_s: float) -> None:
        if self._ended or source != self.name:
            return
        if self._intake is None and not self._make_intake(payload):
            return
        if self._intake is not None:
            self._intake.receive(source, payload, now_s)
        if self.fs:
            self._came.set()
        else:
            # What the intake turned away says nothing about the source.
            self._intake = None

    def _make_intake(self, payload: bytes) -> bool:
        """Begin with the first message in our form, which says how many leads there are."""
        try:
            first = decode(payload)
        except SamplesError:
            return False
        n_leads = min(first.samples.shape[0], _MOST_LEADS)
        self.leads = tuple(f"lead{k + 1}" for k in range(n_leads))
        self._intake = LiveIntake(
            n_leads=n_leads, admit=self._begin, leave=self._end, config=self._config
        )
        return True

    def _begin(self, source: str, first: SampleMessage, now_s: float, track: SampleTrack) -> None:
        if self._ended:
            return
        self.fs, self.start = first.fs, first.first_sample
        self._began_s = now_s - first.samples.shape[1] / first.fs
        self.started_at = time.time() + self._began_s - self._now()

    def _end(self, source: str) -> None:
        if self._intake is not None:
            self._rest = self._intake.take(source)
        self._ended = True
        self._notice(f"{source} has started anew, which ends this stream; play it again to go on")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
