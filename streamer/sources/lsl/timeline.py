"""From LSL's time stamps to sample indexes without holes: what was lost is left out; pure.

LSL numbers no samples. Its connection loses none while it lasts, but samples are lost when it
breaks, when a buffer overflows and when the sending program lost them itself; only the time stamps
tell. They jitter by how irregularly the sender hands samples over, and a sender's clock has a rate
of its own, so the expected stamp follows them slowly, and a jump is a loss.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineConfig:
    """What counts as a loss."""

    gap_s: float = 0.25
    """A stamp that comes so much later than expected follows a loss. Above the jitter of senders
    that stamp what they hand over in pieces; below a heart beat's interval."""
    follow_s: float = 10.0
    """Time constant with which the expected stamp follows the stamps: a rate that is wrong by
    2 % stays below `gap_s`."""
    anchors: int = 600
    """Pairs of index and stamp that are remembered: a minute, at ten pieces a second."""


class Timeline:
    """The sample index of each stamp of one stream.

    Parameters
    ----------
    fs : float
        Nominal rate in Hz.
    config : TimelineConfig, optional
    first_sample : int, optional
        Index of the very first sample; None: the one that its stamp has at the stream's rate, so
        that a stream that is taken up again on the same machine goes on.

    Attributes
    ----------
    fs : float
    next_sample : int or None
        One past the last sample; None before the first.
    """

    def __init__(
        self, fs: float, config: TimelineConfig | None = None, *, first_sample: int | None = None
    ) -> None:
        self.fs = fs
        self._config = config or TimelineConfig()
        self._first = first_sample
        self._expected_s = 0.0
        self.next_sample: int | None = None
        self._anchors: deque[tuple[int, float]] = deque(maxlen=self._config.anchors)

    def place(self, stamps: NDArray[np.float64], elapsed_s: float = 0.0) -> list[tuple[int, int]]:
        """Return the index of the first of each run of samples without a loss in it.

        Parameters
        ----------
        stamps : ndarray of float64, shape (n,)
            In s of our own clock.
        elapsed_s : float
            What our clock says has passed at least since the sample before: a sender whose clock
            begins anew with each start doesn't tell itself.

        Returns
        -------
        list of (int, int)
            Position among the stamps, and sample index.
        """
        if self.next_sample is None:
            first = self._first
            self.next_sample = round(float(stamps[0]) * self.fs) if first is None else first
            self._expected_s = float(stamps[0])
        runs: list[tuple[int, int]] = []
        at = 0
        while at < len(stamps):
            first = self._take_up(float(stamps[at]), elapsed_s if at == 0 else 0.0)
            n = self._run_length(stamps[at:])
            runs.append((at, first))
            self._anchors.append((first, float(stamps[at])))
            self._follow(stamps[at : at + n])
            self.next_sample = first + n
            at += n
        return runs

    def stamp_of(self, sample: int) -> float | None:
        """Return the stamp of a sample; None before the first one that is remembered."""
        for first, stamp_s in reversed(self._anchors):
            if first <= sample:
                return stamp_s + (sample - first) / self.fs
        return None

    def _take_up(self, stamp_s: float, elapsed_s: float) -> int:
        """Return the index of a sample that begins a run, and have it expected then."""
        following = self.next_sample or 0
        late_s = stamp_s - self._expected_s
        if late_s <= -self._config.gap_s:
            late_s = elapsed_s  # Of another clock.
        if late_s >= self._config.gap_s:
            self._expected_s = stamp_s
            return following + round(late_s * self.fs)
        if abs(stamp_s - self._expected_s) >= self._config.gap_s:
            self._expected_s = stamp_s
        return following

    def _run_length(self, stamps: NDArray[np.float64]) -> int:
        """Return how many samples follow each other; what comes back in time does too."""
        steps = np.diff(stamps) - 1.0 / self.fs
        jumps = np.flatnonzero(np.abs(steps) >= self._config.gap_s)
        return int(jumps[0]) + 1 if jumps.size else len(stamps)

    def _follow(self, stamps: NDArray[np.float64]) -> None:
        n_s = len(stamps) / self.fs
        late_s = float(stamps[-1]) + 1.0 / self.fs - (self._expected_s + n_s)
        self._expected_s += n_s + late_s * min(n_s / self._config.follow_s, 1.0)
