"""Cut a window of every lead around each R peak and keep the RR history."""

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.chunk import Chunk
from streamer.core.errors import SnapshotError, StageClosedError
from streamer.core.events import CHAIN_FS, Beat, Gap, RPeak, Tick
from streamer.core.stage import Snapshot
from streamer.signal.ring import SampleRing

_VERSION: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowerConfig:
    """What a beat carries.

    Attributes
    ----------
    before_samples, after_samples : int
        Samples at the chain's rate before the R peak, and from it on (the peak included). 128 and
        128 give 0.71 s: from the P wave of a beat to the end of its T wave at any usual rate.
    rr_count : int
        RR intervals kept; ten span the local rhythm that beat classifiers compare a beat with
        (de Chazal et al. 2004, doi:10.1109/TBME.2004.827359).
    max_peak_delay_s : float
        How long after an R peak the detector may still report it (search-back); samples are kept
        for that long and `before_samples` more.
    """

    before_samples: int = 128
    after_samples: int = 128
    rr_count: int = 10
    max_peak_delay_s: float = 6.0

    @property
    def kept_samples(self) -> int:
        """Samples that a window may still need."""
        delay = max(round(self.max_peak_delay_s * CHAIN_FS), self.after_samples)
        return delay + self.before_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A peak whose window isn't complete yet, with the RR history as it stood at the peak."""

    rpeak: RPeak
    rr_s: NDArray[np.float32]
    due: int


class BeatWindower:
    """Turn R peaks into beats, each as soon as the last sample of its window has arrived.

    Parameters
    ----------
    n_leads : int
        Rows of every chunk.
    config : WindowerConfig
        Window and history lengths.

    Attributes
    ----------
    ring : SampleRing
        The samples that are kept.

    Notes
    -----
    Inputs come in the order of the time at which they became known: a `Chunk` is only stored; the
    peaks and gaps found in it follow, then a `Tick` of its last sample. A beat's decision delay is
    the longer of the detector's and `after_samples` - 1 samples (353 ms). The RR history starts
    anew after every gap. A window that reaches over samples that were lost holds NaN there, and
    its beat is known when the stream resumes; until the tick that follows, the samples from before
    the loss are kept apart, because the loss may be longer than the memory.
    """

    def __init__(self, *, n_leads: int, config: WindowerConfig | None = None) -> None:
        self._n_leads = n_leads
        self._config = WindowerConfig() if config is None else config
        self._kept_samples = self._config.kept_samples
        self.ring = SampleRing(n_leads, self._kept_samples + 1)
        self.reset()

    @property
    def next_due(self) -> int | None:
        """Sample that completes the oldest window that is still open; None without one."""
        return self._pending[0].due if self._pending else None

    def reset(self) -> None:
        """Return to the state of a new object."""
        self.ring.clear()
        self._before_loss: Chunk | None = None
        self._pending: deque[_Pending] = deque()
        self._rr_s: deque[float] = deque(maxlen=self._config.rr_count)
        self._last_peak: int | None = None
        self._closed = False

    def push(self, item: Chunk | RPeak | Gap | Tick) -> list[Beat | Gap]:
        """Take samples, a peak, a gap or the time; return the beats and gaps now known.

        Raises
        ------
        StageClosedError
            After `flush`.
        OverlapError
            If a chunk starts before the end of the one before it.
        ValueError
            If a chunk has another number of leads, or a peak doesn't come after the last one.
        """
        if self._closed:
            raise StageClosedError("the beat windower was flushed; reset it before pushing again")
        match item:
            case Tick():
                beats = self._due(item.sample + 1)
                self._before_loss = None
                return beats
            case Chunk():
                self._store(item)
                return []
            case RPeak():
                return self._push_peak(item)
            case Gap():
                return self._push_gap(item)

    def flush(self) -> list[Beat | Gap]:
        """End the stream: beats whose window is cut off by the end are padded with NaN."""
        if self._closed:
            return []
        self._closed = True
        last = (self.ring.stop or 0) - 1
        beats: list[Beat | Gap] = []
        while self._pending:
            pending = self._pending.popleft()
            beats.append(self._cut(pending, max(min(pending.due, last), pending.rpeak.decided_at)))
        return beats

    def snapshot(self) -> Snapshot:
        """Copy the whole state."""
        stop = self.ring.stop
        return Snapshot(
            stage=type(self).__name__,
            version=_VERSION,
            state={
                "stop": stop,
                "samples": self.ring.read((stop or 0) - self._kept_samples, stop or 0),
                "before_loss": None
                if self._before_loss is None
                else [self._before_loss.start, self._before_loss.samples.copy()],
                "pending": [
                    [*dataclasses.astuple(p.rpeak), p.rr_s.copy(), p.due] for p in self._pending
                ],
                "rr_s": list(self._rr_s),
                "last_peak": self._last_peak,
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from where `snapshot` was taken.

        Raises
        ------
        SnapshotError
            If it is of another stage, version, number of leads or window length.
        """
        state = snapshot.require(type(self).__name__, _VERSION)
        samples = state["samples"]
        expected = (self._n_leads, self._kept_samples)
        if samples.shape != expected:
            raise SnapshotError(
                f"snapshot holds {samples.shape} samples, expected {expected}; "
                "restore it into a windower of the same leads and configuration"
            )
        self.reset()
        if state["stop"] is not None:
            self.ring.append(Chunk(start=state["stop"] - self._kept_samples, samples=samples))
        if state["before_loss"] is not None:
            start, samples = state["before_loss"]
            self._before_loss = Chunk(start=start, samples=samples.copy())
        for *fields, rr_s, due in state["pending"]:
            names = (field.name for field in dataclasses.fields(RPeak))
            rpeak = RPeak(**dict(zip(names, fields, strict=True)))
            self._pending.append(_Pending(rpeak=rpeak, rr_s=rr_s.copy(), due=due))
        self._rr_s.extend(state["rr_s"])
        self._last_peak = state["last_peak"]
        self._closed = state["closed"]

    def _store(self, chunk: Chunk) -> None:
        resumed_after = self.ring.stop
        if resumed_after is not None and chunk.start > resumed_after:
            start = resumed_after - self._kept_samples
            self._before_loss = Chunk(start=start, samples=self.ring.read(start, resumed_after))
        self.ring.grow(self._kept_samples + chunk.samples.shape[1])
        self.ring.append(chunk)
        if resumed_after is None or chunk.start == resumed_after:
            return
        # What waited for a lost sample learns of the loss when the stream resumes, no sooner.
        lost = range(resumed_after, chunk.start)
        self._pending = deque(
            dataclasses.replace(p, due=chunk.start) if p.due in lost else p for p in self._pending
        )

    def _push_peak(self, rpeak: RPeak) -> list[Beat | Gap]:
        if self._last_peak is not None and rpeak.sample <= self._last_peak:
            raise ValueError(
                f"got an R peak at sample {rpeak.sample}, expected one after {self._last_peak}"
            )
        beats = self._due(rpeak.decided_at)
        if self._last_peak is not None:
            self._rr_s.append((rpeak.sample - self._last_peak) / CHAIN_FS)
        self._last_peak = rpeak.sample
        due = max(rpeak.decided_at, rpeak.sample + self._config.after_samples - 1)
        rr_s = np.array(self._rr_s, np.float32)
        self._pending.append(_Pending(rpeak=rpeak, rr_s=rr_s, due=due))
        return beats

    def _push_gap(self, gap: Gap) -> list[Beat | Gap]:
        # A loss becomes known with the first sample after it, and so do the beats before it.
        beats = self._due(gap.decided_at + gap.reason.begins_anew)
        self._rr_s.clear()
        self._last_peak = None
        return [*beats, gap]

    def _due(self, before: int) -> list[Beat | Gap]:
        """Cut every window that was complete before that sample."""
        beats: list[Beat | Gap] = []
        while self._pending and self._pending[0].due < before:
            pending = self._pending.popleft()
            beats.append(self._cut(pending, pending.due))
        return beats

    def _cut(self, pending: _Pending, decided_at: int) -> Beat:
        start = pending.rpeak.sample - self._config.before_samples
        stop = pending.rpeak.sample + self._config.after_samples
        return Beat(
            rpeak=pending.rpeak,
            window_start=start,
            window=self._window(start, stop),
            rr_s=pending.rr_s,
            decided_at=decided_at,
        )

    def _window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read samples, those from before a loss as they were before it, however long it was."""
        window = self.ring.read(start, stop)
        before = self._before_loss
        if before is not None and start < before.stop:
            first, last = max(start, before.start), min(stop, before.stop)
            kept = before.samples[:, first - before.start : last - before.start]
            window[:, first - start : last - start] = kept
        return window
