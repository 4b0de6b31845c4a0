"""How many labels are worth waiting for, judged by how long the network takes for one."""

import math
from collections import deque
from statistics import median
from typing import Final

PATIENCE_S: Final = 10.0
"""A label that comes later is of no use to a person who watches: eight to thirty beats."""
_REMEMBERED: Final = 5


class LabelPatience:
    """Counts the questions that the network can answer in time.

    Pure: times are handed in, in seconds of any one clock.

    Parameters
    ----------
    patience_s : float
        How long a label may take, those before it included.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        # Of the last few the middle one: a machine that was suspended answers once very late.
        self._answers_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._asked_s: float | None = None

    @property
    def last_answer_s(self) -> float:
        """How long the last answer took."""
        return self._answers_s[-1] if self._answers_s else 0.0

    def ask(self, now_s: float) -> None:
        """Note that a question went to the network."""
        self._asked_s = now_s

    def answer(self, now_s: float) -> None:
        """Note that its answer has come."""
        if self._asked_s is not None:
            self._answers_s.append(now_s - self._asked_s)
        self._asked_s = None

    def is_hanging(self, now_s: float) -> bool:
        """Whether the network has worked on one question for longer than anybody waits."""
        return self._asked_s is not None and now_s - self._asked_s > self._patience_s

    def worth_waiting_for(self, now_s: float) -> float:
        """Return how many questions may wait; infinity before the network is known.

        One at least while the network is idle: only an answer shows that it is quick again.
        """
        if self.is_hanging(now_s):
            return 0
        usual_s = median(self._answers_s) if self._answers_s else 0.0
        if usual_s <= 0:
            return math.inf
        return max(int(self._patience_s / usual_s), 1)
