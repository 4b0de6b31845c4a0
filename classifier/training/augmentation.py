"""Vary training beats as electrodes, patients and detectors vary them. Imports torch."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from classifier.inputs.features import N_NEXT, SECOND_LEAD
from classifier.inputs.geometry import GEOMETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationConfig:
    """Strength of each variation; amplitudes are in units of the template's amplitude."""

    gain_sd: float = 0.3
    """Log-normal, of beat and template together."""
    beat_gain_sd: float = 0.1
    """Log-normal, of the beat alone: breathing moves the heart under the electrodes."""
    drift_sd: float = 0.15
    """Amplitude of a slow sine under the beat: baseline wander."""
    drift_hz: tuple[float, float] = (0.1, 0.8)
    noise_max: float = 0.1
    """Largest standard deviation of noise, half of it white and half smoothed."""
    shift_max_s: float = 0.025
    """Largest misplacement of the R peak."""
    lead_drop: float = 0.25
    """Share of the beats whose second lead is taken away, so that one lead is enough."""
    feature_sd: float = 0.05
    """Noise on the features, in units of each feature's own spread."""


def augment_signal(
    signal: Tensor, config: AugmentationConfig, generator: torch.Generator
) -> Tensor:
    """Return varied copies of beats and templates, shape (n, 2, window_samples)."""
    n, _, length = signal.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    reach = round(config.shift_max_s * GEOMETRY.fs_hz)
    offsets = torch.randint(-reach, reach + 1, (n, 1), generator=generator)
    columns = (torch.arange(length) + offsets).clamp(0, length - 1)
    signal = signal.gather(2, columns[:, None, :].expand_as(signal))
    signal = signal * torch.exp(config.gain_sd * normal(n, 1, 1))
    beat, template = signal[:, 0], signal[:, 1]
    beat = beat * torch.exp(config.beat_gain_sd * normal(n, 1))
    low, high = config.drift_hz
    phase = (low + (high - low) * uniform(n, 1)) * torch.arange(length) / GEOMETRY.fs_hz
    beat = beat + config.drift_sd * normal(n, 1) * torch.sin(2 * torch.pi * (phase + uniform(n, 1)))
    white = normal(n, length)
    smooth = functional.avg_pool1d(normal(n, 1, length), 9, stride=1, padding=4)[:, 0] * 3.0
    beat = beat + config.noise_max * uniform(n, 1) * (white + smooth) / 2.0
    return torch.stack([beat, template], dim=1)


def augment_features(
    features: Tensor, spread: Tensor, config: AugmentationConfig, generator: torch.Generator
) -> Tensor:
    """Add noise to the features; an unknown next beat, or second lead, stays exactly unknown."""
    noise = config.feature_sd * spread * torch.randn(features.shape, generator=generator)
    noise[:, -N_NEXT:] *= features[:, -N_NEXT, None]
    kept = torch.rand(len(features), generator=generator) >= config.lead_drop
    second = features[:, SECOND_LEAD.start] * kept
    varied = features + noise
    varied[:, SECOND_LEAD] *= second[:, None]
    return varied
