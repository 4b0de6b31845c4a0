"""The beat classifier's convolutions, shared by all leads, with a linear head. Imports torch."""

import copy
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from classifier.inputs.geometry import GEOMETRY
from classifier.network.explanation import load_network
from classifier.recipes.infarction.beats import FloatArray
from classifier.recipes.infarction.logistic import Logistic
from classifier.recipes.infarction.recipe import R_COLUMN

QRS: Final = slice(
    R_COLUMN + round(GEOMETRY.qrs_s[0] * GEOMETRY.fs_hz),
    R_COLUMN + round(GEOMETRY.qrs_s[1] * GEOMETRY.fs_hz),
)
"""Window columns of the QRS complex."""
_LEAST_MV: Final = 0.1
_SETTLING_PASSES: Final = 30
_BATCH: Final = 64


class LeadNetwork(nn.Module):
    """Log-odds of an infarction from a beat in some leads.

    Every lead goes through the same convolutions, in units of its own QRS amplitude and as its own
    template, which is how the beat classifier sees a usual beat; the logarithm of the amplitude is
    a feature beside their outputs.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, trunk: nn.Sequential, segments: int, dropout: float) -> None:
        super().__init__()
        self.trunk, self.segments = trunk, segments
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(1, 1)
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))

    def features(self, signal: Tensor) -> Tensor:
        """Map beats, (n, leads, window_samples), to (n, leads * k)."""
        n, leads, length = signal.shape
        lead = signal.reshape(n * leads, 1, length)
        qrs = lead[:, :, QRS]
        unit = (qrs.amax(dim=2) - qrs.amin(dim=2)).clamp_min(_LEAST_MV)[:, :, None]
        beat = lead / unit
        seen = self.trunk(torch.cat([beat, beat, torch.zeros_like(beat)], dim=1))
        pooled = functional.adaptive_avg_pool1d(seen, self.segments).flatten(1)
        return torch.cat([pooled, unit[:, :, 0].log()], dim=1).reshape(n, -1)

    def forward(self, signal: Tensor) -> Tensor:
        """Map beats, (n, leads, window_samples), to log-odds, (n,)."""
        standard = (self.features(signal) - self.mean) / self.scale
        logits: Tensor = self.head(self.dropout(standard))[:, 0]
        return logits

    def set_head(self, fitted: Logistic) -> None:
        """Begin with a logistic regression on the features."""
        row = [torch.from_numpy(v).float() for v in (fitted.mean, fitted.scale, fitted.weights)]
        self.mean, self.scale = row[0], row[1]
        self.head = nn.Linear(row[2].numel(), 1)
        with torch.no_grad():
            self.head.weight.copy_(row[2][None])
            self.head.bias.fill_(fitted.bias)


def pretrained_trunk() -> nn.Sequential:
    """Return the shipped beat classifier's convolutions."""
    return copy.deepcopy(load_network().trunk).eval()


def untrained_trunk(signal: FloatArray, segments: int, seed: int) -> nn.Sequential:
    """Return the same convolutions with random weights, their normalisation settled on beats.

    Parameters
    ----------
    signal : ndarray of float32, shape (n, leads, window_samples)
        Training beats; their labels play no part.
    """
    torch.manual_seed(seed)
    trunk = pretrained_trunk()
    for module in trunk.modules():
        if isinstance(module, nn.Conv1d | nn.BatchNorm1d):
            module.reset_parameters()
    random = np.random.default_rng(seed)
    network = LeadNetwork(trunk.train(), segments, 0.0)
    with torch.no_grad():
        for _ in range(_SETTLING_PASSES):
            rows = random.choice(len(signal), min(_BATCH, len(signal)), replace=False)
            network.features(torch.from_numpy(signal[rows]))
    return trunk.eval()


def features_of(network: LeadNetwork, signal: FloatArray) -> FloatArray:
    """Return features of beats, shape (n, k)."""
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(signal), _BATCH)
        return torch.cat([network.features(part) for part in parts]).numpy()


def log_odds_of(network: LeadNetwork, signal: FloatArray) -> FloatArray:
    """Return log-odds of beats, shape (n,)."""
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(signal), _BATCH)
        return torch.cat([network.eval()(part) for part in parts]).numpy()
