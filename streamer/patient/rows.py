"""The memory of all patients of a ward, and the compiled calls that work on all of it at once."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classifier.inputs.kernels import records
from streamer.core.events import CHAIN_FS
from streamer.patient.chain import ChainConfig
from streamer.patient.kernel import run_ward
from streamer.patient.memory import ChainMemory, arrays_of, new_memory, row_of
from streamer.rhythm.tracker import RhythmTracker
from streamer.rhythm.waveform.kernel import Column, measure_patients
from streamer.rhythm.waveform.measures import Measurement, kernel_parameters, measurements
from streamer.signal.bandpass import BandPass
from streamer.signal.detector import qrs_detector as detector
from streamer.signal.detector.state import OUTPUT, output_room

NEVER_DUE: Final = np.iinfo(np.int64).max
_OUTPUT_ROWS: Final = 16_384
"""Detector outputs taken from one compiled call; a call that finds more is continued."""


class PatientRows:
    """One row a patient: the memory of the patient's chain, and measurements not handed on yet.

    Parameters
    ----------
    n_leads : int
        Of every patient.
    config : ChainConfig
        Of every patient's chain.
    width : int
        Most samples of one patient in one call.
    measure_every : int
        The band-passed samples of so many, and of one call more, are kept for `measure`.

    Attributes
    ----------
    memory : ChainMemory
        Of all patients; replaced, as the other arrays are, when they grow.
    due : ndarray of int64, shape (rows,)
        Sample at which a time-out is due at the latest; `NEVER_DUE` without one.
    may_change : ndarray of bool, shape (rows,)
        Whether the signal alone might change the rhythm; see `RhythmTracker.may_change_by`.
    runs : ndarray of bool, shape (rows,)
        Whether there is a patient whose stream has not ended.
    is_resampled : ndarray of bool, shape (rows,)
        Whether the patient's samples come at another rate than the chain's.
    """

    def __init__(
        self, *, n_leads: int, config: ChainConfig, width: int, measure_every: int
    ) -> None:
        self._n_leads = n_leads
        self._capacity = config.windower.kept_samples + width + 1
        self._filtered_capacity = measure_every + width + 1
        self._parameters = detector.kernel_parameters(config.detector)
        design = BandPass(n_leads=n_leads, config=config.bandpass)
        self._sos, self._settled = design.sos, design.settled
        self._watching = kernel_parameters(config.rhythm.signal)
        tracker = RhythmTracker(config.rhythm)
        self._min_vf_log_odds = tracker.min_vf_log_odds
        hop = self._watching.hop
        self._max_waiting = round(tracker.max_wait_s * CHAIN_FS) // hop
        self._most_found = self._max_waiting + self._filtered_capacity // hop + 1
        self._out = records(OUTPUT, max(_OUTPUT_ROWS, output_room(width)))
        self._owners = np.zeros(len(self._out), np.int64)
        self._allocate(0)

    def _allocate(self, n: int) -> None:
        self.memory: ChainMemory = new_memory(
            self._n_leads,
            capacity=self._capacity,
            bandpass_sections=len(self._sos),
            watch_sections=len(self._watching.sos),
            patients=n,
        )
        self._filtered = np.zeros((n, self._n_leads, self._filtered_capacity), np.float32)
        self._found = np.zeros((n, self._most_found, Column.DEFLECTION_MV + self._n_leads))
        self._n_found = np.zeros(n, np.int64)
        self.due = np.full(n, NEVER_DUE, np.int64)
        self.may_change = np.ones(n, np.bool_)
        self.runs = np.zeros(n, np.bool_)
        self.is_resampled = np.zeros(n, np.bool_)

    @property
    def n_rows(self) -> int:
        """Rows there are."""
        return len(self._n_found)

    @property
    def bytes_per_row(self) -> int:
        """Memory of one patient's signals."""
        return sum(array.nbytes for array in self._arrays) // max(self.n_rows, 1)

    @property
    def next_samples(self) -> NDArray[np.int64]:
        """Each row's next sample at the chain's rate, shape (rows,); 0 before the first."""
        return np.asarray(self.memory.detector["n"][:, 0])

    @property
    def _arrays(self) -> list[NDArray[Any]]:
        own = (self.due, self.may_change, self.runs, self.is_resampled)
        return [*arrays_of(self.memory), self._filtered, self._found, self._n_found, *own]

    def grow(self, n: int) -> None:
        """Make room for n rows, keeping what there is; views of rows must be taken anew."""
        before = self._arrays
        self._allocate(n)
        for old, new in zip(before, self._arrays, strict=True):
            new[: len(old)] = old

    def begin(self, row: int, *, is_resampled: bool = False) -> None:
        """Begin with a new patient, whose chain clears the rest itself."""
        self.due[row], self.may_change[row], self.runs[row] = NEVER_DUE, True, True
        self.is_resampled[row] = is_resampled
        self.drop_measurements(row)

    def end(self, row: int) -> None:
        """Take no more samples of a patient."""
        self.due[row], self.runs[row] = NEVER_DUE, False

    def row(self, row: int) -> ChainMemory:
        """Return views of one patient's memory."""
        return row_of(self.memory, row)

    def run(
        self, samples: NDArray[np.float32], counts: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], Any]]:
        """Advance every patient; return rows and what was found in each, in blocks.

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
                self.memory,
                self._filtered,
                self._parameters,
                detector.shipped_net(),
                self._sos,
                self._settled,
                samples,
                counts,
                self._out,
                self._owners,
                output_room(samples.shape[2]),
            )
            if found:
                blocks.append((self._owners[:found].copy(), self._out[:found].copy()))
        return blocks

    def unmeasured(self, n: int) -> NDArray[np.int64]:
        """Return how many samples of each of the first n rows wait for `measure`."""
        return np.asarray(self.next_samples[:n] - self.memory.watch.next[:n, 0])

    def measure(self, rows: NDArray[np.int64]) -> None:
        """Measure the signal of some patients since it was measured last."""
        measure_patients(
            self._watching,
            self.memory.watch,
            rows,
            self.next_samples[rows],
            self.memory.ring.samples,
            self._filtered,
            self._found,
            self._n_found,
        )

    def cannot_wait(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of which rows the measurements must be taken now.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of bool, shape (n,)
            True where one may be fibrillation, and where the oldest has waited long enough.
        """
        counts = self._n_found[rows]
        n = int(counts.max(initial=0))
        is_suspect = self._found[rows, :n, Column.VF_LOG_ODDS] > self._min_vf_log_odds
        is_urgent = (is_suspect & (np.arange(n) < counts[:, None])).any(axis=1)
        return np.asarray(is_urgent | (counts >= self._max_waiting))

    def take_measurements(self, rows: NDArray[np.int64]) -> list[tuple[int, list[Measurement]]]:
        """Return the first sample of each patient's signal, and the measurements that waited."""
        counts = self._n_found[rows]
        firsts = self.memory.detector["first"][rows, 0].tolist()
        found = self._found[rows, : counts.max(initial=0)].tolist()
        self._n_found[rows] = 0
        return [
            (first, measurements(waited[:n]))
            for first, waited, n in zip(firsts, found, counts.tolist(), strict=True)
        ]

    def drop_measurements(self, row: int) -> None:
        """Forget the measurements that wait."""
        self._n_found[row] = 0
