"""Units of voltage, and what turns a file's numbers into mV: stated or asked for, never guessed."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.errors import RecordFormatError

MV_PER_UNIT: Final = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Units of voltage, in lower case; a signal in another unit is no ECG lead."""
LARGEST_MV: Final = 20.0
"""An ECG that is further than this from its median a tenth of the time is in another unit: the
largest QRS complexes have 5 mV, and they fill no tenth."""
SMALLEST_MV: Final = 0.002
"""Likewise one that stays nearer all but a tenth of the time: amplifier noise alone is larger."""
UNITS_HELP: Final = "--units V, mV or uV, or a converter's gain and baseline such as '200(1024)/mV'"
_CHECKED_PERCENTILE: Final = 90
_GAIN: Final = re.compile(r"(?P<gain>\d+(?:\.\d+)?)(?:\((?P<baseline>-?\d+)\))?/(?P<unit>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """(number - baseline) / gain * mv_per_unit is mV."""

    mv_per_unit: float
    gain: float = 1.0
    baseline: float = 0.0

    def to_mv(self, numbers: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return numbers of a file in mV."""
        # In the order in which WFDB does it, so that the same samples give the same bits.
        with np.errstate(over="ignore", invalid="ignore"):  # What isn't finite is invalid.
            physical = (numbers.astype(np.float64) - self.baseline) / self.gain
            return physical * self.mv_per_unit


def mv_per_unit(unit: str) -> float | None:
    """Return the factor from a unit to mV; None if it is no unit of voltage."""
    return MV_PER_UNIT.get(unit.strip().casefold())


def parse_units(text: str) -> Scale:
    """Read what `--units` says: a unit, or a gain as in a WFDB header.

    Raises
    ------
    ValueError
        If it is neither.
    """
    factor = mv_per_unit(text)
    if factor is not None:
        return Scale(mv_per_unit=factor)
    match = _GAIN.fullmatch(text.strip())
    factor = None if match is None else mv_per_unit(match["unit"])
    if match is None or factor is None or not float(match["gain"]):
        raise ValueError(
            f"units are {text!r}; give V, mV or uV, or for the numbers of an analogue-to-digital "
            "converter its gain and baseline, such as '200(1024)/mV'"
        )
    baseline = float(match["baseline"] or 0)
    return Scale(mv_per_unit=factor, gain=float(match["gain"]), baseline=baseline)


def require_plausible(samples_mv: NDArray[np.floating], what: str) -> None:
    """Raise RecordFormatError if samples, shape (n, leads), can't be an ECG in mV.

    Microvolts that are taken for mV give no beats and no word why. Silence is plausible: a lead may
    be off.
    """
    finite = np.isfinite(samples_mv)
    if not finite.any():
        return
    with np.errstate(invalid="ignore", over="ignore"):
        centred = np.abs(samples_mv - np.nanmedian(np.where(finite, samples_mv, np.nan), axis=0))
    reached = float(np.percentile(centred[np.isfinite(centred)], _CHECKED_PERCENTILE))
    if reached > LARGEST_MV or 0.0 < reached < SMALLEST_MV:
        raise RecordFormatError(
            f"{what} would swing by {reached:.2g} mV, an ECG by 0.1 to 5 mV: its units are others; "
            f"give them: {UNITS_HELP}"
        )
