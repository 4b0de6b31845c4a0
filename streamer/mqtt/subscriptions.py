"""Which topics a client reads: of every source, or samples of some that may change."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from streamer.mqtt.connection import Connection
from streamer.mqtt.protocol import is_refused

SAMPLES: Final = "samples"
"""Last level of the topic that live samples come on: `ecg/<source>/samples`."""
_MOST_TOPICS: Final = 500
"""In one packet."""


class Subscriptions:
    """What one client has subscribed to, on whatever connection.

    Parameters
    ----------
    place : str
        `<prefix>/<source>`, or `<prefix>/+`.
    kinds : collection of str
        Last levels of the topics.
    refused : callable
        Gets each topic that the broker doesn't let us read.
    """

    def __init__(self, place: str, kinds: Collection[str], refused: Callable[[str], None]) -> None:
        self.place = place
        self._kinds = kinds
        self._refused = refused
        self._followed: set[str] | None = None

    def samples_of(self, sources: Collection[str]) -> list[str]:
        """Return the topics of some sources' samples."""
        prefix = self.place.rpartition("/")[0]
        return [f"{prefix}/{source}/{SAMPLES}" for source in sources]

    def follow(self, sources: Collection[str], *, ends: bool) -> None:
        """Note that samples of these sources are read too, or no longer."""
        followed = self._followed or set()
        self._followed = followed.difference(sources) if ends else followed.union(sources)

    async def begin(self, connection: Connection) -> None:
        """Subscribe to everything, on a new connection."""
        kinds = [kind for kind in self._kinds if kind != SAMPLES or self._followed is None]
        topics = [f"{self.place}/{kind}" for kind in kinds]
        await self.add(connection, topics + self.samples_of(self._followed or ()))

    async def add(self, connection: Connection, topics: Sequence[str]) -> None:
        """Subscribe to some topics."""
        for some in _batched(topics):
            codes = await connection.subscribe([(topic, 1) for topic in some])
            for topic, code in zip(some, codes, strict=True):
                if is_refused(code):
                    self._refused(topic)

    async def drop(self, connection: Connection, topics: Sequence[str]) -> None:
        """Unsubscribe from some topics."""
        for some in _batched(topics):
            await connection.unsubscribe(some)


def _batched(topics: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(topics), _MOST_TOPICS):
        yield list(topics[first : first + _MOST_TOPICS])
