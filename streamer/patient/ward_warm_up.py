"""Compile and load a ward's kernels before its clock starts."""

from typing import Final

import numpy as np

from classifier.network.runtime import BeatModel
from replay.chunk import Chunk
from replay.simulate.demo import simulate_demo
from streamer.core.events import CHAIN_FS
from streamer.patient.ward import Ward

_LOST_S: Final = 1.0


def warm_up_ward(model: BeatModel, n_leads: int) -> None:
    """Have the ward's kernels compiled and loaded: the first time takes a minute.

    The simulated record, which has every scene, and a loss go through a ward that is then thrown
    away.
    """
    signal = simulate_demo().signal
    samples = np.ascontiguousarray(signal[np.arange(n_leads) % len(signal)])
    resumed = samples.shape[1] - round(_LOST_S * CHAIN_FS)
    lost = resumed - round(_LOST_S * CHAIN_FS)
    ward = Ward(model, n_leads=n_leads)
    ward.admit("nobody")
    pieces = [
        Chunk(start=0, samples=samples[:, :lost]),
        Chunk(start=resumed, samples=samples[:, resumed:]),
    ]
    ward.label(ward.push_chunks({"nobody": pieces}))
    ward.label(ward.finish("nobody"))
    ward.discharge("nobody")
