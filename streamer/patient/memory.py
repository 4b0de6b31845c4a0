"""Where the numbers of one patient's stages lie, and those of many: a row each in a few arrays."""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamer.rhythm.waveform.kernel import WatchState
from streamer.rhythm.waveform.kernel import new_state as new_watch
from streamer.signal.bandpass import BandPassMemory
from streamer.signal.bandpass import new_memory as new_bandpass
from streamer.signal.detector.state import MAX_LEADS, new_state
from streamer.signal.position import Position, new_position
from streamer.signal.ring import RingMemory, new_ring

Arrays = TypeVar("Arrays", bound=tuple[Any, ...])


class ChainMemory(NamedTuple):
    """What compiled code changes of one patient; of many with an axis before the others."""

    source: Position
    """The sample that comes next from the source, if it is at the chain's rate."""
    ring: RingMemory
    bandpass: BandPassMemory
    detector: Any
    """Structured ndarray of the detector's `STATE`, shape (1,)."""
    watch: WatchState


def new_memory(
    n_leads: int, *, capacity: int, bandpass_sections: int, watch_sections: int, patients: int
) -> ChainMemory:
    """Return the memory of so many patients before any sample.

    Parameters
    ----------
    n_leads : int
    capacity : int
        Samples that a ring holds.
    bandpass_sections, watch_sections : int
        Second-order sections of the filters.
    patients : int
    """
    n = (patients,)
    detector = np.repeat(new_state(min(n_leads, MAX_LEADS), 0)[None], patients, axis=0)
    return ChainMemory(
        source=new_position(n),
        ring=new_ring(n_leads, capacity, n),
        bandpass=new_bandpass(n_leads, bandpass_sections, n),
        detector=detector,
        watch=new_watch(n_leads, watch_sections, n),
    )


def row_of(memory: Arrays, row: int) -> Arrays:
    """Return views of one patient's row."""
    parts = [row_of(part, row) if isinstance(part, tuple) else part[row] for part in memory]
    return type(memory)(*parts)


def arrays_of(memory: tuple[Any, ...]) -> list[NDArray[Any]]:
    """Return all arrays."""
    parts = (arrays_of(part) if isinstance(part, tuple) else [part] for part in memory)
    return [array for arrays in parts for array in arrays]
