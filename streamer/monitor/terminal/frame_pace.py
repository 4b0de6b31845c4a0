"""When the monitor draws, and how fast the signal really runs."""

from collections import deque
from dataclasses import dataclass
from typing import Final

_SLOWEST_S: Final = 0.5
"""A frame is drawn at least this often, however late the event loop is."""
_METERED_S: Final = 2.0
"""Wall time over which the speed is measured."""


@dataclass(slots=True)
class FramePacer:
    """Decides when to draw: at the frame rate, but never while others are waiting for the loop.

    Attributes
    ----------
    period_s : float
        Time from one frame to the next when all is well.
    due_s : float
        When the next frame should be drawn, on the caller's clock.
    """

    period_s: float
    due_s: float
    _drawn_s: float = float("-inf")

    def is_time(self, now_s: float) -> bool:
        """Tell whether to draw now; when the loop is a frame late, the frame is given up."""
        late = now_s - self.due_s > self.period_s
        if late and now_s - self._drawn_s < _SLOWEST_S:
            self.due_s = now_s + self.period_s
            return False
        return True

    def drawn(self, started_s: float, ended_s: float) -> None:
        """Plan the next frame: drawing takes at most half of the time."""
        self._drawn_s = ended_s
        self.due_s = max(self.due_s + self.period_s, ended_s + (ended_s - started_s))


class SpeedMeter:
    """Signal time over wall time of the last seconds.

    Parameters
    ----------
    fs : float
        Sampling frequency in Hz.
    """

    def __init__(self, fs: float) -> None:
        self._fs = fs
        self._seen: deque[tuple[float, int]] = deque()

    def measure(self, now_s: float, sample: int, *, paused: bool) -> float | None:
        """Return the speed; None after a pause until there is enough to go by."""
        if paused:
            self._seen.clear()
            return None
        self._seen.append((now_s, sample))
        while len(self._seen) > 1 and now_s - self._seen[1][0] >= _METERED_S:
            self._seen.popleft()
        since_s, first = self._seen[0]
        if now_s - since_s < _METERED_S:
            return None
        return (sample - first) / self._fs / (now_s - since_s)
