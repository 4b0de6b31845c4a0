"""Causal band-pass: baseline wander, T waves and muscle noise out, QRS complexes through."""

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.compiled import jit
from replay.chunk import Chunk
from streamer.core.errors import OverlapError, StageClosedError
from streamer.core.events import CHAIN_FS
from streamer.core.stage import Snapshot
from streamer.signal.filters import biquad_cascade, design_bandpass, settle, settled_state
from streamer.signal.position import Position, get_position, new_position, set_position

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPassConfig:
    """Pass band of the QRS filter."""

    low_hz: float = 3.0
    """Below: T waves, respiration. Pan & Tompkins 1985 (doi:10.1109/TBME.1985.325532) have 5 Hz."""
    high_hz: float = 30.0
    """Above: muscle noise and mains hum. Wider than Pan & Tompkins' 15 Hz: less delay, sharper."""
    order: int = 2
    """Of the low-pass prototype."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilteredChunk:
    """A chunk beside its band-passed self.

    Attributes
    ----------
    start : int
        Sample index of the first column.
    raw, filtered : ndarray of float32, shape (leads, n)
        mV before and after the filter. `filtered` is never NaN: where `raw` is, the filter was fed
        the last good sample.
    """

    start: int
    raw: NDArray[np.float32]
    filtered: NDArray[np.float32]


class BandPassMemory(NamedTuple):
    """What the filter holds of one patient; of many with an axis before the others."""

    filters: NDArray[np.float64]
    """Shape (leads, sections, 2)."""
    held: NDArray[np.float64]
    """Shape (leads,): the last good sample; NaN before there is one."""
    next: Position
    """The sample that comes next."""


def new_memory(n_leads: int, sections: int, patients: tuple[int, ...] = ()) -> BandPassMemory:
    """Return the memory of one patient, or of as many as `patients` says, before any sample."""
    return BandPassMemory(
        filters=np.zeros((*patients, n_leads, sections, 2)),
        # NaN: before the first good sample; 0 mV would be a legal one.
        held=np.full((*patients, n_leads), np.nan),
        next=new_position(patients),
    )


@cache
def _design(config: BandPassConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients and settled state: the same, never changed, for all patients."""
    sos = design_bandpass((config.low_hz, config.high_hz), CHAIN_FS, config.order)
    return sos, settled_state(sos)


@jit
def filter_leads(
    sos: NDArray[np.float64],
    settled: NDArray[np.float64],
    state: NDArray[np.float64],
    held: NDArray[np.float64],
    samples: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Filter all leads into `out`; `held` is each lead's last good sample (NaN: none yet)."""
    for lead in range(samples.shape[0]):
        for i in range(samples.shape[1]):
            # In double precision, as the feedback carries every rounding error on.
            x = float(samples[lead, i])
            # NaN would stay in the feedback for ever; the last good sample makes no step.
            if not np.isfinite(x):
                x = held[lead]
                if np.isnan(x):
                    # There is no good sample yet that could be repeated.
                    out[lead, i] = 0.0
                    continue
            elif np.isnan(held[lead]):
                # As if the first sample had been there for ever: no step, no ringing.
                settle(settled, x, state[lead])
            held[lead] = x
            out[lead, i] = biquad_cascade(sos, state[lead], x)


class BandPass:
    """The filter stage: a Butterworth band-pass whose state starts from the first sample.

    Parameters
    ----------
    n_leads : int
        Leads in every chunk.
    config : BandPassConfig
        The pass band.

    Attributes
    ----------
    sos : ndarray of float64, shape (sections, 6)
        Coefficients.
    settled : ndarray of float64, shape (sections, 2)
        State of a filter that has seen nothing but ones.
    memory : BandPassMemory
        May be replaced by arrays that hold the same, such as a patient's row of a ward.

    Notes
    -----
    Equal to `scipy.signal.sosfilt` with `zi = sosfilt_zi(sos) * x[0]`. A jump in `start` starts it
    anew from the next sample.
    """

    def __init__(self, *, n_leads: int, config: BandPassConfig | None = None) -> None:
        self.sos, self.settled = _design(config or BandPassConfig())
        self.memory = new_memory(n_leads, len(self.sos))
        self._closed = False

    def reset(self) -> None:
        """Return to the state of a new object."""
        # In place: the arrays may be a row of a ward.
        self.memory.filters.fill(0.0)
        self.memory.held.fill(np.nan)
        set_position(self.memory.next, None)
        self._closed = False

    def push(self, item: Chunk) -> list[FilteredChunk]:
        """Filter one chunk.

        Raises
        ------
        OverlapError
            If it starts before the end of the last one.
        """
        if self._closed:
            raise StageClosedError("BandPass was flushed; reset() it before pushing again")
        filters, held, position = self.memory
        expected = get_position(position)
        if expected is not None and item.start != expected:
            if item.start < expected:
                raise OverlapError(
                    f"chunk starts at sample {item.start}, expected {expected} or later"
                )
            # After a jump the filter settles on the next sample, as at the start.
            held.fill(np.nan)
        set_position(position, item.stop)
        # A new array, as outputs must not share memory with the filter.
        filtered = np.empty_like(item.samples)
        filter_leads(self.sos, self.settled, filters, held, item.samples, filtered)
        return [FilteredChunk(start=item.start, raw=item.samples, filtered=filtered)]

    def flush(self) -> list[FilteredChunk]:
        """End the stream; the filter holds nothing back."""
        self._closed = True
        return []

    def snapshot(self) -> Snapshot:
        """Copy the filter state."""
        return Snapshot(
            stage="BandPass",
            version=_VERSION,
            state={
                "filter": self.memory.filters.copy(),
                "held": self.memory.held.copy(),
                "next": get_position(self.memory.next),
                "closed": self._closed,
            },
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from `snapshot`."""
        state = snapshot.require("BandPass", _VERSION)
        self.memory.filters[:] = state["filter"]
        self.memory.held[:] = state["held"]
        set_position(self.memory.next, state["next"])
        self._closed = state["closed"]
