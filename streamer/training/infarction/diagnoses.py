"""Records with a diagnosis and a patient: PTB-XL and the PTB Diagnostic ECG Database.

Both are read as PhysioNet lays them out. PTB-XL (Wagner et al. 2020,
doi:10.1038/s41597-020-0495-6): `ptbxl_database.csv` with SCP statements, `scp_statements.csv` with
what they mean, signals in `records500` or `records100`. PTB (Bousseljot et al. 1995): a folder a
patient, the "Reason for admission" in each header.
"""

import ast
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.recipes.infarction.recipe import HEALTHY, INFARCTION, OTHER
from replay.errors import RecordFormatError, RecordNotFoundError
from replay.places import DATA_VARIABLE, HEADER_SUFFIX, places

PTB_XL: Final = ("ptbxl_database.csv", "scp_statements.csv")
"""Tables that make a folder PTB-XL."""
_SIGNALS: Final = ("filename_hr", "filename_lr")
"""500 Hz where it is at hand, else 100 Hz."""
_REASON: Final = "reason for admission:"
_REASONS: Final = {
    "healthy control": HEALTHY,
    "myocardial infarction": INFARCTION,
}
_UNKNOWN: Final = ("", "n/a")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosedRecord:
    """A record whose diagnosis and patient are known."""

    path: Path
    """Without extension."""
    patient: str
    diagnosis: str
    """One of `classifier.recipes.infarction.recipe.CLASSES`."""


def diagnosed_records(name: str) -> list[DiagnosedRecord]:
    """Return the records of a database that are at hand and have a diagnosis.

    Parameters
    ----------
    name : str
        A folder, or the name of one in the places that are searched: `ptbxl`, `ptbdb`.

    Raises
    ------
    RecordNotFoundError
        If there is no such folder, or none of its records is at hand.
    RecordFormatError
        If a table lacks a column, or a row can't be read.
    """
    folder = _folder_of(name)
    is_ptb_xl = (folder / PTB_XL[0]).is_file()
    found = list(_of_ptb_xl(folder) if is_ptb_xl else _of_ptb(folder))
    if not found:
        raise RecordNotFoundError(
            f"no record with a diagnosis in {folder}: expected PTB-XL ({' and '.join(PTB_XL)}, "
            "signals in records500 or records100) or PTB (patient001/*.hea with "
            '"Reason for admission"); download one of them from PhysioNet'
        )
    return found


def _folder_of(name: str) -> Path:
    """Find a folder by its path, or by its name in the places that are searched."""
    candidates = [Path(name).expanduser(), *(place.folder / name for place in places())]
    for folder in candidates:
        if folder.is_dir():
            return folder
    looked_in = ", ".join(str(place.folder) for place in places())
    raise RecordNotFoundError(
        f"no folder {name!r}: looked in the current folder, {looked_in}; download PTB-XL or PTB "
        f"from PhysioNet and name its folder with --records, or set {DATA_VARIABLE}"
    )


def _of_ptb_xl(folder: Path) -> Iterator[DiagnosedRecord]:
    """Yield the records of the table whose signals are at hand."""
    table, statements = (_read_table(folder / name) for name in PTB_XL)
    try:
        infarctions = {row[""] for row in statements if row["diagnostic_class"] == "MI"}
        for row in table:
            codes = set(ast.literal_eval(row["scp_codes"]))
            path = _present(folder, [row[column] for column in _SIGNALS])
            if path is not None:
                diagnosis = HEALTHY if "NORM" in codes else OTHER
                diagnosis = INFARCTION if codes & infarctions else diagnosis
                patient = row["patient_id"].partition(".")[0]
                yield DiagnosedRecord(path=path, patient=patient, diagnosis=diagnosis)
    except (KeyError, ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise RecordFormatError(
            f"the tables in {folder} are not those of PTB-XL ({type(error).__name__}: {error}); "
            f"fetch {' and '.join(PTB_XL)} again"
        ) from error


def _read_table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordFormatError(
            f"{path} can't be read ({error}); fetch {path.name} of PTB-XL again"
        ) from error


def _present(folder: Path, names: list[str]) -> Path | None:
    """Return the first of some records that is at hand."""
    paths = (folder / name for name in names)
    return next(
        (path for path in paths if path.with_name(path.name + HEADER_SUFFIX).is_file()), None
    )


def _of_ptb(folder: Path) -> Iterator[DiagnosedRecord]:
    """Yield the records of the patients' folders; those without a reason are left out."""
    for header in sorted(folder.glob(f"patient*/*{HEADER_SUFFIX}")):
        reason = _reason_of(header)
        if reason not in _UNKNOWN:
            yield DiagnosedRecord(
                path=header.with_suffix(""),
                patient=header.parent.name,
                diagnosis=_REASONS.get(reason, OTHER),
            )


def _reason_of(header: Path) -> str:
    """Read the reason for admission from a header's comments, in lower case; "" without one."""
    for line in header.read_text(encoding="latin-1").splitlines():
        comment = line.lstrip("# ").casefold()
        if line.startswith("#") and comment.startswith(_REASON):
            return comment.removeprefix(_REASON).strip()
    return ""
