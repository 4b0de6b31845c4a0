"""Measurements of the signal for the rhythm: whether it is quiet, whether it is fibrillation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

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
from streamer.signal.position import get_position, set_position


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


class SignalWatch:
    """Measures the signal once a hop, at fixed sample indices.

    Parameters
    ----------
    config : SignalConfig, optional
        Band and window.
    n_leads : int
        Rows of every chunk; 0: as many as the first chunk has.

    Attributes
    ----------
    memory : WatchState
        May be replaced by arrays that hold the same, such as a patient's row of a ward.

    Notes
    -----
    Measurements begin when the window is full. A jump in `start` begins anew.
    """

    def __init__(self, config: SignalConfig | None = None, n_leads: int = 0) -> None:
        self._parameters = kernel_parameters(SignalConfig() if config is None else config)
        self.memory = new_state(n_leads, len(self._parameters.sos))

    def reset(self) -> None:
        """Forget everything but the number of leads."""
        self._begin(self._n_leads)

    def push(self, item: FilteredChunk) -> list[Measurement]:
        """Take samples; return the measurements that they complete."""
        if item.start != get_position(self.memory.next) or item.raw.shape[0] != self._n_leads:
            self._begin(item.raw.shape[0])
        n = item.raw.shape[1]
        set_position(self.memory.next, item.start + n)
        out = np.zeros((n // self._parameters.hop + 1, Column.DEFLECTION_MV + self._n_leads))
        count = measure(self._parameters, self.memory, item.start, item.raw, item.filtered, out)
        return measurements(out[:count].tolist())

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        return {name: array.copy() for name, array in self.memory._asdict().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self._fill(WatchState(**state))

    @property
    def _n_leads(self) -> int:
        return len(self.memory.bend)

    def _begin(self, n_leads: int) -> None:
        self._fill(new_state(n_leads, len(self._parameters.sos)))

    def _fill(self, state: WatchState) -> None:
        """Take over a state, in place if it is of as many leads."""
        if len(state.bend) != self._n_leads:
            self.memory = new_state(len(state.bend), len(self._parameters.sos))
        for name, values in state._asdict().items():
            getattr(self.memory, name)[...] = values


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


def measurements(rows: Iterable[Sequence[float]]) -> list[Measurement]:
    """Turn rows that `measure` has written, as `tolist` gives them, into measurements."""
    return [
        Measurement(
            sample=int(row[Column.SAMPLE]),
            span_mv=row[Column.SPAN_MV],
            vf_log_odds=row[Column.VF_LOG_ODDS],
            frequency_hz=row[Column.FREQUENCY_HZ],
            roughness_mv=row[Column.ROUGHNESS_MV],
            deflection_mv=tuple(row[Column.DEFLECTION_MV :]),
        )
        for row in rows
    ]
