"""Measurements of the signal for the rhythm: whether it is quiet, whether it is fibrillation."""

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.core.events import CHAIN_FS
from streamer.rhythm.waveform.kernel import (
    Column,
    WatchParameters,
    WatchState,
    measure,
    new_state,
)
from streamer.rhythm.waveform.waves import WEIGHTS
from streamer.signal.bandpass import FilteredChunk
from streamer.signal.filters import ButterworthBand, design_bandpass, settled_state


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
    window_s: float = 3.0
    """Of the measures of fibrillation; Arafat et al. 2011 (doi:10.1007/s11760-009-0136-1) have as
    much."""
    least_mv: float = 0.05
    least_share: float = 0.25
    """A lead that moves less than this in the window, or less than this share of the lead that
    moves most, says nothing about fibrillation."""


class Measurement(NamedTuple):
    """The signal over the window that ends at `sample`."""

    sample: int
    """Last sample of the window, at the chain's rate."""
    span_mv: float
    """Largest minus smallest value of the window, in the lead that moves most."""
    vf_log_odds: float
    """Log-odds that the leads that move show flutter or fibrillation; see
    `streamer.rhythm.waveform.waves`. Minus infinity where none moves."""
    frequency_hz: float
    """Of the sine that fits best, averaged over these leads."""
    roughness_mv: float
    """Mean bend from one sample to the next over the hop, in the lead that bends most: what is
    left of it between beats is the noise of the source."""
    deflection_mv: tuple[float, ...]
    """Span of each lead in the detector's band over the last hop."""


class Watch(Protocol):
    """What measures the signal for a rhythm tracker."""

    def reset(self) -> None:
        """Forget everything."""
        ...

    def push(self, item: FilteredChunk) -> list[Measurement]:
        """Take samples; return the measurements that they complete."""
        ...

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        ...


class SignalWatch:
    """Measures the signal once a hop, at fixed sample indices.

    Parameters
    ----------
    config : SignalConfig, optional
        Band and window.

    Notes
    -----
    The number of leads is that of the first chunk. Measurements begin when the window is full. A
    jump in `start` begins anew.
    """

    def __init__(self, config: SignalConfig | None = None) -> None:
        self._parameters = kernel_parameters(SignalConfig() if config is None else config)
        self.reset()

    def reset(self) -> None:
        """Forget everything, the number of leads too."""
        self._next: int | None = None
        self._start_leads(0)

    def push(self, item: FilteredChunk) -> list[Measurement]:
        """Take samples; return the measurements that they complete."""
        if item.start != self._next or item.raw.shape[0] != self._n_leads:
            self._start_leads(item.raw.shape[0])
        n = item.raw.shape[1]
        self._next = item.start + n
        out = np.zeros((n // self._parameters.hop + 1, Column.DEFLECTION_MV + self._n_leads))
        count = measure(self._parameters, self._state, item.start, item.raw, item.filtered, out)
        return measurements(out[:count])

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        return plain_state(self._state, self._next)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self._next = state["next"]
        self._n_leads = state["leads"]
        self._state = WatchState(*(state[name].copy() for name in WatchState._fields))

    def _start_leads(self, n_leads: int) -> None:
        self._n_leads = n_leads
        self._state = new_state(n_leads, len(self._parameters.sos))


@cache
def kernel_parameters(config: SignalConfig) -> WatchParameters:
    """Return what the kernel takes: the same, never changed, for all patients."""
    band: ButterworthBand = (config.low_hz, config.high_hz)
    sos = design_bandpass(band, CHAIN_FS, config.order)
    kept_hz = CHAIN_FS / config.decimation
    return WatchParameters(
        sos=sos,
        settled=settled_state(sos),
        hop=round(config.hop_s * CHAIN_FS),
        decimation=config.decimation,
        window=round(config.window_s * kept_hz),
        least_mv=config.least_mv,
        least_share=config.least_share,
        weights=WEIGHTS,
    )


def plain_state(state: WatchState, following: int | None) -> dict[str, Any]:
    """Copy one patient's memory as plain values; `following` is the sample that comes next."""
    arrays = {name: array.copy() for name, array in state._asdict().items()}
    return {"next": following, "leads": len(state.bend), **arrays}


def measurements(rows: NDArray[np.float64]) -> list[Measurement]:
    """Turn rows that `measure` has written into measurements."""
    return [
        Measurement(
            sample=int(row[Column.SAMPLE]),
            span_mv=row[Column.SPAN_MV],
            vf_log_odds=row[Column.VF_LOG_ODDS],
            frequency_hz=row[Column.FREQUENCY_HZ],
            roughness_mv=row[Column.ROUGHNESS_MV],
            deflection_mv=tuple(row[Column.DEFLECTION_MV :]),
        )
        for row in rows.tolist()
    ]
