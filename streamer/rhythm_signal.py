"""What the signal itself says about the rhythm: whether it is quiet, whether it flutters."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.bandpass import FilteredChunk
from streamer.events import CHAIN_FS
from streamer.filters import (
    ButterworthBand,
    biquad_cascade,
    design_bandpass,
    jit,
    settled_state,
)

_RING: Final = 384
"""Decimated samples kept of each lead: more than the longest window."""
_FIXED: Final = 7
"""Columns of a measurement's row before the leads' own deflections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalConfig:
    """How the signal is measured."""

    low_hz: float = 1.0
    high_hz: float = 25.0
    """Band in which fibrillation is looked for: 1 to 30 Hz is usual (Amann et al. 2005,
    doi:10.1186/1475-925X-4-60), a little less keeps mains hum out."""
    order: int = 2
    decimation: int = 3
    """Kept samples: 120 Hz is ample for a band that ends at 25 Hz."""
    hop_s: float = 0.25
    """From one measurement to the next."""
    short_s: float = 2.0
    long_s: float = 3.0
    """Windows of the fibrillation measures."""
    crossing: float = 0.2
    """Part of the window's largest deflection that counts as activity: Arafat et al. 2011
    (doi:10.1007/s11760-009-0136-1) count time above it in windows of 3 s."""
    least_mv: float = 0.05
    """A lead that moves less than this in the window says nothing about fibrillation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The signal over the windows that end at `sample`, averaged over the leads that move."""

    sample: int
    """Last sample of the windows, at the chain's rate."""
    span_mv: float
    """Largest minus smallest value of the long window."""
    leakage: float
    """Rest after the window is added to itself half a period earlier: 0 for a sine, 1 for noise
    or narrow complexes (Kuo & Dillman 1978, Computers in Cardiology, pp. 347-349). 1 as well
    where no lead moves."""
    leakage_short: float
    """The same over the short window."""
    frequency_hz: float
    """Of the sine that fits best."""
    activity: float
    """Part of the long window that is away from the baseline, 0 to 1."""
    deflection_mv: tuple[float, ...]
    """Span of each lead in the detector's band over the last hop."""
    roughness_mv: float
    """Mean bend from one sample to the next over the hop, in the lead that bends most: what is
    left of it between beats is the noise of the source."""


class SignalWatch:
    """Measures the signal once a hop, at fixed sample indices.

    Parameters
    ----------
    config : SignalConfig, optional
        Band and windows.

    Notes
    -----
    The number of leads is that of the first chunk. Measurements begin when the long window is
    full. A jump in `start` begins anew.
    """

    def __init__(self, config: SignalConfig | None = None) -> None:
        self._config = config = SignalConfig() if config is None else config
        self._sos, self._settled = _design((config.low_hz, config.high_hz), config.order)
        self._hop = round(config.hop_s * CHAIN_FS)
        kept_hz = CHAIN_FS / config.decimation
        self._windows = (round(config.short_s * kept_hz), round(config.long_s * kept_hz))
        self.reset()

    def reset(self) -> None:
        """Forget everything, the number of leads too."""
        self._next: int | None = None
        self._n_leads = 0
        self._start_leads(0)

    def push(self, item: FilteredChunk) -> list[Measurement]:
        """Take samples; return the measurements that they complete."""
        if item.start != self._next or item.raw.shape[0] != self._n_leads:
            self._start_leads(item.raw.shape[0])
        n = item.raw.shape[1]
        self._next = item.start + n
        out = np.zeros((n // self._hop + 1, _FIXED + self._n_leads))
        count = _measure(
            self._sos,
            self._settled,
            self._state,
            self._held,
            self._ring,
            self._block,
            self._bend,
            self._kept,
            item.start,
            item.raw,
            item.filtered,
            self._hop,
            self._config.decimation,
            self._windows[0],
            self._windows[1],
            self._config.crossing,
            self._config.least_mv,
            out,
        )
        return [_measurement(row) for row in out[:count].tolist()]

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        return {
            "next": self._next,
            "leads": self._n_leads,
            "filter": self._state.copy(),
            "held": self._held.copy(),
            "ring": self._ring.copy(),
            "block": self._block.copy(),
            "bend": self._bend.copy(),
            "kept": self._kept.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self._next = state["next"]
        self._n_leads = state["leads"]
        self._state = state["filter"].copy()
        self._held = state["held"].copy()
        self._ring = state["ring"].copy()
        self._block = state["block"].copy()
        self._bend = state["bend"].copy()
        self._kept = state["kept"].copy()

    def _start_leads(self, n_leads: int) -> None:
        self._n_leads = n_leads
        self._state = np.zeros((n_leads, *self._settled.shape))
        self._held = np.full((n_leads, 2), np.nan)
        self._ring = np.zeros((n_leads, _RING), np.float32)
        self._block = np.tile(np.array([np.inf, -np.inf]), (n_leads, 1))
        self._bend = np.zeros(n_leads)
        self._kept = np.zeros(1, np.int64)


@cache
def _design(
    band_hz: ButterworthBand, order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the filter and its settled state: the same, never changed, for all patients."""
    sos = design_bandpass(band_hz, CHAIN_FS, order)
    return sos, settled_state(sos)


def _measurement(row: list[float]) -> Measurement:
    return Measurement(
        sample=int(row[0]),
        span_mv=row[1],
        leakage=row[2],
        leakage_short=row[3],
        frequency_hz=row[4],
        activity=row[5],
        roughness_mv=row[6],
        deflection_mv=tuple(row[_FIXED:]),
    )


@jit
def _newest(
    ring: NDArray[np.float32], stop: int, window: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Write the newest samples before `stop` in their order: a ring is slow to walk through."""
    at = (stop - window.size) % _RING
    for i in range(window.size):
        window[i] = ring[at]
        at = at + 1 if at + 1 < _RING else 0


@jit
def _leakage(window: NDArray[np.float32]) -> tuple[float, int]:  # pragma: no cover - compiled
    """Return the rest after adding the signal half a period earlier, and that half period."""
    n = window.size
    total, slope = 0.0, 0.0
    for i in range(n):
        total += abs(window[i])
        if i > 0:
            slope += abs(window[i] - window[i - 1])
    if slope <= 0.0:
        return 1.0, 0
    half = int(np.pi * total / slope + 0.5)
    if half < 1 or half >= n // 2:
        return 1.0, 0
    rest, both = 0.0, 0.0
    for i in range(half, n):
        now, before = window[i], window[i - half]
        rest += abs(now + before)
        both += abs(now) + abs(before)
    return (rest / both if both > 0.0 else 1.0), half


@jit
def _extent(
    window: NDArray[np.float32], part: float
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Return the window's span, and how much of it lies beyond `part` of the largest value."""
    low, high = np.inf, -np.inf
    for value in window:
        low = min(low, value)
        high = max(high, value)
    limit = part * max(abs(low), abs(high))
    beyond = 0
    for value in window:
        beyond += abs(value) > limit
    return high - low, beyond / window.size


@jit
def _describe(
    ring: NDArray[np.float32],
    stop: int,
    short: int,
    long: int,
    part: float,
    least: float,
    row: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Fill in the averages over the leads that move."""
    row[1] = row[4] = row[5] = 0.0
    row[2] = row[3] = 1.0
    sums = np.zeros(5)
    moving = 0
    window = np.empty(long, np.float32)
    for lead in range(ring.shape[0]):
        _newest(ring[lead], stop, window)
        span, activity = _extent(window, part)
        if span < least:
            continue
        leakage, half = _leakage(window)
        leakage_short, _ = _leakage(window[long - short :])
        moving += 1
        sums[0] += span
        sums[1] += leakage
        sums[2] += leakage_short
        sums[3] += half
        sums[4] += activity
    if moving > 0:
        row[1] = sums[0] / moving
        row[2] = sums[1] / moving
        row[3] = sums[2] / moving
        row[4] = moving / (2.0 * sums[3]) if sums[3] > 0.0 else 0.0
        row[5] = sums[4] / moving


@jit
def _measure(
    sos: NDArray[np.float64],
    settled: NDArray[np.float64],
    state: NDArray[np.float64],
    held: NDArray[np.float64],
    ring: NDArray[np.float32],
    block: NDArray[np.float64],
    bend: NDArray[np.float64],
    kept: NDArray[np.int64],
    start: int,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    hop: int,
    decimation: int,
    short: int,
    long: int,
    part: float,
    least: float,
    out: NDArray[np.float64],
) -> int:  # pragma: no cover - compiled
    """Filter, decimate and measure; `kept` counts the samples in the ring."""
    rows = 0
    for i in range(raw.shape[1]):
        n = start + i
        keep = n % decimation == 0
        for lead in range(raw.shape[0]):
            x = float(raw[lead, i])
            if not np.isfinite(x):
                x = 0.0 if np.isnan(held[lead, 0]) else held[lead, 0]
            if np.isnan(held[lead, 0]):
                state[lead] = settled * x
                held[lead] = x
            bend[lead] += abs(x - 2.0 * held[lead, 0] + held[lead, 1])
            held[lead, 1] = held[lead, 0]
            held[lead, 0] = x
            y = biquad_cascade(sos, state[lead], x)
            if keep:
                ring[lead, kept[0] % _RING] = y
            block[lead, 0] = min(block[lead, 0], filtered[lead, i])
            block[lead, 1] = max(block[lead, 1], filtered[lead, i])
        kept[0] += keep
        if (n + 1) % hop == 0:
            if kept[0] >= long:
                row = out[rows]
                row[0] = n
                _describe(ring, kept[0], short, long, part, least, row)
                row[4] *= CHAIN_FS / decimation
                row[6] = bend.max() / hop
                for lead in range(raw.shape[0]):
                    row[_FIXED + lead] = block[lead, 1] - block[lead, 0]
                rows += 1
            bend[:] = 0.0
            block[:, 0] = np.inf
            block[:, 1] = -np.inf
    return rows
