"""How quickly the memory of a patient changes."""

from dataclasses import dataclass
from typing import Final

from classifier.inputs.geometry import GEOMETRY
from classifier.inputs.state import Parameters, wave_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """How quickly the memory of a patient changes."""

    match_min: float = 0.85
    """Similarity from which a beat has a known shape: amplitude within 1.7x, or shape alike."""
    memory_beats: int = 150
    """Beats after which the count of a shape has faded to 1/e: about two minutes."""
    long_run_beats: int = 300
    """Memory of the long-run mean RR interval: about five minutes."""
    smoothing_beats: int = 24
    """A shape is the exponential mean of about this many of its beats: several breaths."""
    mature_beats: int = 20
    """Beats until the template is trusted fully."""
    on_time_bonus: float = 4.0
    """How much more a beat on time counts towards the template than a premature one."""
    entropy_beats: int = 50
    """Memory of the mean entropy of the intervals: atrial fibrillation lasts."""
    premature_ratio: float = 0.85
    """A beat that ends an interval below this share of the median is premature."""

    def parameters(self) -> Parameters:
        """Return what the kernels take."""
        p, qrs, t = wave_columns()
        return Parameters(
            p=p,
            qrs=qrs,
            t=t,
            max_shift=GEOMETRY.max_shift_samples,
            match_min=self.match_min,
            fade=1.0 - 1.0 / self.memory_beats,
            long_run_beats=float(self.long_run_beats),
            smoothing_beats=float(self.smoothing_beats),
            mature_beats=float(self.mature_beats),
            on_time_bonus=self.on_time_bonus,
            entropy_beats=float(self.entropy_beats),
            premature_ratio=self.premature_ratio,
            missing_share_max=GEOMETRY.missing_share_max,
        )


CONFIG: Final = MemoryConfig()
PARAMETERS: Final = CONFIG.parameters()
"""Constants of the kernels."""
