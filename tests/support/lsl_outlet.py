"""A real LSL outlet on this machine alone, and a name that no other test uses."""

import os
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CONFIG = Path(tempfile.mkdtemp(prefix="lsl")) / "lsl_api.cfg"
_CONFIG.write_text("[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n")
# Before liblsl is used for the first time; processes that are started inherit it.
os.environ["LSLAPICFG"] = str(_CONFIG)


class Outlet:
    """Sends signals in mV, as a program of a laboratory would.

    Parameters
    ----------
    fs : float
        0 is irregular.
    unit : str or None
        As its description states it.
    per_mv : float
        Numbers in a mV.
    name : str, optional
    """

    def __init__(
        self,
        fs: float,
        *,
        unit: str | None = "mV",
        per_mv: float = 1.0,
        name: str | None = None,
        leads: Sequence[str] = ("MLII", "V1"),
    ) -> None:
        import pylsl

        self.name = name or f"ecg {uuid.uuid4().hex}"
        info = pylsl.StreamInfo(
            self.name, "ECG", len(leads), fs, pylsl.cf_double64, f"device {self.name}"
        )
        info.set_channel_labels(list(leads))
        if unit is not None:
            info.set_channel_units(unit)
        self._per_mv = per_mv
        self._outlet: Any = pylsl.StreamOutlet(info)
        self._fs = fs
        self.now_s = pylsl.local_clock()
        """Time stamp of the next sample, by the sender's clock."""

    @property
    def has_reader(self) -> bool:
        return bool(self._outlet.have_consumers())

    def send(self, millivolts: NDArray[np.floating[Any]]) -> None:
        """Send a piece, shape (leads, n), whose stamps follow those of the piece before."""
        n = millivolts.shape[1]
        self.now_s += n / self._fs
        rows = np.ascontiguousarray(millivolts.T, np.float64) * self._per_mv
        self._outlet.push_chunk(rows, self.now_s - 1.0 / self._fs)

    def skip(self, seconds: float) -> None:
        """Let time pass without samples."""
        self.now_s += seconds

    def close(self) -> None:
        self._outlet = None
