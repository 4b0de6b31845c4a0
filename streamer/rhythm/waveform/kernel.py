"""Measure the signal for the rhythm, compiled: for one patient and for many."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import inlined, jit
from streamer.core.events import CHAIN_FS
from streamer.rhythm.waveform.waves import FEATURES, describe_shape, leakage, vf_log_odds
from streamer.signal.filters import biquad_cascade, settle
from streamer.signal.position import Position, new_position

RING: Final = 384
"""Decimated samples kept of each lead: more than the longest window."""


class Column(IntEnum):
    """Columns of a measurement's row; what each holds: see `measures.Measurement`."""

    SAMPLE = 0
    SPAN_MV = 1
    VF_LOG_ODDS = 2
    FREQUENCY_HZ = 3
    ROUGHNESS_MV = 4
    DEFLECTION_MV = 5
    """Of the first lead; those of the others follow."""


class WatchParameters(NamedTuple):
    """`SignalConfig` in samples, as the kernel takes it."""

    sos: NDArray[np.float64]
    settled: NDArray[np.float64]
    hop: int
    decimation: int
    window: int
    """Length of the window, in kept samples."""
    least_mv: float
    least_share: float
    weights: NDArray[np.float64]


class WatchState(NamedTuple):
    """What is remembered of a patient's signal; of many patients with an axis before the others."""

    filters: NDArray[np.float64]
    """Shape (leads, sections, 2)."""
    held: NDArray[np.float64]
    """Shape (leads, 2): the last two good samples, newest first; NaN before there are any."""
    sums: NDArray[np.float64]
    """Shape (leads, 2): filtered samples summed since the last kept one, and before it."""
    ring: NDArray[np.float32]
    """Shape (leads, RING): filtered, smoothed and decimated."""
    block: NDArray[np.float64]
    """Shape (leads, 2): least and largest value since the last hop, in the detector's band."""
    bend: NDArray[np.float64]
    """Shape (leads,): sum of the bends since the last hop."""
    kept: NDArray[np.int64]
    """Shape (1,): samples that went into the ring."""
    next: Position
    """The sample that comes next."""


def new_state(n_leads: int, sections: int, patients: tuple[int, ...] = ()) -> WatchState:
    """Return the memory of one patient, or of as many as `patients` says, before any sample."""
    block = np.empty((*patients, n_leads, 2))
    block[..., 0], block[..., 1] = np.inf, -np.inf
    return WatchState(
        filters=np.zeros((*patients, n_leads, sections, 2)),
        held=np.full((*patients, n_leads, 2), np.nan),
        sums=np.zeros((*patients, n_leads, 2)),
        ring=np.zeros((*patients, n_leads, RING), np.float32),
        block=block,
        bend=np.zeros((*patients, n_leads)),
        kept=np.zeros((*patients, 1), np.int64),
        next=new_position(patients),
    )


@jit
def _unroll(ring: NDArray[np.float32], start: int, window: NDArray[np.float32]) -> None:
    """Write samples from `start` on in their order: a ring is slow to walk through."""
    at = start % ring.size
    for i in range(window.size):
        window[i] = ring[at]
        # A comparison is quicker than a modulo for each sample.
        at = at + 1 if at + 1 < ring.size else 0


@jit
def _span(window: NDArray[np.float32]) -> float:
    low, high = np.inf, -np.inf
    for value in window:
        low = min(low, value)
        high = max(high, value)
    return high - low


@jit
def describe_windows(
    windows: NDArray[np.float32], c: WatchParameters, f: NDArray[np.float64]
) -> tuple[float, float]:
    """Fill in the features, averaged over the leads that move.

    Returns the span of the lead that moves most, and the mean half period in kept samples; 0 where
    no lead moves.
    """
    spans, largest = np.empty(windows.shape[0]), 0.0
    for lead in range(windows.shape[0]):
        spans[lead] = _span(windows[lead])
        largest = max(largest, spans[lead])
    f[:] = 0.0
    halves, moving = 0.0, 0
    one = np.empty(FEATURES)
    for lead in range(windows.shape[0]):
        # A lead that hardly moves beside the others shows the shape of its noise.
        if spans[lead] < max(c.least_mv, c.least_share * largest):
            continue
        leaked, half = leakage(windows[lead])
        describe_shape(windows[lead], leaked, one)
        for k in range(FEATURES):
            f[k] += one[k]
        halves += half
        moving += 1
    # Asystole or electrodes off: there is no shape to describe.
    if moving == 0:
        return largest, 0.0
    for k in range(FEATURES):
        f[k] /= moving
    return largest, halves / moving


@jit
def _describe(
    ring: NDArray[np.float32],
    stop: int,
    c: WatchParameters,
    row: NDArray[np.float64],
) -> None:
    """Fill in what the window says of all leads together."""
    windows = np.empty((ring.shape[0], c.window), np.float32)
    for lead in range(ring.shape[0]):
        _unroll(ring[lead], stop - c.window, windows[lead])
    f = np.empty(FEATURES)
    row[Column.SPAN_MV], half = describe_windows(windows, c, f)
    # Without movement there is neither a rate nor flutter or fibrillation.
    moves = half > 0.0
    row[Column.VF_LOG_ODDS] = vf_log_odds(f, c.weights) if moves else -np.inf
    # Half a period in kept samples becomes a frequency in Hz.
    row[Column.FREQUENCY_HZ] = CHAIN_FS / c.decimation / (2.0 * half) if moves else 0.0


@inlined
def _filter_sample(c: WatchParameters, s: WatchState, lead: int, sample: float) -> None:
    """Filter one lead's next sample and add it to its sums; a missing one repeats the last."""
    x = float(sample)
    # A missing sample must not stay in the recursive filter for ever.
    if not np.isfinite(x):
        x = 0.0 if np.isnan(s.held[lead, 0]) else s.held[lead, 0]
    if np.isnan(s.held[lead, 0]):
        # Settled on the first sample: a filter that starts from zero would ring like a wave.
        settle(c.settled, x, s.filters[lead])
        s.held[lead, 0] = x
        s.held[lead, 1] = x
    # The second difference is large for noise and small for the waves of an ECG.
    s.bend[lead] += abs(x - 2.0 * s.held[lead, 0] + s.held[lead, 1])
    s.held[lead, 1] = s.held[lead, 0]
    s.held[lead, 0] = x
    s.sums[lead, 0] += biquad_cascade(c.sos, s.filters[lead], x)


@inlined
def _keep_sample(c: WatchParameters, s: WatchState, lead: int) -> None:
    """Put one lead's next decimated sample into the ring."""
    # A mean of twice as many samples as are left out takes 60 Hz out, and most of 50.
    mean = (s.sums[lead, 0] + s.sums[lead, 1]) / (2 * c.decimation)
    s.ring[lead, s.kept[0] % RING] = mean
    # The newer half of this mean is the older half of the next.
    s.sums[lead, 1] = s.sums[lead, 0]
    s.sums[lead, 0] = 0.0


@jit
def _measure_hop(c: WatchParameters, s: WatchState, sample: int, row: NDArray[np.float64]) -> None:
    """Write the measurement of the hop and of the window that end at `sample`."""
    row[Column.SAMPLE] = sample
    _describe(s.ring, s.kept[0], c, row)
    bend = 0.0
    for lead in range(s.bend.size):
        bend = max(bend, s.bend[lead])
        row[Column.DEFLECTION_MV + lead] = s.block[lead, 1] - s.block[lead, 0]
    # A mean, so that it does not depend on the hop's length.
    row[Column.ROUGHNESS_MV] = bend / c.hop


@jit
def measure(
    c: WatchParameters,
    s: WatchState,
    start: int,
    raw: NDArray[np.float32],
    filtered: NDArray[np.float32],
    out: NDArray[np.float64],
) -> int:
    """Filter, decimate and measure one patient's samples; return how many rows were written."""
    rows = 0
    for i in range(raw.shape[1]):
        n = start + i
        # Hops and kept samples lie at fixed sample indices, so that cuts change nothing.
        keep = n % c.decimation == 0
        for lead in range(raw.shape[0]):
            _filter_sample(c, s, lead, raw[lead, i])
            if keep:
                _keep_sample(c, s, lead)
            # Taken in the detector's band, where baseline wander does not pass for a heartbeat.
            s.block[lead, 0] = min(s.block[lead, 0], filtered[lead, i])
            s.block[lead, 1] = max(s.block[lead, 1], filtered[lead, i])
        s.kept[0] += keep
        if (n + 1) % c.hop == 0:
            # Before the first window is full there is nothing to measure.
            if s.kept[0] >= c.window:
                _measure_hop(c, s, n, out[rows])
                rows += 1
            # These are of one hop alone; the window continues in the ring.
            s.bend[:] = 0.0
            s.block[:, 0] = np.inf
            s.block[:, 1] = -np.inf
    return rows


@jit
def measure_patients(
    c: WatchParameters,
    states: WatchState,
    patients: NDArray[np.int64],
    stops: NDArray[np.int64],
    raw_rings: NDArray[np.float32],
    filtered_rings: NDArray[np.float32],
    out: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Measure some patients' samples, which their rings hold, from the next one up to `stops`.

    Of every patient, `out` holds the rows found so far and `counts` how many there are.
    """
    n_leads = raw_rings.shape[1]
    for k in range(patients.size):
        i = patients[k]
        start, n = states.next[i, 0], stops[k] - states.next[i, 0]
        # Straightened out, so that one kernel measures chunks of a chain and rings of a ward.
        raw, filtered = np.empty((n_leads, n), np.float32), np.empty((n_leads, n), np.float32)
        for lead in range(n_leads):
            _unroll(raw_rings[i, lead], start, raw[lead])
            _unroll(filtered_rings[i, lead], start, filtered[lead])
        # Views: what `measure` writes is written to the arrays of the ward.
        state = WatchState(
            states.filters[i],
            states.held[i],
            states.sums[i],
            states.ring[i],
            states.block[i],
            states.bend[i],
            states.kept[i],
            states.next[i],
        )
        counts[i] += measure(c, state, start, raw, filtered, out[i, counts[i] :])
        states.next[i, 0] = stops[k]
