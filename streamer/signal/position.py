"""The sample that a stage expects next, kept in an array where a kernel can move it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

NEVER: Final = -(1 << 62)
"""A sample index that means: not yet."""

Position = NDArray[np.int64]
"""Shape (1,): a sample index, or `NEVER`."""


def new_position(patients: tuple[int, ...] = ()) -> Position:
    """Return the position before any sample, of one patient or of as many as `patients` says."""
    return np.full((*patients, 1), NEVER, np.int64)


def get_position(position: Position) -> int | None:
    """Return the sample index; None before the first sample."""
    sample = int(position[0])
    return None if sample == NEVER else sample


def set_position(position: Position, sample: int | None) -> None:
    """Move to a sample index; None is before the first sample."""
    position[0] = NEVER if sample is None else sample
