"""Recordings that the tests of the benchmarks share."""

import numpy as np

from replay.simulate.record import simulate_beats
from streamer.bench.excerpt import Excerpt, excerpt_of

FS = 360.0


def short_excerpt(seconds: float = 20.0, *, name: str = "simulated", seed: int = 0) -> Excerpt:
    """A clean simulated record of two leads, a beat every 0.8 s."""
    times = np.arange(0.6, seconds - 0.5, 0.8)
    return excerpt_of(
        simulate_beats(times, fs=FS, duration_s=seconds, seed=seed, noise_mv=0.01, name=name)
    )
