"""What a beat's window is and where the waves lie in it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatGeometry:
    """Where things lie in a beat window; segments are (from, to) in s relative to the R peak."""

    fs_hz: float = 360.0
    window_samples: int = 256
    r_column: int = 128
    p_wave_s: tuple[float, float] = (-0.26, -0.08)
    """PR intervals of 120-200 ms put the P wave here."""
    qrs_s: tuple[float, float] = (-0.10, 0.12)
    """Holds a wide QRS complex (over 120 ms) wherever in it the R peak was placed."""
    t_wave_s: tuple[float, float] = (0.12, 0.35)
    """The window ends 353 ms after R: enough for the rise of the T wave, not for all of it."""
    max_shift_s: float = 0.06
    """How far the placing of the R peak may differ from that of the template."""
    missing_share_max: float = 0.25
    """Windows with more missing samples than this can't be judged."""

    def columns(self, segment_s: tuple[float, float]) -> slice:
        """Window columns of a segment, cut at the window's ends."""
        first, last = (self.r_column + round(t * self.fs_hz) for t in segment_s)
        return slice(max(first, 0), min(last, self.window_samples))

    @property
    def max_shift_samples(self) -> int:
        """`max_shift_s` in samples."""
        return round(self.max_shift_s * self.fs_hz)


GEOMETRY: Final = BeatGeometry()
P_WAVE: Final = GEOMETRY.columns(GEOMETRY.p_wave_s)
QRS: Final = GEOMETRY.columns(GEOMETRY.qrs_s)
T_WAVE: Final = GEOMETRY.columns(GEOMETRY.t_wave_s)

SIGNAL_CHANNELS: Final[tuple[str, ...]] = ("beat", "template")
"""Rows of the network's signal input; both in units of the template's amplitude."""
