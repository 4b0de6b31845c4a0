"""Beats and alarms as a Lab Streaming Layer stream of markers, which a recorder can align."""

import socket
from typing import Any, Final

from replay.chunk import Chunk
from streamer.core.events import Alarm, Event, LabeledBeat, Published, RhythmEvent, StreamInfo
from streamer.sinks.sink import QuietSink
from streamer.sources.lsl.library import load_pylsl
from streamer.sources.lsl.times import StreamTimes

_CHANNELS: Final = ("marker", "source")


class LslMarkers(QuietSink):
    """Sends a marker for each confirmed beat, change of rhythm, alarm and gap.

    A marker is two strings: what it says (`beat V`, `alarm asystole`, `alarm over asystole`,
    `rhythm sinus rhythm`, `gap lost`) and the source. Its time stamp is when that happened: the R
    peak, the onset, the first sample of the gap, and of `over` when that became known.

    Parameters
    ----------
    name : str
        Of the stream; its type is `Markers`.
    times : StreamTimes
        LSL times of the sources' samples.

    Raises
    ------
    StreamerError
        If `pylsl` is not installed.
    """

    def __init__(self, name: str, times: StreamTimes) -> None:
        self._pylsl = load_pylsl()
        self._name = name
        self._times = times
        self._outlet: Any = None

    async def start(self) -> None:
        """Be found by recorders."""
        lsl = self._pylsl
        info = lsl.StreamInfo(
            self._name,
            "Markers",
            len(_CHANNELS),
            lsl.IRREGULAR_RATE,
            lsl.cf_string,
            f"ecg-stream-{self._name}-{socket.gethostname()}",
        )
        channels = info.desc().append_child("channels")
        for label in _CHANNELS:
            channels.append_child("channel").append_child_value("label", label)
        self._outlet = lsl.StreamOutlet(info)

    def observe(self, info: StreamInfo, chunk: Chunk) -> None:
        """Ignore raw samples."""

    def publish(self, info: StreamInfo, message: Published) -> None:
        """Send one event's marker."""
        marker = marker_of(message.event)
        if marker is not None and self._outlet is not None:
            text, sample = marker
            self._outlet.push_sample([text, info.source], self._times.of(info, sample))

    async def close(self) -> None:
        """Leave; recorders see that the stream has ended."""
        self._outlet = None


def marker_of(event: Event) -> tuple[str, int] | None:
    """Return an event's text and the sample at which it happened; None for provisional beats."""
    if isinstance(event, LabeledBeat):
        return (f"beat {event.label}", event.beat.rpeak.sample) if event.revision == 1 else None
    if isinstance(event, RhythmEvent):
        return f"rhythm {event.rhythm}", event.onset
    if isinstance(event, Alarm):
        if event.is_raised:
            return f"alarm {event.rhythm}", event.onset
        return f"alarm over {event.rhythm}", event.decided_at
    return f"gap {event.reason}", event.start
