"""Measure the signal for the rhythm, compiled: for one patient and for many."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.events import CHAIN_FS
from streamer.filters import biquad_cascade, jit

RING: Final = 384
"""Decimated samples kept of each lead: more than the longest window."""
FIXED: Final = 7
"""Columns of a measurement's row before the leads' own deflections."""


class WatchParameters(NamedTuple):
    """`SignalConfig` in samples, as the kernel takes it."""

    sos: NDArray[np.float64]
    settled: NDArray[np.float64]
    hop: int
    decimation: int
    short: int
    long: int
    """Windows, in kept samples."""
    crossing: float
    least_mv: float


class WatchState(NamedTuple):
    """What is remembered of a patient's signal; of many patients with an axis before the others."""

    filters: NDArray[np.float64]
    """Shape (leads, sections, 2)."""
    held: NDArray[np.float64]
    """Shape (leads, 2): the last two good samples, newest first; NaN before there are any."""
    ring: NDArray[np.float32]
    """Shape (leads, RING): filtered and decimated."""
    block: NDArray[np.float64]
    """Shape (leads, 2): least and largest value since the last hop, in the detector's band."""
    bend: NDArray[np.float64]
    """Shape (leads,): sum of the bends since the last hop."""
    kept: NDArray[np.int64]
    """Shape (1,): samples that went into the ring."""


def new_state(n_leads: int, sections: int, patients: tuple[int, ...] = ()) -> WatchState:
    """Return the memory of one patient, or of as many as `patients` says, before any sample."""
    block = np.empty((*patients, n_leads, 2))
    block[..., 0], block[..., 1] = np.inf, -np.inf
    return WatchState(
        filters=np.zeros((*patients, n_leads, sections, 2)),
        held=np.full((*patients, n_leads, 2), np.nan),
        ring=np.zeros((*patients, n_leads, RING), np.float32),
        block=block,
        bend=np.zeros((*patients, n_leads)),
        kept=np.zeros((*patients, 1), np.int64),
    )


@jit
def _unroll(
    ring: NDArray[np.float32], start: int, window: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Write samples from `start` on in their order: a ring is slow to walk through."""
    at = start % ring.size
    for i in range(window.size):
        window[i] = ring[at]
        at = at + 1 if at + 1 < ring.size else 0


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
    c: WatchParameters,
    row: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Fill in the averages over the leads that move."""
    row[1] = row[4] = row[5] = 0.0
    row[2] = row[3] = 1.0
    sums = np.zeros(5)
    moving = 0
    window = np.empty(c.long, np.float32)
    for lead in range(ring.shape[0]):
        _unroll(ring[lead], stop - c.long, window)
        span, activity = _extent(window, c.crossing)
        if span < c.least_mv:
            continue
        leakage, half = _leakage(window)
        leakage_short, _ = _leakage(window[c.long - c.short :])
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
def measure(
    c: WatchParameters,
    s: WatchState,
    start: int,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: NDArray[np.float64],
) -> int:  # pragma: no cover - compiled
    """Filter, decimate and measure one patient's samples; return how many rows were written."""
    rows = 0
    for i in range(raw.shape[1]):
        n = start + i
        keep = n % c.decimation == 0
        for lead in range(raw.shape[0]):
            x = float(raw[lead, i])
            if not np.isfinite(x):
                x = 0.0 if np.isnan(s.held[lead, 0]) else s.held[lead, 0]
            if np.isnan(s.held[lead, 0]):
                s.filters[lead] = c.settled * x
                s.held[lead] = x
            s.bend[lead] += abs(x - 2.0 * s.held[lead, 0] + s.held[lead, 1])
            s.held[lead, 1] = s.held[lead, 0]
            s.held[lead, 0] = x
            y = biquad_cascade(c.sos, s.filters[lead], x)
            if keep:
                s.ring[lead, s.kept[0] % RING] = y
            s.block[lead, 0] = min(s.block[lead, 0], filtered[lead, i])
            s.block[lead, 1] = max(s.block[lead, 1], filtered[lead, i])
        s.kept[0] += keep
        if (n + 1) % c.hop == 0:
            if s.kept[0] >= c.long:
                row = out[rows]
                row[0] = n
                _describe(s.ring, s.kept[0], c, row)
                row[4] *= CHAIN_FS / c.decimation
                row[6] = s.bend.max() / c.hop
                for lead in range(raw.shape[0]):
                    row[FIXED + lead] = s.block[lead, 1] - s.block[lead, 0]
                rows += 1
            s.bend[:] = 0.0
            s.block[:, 0] = np.inf
            s.block[:, 1] = -np.inf
    return rows


@jit
def measure_patients(
    c: WatchParameters,
    states: WatchState,
    patients: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    raw_rings: NDArray[np.float32],
    filtered_rings: NDArray[np.float32],
    out: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Measure some patients' samples `starts` to `stops`, which their rings hold.

    The rows of each are written to `out` one after the other; `counts` says how many.
    """
    total = 0
    n_leads = raw_rings.shape[1]
    for k in range(patients.size):
        i, start, n = patients[k], starts[k], stops[k] - starts[k]
        raw, filtered = np.empty((n_leads, n), np.float32), np.empty((n_leads, n), np.float32)
        for lead in range(n_leads):
            _unroll(raw_rings[i, lead], start, raw[lead])
            _unroll(filtered_rings[i, lead], start, filtered[lead])
        state = WatchState(
            states.filters[i],
            states.held[i],
            states.ring[i],
            states.block[i],
            states.bend[i],
            states.kept[i],
        )
        counts[k] = measure(c, state, start, raw, filtered, out[total:])
        total += counts[k]
