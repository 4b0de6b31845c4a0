"""Have the signal path compiled and loaded before the clock starts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from streamer.patient.chain import Chain

_DURATION_S: Final = 20.0
"""Long enough for the detector to finish learning, for beats to be classified twice, and for the
rhythm's measures, which need a dozen of them."""
_RR_S: Final = 0.8
_QRS_WIDTH_S: Final = 0.01


def warm_up(fs: float, n_leads: int, model: BeatModel) -> None:
    """Push a few simulated beats through a chain that is then thrown away.

    The first push in a process loads compiled code, the first ever compiles it (half a minute);
    neither may hit a stream that plays in real time.
    """
    chain = Chain(fs=fs, n_leads=n_leads, model=model)
    samples = _beats(fs, n_leads)
    chain.push(Chunk(start=0, samples=samples[:, :1].copy()))
    chain.push(Chunk(start=1, samples=samples[:, 1:].copy()))
    chain.flush()


def _beats(fs: float, n_leads: int) -> NDArray[np.float32]:
    """Return narrow Gaussian R waves at 75 a minute in every lead, in mV."""
    t = np.arange(round(_DURATION_S * fs)) / fs
    from_r = (t + _RR_S / 2) % _RR_S - _RR_S / 2
    lead = np.exp(-0.5 * (from_r / _QRS_WIDTH_S) ** 2).astype(np.float32)
    return np.tile(lead, (n_leads, 1))
