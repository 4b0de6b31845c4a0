"""Which files are records by themselves, by extension."""

from pathlib import Path
from typing import Final

EDF_SUFFIX: Final = ".edf"
CSV_SUFFIXES: Final = (".csv", ".tsv", ".txt")
NUMPY_SUFFIXES: Final = (".npy", ".npz")
READ: Final = "WFDB (.hea), EDF and EDF+ (.edf), CSV (.csv, .tsv, .txt) and NumPy (.npy, .npz)"
"""What is read, for messages."""


def is_record_file(path: Path) -> bool:
    """Whether a file of this name may be a record by itself."""
    return path.suffix.casefold() in {EDF_SUFFIX, *CSV_SUFFIXES, *NUMPY_SUFFIXES}
