"""Beats of records with a diagnosis, and how they are split: by patient, or beat by beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DatasetError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiagnosedBeats:
    """n beats of r records, ordered by record."""

    signal: FloatArray
    """Shape (n, leads, window_samples), in mV."""
    owner: IntArray
    """Record of each beat, shape (n,)."""
    target: IntArray
    """Index of each record's diagnosis in the recipe's classes, shape (r,)."""
    record: NDArray[np.str_]
    """Name of each record, shape (r,)."""
    patient: NDArray[np.str_]
    """Patient of each record, shape (r,)."""

    def medians(self) -> FloatArray:
        """Return each record's median beat, shape (r, leads, window_samples)."""
        beats = [np.median(part, axis=0) for part in self.by_record()]
        return np.stack(beats).astype(np.float32)

    def by_record(self) -> list[FloatArray]:
        """Return the beats of each record."""
        first = np.searchsorted(self.owner, np.arange(1, self.target.size))
        return list(np.split(self.signal, first))

    def of_leads(self, leads: Sequence[int]) -> "DiagnosedBeats":
        """Keep some leads."""
        if list(leads) == list(range(self.signal.shape[1])):
            return self
        return DiagnosedBeats(
            signal=np.ascontiguousarray(self.signal[:, list(leads)]),
            owner=self.owner,
            target=self.target,
            record=self.record,
            patient=self.patient,
        )

    def each_beat(self, rows: IntArray) -> "DiagnosedBeats":
        """Take single beats for records, as the random split of beats does."""
        owner = self.owner[rows]
        return DiagnosedBeats(
            signal=self.signal[rows],
            owner=np.arange(rows.size),
            target=self.target[owner],
            record=self.record[owner],
            patient=self.patient[owner],
        )


def patient_folds(
    patient: NDArray[np.str_], is_ill: NDArray[np.bool_], n: int, seed: int
) -> IntArray:
    """Deal whole patients into folds, those with an infarction first, so that each has its share.

    Parameters
    ----------
    patient : ndarray of str, shape (r,)
    is_ill : ndarray of bool, shape (r,)
    n : int
        Number of folds.

    Returns
    -------
    ndarray of int, shape (r,)
        Fold of each record.

    Raises
    ------
    DatasetError
        If fewer patients than folds are ill, or fewer are not.
    """
    random = np.random.default_rng(seed)
    ill = np.unique(patient[is_ill])
    well = np.setdiff1d(patient, ill)
    if min(ill.size, well.size) < n:
        raise DatasetError(
            f"{ill.size} patients with an infarction and {well.size} without, but {n} folds need "
            f"{n} of each; give more records, or fewer --folds"
        )
    fold = np.zeros(patient.size, np.int64)
    dealt = 0
    for group in (ill, well):
        for name in random.permutation(group):
            fold[patient == name] = dealt % n
            dealt += 1
    return fold
