"""Simulated records written as WFDB files, for what reads its records by name."""

from pathlib import Path

from replay.simulate.record import SimulatedRecord


def write_wfdb(record: SimulatedRecord, folder: Path) -> None:
    """Write signal and reference annotations, and add the record to the folder's list."""
    import wfdb

    wfdb.wrsamp(
        record.name,
        fs=record.fs,
        units=["mV"] * len(record.leads),
        sig_name=list(record.leads),
        p_signal=record.signal.T.astype(float),
        fmt=["16"] * len(record.leads),
        write_dir=str(folder),
    )
    reference = record.reference()
    if reference is not None and len(reference.samples):
        wfdb.wrann(
            record.name,
            "atr",
            reference.samples,
            list(reference.symbols),
            aux_note=list(reference.aux),
            fs=record.fs,
            write_dir=str(folder),
        )
    with (folder / "RECORDS").open("a") as names:
        names.write(f"{record.name}\n")
