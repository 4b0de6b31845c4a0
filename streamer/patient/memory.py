"""What a ward remembers of its patients' signals: one row a patient in a few big arrays."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.kernels import records
from replay.chunk import Chunk
from streamer.core.errors import OverlapError
from streamer.core.stage import Snapshot
from streamer.patient.kernel import output_room, run_ward
from streamer.rhythm.waveform.kernel import Column, WatchState, measure_patients
from streamer.rhythm.waveform.kernel import new_state as new_watch
from streamer.rhythm.waveform.measures import (
    Measurement,
    SignalConfig,
    kernel_parameters,
    measurements,
    plain_state,
)
from streamer.signal import bandpass
from streamer.signal.bandpass import BandPass, BandPassConfig, FilteredChunk
from streamer.signal.detector import qrs_detector as detector
from streamer.signal.detector.peak_scorer import load_peak_scorer, packed
from streamer.signal.detector.qrs_detector import DetectorConfig
from streamer.signal.detector.state import MAX_LEADS, OUTPUT, STATE, new_state

_OUTPUT_ROWS: Final = 16_384
"""Detector outputs taken from one compiled call; a call that finds more is continued."""


class WardMemory:
    """Filter, detector and sample memory of many patients.

    Parameters
    ----------
    n_leads : int
        Of every patient.
    kept_samples : int
        Samples kept for beat windows.
    width : int
        Most samples of one patient in one call.
    seen_every : int
        The band-passed samples of so many, and of one call more, are kept for `measure`.
    signal : SignalConfig, optional
        How the rhythm's signal is measured.
    patience : int
        Samples for which what was measured of a patient may wait to be taken.

    Attributes
    ----------
    seen : ndarray of int64, shape (rows,)
        Up to where `measure` has gone.
    """

    def __init__(
        self,
        *,
        n_leads: int,
        kept_samples: int,
        width: int,
        seen_every: int,
        signal: SignalConfig | None = None,
        patience: int = 0,
    ) -> None:
        self.n_leads = n_leads
        self.width = width
        self._capacity = kept_samples + width + 1
        self._filtered_capacity = seen_every + width + 1
        self._parameters = detector.kernel_parameters(DetectorConfig())
        self._net = packed(load_peak_scorer())
        design = BandPass(n_leads=n_leads, config=BandPassConfig())
        self._sos, self._settled = design.sos, design.settled
        self._watching = kernel_parameters(SignalConfig() if signal is None else signal)
        hop = self._watching.hop
        self._patience = patience // hop
        self._most_found = self._patience + self._filtered_capacity // hop + 1
        self._out = records(OUTPUT, max(_OUTPUT_ROWS, output_room(width)))
        self._owners = np.zeros(len(self._out), np.int64)
        self._allocate(0)

    def _allocate(self, n: int) -> None:
        self.states = records(STATE, n)
        self.filters = np.zeros((n, self.n_leads, *self._settled.shape))
        self.held = np.zeros((n, self.n_leads))
        self.rings = np.zeros((n, self.n_leads, self._capacity), np.float32)
        self.filtered = np.zeros((n, self.n_leads, self._filtered_capacity), np.float32)
        self.watched = new_watch(self.n_leads, len(self._watching.sos), (n,))
        self.seen = np.zeros(n, np.int64)
        self._shown = np.zeros(n, np.int64)
        self._found = np.zeros((n, self._most_found, Column.DEFLECTION_MV + self.n_leads))
        self._n_found = np.zeros(n, np.int64)

    @property
    def n_rows(self) -> int:
        """Rows there are."""
        return len(self.states)

    @property
    def bytes_per_row(self) -> int:
        """Memory of one patient's signals."""
        return sum(int(array.nbytes) for array in self._arrays) // max(self.n_rows, 1)

    @property
    def _arrays(self) -> tuple[Any, ...]:
        signals = (self.states, self.filters, self.held, self.rings, self.filtered)
        found = (self.seen, self._shown, self._found, self._n_found)
        return (*signals, *found, *self.watched)

    def grow(self, n: int) -> None:
        """Make room for n rows, keeping what there is."""
        before = self._arrays
        self._allocate(n)
        for old, new in zip(before, self._arrays, strict=True):
            new[: len(old)] = old

    def clear(self, row: int) -> None:
        """Begin anew with a patient."""
        self.states[row] = new_state(min(self.n_leads, MAX_LEADS), 0)[0]
        self.filters[row] = 0.0
        self.held[row] = np.nan
        self.rings[row] = np.nan
        self.begin(row, 0)
        self.forget_watched(row)

    def forget_watched(self, row: int) -> None:
        """Begin anew with what is measured for a patient's rhythm."""
        fresh = new_watch(self.n_leads, len(self._watching.sos))
        for name, array in self.watched._asdict().items():
            array[row] = getattr(fresh, name)

    def run(
        self, samples: NDArray[np.float32], counts: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], Any]]:
        """Advance every patient; return patients and what was found, in blocks.

        Parameters
        ----------
        samples : ndarray of float32, shape (rows, leads, width)
        counts : ndarray of int64, shape (rows,)
            How many of them each patient takes.
        """
        blocks, row = [], 0
        while row < len(counts):
            row, found = run_ward(
                row,
                self.states,
                self._parameters,
                self._net,
                self._sos,
                self._settled,
                self.filters,
                self.held,
                self.rings,
                self.filtered,
                samples,
                counts,
                self._out,
                self._owners,
                output_room(samples.shape[2]),
            )
            if found:
                blocks.append((self._owners[:found].copy(), self._out[:found].copy()))
        return blocks

    def snapshots(self, row: int) -> list[Snapshot]:
        """Return the row as snapshots of a `BandPass` and a `QRSDetector`."""
        started = bool(self.states["started"][row])
        position = int(self.states["n"][row]) if started else None
        return [
            Snapshot(
                stage="BandPass",
                version=bandpass.SNAPSHOT_VERSION,
                state={
                    "filter": self.filters[row].copy(),
                    "held": self.held[row].copy(),
                    "next": position,
                    "closed": False,
                },
            ),
            Snapshot(
                stage="QRSDetector",
                version=detector.SNAPSHOT_VERSION,
                state={
                    "patient": self.states[row : row + 1].copy(),
                    "started": started,
                    "closed": False,
                },
            ),
        ]

    def restore(self, row: int, snapshots: list[Snapshot]) -> None:
        """Take over snapshots of a `BandPass` and a `QRSDetector`."""
        band = snapshots[0].require("BandPass", bandpass.SNAPSHOT_VERSION)
        qrs = snapshots[1].require("QRSDetector", detector.SNAPSHOT_VERSION)
        self.filters[row] = band["filter"]
        self.held[row] = band["held"]
        self.states[row] = qrs["patient"][0]

    def begin(self, row: int, sample: int) -> None:
        """Measure a patient's signal from `sample` on; what waited to be taken is forgotten."""
        self.seen[row] = self._shown[row] = sample
        self._n_found[row] = 0

    def measure(self, rows: NDArray[np.int64]) -> None:
        """Measure the signal of some patients since it was measured last."""
        stops = self.states["n"][rows]
        measure_patients(
            self._watching,
            self.watched,
            rows,
            self.seen[rows],
            stops,
            self.rings,
            self.filtered,
            self._found,
            self._n_found,
        )
        self.seen[rows] = stops

    def cannot_wait(self, rows: NDArray[np.int64], min_vf_log_odds: float) -> NDArray[np.bool_]:
        """Tell of whom something was measured that must be taken now.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
        min_vf_log_odds : float
            Log-odds of fibrillation up to which a measurement may wait.

        Returns
        -------
        ndarray of bool, shape (n,)
            True too where as much has waited as there is patience for.
        """
        counts = self._n_found[rows]
        n = int(counts.max(initial=0))
        is_suspect = self._found[rows, :n, Column.VF_LOG_ODDS] > min_vf_log_odds
        speaks = (is_suspect & (np.arange(n) < counts[:, None])).any(axis=1)
        return np.asarray(speaks | (counts >= self._patience))

    def take(self, row: int) -> tuple[int, list[Measurement]]:
        """Return what was measured of a patient since it was taken last, and since which sample."""
        n, start = self._n_found[row], int(self._shown[row])
        found = measurements(self._found[row, :n])
        self._n_found[row] = 0
        self._shown[row] = self.seen[row]
        return start, found

    def ring(self, row: int) -> "RingRow":
        """Return one patient's samples for a windower."""
        return RingRow(self, row)

    def watch(self, row: int) -> "WatchRow":
        """Return what measures one patient's signal, for a rhythm tracker."""
        return WatchRow(self, row)


class RingRow:
    """One patient's samples; the kernel writes them.

    Looks its row up in the memory each time, because the arrays move when they grow.
    """

    def __init__(self, memory: WardMemory, row: int) -> None:
        self._memory = memory
        self._row = row

    @property
    def stop(self) -> int | None:
        """One past the newest sample; None while empty."""
        states = self._memory.states
        return int(states["n"][self._row]) if states["started"][self._row] else None

    def append(self, chunk: Chunk) -> None:
        """Write the samples of a restored windower; the detector's state says where they end."""
        ring = self._memory.rings[self._row]
        n = chunk.samples.shape[1]
        if n > ring.shape[1]:
            raise OverlapError(f"got {n} samples for a ring of {ring.shape[1]}")
        ring[:, np.arange(chunk.start, chunk.stop) % ring.shape[1]] = chunk.samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Copy samples `start` to `stop` (exclusive); NaN where there are none."""
        ring = self._memory.rings[self._row]
        end = self.stop
        if end is not None and end - ring.shape[1] <= start < stop <= end:
            return _read_ring(ring, start, stop)
        window = np.full((ring.shape[0], max(stop - start, 0)), np.nan, np.float32)
        if end is None:
            return window
        first, last = max(start, end - ring.shape[1]), min(stop, end)
        if first < last:
            window[:, first - start : last - start] = _read_ring(ring, first, last)
        return window

    def grow(self, capacity: int) -> None:
        """Do nothing: a ward has rings of their final length."""

    def clear(self) -> None:
        """Forget everything."""
        self._memory.rings[self._row] = np.nan


class WatchRow:
    """What is measured of one patient's signal; `WardMemory.measure` does it."""

    def __init__(self, memory: WardMemory, row: int) -> None:
        self._memory = memory
        self._row = row

    def reset(self) -> None:
        """Forget everything."""
        self._memory.forget_watched(self._row)

    def push(self, item: FilteredChunk) -> list[Measurement]:
        """Refuse: the samples are in the ward's memory already."""
        raise TypeError("got samples, which a ward's memory has already; call WardMemory.measure")

    def state(self) -> dict[str, Any]:
        """Copy the whole state as plain values."""
        memory, row = self._memory, self._row
        state = WatchState(*(array[row] for array in memory.watched))
        return plain_state(state, int(memory.seen[row]))

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a `SignalWatch`."""
        if state["leads"] != self._memory.n_leads:
            self.reset()
            return
        for name, array in self._memory.watched._asdict().items():
            array[self._row] = state[name]


def _read_ring(ring: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Copy samples `start` to `stop`, which the ring must hold; shape (leads, stop - start)."""
    first, last = start % ring.shape[1], (stop - 1) % ring.shape[1] + 1
    if first < last:
        return np.ascontiguousarray(ring[:, first:last])
    return np.concatenate([ring[:, first:], ring[:, :last]], axis=1)
