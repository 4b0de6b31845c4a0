"""Which labels to work out next, of all patients, and which are no longer worth waiting for.

Pure: times are handed in, in seconds of any one clock.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Collection
from statistics import median
from typing import Final

from streamer.runner.pending import LabelLine, LabelState, PendingLabel, Shown

PATIENCE_S: Final = 10.0
"""A label that comes later is of no use to a person who watches: eight to thirty beats."""
_REMEMBERED: Final = 5


class LabelDesk:
    """Labels in line for the network.

    The network is asked for one batch at a time: provisional labels first, because an alarm may
    wait for them, then confirmed ones, each kind in the order in which they came. When the network
    can't keep up, the labels that would come too late to be of use are given up, the oldest first
    and confirmed ones before provisional ones; what is in line so stays bounded.

    Parameters
    ----------
    most : int
        Labels in one batch.
    patience_s : float
        Labels that would take longer are given up.

    Attributes
    ----------
    given_up : int
        Labels, provisional and confirmed, that were never worked out.
    """

    def __init__(self, *, most: int = 128, patience_s: float = PATIENCE_S) -> None:
        self.given_up = 0
        self._most = most
        self._patience_s = patience_s
        self._provisional: deque[PendingLabel] = deque()
        self._confirmed: deque[PendingLabel] = deque()
        self._asked: list[PendingLabel] = []
        self._asked_s: float | None = None
        # Of the last few the middle one: a machine that was suspended answers once very late.
        self._took_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._deadlines: list[tuple[float, int, PendingLabel]] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        """Return how many labels are wanted, those that the network works on included."""
        return len(self._provisional) + len(self._confirmed) + len(self._asked)

    @property
    def is_asking(self) -> bool:
        """Whether the network is at work."""
        return self._asked_s is not None

    @property
    def next_deadline_s(self) -> float | None:
        """When a beat is next to be published without its label; None: no beat waits."""
        while self._deadlines and not _may_expire(self._deadlines[0][2]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def submit(self, pending: PendingLabel) -> None:
        """Put a label in line."""
        (self._provisional if pending.is_provisional else self._confirmed).append(pending)
        if pending.deadline_s is not None:
            entry = (pending.deadline_s, next(self._count), pending)
            heapq.heappush(self._deadlines, entry)

    def next_batch(self, now_s: float) -> list[PendingLabel]:
        """Choose what the network works on next, and note that it does; empty: nothing waits."""
        if self.is_asking:
            return []
        for line in (self._provisional, self._confirmed):
            while line and len(self._asked) < self._most:
                self._asked.append(line.popleft())
        for pending in self._asked:
            pending.move(LabelState.ASKED)
        self._asked_s = now_s if self._asked else None
        return list(self._asked)

    def answered(self, now_s: float) -> None:
        """Note that the network has answered what it was asked."""
        if self._asked_s is not None:
            self._took_s.append(now_s - self._asked_s)
        self._asked_s, self._asked = None, []

    def expired(self, now_s: float) -> list[PendingLabel]:
        """Take the labels whose beats are to be published without them by now."""
        due = []
        while (deadline_s := self.next_deadline_s) is not None and deadline_s <= now_s:
            due.append(heapq.heappop(self._deadlines)[2])
        return due

    def give_up_some(self, now_s: float) -> list[PendingLabel]:
        """Give up what would come too late, and what hangs; return it, the oldest first."""
        hangs = self._asked_s is not None and now_s - self._asked_s > self._patience_s
        excess = len(self) - (0 if hangs else self._worth_waiting_for())
        if excess <= 0:
            return []
        hanging = [pending for pending in self._asked if pending.is_waiting] if hangs else []
        waiting = [*self._confirmed, *self._provisional]
        return self._abandon((hanging + waiting)[:excess] if not hangs else hanging + waiting)

    def give_up(self, lines: Collection[LabelLine]) -> list[PendingLabel]:
        """Wait for the labels of some patients no longer; return them."""
        wanted = [*self._asked, *self._confirmed, *self._provisional]
        return self._abandon([pending for pending in wanted if pending.line in lines])

    def _worth_waiting_for(self) -> int:
        """Return how many labels the network can work out in time; one batch at least.

        Only an answer shows that a network is quick again.
        """
        usual_s = median(self._took_s) if self._took_s else 0.0
        if usual_s <= 0.0:
            return len(self)
        return self._most * max(int(self._patience_s / usual_s), 1)

    def _abandon(self, labels: list[PendingLabel]) -> list[PendingLabel]:
        given_up = [pending for pending in labels if pending.is_waiting]
        for pending in given_up:
            pending.move(LabelState.ABANDONED)
        self.given_up += len(given_up)
        self._provisional = deque(p for p in self._provisional if p.is_waiting)
        self._confirmed = deque(p for p in self._confirmed if p.is_waiting)
        self._asked = [p for p in self._asked if p.is_waiting]
        return given_up


def _may_expire(pending: PendingLabel) -> bool:
    return pending.is_waiting and pending.shown is Shown.NOTHING
