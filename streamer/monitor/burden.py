"""How many ventricular ectopic beats there were in the last hour, in bounded memory."""

from collections import deque
from typing import Final

_MINUTES: Final = 60
_SECONDS: Final = 60.0


class Burden:
    """Counts confirmed beats minute by minute.

    Parameters
    ----------
    fs : float
        Sampling frequency, in Hz, at which samples count.
    """

    def __init__(self, fs: float) -> None:
        self._minute = fs * _SECONDS
        self._bins: deque[tuple[int, int, int]] = deque(maxlen=_MINUTES)
        self._first: int | None = None

    def add(self, sample: int, *, ventricular: bool) -> None:
        """Count one beat; beats come in order of time, save a few."""
        if self._first is None:
            self._first = sample
        minute = int(sample // self._minute)
        if self._bins and self._bins[-1][0] >= minute:
            number, beats, found = self._bins.pop()
            self._bins.append((number, beats + 1, found + ventricular))
        else:
            self._bins.append((minute, 1, int(ventricular)))
        while self._bins[0][0] <= minute - _MINUTES:
            self._bins.popleft()

    @property
    def an_hour(self) -> int:
        """Ventricular beats of the last hour, or of what there has been of it."""
        return sum(found for _, _, found in self._bins)

    @property
    def part(self) -> float | None:
        """Share of all beats in that time, 0 to 1; None without beats."""
        beats = sum(n for _, n, _ in self._bins)
        return self.an_hour / beats if beats else None

    def is_whole_hour(self, now: int) -> bool:
        """Tell whether an hour has been seen; before, the count is of less."""
        return self._first is not None and now - self._first >= _MINUTES * self._minute
