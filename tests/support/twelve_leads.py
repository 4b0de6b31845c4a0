"""Simulated twelve-lead records with an infarction or without, in the folders of PTB-XL and PTB."""

import csv
from pathlib import Path

import numpy as np
from wfdb_files import write_wfdb

from classifier.recipes.infarction.recipe import LEADS
from replay.simulate.record import SimulatedRecord, simulate_beats

SHARES = (0.6, 1.0, 0.5, -0.8, 0.3, 0.7, -0.4, 0.4, 0.8, 1.2, 1.1, 0.9)
"""Of the first lead in each, which makes the rest of the others as well."""


def twelve_leads(name: str, seed: int, *, is_ill: bool, st_mv: float = 0.3) -> SimulatedRecord:
    """Return 6 s of normal beats; ST is raised for 0.2 s after each if ill."""
    times = np.arange(0.8, 5.5, 0.8 + 0.01 * (seed % 5))
    record = simulate_beats(times, seed=seed, noise_mv=0.01, duration_s=6.0)
    lead = record.signal[0].copy()
    if is_ill:
        for at in np.rint(times * record.fs).astype(int):
            lead[at + 18 : at + 90] += st_mv
    signal = np.stack([share * lead for share in SHARES]).astype(np.float32)
    return SimulatedRecord(name=name, fs=record.fs, leads=LEADS, signal=signal)


def write_ptb_xl(folder: Path, codes: list[str], *, signals: str = "hr") -> None:
    """Write one record a patient with the SCP statements given; `IMI` is an infarction."""
    rows = []
    for number, text in enumerate(codes, start=1):
        name = f"{number:05d}_{signals}"
        place = folder / {"hr": "records500", "lr": "records100"}[signals] / "00000"
        place.mkdir(parents=True, exist_ok=True)
        write_wfdb(twelve_leads(name, number, is_ill="IMI" in text), place)
        paths = [f"records{n}/00000/{number:05d}_{k}" for n, k in ((100, "lr"), (500, "hr"))]
        rows.append([number, f"{100 + number}.0", text, *paths])
    header = ["ecg_id", "patient_id", "scp_codes", "filename_lr", "filename_hr"]
    with (folder / "ptbxl_database.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (folder / "scp_statements.csv").write_text(
        ",description,diagnostic_class\nNORM,normal,NORM\nIMI,infarction,MI\nLVH,large,HYP\n"
    )
