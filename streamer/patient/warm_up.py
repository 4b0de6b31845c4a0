"""Have the signal path compiled and loaded before the clock starts."""

from typing import Final

import numpy as np

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from replay.simulate.demo import simulate_demo
from streamer.core.events import CHAIN_FS
from streamer.patient.ward import Ward

_SOURCE: Final = "warm-up"
_LOST_S: Final = 1.0
_SOME_S: Final = 5.0


def warm_up(model: BeatModel, *, n_leads: int, fs: float = CHAIN_FS) -> None:
    """Push the simulated record, which has every scene, and a loss through a ward of one.

    The first push in a process loads compiled code, the first ever compiles it (a minute); neither
    may hit a stream that plays in real time.

    Parameters
    ----------
    model : BeatModel
    n_leads : int
        Of the sources to come.
    fs : float
        Sampling frequency of the sources in Hz; at another than the chain's the resampler is
        loaded too.
    """
    signal = simulate_demo().signal
    samples = np.ascontiguousarray(signal[np.arange(n_leads) % len(signal)])
    resumed = samples.shape[1] - round(_LOST_S * CHAIN_FS)
    lost = resumed - round(_LOST_S * CHAIN_FS)
    ward = Ward(model, n_leads=n_leads)
    patient = ward.admit(_SOURCE)
    pieces = [
        Chunk(start=0, samples=samples[:, :lost]),
        Chunk(start=resumed, samples=samples[:, resumed:]),
    ]
    ward.label(ward.push_chunks({_SOURCE: pieces}))
    ward.label(ward.finish(_SOURCE))
    patient.chain.end()
    ward.discharge(_SOURCE)
    if fs != CHAIN_FS:
        ward.admit(_SOURCE, fs=fs)
        some = samples[:, : round(_SOME_S * CHAIN_FS)]
        ward.label(ward.push_chunks({_SOURCE: [Chunk(start=0, samples=some)]}))
