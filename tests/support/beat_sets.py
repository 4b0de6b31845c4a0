"""Small made-up beat datasets in which the classes can be told apart."""

import numpy as np

from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.inputs.geometry import GEOMETRY
from classifier.training.dataset import BeatDataset

TIME_S = (np.arange(GEOMETRY.window_samples) - GEOMETRY.r_column) / GEOMETRY.fs_hz
WIDTHS_S = (0.015, 0.015, 0.05, 0.03)
"""Of N, S, V and F."""


def make_dataset(records, n_each=(60, 12, 20, 8), seed=0):
    """Beats of N, S, V, F for each record; S and V come early."""
    random = np.random.default_rng(seed)
    reference = np.concatenate([np.repeat(range(4), n_each) for _ in records])
    n = reference.size
    usual = np.exp(-(TIME_S**2) / (2 * WIDTHS_S[0] ** 2))
    shapes = np.stack([np.exp(-(TIME_S**2) / (2 * width**2)) for width in WIDTHS_S])
    signal = np.stack([shapes[reference], np.broadcast_to(usual, (n, usual.size))], axis=1)
    signal[:, 0] += 0.05 * random.standard_normal((n, usual.size))
    provisional = 0.1 * random.standard_normal((n, len(FEATURE_NAMES)))
    early = np.isin(reference, (1, 2))
    provisional[:, FEATURE_NAMES.index("rr_to_median_40")] -= 0.5 * early
    provisional[:, -N_NEXT:] = 0
    confirmed = provisional.copy()
    confirmed[:, -N_NEXT] = 1
    return BeatDataset(
        signal=signal.astype(np.float32),
        provisional=provisional.astype(np.float32),
        confirmed=confirmed.astype(np.float32),
        reference=reference.astype(np.int64),
        sample=np.arange(n, dtype=np.int64) * 300,
        quality=np.ones(n, np.float32),
        judgeable=np.ones(n, bool),
        record=np.repeat(np.array(records), sum(n_each)),
        variant=np.zeros(n, np.int64),
        row=np.tile(np.arange(sum(n_each)), len(records)),
        fibrillates=np.full(n, -1),
        records=np.array(records),
        missed=np.zeros((len(records), 5), np.int64),
    )
