"""Whether a ward's next answers come in time, judged by how long the last ones took."""

from collections import deque
from statistics import median
from typing import Final

_REMEMBERED: Final = 5


class BatchPace:
    """Expects of the network's next batch what the last few took.

    Pure: times are handed in, in seconds of any one clock.
    """

    def __init__(self) -> None:
        self._taken: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED)
        self._asked: tuple[int, float] | None = None

    def expected_s(self, n: int) -> float:
        """Return how long a batch of n will probably take; 0 before the first.

        The middle one of the last few, and more in proportion if this batch is larger: a small one
        costs much for its size.
        """
        if not self._taken:
            return 0.0
        size = median(size for size, _ in self._taken)
        return float(median(took_s for _, took_s in self._taken) * max(n / size, 1.0))

    def ask(self, n: int, now_s: float) -> None:
        """Note that a batch of n goes to the network."""
        self.answered(now_s)
        self._asked = (n, now_s)

    def answered(self, now_s: float) -> None:
        """Note that what was asked, if anything, was answered by now."""
        if self._asked is not None:
            n, asked_s = self._asked
            self._taken.append((n, now_s - asked_s))
        self._asked = None
