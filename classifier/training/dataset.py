"""The beat dataset: what the chain made of every beat, with the label that experts gave it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.errors import DatasetError
from classifier.inputs.features import FloatArray
from classifier.labels import MODEL_LABELS, SCORED_LABELS, Label
from classifier.splits import DS1, DS2

CLASSES: Final[tuple[Label, ...]] = MODEL_LABELS
"""Label of each index in `BeatDataset.reference` and `missed`."""
NO_BEAT: Final = -1
"""`reference` of a detection where the experts marked no beat."""
NOT_SCORED: Final = -2
"""`reference` of a detection in ventricular flutter, which EC57 leaves out."""
UNKNOWN: Final = -1
"""What the experts left open."""
AS_RECORDED: Final = 0
"""`variant` of a beat of the recording itself."""

SAME_PATIENT: Final[tuple[frozenset[str], ...]] = (frozenset({"201", "202"}),)
"""Records of one patient under several names (Moody & Mark, MIT-BIH database directory)."""
KNOWN_SHARED: Final[frozenset[str]] = frozenset({"201", "202"})
"""The customary DS1/DS2 division itself puts 201 in DS1 and 202 in DS2; reported, not hidden."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeatDataset:
    """Beats of one or more records, in order of record and time; n beats, r records."""

    signal: FloatArray
    """Network input, shape (n, 2, window_samples)."""
    provisional: FloatArray
    """Features of revision 0, shape (n, k)."""
    confirmed: FloatArray
    """Features of revision 1, shape (n, k)."""
    reference: NDArray[np.int64]
    """Index into `CLASSES`, NO_BEAT or NOT_SCORED, shape (n,)."""
    sample: NDArray[np.int64]
    """R peak in the record's own sampling frequency, shape (n,)."""
    quality: FloatArray
    """Signal quality of the R peak, 0 to 1, shape (n,)."""
    judgeable: NDArray[np.bool_]
    """False where the chain said Q: noise, missing samples or flat; shape (n,)."""
    record: NDArray[np.str_]
    """Record of each beat, shape (n,)."""
    variant: NDArray[np.int64]
    """Which variant of the recording it is of, AS_RECORDED or another number; shape (n,)."""
    row: NDArray[np.int64]
    """Its place among all beats of that variant, shape (n,)."""
    fibrillates: NDArray[np.int64]
    """1 in atrial fibrillation, 0 in another rhythm, or UNKNOWN; shape (n,)."""
    records: NDArray[np.str_]
    """Every record, shape (r,)."""
    missed: NDArray[np.int64]
    """Reference beats without a detection, by class, shape (r, len(CLASSES))."""

    def __len__(self) -> int:
        return int(self.reference.size)

    def select(self, chosen: NDArray[np.bool_]) -> "BeatDataset":
        """Keep some beats (shape (n,)); records and their missed beats stay."""
        per_record = {"records", "missed"}
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return BeatDataset(**{k: v if k in per_record else v[chosen] for k, v in values.items()})

    def of_records(self, names: Sequence[str]) -> "BeatDataset":
        """Keep some records."""
        kept = np.isin(self.records, names)
        beats = self.select(np.isin(self.record, names))
        values = {f.name: getattr(beats, f.name) for f in fields(self)}
        return BeatDataset(**values | {"records": self.records[kept], "missed": self.missed[kept]})

    @property
    def target(self) -> NDArray[np.int64]:
        """What the network is to answer for each trainable beat: Q where there is no beat."""
        return np.where(self.reference == NO_BEAT, MODEL_LABELS.index(Label.Q), self.reference)

    def trainable(self) -> "BeatDataset":
        """Keep the judgeable beats of the classes N, S, V and F, and what is no beat at all."""
        beats = (self.reference >= 0) & (self.reference < len(SCORED_LABELS))
        return self.select((beats | (self.reference == NO_BEAT)) & self.judgeable)

    def as_recorded(self) -> "BeatDataset":
        """Keep the beats of the recordings themselves."""
        return self.select(self.variant == AS_RECORDED)


def concatenate(parts: Sequence[BeatDataset]) -> BeatDataset:
    """Join datasets of different records.

    Raises
    ------
    DatasetError
        If there is none.
    """
    if not parts:
        raise DatasetError("no record given; name at least one to cut beats from")
    names = [f.name for f in fields(BeatDataset)]
    return BeatDataset(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def save_dataset(dataset: BeatDataset, path: Path) -> None:
    """Write an uncompressed `.npz` file, whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez(part, **{f.name: getattr(dataset, f.name) for f in fields(dataset)})
    part.replace(path)


def load_dataset(path: Path) -> BeatDataset:
    """Read what `save_dataset` wrote.

    Raises
    ------
    DatasetError
        If the file is damaged.
    """
    try:
        with np.load(path) as arrays:
            return BeatDataset(**{f.name: arrays[f.name] for f in fields(BeatDataset)})
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{path} is no beat dataset ({error}); delete it to cut anew") from error


def require_disjoint(training: Sequence[str], testing: Sequence[str]) -> None:
    """Make sure that no patient is on both sides.

    Raises
    ------
    DatasetError
        If a record, or two records of one patient, are on both sides (201 and 202 excepted where
        the customary DS1/DS2 division is used), or if a DS2 record would be trained on.
    """
    shared = set(training) & set(testing)
    if shared:
        raise DatasetError(f"{sorted(shared)} are in training and test records; keep them apart")
    opened = set(training) & set(DS2)
    if opened:
        raise DatasetError(f"{sorted(opened)} are DS2 records; DS2 is only for reporting")
    between_ds1_and_ds2 = set(training) <= set(DS1) | _foreign(training) and set(testing) <= set(
        DS2
    )
    for patient in SAME_PATIENT:
        excused = between_ds1_and_ds2 and patient == KNOWN_SHARED
        if patient & set(training) and patient & set(testing) and not excused:
            raise DatasetError(f"{sorted(patient)} are one patient; keep them on the same side")


def _foreign(records: Sequence[str]) -> set[str]:
    """Pick the records of other databases."""
    return {name for name in records if name not in DS1 and name not in DS2}
