"""Compile and load a ward's kernel before its clock starts."""

from typing import Final

import numpy as np

from classifier.runtime import BeatModel
from replay.chunk import Chunk
from streamer.events import CHAIN_FS
from streamer.ward import Ward

_WARM_UP_S: Final = 6.0
"""Long enough for the detector to finish learning and for beats to be labelled."""


def warm_up_ward(model: BeatModel, n_leads: int) -> None:
    """Have the ward's kernel compiled and loaded: the first time takes half a minute.

    A few spikes go through a ward that is then thrown away.
    """
    ward = Ward(model, n_leads=n_leads)
    ward.admit("nobody")
    samples = np.zeros((n_leads, round(_WARM_UP_S * CHAIN_FS)), np.float32)
    samples[:, :: round(CHAIN_FS)] = 1.0
    ward.push_chunks({"nobody": [Chunk(start=0, samples=samples)]})
    ward.discharge("nobody")
