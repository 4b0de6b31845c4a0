"""The same samples in every format that records come in."""

from collections.abc import Sequence
from pathlib import Path

import edfio
import numpy as np
import wfdb
from numpy.typing import NDArray

GAIN = 200
"""Steps a mV."""
LEADS = ("MLII", "V1")


def write_edf(
    path: Path,
    digital: NDArray[np.integer],
    fs: float,
    *,
    leads: Sequence[str] = LEADS,
    notes: Sequence[tuple[float, str]] = (),
) -> None:
    """Write whole seconds of converter units, shape (n, leads), in data records of 1 s."""
    whole = digital[: len(digital) - len(digital) % round(fs)].astype(np.int16)
    signals = [
        edfio.EdfSignal.from_digital(
            np.ascontiguousarray(whole[:, row]),
            fs,
            label=lead,
            physical_dimension="uV",
            physical_range=(-32768 * 1000 / GAIN, 32767 * 1000 / GAIN),
            digital_range=(-32768, 32767),
        )
        for row, lead in enumerate(leads)
    ]
    annotations = [edfio.EdfAnnotation(at, None, text) for at, text in notes]
    edfio.Edf(signals, annotations=annotations or None, data_record_duration=1).write(path)


def write_all(folder: Path, digital: NDArray[np.integer], fs: float) -> dict[str, list[str]]:
    """Write each format; return the path and the options that each needs."""
    wfdb.wrsamp(
        "wfdb",
        fs=fs,
        units=["mV"] * len(LEADS),
        sig_name=list(LEADS),
        d_signal=digital,
        fmt=["16"] * len(LEADS),
        adc_gain=[float(GAIN)] * len(LEADS),
        baseline=[0] * len(LEADS),
        write_dir=str(folder),
    )
    write_edf(folder / "edf.edf", digital, fs)
    volts = digital / GAIN
    rows = [f"{k / fs:.6f},{a!r},{b!r}" for k, (a, b) in enumerate(volts.tolist())]
    (folder / "csv.csv").write_text("\n".join(["time_s,MLII (mV),V1 (mV)", *rows]))
    np.save(folder / "npy.npy", digital.astype(np.int16))
    np.savez(folder / "npz.npz", samples=volts, fs=fs, units="mV", leads=np.array(LEADS))
    given = ["--fs", f"{fs:g}", "--units", f"{GAIN}/mV", "--leads", ",".join(LEADS)]
    return {
        str(folder / "wfdb"): [],
        str(folder / "edf.edf"): [],
        str(folder / "csv.csv"): [],
        str(folder / "npy.npy"): given,
        str(folder / "npz.npz"): [],
    }
