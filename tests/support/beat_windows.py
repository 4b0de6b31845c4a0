"""Beats and their windows, made of Gaussian bumps."""

import numpy as np

from classifier.inputs.geometry import GEOMETRY
from streamer.core.events import Beat, RPeak

AFTER = 127
"""Samples from an R peak to the end of its window."""
TIME_S = (np.arange(GEOMETRY.window_samples) - GEOMETRY.r_column) / GEOMETRY.fs_hz


def bump(at_s=0.0, width_s=0.02, height=1.0):
    return (height * np.exp(-((TIME_S - at_s) ** 2) / (2 * width_s**2))).astype(np.float32)


def beat():
    return bump() + bump(-0.16, 0.025, 0.15) + bump(0.28, 0.05, 0.3)


def make_beat(sample, rr_s=(), quality=1.0, window=None, decided_at=None):
    if window is None:
        window = beat()
    peak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample + 60, search_back=False, quality=quality
    )
    return Beat(
        rpeak=peak,
        window_start=sample - 128,
        window=np.stack([window, np.zeros_like(window)]).astype(np.float32),
        rr_s=np.asarray(rr_s, np.float32),
        decided_at=sample + AFTER if decided_at is None else decided_at,
    )
