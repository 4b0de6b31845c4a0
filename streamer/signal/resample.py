"""Any sampling frequency to the chain's, causally and one sample at a time."""

import math
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from replay.chunk import Chunk
from streamer.core.errors import OverlapError, StageClosedError
from streamer.core.events import CHAIN_FS, Gap, GapReason
from streamer.core.stage import Snapshot
from streamer.signal.position import get_position, new_position, set_position

_VERSION: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplerConfig:
    """Shape of the interpolation kernel."""

    half_width_samples: float = 4.0
    """Zero crossings of the sinc on each side, in samples of the slower rate."""
    kaiser_beta: float = 5.0
    """Kaiser window: about 50 dB of image rejection, enough for 8- to 12-bit ECG."""
    cutoff: float = 0.9
    """Of the slower rate's Nyquist frequency."""
    max_denominator: int = 2000
    """Closeness of the rational ratio; the error is under 1 sample in a day at 360 Hz."""
    min_fs_hz: float = 50.0
    max_fs_hz: float = 5000.0


@cache
def _kernel(ratio: Fraction, config: ResamplerConfig) -> tuple[NDArray[np.float32], int]:
    """Return the polyphase table (phases, 2 * half) and `half`.

    `ratio` is source samples per output sample. Row p weighs the source samples
    k - half + 1 .. k + half for an output at source time k + p / phases.
    """
    phases = ratio.denominator
    # Downwards the cut-off is that of the slower output, which prevents aliasing.
    bandwidth = config.cutoff * min(1.0, 1.0 / float(ratio))
    # A lower cut-off makes the sinc wider, in samples of the source.
    half = math.ceil(config.half_width_samples * max(1.0, float(ratio)))
    offsets = np.arange(-half + 1, half + 1)[None, :] - np.arange(phases)[:, None] / phases
    window = np.i0(config.kaiser_beta * np.sqrt(np.clip(1.0 - (offsets / half) ** 2, 0.0, 1.0)))
    table = bandwidth * np.sinc(bandwidth * offsets) * window
    # A gain of 1 in every phase; otherwise it would ripple from output to output.
    table /= table.sum(axis=1, keepdims=True)
    return table.astype(np.float32), half


@jit
def _interpolate(
    table: NDArray[np.float32],
    signal: NDArray[np.float32],
    signal_start: int,
    first: int,
    count: int,
    step_num: int,
    step_den: int,
    half: int,
    out: NDArray[np.float32],
) -> None:
    """Compute `count` outputs from `first` on; `signal_start` is the index of column 0."""
    taps = table.shape[1]
    for m in range(count):
        # Whole numbers: nothing drifts, however long the stream is.
        position = (first + m) * step_num
        k = position // step_den
        row = table[position - k * step_den]
        left = k - half + 1 - signal_start
        for lead in range(signal.shape[0]):
            # Relative to one tap, so that a flat line stays exactly flat.
            near = signal[lead, min(max(left + half - 1, 0), signal.shape[1] - 1)]
            total = near
            for t in range(taps):
                # Beyond either end of the signal its outermost sample is repeated.
                column = min(max(left + t, 0), signal.shape[1] - 1)
                total += row[t] * (signal[lead, column] - near)
            out[lead, m] = total


class Resampler:
    """Turn a source's samples into samples at the chain's rate, keeping absolute time.

    Chain sample n lies at source time n * fs / 360, so both count from the same origin. At 360 Hz
    the stage passes samples through untouched and adds no delay; at any other rate it interpolates
    with a Kaiser-windowed sinc (Smith & Gossett 1984, doi:10.1109/ICASSP.1984.1172555) and adds
    `delay_s`. A jump makes a `Gap` and starts the interpolation anew.

    Parameters
    ----------
    fs : float
        Sampling frequency of the source in Hz.
    n_leads : int
        Leads in every chunk.
    config : ResamplerConfig
        The interpolation kernel.
    fs_out : float
        Sampling frequency of the output in Hz.

    Attributes
    ----------
    position : ndarray of int64, shape (1,)
        The source sample that comes next; may be replaced by an array that holds the same.

    Raises
    ------
    ValueError
        If `fs` is not a number between the configuration's limits.
    """

    def __init__(
        self,
        *,
        fs: float,
        n_leads: int,
        config: ResamplerConfig | None = None,
        fs_out: float = CHAIN_FS,
    ) -> None:
        config = config or ResamplerConfig()
        if not config.min_fs_hz <= fs <= config.max_fs_hz:
            raise ValueError(
                f"sampling frequency {fs} Hz is not supported: "
                f"use {config.min_fs_hz:g} to {config.max_fs_hz:g} Hz"
            )
        self.fs = fs
        self._n_leads = n_leads
        self._ratio = (Fraction(fs) / Fraction(fs_out)).limit_denominator(config.max_denominator)
        self._identity = self._ratio == 1
        self._table, self._half = _kernel(self._ratio, config)
        self.position = new_position()
        self.reset()

    @property
    def delay_s(self) -> float:
        """How long after a source sample the chain sample at its time is known, at most."""
        return 0.0 if self._identity else self._half / self.fs

    def reset(self) -> None:
        """Return to the state of a new object."""
        set_position(self.position, None)
        self._next_out = 0
        self._leads: tuple[str, ...] | None = None
        self._tail = np.empty((self._n_leads, 0), np.float32)
        self._closed = False

    def to_source(self, sample: int) -> int:
        """Return the source sample nearest in time to chain sample `sample`."""
        return math.floor(sample * self._ratio + Fraction(1, 2))

    def from_source(self, sample: int) -> int:
        """Return the first chain sample that is not before source sample `sample`."""
        return math.ceil(sample / self._ratio)

    def arrival(self, sample: int) -> int:
        """Return the source sample whose arrival made chain sample `sample` known."""
        if self._identity:
            return sample
        return math.floor(sample * self._ratio) + self._half

    def push(self, item: Chunk) -> list[Chunk | Gap]:
        """Take samples at the source's rate; return a chunk at the chain's rate, or none yet.

        Raises
        ------
        OverlapError
            If the chunk starts before the end of the last one.
        StageClosedError
            If the stage was flushed.
        """
        if self._closed:
            raise StageClosedError("Resampler was flushed; reset() it before pushing again")
        out: list[Chunk | Gap] = []
        expected = get_position(self.position)
        is_changed = self.changes_leads(item)
        if is_changed and expected is not None:
            item = self._after_change(item, expected)
            if not item.samples.shape[1]:
                return []
        self._leads = item.leads
        if expected is None:
            self._restart(item.start)
        elif item.start < expected:
            raise OverlapError(
                f"chunk starts at sample {item.start}, but samples up to {expected - 1} "
                "were already taken; send each sample once and in order"
            )
        elif item.start > expected:
            out.extend(self._interpolate(final=True))
            lost = self._lost(expected, item.start)
            if is_changed:
                lost = replace(lost, reason=GapReason.LEADS, leads=item.leads or ())
            out.append(lost)
            self._restart(item.start)
        set_position(self.position, item.stop)
        if self._identity:
            return [*out, Chunk(start=item.start, samples=item.samples)]
        self._tail = np.concatenate([self._tail, item.samples], axis=1)
        return [*out, *self._interpolate(final=False)]

    def changes_leads(self, item: Chunk) -> bool:
        """Return whether a chunk is of other leads than the one before it."""
        return None not in (item.leads, self._leads) and item.leads != self._leads

    def _after_change(self, item: Chunk, expected: int) -> Chunk:
        """Leave out as many samples of other leads as make a gap of one at the output's rate.

        What comes after a jump begins anew, in this stage and in all that follow.
        """
        skip = max(expected + math.ceil(self._ratio) - item.start, 0)
        samples = np.ascontiguousarray(item.samples[:, skip:])
        return Chunk(start=item.stop - samples.shape[1], samples=samples, leads=item.leads)

    def flush(self) -> list[Chunk | Gap]:
        """End the stream: the last samples are interpolated with the final sample held."""
        self._closed = True
        return list(self._interpolate(final=True))

    def _restart(self, start: int) -> None:
        set_position(self.position, start)
        # The first output not before the jump: times stay absolute.
        self._next_out = self.from_source(start)
        self._tail = np.empty((self._n_leads, 0), np.float32)

    def _lost(self, start: int, stop: int) -> Gap:
        first, last = self.from_source(start), self.from_source(stop)
        return Gap(start=first, stop=last, reason=GapReason.LOST, decided_at=last)

    def _interpolate(self, *, final: bool) -> deque[Chunk]:
        """Compute every output whose taps have all arrived (or, at the end, whose time has)."""
        chunks: deque[Chunk] = deque()
        stop = get_position(self.position)
        if self._identity or stop is None or self._tail.shape[1] == 0:
            return chunks
        # While the stream goes on, an output waits for the samples after it.
        horizon = stop if final else stop - self._half
        count = self.from_source(horizon) - self._next_out
        if count <= 0:
            return chunks
        samples = np.empty((self._n_leads, count), np.float32)
        start = stop - self._tail.shape[1]
        _interpolate(
            self._table,
            self._tail,
            start,
            self._next_out,
            count,
            self._ratio.numerator,
            self._ratio.denominator,
            self._half,
            samples,
        )
        chunks.append(Chunk(start=self._next_out, samples=samples))
        self._next_out += count
        needed = math.floor(self._next_out * self._ratio) - self._half + 1
        # A copy, so that a long push isn't kept alive by a short view of its end.
        self._tail = self._tail[:, max(0, needed - start) :].copy()
        return chunks

    def snapshot(self) -> Snapshot:
        """Copy the samples still needed, and the position."""
        return Snapshot(
            stage="Resampler",
            version=_VERSION,
            state={
                "ratio": str(self._ratio),
                "next": get_position(self.position),
                "next_out": self._next_out,
                "tail": self._tail.copy(),
                "leads": None if self._leads is None else list(self._leads),
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from `snapshot`."""
        state = snapshot.require("Resampler", _VERSION)
        set_position(self.position, state["next"])
        self._next_out = state["next_out"]
        self._tail = state["tail"].copy()
        self._leads = None if state["leads"] is None else tuple(state["leads"])
        self._closed = state["closed"]
