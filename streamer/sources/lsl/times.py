"""When samples were taken, on LSL's clock: so that a recorder can align what we say of them."""

import time
from typing import Any

from streamer.core.events import StreamInfo
from streamer.sources.lsl.library import load_pylsl
from streamer.sources.lsl.reader import LslReader


class StreamTimes:
    """LSL times of any source's samples.

    Of an LSL stream by its own time stamps; of any other source by when its samples arrived or
    were played.
    """

    def __init__(self) -> None:
        self._pylsl: Any = None
        self._readers: dict[str, LslReader] = {}

    def follow(self, source: str, reader: LslReader) -> None:
        """Take a source's times from its stream."""
        self._readers[source] = reader

    def of(self, info: StreamInfo, sample: int) -> float:
        """Return the time of a sample in s of `pylsl.local_clock`."""
        if self._pylsl is None:
            self._pylsl = load_pylsl()
        reader = self._readers.get(info.source)
        if reader is not None and reader.timeline is not None:
            stamp_s = reader.timeline.stamp_of(sample)
            if stamp_s is not None:
                return stamp_s
        now_s: float = self._pylsl.local_clock()
        return now_s - max(time.time() - info.wall_time_s(sample), 0.0)
