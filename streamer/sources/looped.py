"""Records played over and over, from a different place for each patient."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.record import Record
from streamer.core.events import CHAIN_FS

_SPREAD: Final = 7919
"""A prime: consecutive patients of one record begin far apart."""
_BLOCK: Final = 65_536


class LoopedRecords:
    """Signals of many patients, made of a few records at the chain's rate.

    Patient i plays record ``i % len(records)`` from a place of its own; the sample index goes on
    at the record's end, where the signal jumps back to its beginning.

    Parameters
    ----------
    records : sequence of Record
        At 360 Hz, with at least `n_leads` leads.
    n_leads : int

    Raises
    ------
    ValueError
        If a record doesn't fit, or there is none.
    """

    def __init__(self, records: Sequence[Record], n_leads: int = 2) -> None:
        if not records:
            raise ValueError("a ward needs at least one record to loop")
        for record in records:
            if record.fs != CHAIN_FS or len(record.leads) < n_leads:
                raise ValueError(
                    f"record {record.name} has {len(record.leads)} leads at {record.fs:g} Hz; "
                    f"a looped one needs {n_leads} at {CHAIN_FS:g} Hz"
                )
        self.names = tuple(record.name for record in records)
        self._signals = [_read(record, n_leads) for record in records]
        self._n_leads = n_leads

    def read(
        self, starts: NDArray[np.int64], n: int, patients: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return n samples of each patient from its own index on, shape (patients, leads, n).

        Those of patients that aren't among `patients` are undefined.
        """
        block = np.empty((len(starts), self._n_leads, n), np.float32)
        steps = np.arange(n)
        numbers = np.arange(len(starts))[patients]
        for k, signal in enumerate(self._signals):
            those = numbers[numbers % len(self._signals) == k]
            begins = starts[those] + those * _SPREAD
            columns = (begins[:, None] + steps) % signal.shape[1]
            block[those] = signal[:, columns].transpose(1, 0, 2)
        return block


def _read(record: Record, n_leads: int) -> NDArray[np.float32]:
    chunks = [chunk.samples[:n_leads] for chunk in record.chunks(size=_BLOCK)]
    return np.concatenate(chunks, axis=1)
